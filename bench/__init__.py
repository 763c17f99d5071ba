"""The budgets, measured as ratios on this machine: `python -m bench`. Nothing here runs in the tests."""
