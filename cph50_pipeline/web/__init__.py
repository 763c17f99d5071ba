"""What is served over HTTP: the read API, cache management, and the pages."""
