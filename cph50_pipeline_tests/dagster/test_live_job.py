"""The live table as entries of cache management: how each feed stands, and the job that polls all of them once."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cph50_pipeline.defs.caches.documents import entry_document
from cph50_pipeline.defs.caches.live_entries import all_statuses, live_statuses
from cph50_pipeline.defs.caches.refreshing import Wanted, batches, chosen, to_refresh
from cph50_pipeline.defs.caches.registry import LIVE, REFRESH_SCHEDULES
from cph50_pipeline.defs.caches.status import EntryStatus, Fault, statuses
from cph50_pipeline.defs.jobs import LIVE_JOB
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.store import METERS_FILE
from cph50_pipeline.live.model import Cycle, Heartbeat
from cph50_pipeline_tests.dagster.homes import NOW, Home, MakeHome, at, failure_texts, with_house
from cph50_pipeline_tests.dagster.test_power_sensor import METERS

SECONDS, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FEEDS = ["charger", "home_assistant"]


@pytest.fixture
def house(make_home: MakeHome) -> Home:
    """A house with a charger and one meter of Home Assistant."""
    home = with_house(make_home(), is_there=True)
    home.folder.mkdir()
    (home.folder / METERS_FILE).write_text(json.dumps(METERS))
    return home


def entries(home: Home, now: datetime) -> dict[str, EntryStatus]:
    return {entry.key: entry for entry in live_statuses(home.instance, home.settings, now)}


def poll(home: Home, now: datetime = NOW) -> list[str]:
    """Run the job at an instant; gives what failed."""
    home.simulator.clock.move_to(now)
    with at(now):
        return failure_texts(home.run([], job=LIVE_JOB))


def test_feeds_that_nobody_polled_are_missing_and_one_run_makes_all_of_them_valid(house: Home) -> None:
    before = entries(house, NOW)
    assert {key: one.fault for key, one in before.items()} == dict.fromkeys(FEEDS, Fault.MISSING)
    assert poll(house) == []
    for entry in entries(house, NOW + 20 * SECONDS).values():
        assert (entry.fault, entry.error, entry.stale) == (None, None, False)
        assert entry.age_seconds == pytest.approx(20, abs=10)
        assert entry.duration_seconds is not None
        assert entry.valid_until is not None
        assert entry.next_refresh <= entry.valid_until


def test_a_feed_grows_old_without_rounds_and_is_served_as_stale(house: Home) -> None:
    poll(house)
    for entry in entries(house, NOW + 10 * MINUTE).values():
        assert (entry.fault, entry.stale) == (Fault.TOO_OLD, True)
        assert entry.valid_until is not None
        assert entry.valid_until < NOW + 10 * MINUTE
        assert "nobody has polled it" in (entry.why or "")


def test_a_collector_at_work_whose_device_says_nothing_is_not_valid(house: Home) -> None:
    poll(house)
    later = NOW + 2 * MINUTE
    beat = Heartbeat("charger", later, later, 0, None, 30.0)
    live_store(house.settings).end_cycle(Cycle("charger", later, 0.5, 1, 0, 0, 120.0, 120.0, 0), beat)
    entry = entries(house, later)["charger"]
    assert (entry.fault, entry.stale, entry.duration_seconds) == (Fault.TOO_OLD, True, 0.5)
    assert "charger-" in (entry.why or "")


def test_broken_meters_fail_their_feed_and_retire_no_device(house: Home) -> None:
    poll(house)
    (house.folder / METERS_FILE).write_text("{")
    [said] = poll(house, NOW + 2 * MINUTE)
    assert METERS_FILE in said
    entry = entries(house, NOW + 2 * MINUTE)["home_assistant"]
    assert (entry.fault, entry.stale) == (Fault.FAILED, True)
    assert METERS_FILE in (entry.error or "")


def test_a_source_that_is_down_fails_the_run_costs_no_other_feed_and_heals(house: Home) -> None:
    poll(house)
    house.simulator.faults.fail(503, operation="charger_status", times=None)
    down = NOW + 2 * MINUTE
    [said] = poll(house, down)
    assert "charger: " in said
    found = entries(house, down)
    assert {key: (one.fault, one.stale) for key, one in found.items()} == {
        "charger": (Fault.FAILED, True),
        "home_assistant": (None, False),
    }
    assert found["charger"].error
    assert found["charger"].built_at is not None
    assert found["charger"].built_at < NOW + MINUTE
    house.simulator.faults.clear()
    assert poll(house, NOW + 4 * MINUTE) == []
    assert all(entry.valid for entry in entries(house, NOW + 4 * MINUTE).values())


def test_a_feed_that_another_process_polls_is_left_to_it(house: Home) -> None:
    with house.store().locks.feed("charger"):
        assert poll(house) == []
    found = entries(house, NOW + SECONDS)
    assert (found["charger"].fault, found["home_assistant"].fault) == (Fault.MISSING, None)


def test_a_live_table_that_cannot_be_read_is_an_entry_that_failed(house: Home, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    url = SecretStr(f"sqlite:///{tmp_path / 'file' / 'live.sqlite'}")
    gone = house.settings.model_copy(update={"live_database_url": url})
    found = live_statuses(house.instance, gone, NOW)
    assert [(one.key, one.fault, one.stale) for one in found] == [(k, Fault.FAILED, False) for k in FEEDS]
    assert all(one.error and "\n" not in one.error for one in found)


def test_a_refresh_takes_them_in_one_run_and_no_night_does(house: Home) -> None:
    found = all_statuses(house.instance, house.settings, NOW)
    due = to_refresh(chosen(found, Wanted(type=LIVE.asset)), force=False)
    assert [(b.job, list(b.months), [e.key for e in b.entries]) for b in batches(due, "2026-01")] == [
        (LIVE_JOB, [], FEEDS)
    ]
    assert LIVE_JOB not in REFRESH_SCHEDULES
    assert all(one.type != LIVE.asset for one in statuses(house.instance, house.settings, NOW))
    assert entry_document(due[0])["job"] == LIVE_JOB
