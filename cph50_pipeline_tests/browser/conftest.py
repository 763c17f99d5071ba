"""A real browser for the tests of pages: Debian's Chromium, headless. Every page that is opened is watched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.browser.browsing import Tab, Widths, launched
from cph50_pipeline_tests.unit.web.household import served, stored_in

CHROMIUM = shutil.which("chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say of each test of a page that it was not run where there is no Chromium."""
    here = Path(__file__).parent
    for item in items:
        if CHROMIUM is None and here in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="Chromium is not installed"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[object]:
    """One browser for the tests of a file: while it is there, no other test of the process can have an event loop."""
    assert CHROMIUM is not None
    with launched(CHROMIUM) as browser:
        yield browser


@pytest.fixture(params=["desktop"])
def tab(chromium: object, request: pytest.FixtureRequest) -> Iterator[Tab]:
    """A tab, and what went wrong in it: it must close without errors of scripts and without asking another host."""
    width: Widths = request.param
    with Tab.opened(chromium, width) as opened:  # type: ignore[arg-type]
        yield opened
        opened.check()


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A household with four sessions and two days of power, for what only reads."""
    return stored_in(tmp_path_factory.mktemp("stored"))


@pytest.fixture(scope="session")
def site(stored: Settings) -> Iterator[str]:
    """Where its pages are served; without a slash at the end."""
    with served(stored) as client:
        yield str(client.base_url).rstrip("/")
