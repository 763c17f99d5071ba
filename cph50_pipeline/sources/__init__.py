"""Clients that read the world. What their answers mean is in `charging/`; where they are kept, in `storage/`."""
