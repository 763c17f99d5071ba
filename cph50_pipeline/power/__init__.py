"""What the house draws: meters, their readings and states, rollups, windows, events. No Dagster, files or clock."""
