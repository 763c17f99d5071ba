"""The assets, one module a room. Each reads, calls a pure function and returns a value."""
