"""`cph50 power migrate` as people use it: a look that writes nothing, then the readings and what is made of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.civil_time import month_bounds, month_of, shift_month
from cph50_pipeline.defs.month_files import ROLLUPS
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.tables import rollup_of_table
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.integration.commands import (
    DONE,
    FAILED,
    WRONG_USE,
    CommandHome,
    complaint,
    contents,
    printed,
)
from cph50_pipeline_tests.integration.households import commit_count

ZONE = Settings().zone
LAST = shift_month(month_of(datetime.now(UTC), ZONE), -1)
BEGINS, ENDS = month_bounds(LAST, ZONE)
KW = 0.5


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator) -> CommandHome:
    made = CommandHome(tmp_path / "data", simulator, LAST)
    made.data.mkdir()
    example = Path(__file__).parents[2] / "data" / "meters.example.json"
    (made.data / "meters.json").write_bytes(example.read_bytes())
    return made


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A day of readings, the month by day, and a file that was cut short."""
    folder = tmp_path / "old"
    folder.mkdir()
    minutes = [BEGINS + timedelta(minutes=10 * number, seconds=3) for number in range(144)]
    daily = [{"timestamp": at.isoformat(), "value": 1000 * KW, "unit": "W"} for at in minutes]
    days = (ENDS - BEGINS) // timedelta(days=1)
    midnights = [f"{LAST}-{day:02d}T00:00:00" for day in range(1, days + 1)]
    monthly = [
        {"timestamp": at, "power": 1000 * KW, "daily_energy": 12.0, "humidity": 40} for at in midnights
    ]
    (folder / "daily.json").write_text(json.dumps({"data_points": daily, "last_update": None, "date": "x"}))
    (folder / "monthly.json").write_text(json.dumps(monthly))
    (folder / "yearly.json").write_text(json.dumps(monthly)[:-5])
    return folder


def energy_kwh(home: CommandHome) -> list[float]:
    """The house's energy by day of the month."""
    bucket = edges("day", BEGINS, ENDS, ZONE)
    days: Any = rollup_of_table(
        home.store().need_month(ROLLUPS, LAST), "home.power", "day", bucket
    ).energy_kwh
    return [float(number) for number in days]


def test_a_look_writes_nothing_and_applying_stores_rolls_up_and_commits_once(
    home: CommandHome, old: Path
) -> None:
    before = contents(home.data)
    look = home.run("power", "migrate", str(old))
    assert look.returncode == DONE, look.stderr
    assert "is not a readable JSON file" in look.stdout
    assert "no meter in meters.json is its" in " ".join(look.stdout.split())
    assert look.stdout.splitlines()[-1].endswith("nothing was written: --apply does it, --rows shows each")
    assert contents(home.data) == before

    report = old.parent / "verdicts.csv"
    done = printed(home.run("power", "migrate", str(old), "--apply", "--json", "--report", str(report)))
    assert done["run"]["succeeded"]
    assert LAST in done["months"]
    days = len(energy_kwh(home))
    outcomes = [row["outcome"] for row in csv.DictReader(report.open())]
    assert (outcomes.count("taken"), len(outcomes)) == (144 + days - 1, 144 + 3 * days)
    assert energy_kwh(home)[1:] == pytest.approx(
        [24 * KW] * (days - 1), abs=KW + 0.01
    )  # one may have 25 hours
    assert commit_count(home.data) == 1

    after = contents(home.data)
    again = home.run("power", "migrate", str(old), "--apply")
    assert again.returncode == DONE, again.stderr
    assert again.stdout.splitlines()[-1] == "All that can be taken is stored already; nothing was written"
    assert contents(home.data) == after


def test_what_cannot_be_taken_ends_in_a_failure_and_what_cannot_be_typed_in_wrong_use(
    home: CommandHome, old: Path
) -> None:
    before = contents(home.data)
    in_vain = home.run("power", "migrate", str(old / "yearly.json"), "--apply")
    assert in_vain.returncode == FAILED
    assert in_vain.stdout.splitlines()[-1] == "Nothing can be taken; nothing was written"
    unwritten = home.run("power", "migrate", str(old / "daily.json"), "--rows", "--report", str(old))
    assert unwritten.returncode == WRONG_USE
    nowhere = home.run(
        "power", "migrate", str(old / "daily.json"), "--rows", "--report", str(old / "a" / "b.csv")
    )
    assert nowhere.returncode == FAILED
    assert "b.csv cannot be written" in nowhere.stderr
    assert nowhere.stdout.count("taken for home.power") == 144
    assert "humidity" in complaint(
        home.run("power", "migrate", str(old), "--meter", "humidity=home.damp"), WRONG_USE
    )
    assert "needs a column" in complaint(home.run("power", "migrate", str(old), "--unit", "kW"), WRONG_USE)
    assert "is not a number" in complaint(
        home.run("power", "migrate", str(old), "--scale", "power=ten"), WRONG_USE
    )
    assert contents(home.data) == before
