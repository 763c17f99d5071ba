"""Runs are linked where the browser that asks can open them."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import Request

from cph50_pipeline.web.dagster_pages import run_address
from cph50_pipeline_tests.unit.web.household import settings_in


@pytest.mark.parametrize(
    ("asked_at", "dagster_url", "address"),
    [
        ("localhost:8000", "http://localhost:3000", "http://localhost:3000/runs/1"),
        ("127.0.0.1", "http://[::1]:3000/", "http://[::1]:3000/runs/1"),
        ("house.lan:8000", "http://localhost:3000", None),
        ("house.lan", "https://dagster.lan/home/", "https://dagster.lan/home/runs/1"),
    ],
)
def test_a_run_is_linked_unless_only_the_server_itself_could_open_it(
    tmp_path: Path, asked_at: str, dagster_url: str, address: str | None
) -> None:
    settings = settings_in(tmp_path, dagster_url=dagster_url)
    headers = [(b"host", asked_at.encode())]
    request = Request({"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": headers})
    assert run_address(request, settings, "1") == address
