"""`cph50 maintenance` as a process: the mode that every other process sees, and maintenance itself."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.integration.commands import DONE, FAILED, WRONG_USE, CommandHome, Finished

FIRST = "2026-01"


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator) -> CommandHome:
    return CommandHome(tmp_path / "data", simulator, FIRST)


def printed(finished: Finished) -> Any:
    assert finished.returncode == DONE, finished.stderr
    return json.loads(finished.stdout)


def test_the_mode_is_on_for_every_process_until_it_is_switched_off(home: CommandHome) -> None:
    begun = printed(home.run("maintenance", "on", "--reason", "new router", "--for", "60", "--json"))
    assert (begun["is_on"], begun["reason"]) == (True, "new router")
    assert printed(home.run("maintenance", "--json")) == begun
    scheduler = home.run("scheduler", "status", "--json")
    states = {row["name"]: row["state"] for row in printed(scheduler)}
    assert states.pop("maintenance") == "on"
    assert set(states.values()) <= {"paused", "off"}
    assert "There is maintenance since" in scheduler.stderr
    assert "new router" in scheduler.stderr
    assert home.run("maintenance", "off").stdout.startswith("Over: maintenance since")
    assert printed(home.run("maintenance", "--json")) == {"is_on": False}
    assert home.run("maintenance").stdout == "There is no maintenance\n"


@pytest.mark.parametrize(
    "wrong", [["on", "--for", "0"], ["on", "--for", "soon"], ["on", "--reason", "two\nlines"], ["of"]]
)
def test_what_makes_no_sense_is_wrong_use(home: CommandHome, wrong: list[str]) -> None:
    assert home.run("maintenance", *wrong).returncode == WRONG_USE
    assert not (home.data / "private" / "maintenance.json").exists()


def test_the_daemon_that_collects_power_says_so_and_asks_nobody(home: CommandHome) -> None:
    home.changes |= {
        "CPH50_HOME_ASSISTANT_URL": home.simulator.home_assistant_url,
        "CPH50_HOME_ASSISTANT_TOKEN": home.simulator.home_assistant_token,
    }
    home.run("maintenance", "on", "--reason", "new router")
    home.simulator.requests.clear()
    daemon = home.start("power", "collect", "--daemon")
    try:
        assert daemon.stdout is not None
        said = next(line for line in daemon.stdout if "Nothing is collected: " in line)
        assert "maintenance since" in said
        assert said.endswith(": new router\n")
    finally:
        daemon.terminate()
        daemon.communicate(timeout=60)
    assert home.simulator.requests.counts() == {}
    assert not (home.data / "private" / "power_spool").exists()


def test_maintenance_is_done_also_while_the_mode_is_on_and_says_so(home: CommandHome) -> None:
    home.run("maintenance", "on")
    logs = home.data / "private" / "logs"
    logs.mkdir()
    (logs / "api.log").write_text("line\n")
    os.utime(logs / "api.log", (time.time() - 2 * 86_400,) * 2)
    finished = home.run("maintenance", "run", "--json")
    told = printed(finished)
    assert told["succeeded"]
    steps = {step["step"]: step for step in told["steps"]}
    assert steps["logs"]["counts"] == {"rolled": 1, "compressed": 1, "removed": 0}
    assert [path.suffix for path in logs.iterdir()] == [".gz"]
    assert "What was asked for goes on" in finished.stderr


def test_maintenance_that_fails_in_part_says_what_and_ends_with_1(home: CommandHome) -> None:
    private = home.data / "private"
    private.mkdir(parents=True)
    (private / "live.sqlite").write_bytes(b"no database" * 100)
    finished = home.run("maintenance", "run")
    assert finished.returncode == FAILED
    [wrong] = [line for line in finished.stdout.splitlines() if line.startswith("live table: ")]
    assert "live.sqlite" in wrong
    assert "Traceback" not in finished.stderr
