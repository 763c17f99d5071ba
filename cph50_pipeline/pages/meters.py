"""What people are shown for a meter."""

from __future__ import annotations


def meter_name(meter: str) -> str:
    """Its name by its id: "Home power factor" for "home.power_factor"."""
    words = meter.replace(".", " ").replace("_", " ").strip()
    return words[:1].upper() + words[1:]
