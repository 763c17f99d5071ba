"""The latest value of every sensor of every device, and the poller that feeds it; no Dagster, no HTTP."""
