"""Maintenance: the mode in which nothing is collected, and the work that keeps what grows small."""

from cph50_pipeline.defs.maintenance.state import Mode, mode

__all__ = ["Mode", "mode"]
