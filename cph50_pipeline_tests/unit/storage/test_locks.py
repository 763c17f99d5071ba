"""Locks within one process; across processes and kills they are tested in integration."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread

import pytest

from cph50_pipeline.errors import BadInputError, LockedError, TransientError
from cph50_pipeline.storage.locks import (
    COLLECTOR,
    HAND_EDITED,
    MODEL,
    REPOSITORY,
    Locks,
    feed_lock_name,
    month_lock_name,
    run_lock_name,
)


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(tmp_path / "private")


def test_a_months_lock_keeps_others_out_and_says_what_they_wait_for(locks: Locks) -> None:
    with (
        locks.month(["2026-01"]),
        pytest.raises(TransientError, match="month 2026-01: another run or command holds it"),
        locks.month(["2025-12", "2026-01"], timeout_seconds=0),
    ):
        pass


def test_other_months_are_free(locks: Locks) -> None:
    with locks.month(["2026-01"]), locks.month(["2026-02"], timeout_seconds=0):
        assert locks.is_held(month_lock_name("2026-01"))
        assert locks.is_held(month_lock_name("2026-02"))


def test_all_months_are_given_back(locks: Locks) -> None:
    with locks.month(["2026-02", "2026-01", "2026-02"]):
        pass
    assert not locks.is_held(month_lock_name("2026-01"))
    assert not locks.is_held(month_lock_name("2026-02"))


def test_months_already_taken_are_given_back_when_one_is_not_to_be_had(locks: Locks) -> None:
    with locks.month(["2026-02"]):
        with pytest.raises(TransientError), locks.month(["2026-01", "2026-02"], timeout_seconds=0):
            pass
        assert not locks.is_held(month_lock_name("2026-01"))


def test_a_lock_is_given_back_when_the_work_fails(locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError), locks.repository():
        _ = 1 / 0
    assert not locks.is_held(REPOSITORY)


def test_whoever_waits_gets_the_lock_when_it_is_free(locks: Locks) -> None:
    order: list[str] = []
    is_waiting = Event()

    def second() -> None:
        is_waiting.set()
        with locks.repository():
            order.append("second")

    with locks.repository():
        thread = Thread(target=second)
        thread.start()
        is_waiting.wait(10)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_takers_of_the_same_months_in_any_order_never_wait_for_each_other(locks: Locks) -> None:
    months = ["2026-01", "2026-02", "2026-03"]

    def take(keys: list[str]) -> None:
        for _ in range(10):
            with locks.month(keys, timeout_seconds=60):
                done.append(keys[0])

    done: list[str] = []
    threads = [Thread(target=take, args=(keys,)) for keys in (months, months[::-1], months[1:] + months[:1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(done) == 30


def test_one_run_at_a_time_decides_which_model_is_in_force(locks: Locks) -> None:
    with locks.model():
        assert locks.is_held(MODEL)
        with pytest.raises(TransientError, match="the classifier"), locks.model(timeout_seconds=0):
            pass
    assert not locks.is_held(MODEL)


def test_one_collector_at_a_time(locks: Locks) -> None:
    with locks.collector():
        assert locks.is_held(COLLECTOR)
        with pytest.raises(TransientError, match="the collector"), locks.collector():
            pass


def test_one_poller_at_a_time_asks_a_feed_and_others_ask_other_feeds(locks: Locks) -> None:
    with locks.feed("charger"), locks.feed("telemetry"):
        assert locks.is_held(feed_lock_name("charger"))
        with pytest.raises(LockedError, match="poller of charger"), locks.feed("charger", timeout_seconds=0):
            pass
    assert not locks.is_held(feed_lock_name("charger"))


def test_one_command_at_a_time_edits_what_people_edit(locks: Locks) -> None:
    with locks.hand_edited():
        assert locks.is_held(HAND_EDITED)
        with (
            pytest.raises(TransientError, match="the files edited by hand"),
            locks.hand_edited(timeout_seconds=0),
        ):
            pass
    assert not locks.is_held(HAND_EDITED)


def test_a_runs_lock_lives_and_goes_with_the_run(locks: Locks, tmp_path: Path) -> None:
    name = run_lock_name("8f0c")
    assert not locks.is_held(name)
    with locks.run("8f0c"):
        assert locks.is_held(name)
        assert locks.forget_dead_runs() == []
    assert not locks.is_held(name)
    assert list((tmp_path / "private" / "locks").glob("run-*")) == []


def test_only_dead_runs_are_forgotten(locks: Locks, tmp_path: Path) -> None:
    with locks.run("living"):
        (tmp_path / "private" / "locks" / "run-dead.lock").touch()
        assert locks.forget_dead_runs() == ["dead"]
        assert locks.is_held(run_lock_name("living"))


def test_asking_for_a_lock_makes_none(locks: Locks, tmp_path: Path) -> None:
    assert not locks.is_held(month_lock_name("2026-01"))
    assert not (tmp_path / "private").exists()


@pytest.mark.parametrize("name", ["", "../outside", "a/b", ".hidden", "run-\n"])
def test_a_name_that_may_lead_out_is_refused(locks: Locks, name: str) -> None:
    with pytest.raises(BadInputError, match="is not the name of a lock"):
        locks.is_held(name)
