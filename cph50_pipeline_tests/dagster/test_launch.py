"""The one way to start a job: here without a daemon, in its queue with one, and what a person is told."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.instance import HEARTBEAT_SECONDS, has_live_daemon, open_instance
from cph50_pipeline.defs.jobs import CHARGING_JOB, PUBLISH_JOB, SESSION_JOB, update_run_config
from cph50_pipeline.defs.launch import Launch, launch
from cph50_pipeline.defs.month_files import ACTIVITY, SLOTS
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline.errors import BadInputError
from cph50_pipeline_tests.dagster.homes import MONTHS, NOW, Home, MakeHome, at

JANUARY = "2026-01"


def beat(instance: dg.DagsterInstance, epoch_seconds: float) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(epoch_seconds, "QUEUED_RUN_COORDINATOR", "a daemon", []))


@pytest.fixture
def account(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands of this process log in at the simulator."""
    monkeypatch.setenv("CPH50_CHARGEPOINT_USERNAME", home.simulator.account.username)
    monkeypatch.setenv("CPH50_CHARGEPOINT_PASSWORD", home.simulator.account.password)


@pytest.mark.parametrize(
    ("months", "tags"),
    [
        ([], {}),
        ([JANUARY], {"dagster/partition": JANUARY}),
        (
            MONTHS,
            {
                "dagster/asset_partition_range_start": MONTHS[0],
                "dagster/asset_partition_range_end": MONTHS[-1],
            },
        ),
    ],
)
def test_a_run_of_no_month_one_or_a_range_is_tagged_as_dagsters_ui_would(
    months: list[str], tags: dict[str, str]
) -> None:
    assert Launch(CHARGING_JOB, months, tags={"why": "a test"}).all_tags() == {"why": "a test", **tags}


@pytest.mark.usefixtures("account")
def test_without_a_daemon_the_run_is_made_here_and_recorded(home: Home) -> None:
    outcome = launch(home.instance, home.settings, Launch(CHARGING_JOB, [JANUARY]))
    assert outcome.succeeded
    assert outcome.failures == []
    run = home.instance.get_run_by_id(outcome.run_id)
    assert run is not None
    assert run.is_success
    assert ACTIVITY.path(JANUARY) in home.files()


def test_a_failed_step_is_told_in_its_own_words_and_what_follows_from_it_is_not(collected: Home) -> None:
    (collected.folder / SLOTS.path(JANUARY)).write_bytes(b"PAR1")
    (collected.folder / ACTIVITY.path(JANUARY)).write_text("{")
    config = update_run_config(UpdateConfig())
    outcome = launch(collected.instance, collected.settings, Launch(SESSION_JOB, [JANUARY], config))
    assert not outcome.succeeded
    of_the_step = [failure for failure in outcome.failures if failure.startswith("chargepoint_activity: ")]
    assert len(of_the_step) == 1
    assert ACTIVITY.path(JANUARY) in of_the_step[0]
    assert not any("Dependencies for step" in failure for failure in outcome.failures)
    assert not any("Traceback" in failure for failure in outcome.failures)


def test_a_month_without_a_partition_is_refused_before_anything_runs(home: Home) -> None:
    with pytest.raises(BadInputError, match="2024-01"):
        launch(home.instance, home.settings, Launch(CHARGING_JOB, ["2024-01"]))
    assert home.instance.get_runs() == []


def test_a_daemon_is_alive_only_while_it_reports(lasting: Home) -> None:
    assert not has_live_daemon(lasting.instance)
    with at(NOW):
        beat(lasting.instance, NOW.timestamp())
        assert has_live_daemon(lasting.instance)
    with at(datetime.fromtimestamp(NOW.timestamp() + HEARTBEAT_SECONDS + 1, tz=UTC)):
        assert not has_live_daemon(lasting.instance)


@pytest.mark.real_clock
def test_with_a_daemon_the_run_is_queued_and_followed_to_its_end(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread stands in for the daemon: it takes the queued run and ends it."""
    home = make_home(history_start="2026-01")
    for name, value in {"DATA_DIR": str(home.folder), "HISTORY_START": "2026-01", "PUBLISH": "off"}.items():
        monkeypatch.setenv(f"CPH50_{name}", value)
    monkeypatch.setenv("DAGSTER_HOME", str(home.settings.dagster_home))
    said: list[str] = []
    queued = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        if line.endswith(": queued"):
            queued.set()

    with open_instance(home.settings) as instance:
        beat(instance, time.time() + 600)

        def daemon() -> None:
            queued.wait(60)
            for run in instance.get_runs():
                instance.report_run_canceled(run)

        thread = threading.Thread(target=daemon)
        thread.start()
        month = month_of(datetime.now(UTC), home.settings.zone)
        outcome = launch(instance, home.settings, Launch(CHARGING_JOB, [month]), say)
        thread.join()
        run = instance.get_run_by_id(outcome.run_id)
    assert queued.is_set()
    assert not outcome.succeeded
    assert run is not None
    assert run.tags["dagster/partition"] == month
    assert said[0] == "Dagster's daemon is running: queued there"


def test_a_job_without_months_runs_too(collected: Home) -> None:
    assert launch(collected.instance, collected.settings, Launch(PUBLISH_JOB)).succeeded
