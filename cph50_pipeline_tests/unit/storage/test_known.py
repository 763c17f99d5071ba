"""What is remembered of publications, and what follows from it."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.storage.known import Known, Memory
from cph50_pipeline.storage.locks import Locks

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
REPOSITORY = "household/data#main"
FILE = "publication.json"
instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
paths = st.sampled_from(["tariffs.json", "sessions/2026/01/05/1.json", "reports/2026-01.html", "a ü.json"])
everything_known = st.builds(
    Known,
    repository=st.just(REPOSITORY),
    seen=st.none() | st.frozensets(paths),
    runs=st.lists(st.text(max_size=8), max_size=4).map(tuple),
    uploaded_at=st.none() | instants,
    compared_at=st.none() | instants,
    failures=st.integers(0, 10_000),
    retry_at=st.none() | instants,
)


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(Locks(tmp_path), REPOSITORY)


def empty() -> Known:
    return Known(repository=REPOSITORY)


# --- when something is due ---


def test_what_is_due_is_tried_now_and_what_is_not_waits() -> None:
    assert empty().waiting(1, NOW, NOW, {}).is_due
    waiting = empty().waiting(1, NOW + MINUTE, NOW, {})
    assert (waiting.changes, waiting.due_at, waiting.is_due) == (1, NOW + MINUTE, False)
    assert not empty().waiting(0, None, NOW, {}).is_due


def test_a_repository_is_looked_at_a_day_after_the_last_look_though_nothing_changed() -> None:
    known = empty().after_success(NOW, did_upload=False)
    assert not known.waiting(0, None, NOW + DAY - MINUTE, {}).is_due
    assert known.waiting(0, None, NOW + DAY, {}).is_due


def test_an_upload_is_due_with_the_first_of_its_reasons() -> None:
    known = empty().after_success(NOW, did_upload=True)
    assert known.waiting(1, NOW + HOUR, NOW, {}).due_at == NOW + HOUR
    assert known.waiting(1, NOW + 2 * DAY, NOW, {}).due_at == NOW + DAY


@given(everything_known, st.none() | instants, instants)
def test_nothing_is_tried_before_it_is_due_or_while_a_failure_holds_it_back(
    known: Known, due_at: datetime | None, now: datetime
) -> None:
    waiting = known.waiting(1, due_at, now, {})
    if waiting.is_due:
        assert waiting.due_at is not None
        assert waiting.due_at <= now
        assert known.retry_at is None or known.retry_at <= now


# --- after an upload ---


@given(everything_known, instants)
def test_a_success_ends_all_waiting_for_failures(known: Known, now: datetime) -> None:
    for did_upload in (False, True):
        after = known.after_success(now, did_upload=did_upload)
        assert (after.failures, after.retry_at, after.compared_at) == (0, None, now)
        assert after.uploaded_at == (now if did_upload else known.uploaded_at)
        assert after.seen == known.seen


def test_runs_that_noted_themselves_during_an_upload_are_named_by_the_next() -> None:
    known = empty().model_copy(update={"runs": ("a", "b", "c")})
    assert known.after_success(NOW, did_upload=True, named={"a", "c"}).runs == ("b",)
    assert known.after_success(NOW, did_upload=False, named={"a", "c"}).runs == ("a", "b", "c")


def test_the_pause_doubles_with_each_failure_up_to_an_hour() -> None:
    known, pauses = empty(), []
    for _ in range(8):
        known = known.after_failure(NOW, None)
        assert known.retry_at is not None
        pauses.append(known.retry_at - NOW)
    assert pauses == [MINUTE * minutes for minutes in (1, 2, 4, 8, 16, 32, 60, 60)]


@given(everything_known, instants, st.none() | st.floats(0, 1e6))
def test_a_pause_is_never_less_than_a_minute_or_than_asked_for(
    known: Known, now: datetime, asked_for: float | None
) -> None:
    after = known.after_failure(now, asked_for)
    assert after.failures == known.failures + 1
    assert after.retry_at is not None
    assert after.retry_at - now >= max(MINUTE, timedelta(seconds=asked_for or 0.0))
    assert after.retry_at - now <= max(HOUR, timedelta(seconds=asked_for or 0.0))


# --- remembered ---


@settings(max_examples=30)
@given(everything_known)
def test_what_was_remembered_is_read_again(tmp_path_factory: pytest.TempPathFactory, known: Known) -> None:
    memory = Memory(Locks(tmp_path_factory.mktemp("private")), REPOSITORY)
    assert memory.change(lambda _: known) == known
    assert memory.read() == known


def test_the_files_seen_are_added_to(memory: Memory) -> None:
    memory.remember_seen(["b", "a"])
    memory.remember_seen(["c"])
    assert memory.read().seen == frozenset("abc")


def test_it_is_the_same_to_the_byte_whatever_the_order_and_nobody_elses_to_read(
    tmp_path: Path, memory: Memory
) -> None:
    memory.remember_seen(["b", "a", "c"])
    assert json.loads((tmp_path / FILE).read_bytes())["seen"] == ["a", "b", "c"]
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600


def test_another_repository_or_branch_is_another_story(tmp_path: Path, memory: Memory) -> None:
    memory.remember_seen(["a"])
    assert Memory(Locks(tmp_path), "household/data#trunk").read() == Known(repository="household/data#trunk")
    assert memory.read().seen == frozenset("a")


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"repository": "household/data#main", "seen": 5}',
        b'{"repository": "household/data#main", "uploaded_at": "today"}',
        b'{"repository": "household/data#main", "uploaded_at": "2026-01-07T06:00:00"}',
    ],
)
def test_a_damaged_memory_is_as_if_lost_and_written_anew(
    tmp_path: Path, memory: Memory, damage: bytes
) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert memory.read() == empty()
    memory.remember_seen(["a"])
    assert memory.read().seen == frozenset("a")


def test_where_nothing_changes_nothing_is_written(tmp_path: Path, memory: Memory) -> None:
    memory.change(lambda known: known)
    assert not (tmp_path / FILE).exists()
