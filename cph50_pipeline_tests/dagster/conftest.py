"""Fixtures of the Dagster shell's tests: one simulator for what only reads, one each for what moves its clock."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.dagster.homes import (
    MONTHS,
    NOW,
    Home,
    MakeHome,
    at,
    copy_home,
    failure_texts,
    settings_for,
)


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark, and what the package itself is silent about."""
    config.addinivalue_line("markers", "real_clock: the test runs on the machine's own clock")
    for category in ("BetaWarning", "PreviewWarning"):
        config.addinivalue_line("filterwarnings", f"ignore::dagster.{category}")


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_machine() -> Iterator[None]:
    """Keep settings, Dagster's home and git's identity of whoever runs the tests out of them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith(("CPH50_", "DAGSTER_", "GIT_")):
                patch.delenv(name)
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        yield


@pytest.fixture(autouse=True)
def _clock(request: pytest.FixtureRequest) -> Iterator[None]:
    """The tests' clock; a test marked `real_clock` keeps the machine's."""
    if request.node.get_closest_marker("real_clock"):
        yield
        return
    with at(NOW):
        yield


@pytest.fixture(scope="session")
def household() -> Household:
    """The household of all tests here, planned once: it begins late, so that runs are short."""
    return Household(history_start=date(2025, 12, 24))


@pytest.fixture(scope="session")
def shared_simulator(household: Household) -> Iterator[RunningSimulator]:
    """A simulator for tests that neither move its clock nor break it nor count its requests."""
    with RunningSimulator(household, clock=SimulatedClock(NOW, speed=0)) as running:
        yield running


@pytest.fixture
def simulator(household: Household) -> Iterator[RunningSimulator]:
    """A simulator of the test's own, to move, break and count."""
    with RunningSimulator(household, clock=SimulatedClock(NOW, speed=0)) as running:
        yield running


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Dagster's records in memory."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator, instance: dg.DagsterInstance) -> Home:
    """An empty household."""
    return Home(settings_for(tmp_path / "data", simulator), simulator, instance)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator) -> Path:
    """The files of a household whose three months were collected by one run."""
    folder = tmp_path_factory.mktemp("template") / "data"
    with at(NOW), dg.DagsterInstance.ephemeral() as instance:
        made = Home(settings_for(folder, shared_simulator), shared_simulator, instance)
        result = made.run(MONTHS)
        assert result.success, failure_texts(result)
    return folder


@pytest.fixture
def collected(
    tmp_path: Path, template: Path, simulator: RunningSimulator, instance: dg.DagsterInstance
) -> Home:
    """A household with three months of files and a commit, on an instance that knows nothing of them."""
    copy_home(template, tmp_path / "data")
    return Home(settings_for(tmp_path / "data", simulator), simulator, instance)


@pytest.fixture
def make_home(tmp_path: Path, simulator: RunningSimulator, instance: dg.DagsterInstance) -> MakeHome:
    """A household with other settings."""

    def make(**changes: Any) -> Home:
        return Home(settings_for(tmp_path / "data", simulator, **changes), simulator, instance)

    return make


@pytest.fixture
def lasting(collected: Home, tmp_path: Path) -> Iterator[Home]:
    """The same household on an instance with files, which also keeps toggles and heartbeats."""
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield replace(collected, instance=instance)
