"""`kill -9` at random moments of real commands: every file stays whole, and the next command completes the work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import month_of, shift_month
from cph50_pipeline.defs.month_files import CACHE
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.simulator.sessions import PlannedSession
from cph50_pipeline_tests.integration.commands import CommandHome, check_whole, contents, kill
from cph50_pipeline_tests.integration.households import git

ZONE = ZoneInfo("America/Los_Angeles")
KILLS_OF_BACKFILLS = 3
HOMES_OF_TICKS = 1
KILLS_A_HOME = 3


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator() as running:
        yield running


def _months() -> tuple[str, str]:
    current = month_of(datetime.now(UTC), ZONE)
    return shift_month(current, -3), shift_month(current, -2)


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, simulator: RunningSimulator
) -> tuple[dict[str, str], float]:
    """What a backfill that nobody disturbs makes, and how long it takes here."""
    first, last = _months()
    home = CommandHome(tmp_path_factory.mktemp("undisturbed") / "data", simulator, first)
    started = time.monotonic()
    done = home.run("backfill", "--from", first, "--to", last)
    assert done.returncode == 0, done.stderr
    return _made(home), time.monotonic() - started


def _made(home: CommandHome) -> dict[str, str]:
    return {path: digest for path, digest in contents(home.data).items() if path != "runs.json"}


def test_a_backfill_killed_at_random_moments_leaves_whole_files_and_is_completed_by_the_next(
    tmp_path: Path, simulator: RunningSimulator, undisturbed: tuple[dict[str, str], float]
) -> None:
    wanted, seconds = undisturbed
    first, last = _months()
    home = CommandHome(tmp_path / "data", simulator, first)
    moments = Random(50)
    for _ in range(KILLS_OF_BACKFILLS):
        process = home.start("backfill", "--from", first, "--to", last)
        time.sleep(moments.uniform(0.2, 1.0) * seconds)
        kill(process)
        check_whole(home)
    done = home.run("backfill", "--from", first, "--to", last)
    assert done.returncode == 0, done.stderr
    assert _made(home) == wanted
    assert git(home.data, "status", "--porcelain") == ""
    git(home.data, "fsck", "--strict", "--no-dangling")


@pytest.mark.parametrize("number", range(HOMES_OF_TICKS))
def test_a_collection_killed_at_random_moments_is_completed_by_the_next_tick(
    tmp_path: Path, simulator: RunningSimulator, undisturbed: tuple[dict[str, str], float], number: int
) -> None:
    _, seconds = undisturbed
    session = simulator.plug_in("ember_hatch_2023", minutes=60)
    home = CommandHome(tmp_path / "data", simulator, month_of(datetime.now(UTC), ZONE))
    moments = Random(number)
    for _ in range(KILLS_A_HOME):
        process = home.start("tick")
        time.sleep(moments.uniform(0.3, 1.2) * seconds)
        kill(process)
        check_whole(home)
    done = home.run("tick")
    assert done.returncode == 0, done.stdout + done.stderr
    _check_collected(home, session)


def _check_collected(home: CommandHome, session: PlannedSession) -> None:
    session_id = str(session.session_id)
    [path] = [path for path in home.store().root.list("sessions/") if session_id in path]
    record = json.loads((home.data / path).read_text())
    assert [sample["sample_number"] for sample in record["samples"]] == [1, 2, 3, 4]
    month = month_of(session.start, ZONE)
    assert session_id in {record.session_id for record in home.store().need_month(CACHE, month)}
    assert path in git(home.data, "ls-tree", "-r", "--name-only", "HEAD").splitlines()
    held = {"last_session.json", ".last_session_id.json"}  # published only when a delay is set
    changed = {line[3:] for line in git(home.data, "status", "--porcelain").splitlines()}
    assert changed <= held
    git(home.data, "fsck", "--strict", "--no-dangling")
