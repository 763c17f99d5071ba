"""Fixtures of the web's tests: a stored household, and its API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.unit.web.household import served, settings_in, stored_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty household."""
    return settings_in(tmp_path)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A household with four sessions and two days of power, for what only reads."""
    return stored_in(tmp_path_factory.mktemp("stored"))


@pytest.fixture(scope="session")
def api(stored: Settings) -> Iterator[httpx.Client]:
    """Its API."""
    with served(stored) as client:
        yield client
