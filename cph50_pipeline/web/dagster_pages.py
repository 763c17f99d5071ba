"""Where Dagster's own pages are, for the browser that asks."""

from __future__ import annotations

from fastapi import Request

from cph50_pipeline.settings import Settings
from cph50_pipeline.web.access import is_loopback


def run_address(request: Request, settings: Settings, run_id: str) -> str | None:
    """Where a run is shown; None where only a browser on this very machine could open that."""
    is_only_here = is_loopback(settings.dagster_url.host or "")
    if is_only_here and not is_loopback(request.url.hostname or ""):
        return None
    return f"{str(settings.dagster_url).rstrip('/')}/runs/{run_id}"
