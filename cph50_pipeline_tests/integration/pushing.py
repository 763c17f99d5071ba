"""What processes of their own do in the tests of pushing: publish run after run, or be killed at it."""

from __future__ import annotations

from pathlib import Path

from cph50_pipeline.errors import TransientError
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline_tests.integration.clones import PushedHousehold

VARIABLE = "CPH50_GITHUB_TOKEN"
RUNS_AN_UPLOAD = 5
"""Uploads have a rhythm of their own."""


def commit_run(data_root: str, url: str, path: str) -> None:
    """Write and commit one file."""
    PushedHousehold(Path(data_root), Remote(url, "main")).run(path)


def upload_all(data_root: str, url: str, token_variable: str | None) -> None:
    """Upload what is pending, once."""
    PushedHousehold(Path(data_root), Remote(url, "main", token_variable)).upload()


def publish_runs(data_root: str, url: str, token_variable: str | None, worker: int, times: int) -> None:
    """Commit run after run and upload now and then; at the end again until all of it is there."""
    household = PushedHousehold(Path(data_root), Remote(url, "main", token_variable), deadline_seconds=20.0)
    for number in range(times):
        household.run(f"sessions/2026/01/{worker + 1:02d}/{number}.json", content=f"{worker} {number}\n")
        if number % RUNS_AN_UPLOAD == 0:
            _try_to_upload(household)
    while household.clone.pending():
        _try_to_upload(household)


def _try_to_upload(household: PushedHousehold) -> None:
    try:
        if household.clone.pending():  # another process may have taken it along
            household.upload()
    except TransientError:
        return  # the next run's upload takes it along
