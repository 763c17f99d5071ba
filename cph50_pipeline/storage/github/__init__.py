"""A repository on GitHub, read and committed to through its API: no clone, no git."""
