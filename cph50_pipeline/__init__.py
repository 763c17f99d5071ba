"""Home charging data pipeline for the ChargePoint Home Flex (CPH50)."""
