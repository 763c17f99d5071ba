"""Clients that read the world. What answers mean is known in `charging`, where they are kept in `storage`."""
