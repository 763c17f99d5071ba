"""Charging sessions: what ChargePoint says of them and what follows from it. Pure: values in, values out."""
