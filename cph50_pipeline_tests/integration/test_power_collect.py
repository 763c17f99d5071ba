"""`cph50 power collect` as people use it: once, until stopped, killed, and with what is wrong named."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.collecting import Spool
from cph50_pipeline.defs.reading_files import read_readings
from cph50_pipeline.defs.store import METERS_FILE
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.integration.commands import (
    DONE,
    FAILED,
    WRONG_USE,
    CommandHome,
    complaint,
    kill,
    printed,
)

MONTH = month_of(datetime.now(UTC), ZoneInfo("America/Los_Angeles"))
YESTERDAY = datetime.now(UTC).date() - timedelta(days=1)
FILES = {f"power/{name}.json" for name in ("daily", "weekly", "monthly", "yearly")}


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(Household(history_start=date(YESTERDAY.year, YESTERDAY.month, 1))) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator) -> CommandHome:
    made = CommandHome(tmp_path / "data", simulator, MONTH)
    made.changes |= {
        "CPH50_HOME_ASSISTANT_URL": simulator.home_assistant_url,
        "CPH50_HOME_ASSISTANT_TOKEN": simulator.home_assistant_token,
        "CPH50_POWER_INTERVAL_SECONDS": "10",
    }
    made.data.mkdir()
    declare(made, "home_power")
    return made


def declare(home: CommandHome, *sensors: str) -> None:
    meter = {"source": "home_assistant", "quantity": "power", "kind": "gauge", "unit": "W"}
    meters = {f"home.{sensor}": {**meter, "entity": f"sensor.{sensor}"} for sensor in sensors}
    (home.data / METERS_FILE).write_text(json.dumps({"meters": meters}))


@contextmanager
def running_daemon(home: CommandHome) -> Iterator[subprocess.Popen[str]]:
    """A daemon, until it ends or, at the latest, with `kill -9`."""
    daemon = home.start("power", "collect", "--daemon")
    try:
        yield daemon
    finally:
        if daemon.poll() is None:
            kill(daemon)


def waiting(home: CommandHome) -> int:
    """How many readings wait to be taken in."""
    return sum(len(found.readings) for found in Spool(home.store().locks).waiting())


def line_that_says(process: subprocess.Popen[str], what: str) -> str:
    """The next line of a command that says something."""
    assert process.stdout is not None
    for line in process.stdout:
        if what in line:
            return line
    raise AssertionError(f"it never said {what}")


def test_once_takes_in_and_makes_all_files_and_again_does_not_do_it_again(home: CommandHome) -> None:
    said = printed(home.run("power", "collect", "--json"))
    assert said["readings"]["home.home_power"] > 1000
    assert set(said["files"]) > {*FILES, f"power/rollups/{MONTH}.parquet"}
    again = printed(home.run("power", "collect", "--once", "--json"))
    assert 0 < again["readings"]["home.home_power"] < 100
    assert f"power/rollups/{MONTH}.parquet" in again["files"]


def test_an_entity_that_does_not_exist_is_named_and_the_others_are_taken_in(home: CommandHome) -> None:
    declare(home, "home_power", "no_such")
    said = printed(home.run("power", "collect", "--json"))
    assert any("sensor.no_such" in notice for notice in said["notices"])
    assert list(said["readings"]) == ["home.home_power"]


def test_a_wrong_token_is_one_line_that_says_what_to_do_and_the_charger_goes_on(home: CommandHome) -> None:
    home.changes["CPH50_HOME_ASSISTANT_TOKEN"] = "nobodys"
    done = home.run("power", "collect")
    assert (done.returncode, done.stdout) == (FAILED, "Nothing new\n")
    [line] = done.stderr.splitlines()
    assert "CPH50_HOME_ASSISTANT_TOKEN" in line
    assert "nobodys" not in line
    with running_daemon(home) as daemon:
        assert "CPH50_HOME_ASSISTANT_TOKEN" in line_that_says(daemon, "refused the token")
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(timeout=60) == DONE


def test_wrong_use_is_refused(home: CommandHome) -> None:
    assert "--once" in complaint(home.run("power", "collect", "--daemon", "--once"), WRONG_USE)
    assert "--json" in complaint(home.run("power", "collect", "--daemon", "--json"), WRONG_USE)


def test_without_home_assistant_the_charger_is_the_only_meter_and_that_is_said(home: CommandHome) -> None:
    del home.changes["CPH50_HOME_ASSISTANT_URL"]
    done = home.run("power", "collect")
    assert done.returncode == DONE
    assert "the charger is the only meter" in done.stderr


def test_a_daemon_is_one_and_what_it_collected_before_it_was_killed_is_taken_in(home: CommandHome) -> None:
    with running_daemon(home) as daemon:
        line_that_says(daemon, "Took in")
        assert "the collector" in complaint(home.run("power", "collect", "--daemon"), FAILED)
        before = read_readings(home.store(), MONTH)
        kill(daemon)
    spool = home.data / "private" / "power_spool"
    newest = sorted(spool.glob("*.ndjson"))
    if newest:  # as if the kill had come in the middle of a line
        newest[-1].write_bytes(newest[-1].read_bytes() + b'{"at":"2026-')
    with running_daemon(home) as again:
        line_that_says(again, "Collecting")
        again.send_signal(signal.SIGTERM)
        assert again.wait(timeout=60) == DONE
    done = home.run("power", "collect", "--json")
    assert printed(done)["runs"][0]["succeeded"]
    after = read_readings(home.store(), MONTH)["home.home_power"].at.tolist()
    assert set(before["home.home_power"].at.tolist()) <= set(after)
    assert waiting(home) == 0
