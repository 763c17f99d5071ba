"""A refresh that goes wrong, with real runs in processes of their own: the last good entry is served throughout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from cph50_pipeline.defs.caches.refresh import Refreshed, refresh
from cph50_pipeline.defs.caches.refreshing import Wanted
from cph50_pipeline.defs.caches.status import EntryStatus, Fault, statuses
from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.defs.jobs import CACHE_JOB
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.dagster.homes import MONTHS, Home, failure_texts, settings_for
from cph50_pipeline_tests.integration.kill_points import event, hold_locks, start

pytestmark = pytest.mark.real_clock

JANUARY = MONTHS[-1]
PATIENCE_SECONDS = 240.0
WANTED = Wanted(type="session_cache", month=JANUARY, force=True)
Values = dict[str, Any]


def refresh_here(values: Values, home: str, said: Any = None, dies_at: str | None = None) -> None:
    """Refresh January's session cache in this process, which may die when it is about to put a file in place."""
    os.environ.update(DAGSTER_HOME=home, DAGSTER_DISABLE_TELEMETRY="yes")
    if dies_at is not None:
        sys.addaudithook(_dying_at(dies_at))
    settings = Settings(**values)
    with open_instance(settings) as instance:
        done = refresh(instance, settings, WANTED, lambda line: said.set() if said is not None else None)
    sys.exit(0 if done.succeeded else 1)


def _dying_at(path: str) -> Callable[[str, tuple[Any, ...]], None]:
    def look(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "os.rename" and str(arguments[1]).endswith(path):
            os.kill(os.getpid(), signal.SIGKILL)

    return look


class Household:
    """A household in a folder with Dagster's files, that several processes share."""

    def __init__(self, folder: Path) -> None:
        self.values: Values = {
            "source": "simulator",
            "data_dir": str(folder / "data"),
            "history_start": MONTHS[0],
            "publish": "off",
            "sample_count": 3,
        }
        self.settings = Settings(**self.values)
        self.folder = folder / "data"
        self.home = str(folder / "dagster")
        os.makedirs(self.home, exist_ok=True)

    def collect(self, simulator: RunningSimulator) -> None:
        """Make January by one run."""
        with self.instance() as instance:
            made = Home(settings_for(self.folder, simulator, publish="off"), simulator, instance)
            result = made.run([JANUARY])
            assert result.success, failure_texts(result)

    def instance(self) -> dg.DagsterInstance:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DAGSTER_HOME", self.home)
            return open_instance(self.settings)

    @property
    def cache(self) -> Path:
        return self.folder / CACHE.path(JANUARY)

    def refresh(self) -> Refreshed:
        with self.instance() as instance:
            return refresh(instance, self.settings, WANTED, lambda line: None)

    def refresh_elsewhere(self, said: Any = None, dies_at: str | None = None) -> Any:
        return start(refresh_here, self.values, self.home, said, dies_at)

    def status(self) -> EntryStatus:
        """What a fresh look says, as another process would take it."""
        with self.instance() as instance:
            found = statuses(instance, self.settings, datetime.now(UTC))
        [cache] = [entry for entry in found if (entry.type, entry.key) == (CACHE.asset, JANUARY)]
        return cache

    def wait_for_run(self) -> str:
        """The id of the run that has begun elsewhere."""
        waiting = event()
        with self.instance() as instance:
            for _ in range(int(PATIENCE_SECONDS / 0.2)):
                for record in instance.get_run_records(dg.RunsFilter(job_name=CACHE_JOB), limit=1):
                    if record.dagster_run.status is dg.DagsterRunStatus.STARTED:
                        return record.dagster_run.run_id
                waiting.wait(0.2)
        raise AssertionError("no run began")


@pytest.fixture(scope="module")
def collected_once(tmp_path_factory: pytest.TempPathFactory, shared_simulator: RunningSimulator) -> Path:
    """A folder with a household of which one run has made January."""
    folder = tmp_path_factory.mktemp("collected")
    Household(folder).collect(shared_simulator)
    return folder


@pytest.fixture
def shared(tmp_path: Path, collected_once: Path) -> Household:
    """A copy of it, Dagster's records included."""
    shutil.copytree(collected_once, tmp_path, dirs_exist_ok=True)
    return Household(tmp_path)


def heals(shared: Household, good: bytes) -> None:
    assert shared.refresh().succeeded
    healed = shared.status()
    assert (healed.valid, healed.stale, healed.error) == (True, False, None)
    assert shared.cache.read_bytes() == good


def test_a_builder_that_fails_leaves_the_last_good_entry_and_the_next_refresh_heals(
    shared: Household,
) -> None:
    good, source = shared.cache.read_bytes(), shared.folder / ACTIVITY.path(JANUARY)
    answers = source.read_bytes()
    source.write_text("{")
    done = shared.refresh()
    assert not done.succeeded
    assert [len(outcome.failures) > 0 for _, outcome in done.runs] == [True]
    assert shared.cache.read_bytes() == good
    failed = shared.status()
    assert (failed.fault, failed.stale) == (Fault.FAILED, True)
    assert ACTIVITY.path(JANUARY) in (failed.error or "")
    source.write_bytes(answers)
    heals(shared, good)


def test_a_validator_that_rejects_leaves_the_last_good_entry_and_the_next_refresh_heals(
    shared: Household,
) -> None:
    good, source = shared.cache.read_bytes(), shared.folder / ACTIVITY.path(JANUARY)
    answers = source.read_bytes()
    document = json.loads(answers)
    document["sessions"].pop(next(iter(document["sessions"])))  # so that a session would be lost
    source.write_text(json.dumps(document))
    done = shared.refresh()
    assert not done.succeeded
    assert shared.cache.read_bytes() == good
    failed = shared.status()
    assert (failed.fault, failed.stale) == (Fault.FAILED, True)
    assert "breaks" in (failed.error or "")
    source.write_bytes(answers)
    heals(shared, good)


def test_a_process_killed_between_build_and_swap_leaves_the_last_good_entry_and_the_next_refresh_heals(
    shared: Household,
) -> None:
    good = shared.cache.read_bytes()
    shared.cache.write_bytes(b"[]\n")  # what would be swapped in differs
    stale = shared.cache.read_bytes()
    process = shared.refresh_elsewhere(dies_at=CACHE.path(JANUARY))
    process.join(PATIENCE_SECONDS)
    assert process.exitcode == -signal.SIGKILL
    assert shared.cache.read_bytes() == stale
    failed = shared.status()
    assert failed.fault is Fault.FAILED
    assert "process of this run is gone" in (failed.error or "")
    heals(shared, good)


def test_a_builder_that_hangs_is_left_alone_while_it_lives_and_the_next_refresh_heals_when_it_is_ended(
    shared: Household,
) -> None:
    good, is_held, may_end = shared.cache.read_bytes(), event(), event()
    holder = start(hold_locks, str(shared.settings.private_dir), [JANUARY], is_held, may_end)
    assert is_held.wait(PATIENCE_SECONDS)
    hanging = shared.refresh_elsewhere()
    run_id = shared.wait_for_run()
    during = shared.status()
    assert (during.at_work, during.size_bytes) == (run_id, len(good))
    second = shared.refresh()
    assert [(entry.key, entry.at_work) for entry in second.at_work] == [(JANUARY, run_id)]
    assert second.runs == []
    assert shared.cache.read_bytes() == good
    hanging.kill()
    hanging.join()
    may_end.set()
    holder.join()
    failed = shared.status()
    assert (failed.fault, failed.stale, failed.at_work) == (Fault.FAILED, True, None)
    assert "process of this run is gone" in (failed.error or "")
    heals(shared, good)


def test_two_refreshes_at_once_make_an_entry_one_after_the_other_or_leave_it_to_the_first(
    shared: Household,
) -> None:
    good = shared.cache.read_bytes()
    both = [shared.refresh_elsewhere() for _ in range(2)]
    for process in both:
        process.join(PATIENCE_SECONDS)
    assert [process.exitcode for process in both] == [0, 0]
    assert shared.cache.read_bytes() == good
    assert shared.status().valid
    with shared.instance() as instance:
        runs = instance.get_run_records(dg.RunsFilter(job_name=CACHE_JOB))
    assert {record.dagster_run.status for record in runs} == {dg.DagsterRunStatus.SUCCESS}
