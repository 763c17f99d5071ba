"""The night of New Year: a collector that was dead, a Home Assistant that restarted, schedules in any order and twice.

Whatever happened, the files are those of a night in which nothing did, as soon as somebody collects again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import dagster as dg
import pytest

from cph50_pipeline.defs.jobs import POWER_JOB, power_run_config
from cph50_pipeline.defs.partitions import month_tags
from cph50_pipeline.defs.power_schedules import NIGHTS, night_months
from cph50_pipeline.power.data_points import FILES, PATHS
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.house.orders import Order, Outage
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.dagster.homes import Home, at, failure_texts, settings_for, with_house
from cph50_pipeline_tests.dagster.test_power_schedules import asked

MIDNIGHT = datetime(2026, 1, 1, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BEFORE, AFTER = MIDNIGHT - 20 * MINUTE, MIDNIGHT + 40 * MINUTE
RESTART = Outage(start=MIDNIGHT + MINUTE, end=MIDNIGHT + MINUTE + timedelta(seconds=40))

Doing = tuple[datetime, str]
"""When, and which schedule, or "collect"."""
COLLECT = "collect"


def collections(first: datetime, last: datetime) -> list[Doing]:
    """A collection every ten minutes, some seconds late."""
    count = (last - first) // (10 * MINUTE) + 1
    return [(first + number * 10 * MINUTE + timedelta(seconds=25), COLLECT) for number in range(count)]


UNDISTURBED = sorted(
    [
        *collections(BEFORE, AFTER),
        *((MIDNIGHT + minute * MINUTE, name) for minute, name in zip((2, 5, 15), NIGHTS, strict=True)),
    ]
)


class Night:
    """A household that lives through the night, with a simulator of its own."""

    def __init__(self, folder: Path, household: Household, orders: Sequence[Order] = ()) -> None:
        self.simulator = RunningSimulator(household, clock=SimulatedClock(BEFORE, speed=0))
        self.folder = folder
        self.orders = orders

    def live(self, doings: Sequence[Doing]) -> Home:
        """Do what is to be done, each at its time."""
        with self.simulator, dg.DagsterInstance.ephemeral() as instance:
            self.simulator.recorder.order(*self.orders)
            settings = settings_for(self.folder, self.simulator, history_start="2025-12")
            home = with_house(Home(settings, self.simulator, instance), is_there=True)
            for moment, name in doings:
                self.simulator.clock.move_to(moment)
                with at(moment):
                    self._do(home, moment, name)
        return home

    def _do(self, home: Home, moment: datetime, name: str) -> None:
        result = home.run_request(
            collection(home, moment) if name == COLLECT else asked(home, name, moment), POWER_JOB
        )
        assert result.success, failure_texts(result)


def collection(home: Home, moment: datetime) -> dg.RunRequest:
    """A collection; the first minutes of a day belong to the schedules."""
    is_night = timedelta(0) <= moment - MIDNIGHT < 20 * MINUTE
    return dg.RunRequest(
        tags=month_tags(night_months(moment, home.settings)),
        run_config=power_run_config(FILES[:2] if is_night else FILES),
    )


@pytest.fixture(scope="module")
def eve() -> Household:
    return Household(history_start=date(2025, 12, 29))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, eve: Household) -> Home:
    return Night(tmp_path_factory.mktemp("undisturbed") / "data", eve).live(UNDISTURBED)


def power(home: Home) -> dict[str, bytes]:
    """All files of power, by path."""
    return {name: data for name, data in home.files().items() if name.startswith("power/")}


def test_after_an_interrupted_night_every_file_is_that_of_an_undisturbed_one(
    tmp_path: Path, eve: Household, undisturbed: Home
) -> None:
    nights = [*NIGHTS, *NIGHTS]
    Random(1).shuffle(nights)
    late = [(MIDNIGHT + (30 + number) * MINUTE, name) for number, name in enumerate(nights)]
    doings = [*collections(BEFORE, MIDNIGHT - 15 * MINUTE), *late, (AFTER + timedelta(seconds=25), COLLECT)]
    interrupted = Night(tmp_path / "data", eve, [RESTART]).live(doings)
    assert power(interrupted) == power(undisturbed)
    for file in FILES:
        assert interrupted.json(PATHS[file])["data_points"]


def test_what_home_assistant_never_measured_is_missing_from_its_own_hours_and_from_nowhere_else(
    tmp_path: Path, eve: Household, undisturbed: Home
) -> None:
    down = Outage(start=MIDNIGHT - 55 * MINUTE, end=MIDNIGHT + 25 * MINUTE)
    doings = collections(MIDNIGHT - 60 * MINUTE, MIDNIGHT - 60 * MINUTE)
    doings += [(MIDNIGHT + 30 * MINUTE, name) for name in NIGHTS] + [(AFTER + timedelta(seconds=25), COLLECT)]
    interrupted = Night(tmp_path / "data", eve, [down]).live(doings)
    for file in FILES:
        whole = {point["timestamp"]: point for point in undisturbed.json(PATHS[file])["data_points"]}
        found = {point["timestamp"]: point for point in interrupted.json(PATHS[file])["data_points"]}
        assert found.keys() <= whole.keys()
        touched = {"weekly": "2025-12-31T23", "monthly": "2025-12-31", "yearly": "2025-12-31"}.get(file)
        for stamp, point in found.items():
            if touched is not None and not stamp.startswith(touched):
                assert point == whole[stamp]
            elif touched is not None:
                assert point["coverage"] < whole[stamp]["coverage"] == 1.0
    gaps = [event for event in interrupted.json("power/events/2025-12.json") if event["kind"] == "gap"]
    assert {event["meter"] for event in gaps} >= {"home.power", "home.voltage"}


def test_a_new_day_is_committed_twice_a_night_and_readings_travel_with_it(undisturbed: Home) -> None:
    changed = [
        set(undisturbed.git("show", "--name-only", "--format=", commit).split())
        for commit in undisturbed.git("log", "--format=%H", "--reverse").split()
    ]
    nightly = [files for files in changed if PATHS["monthly"] in files or PATHS["yearly"] in files]
    assert [sorted(files & {PATHS["monthly"], PATHS["yearly"]}) for files in nightly[-2:]] == [
        [PATHS["monthly"]],
        [PATHS["yearly"]],
    ]
    assert "power/readings/2025-12.parquet" in set.union(*changed)
