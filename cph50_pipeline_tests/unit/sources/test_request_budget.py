"""The polite budget: a burst, then a steady rate, shared through a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.errors import TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.request_budget import RequestBudget


class FakeTime:
    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def deadline(self, seconds: float) -> Deadline:
        return Deadline(seconds, self.now)


@pytest.fixture
def clock() -> FakeTime:
    return FakeTime()


def budget(folder: Path, clock: FakeTime, burst: int = 12) -> RequestBudget:
    return RequestBudget(folder, per_minute=6, burst=burst, now=clock.now, sleep=clock.sleep)


def test_a_burst_passes_at_once_and_the_next_waits_its_turn(tmp_path: Path, clock: FakeTime) -> None:
    started = clock.now()
    one = budget(tmp_path, clock)
    for _ in range(12):
        one.wait_for_turn(clock.deadline(60))
    assert clock.now() == started
    one.wait_for_turn(clock.deadline(60))
    assert clock.now() == pytest.approx(started + 10)


def test_all_who_name_the_folder_share_the_budget(tmp_path: Path, clock: FakeTime) -> None:
    budget(tmp_path, clock, burst=1).wait_for_turn(clock.deadline(60))
    with pytest.raises(TransientError):
        budget(tmp_path, clock, burst=1).wait_for_turn(clock.deadline(5))


def test_a_turn_after_the_deadline_is_refused_at_once_and_not_counted(
    tmp_path: Path, clock: FakeTime
) -> None:
    one = budget(tmp_path, clock, burst=1)
    one.wait_for_turn(clock.deadline(60))
    started = clock.now()
    for _ in range(3):
        with pytest.raises(TransientError) as caught:
            one.wait_for_turn(clock.deadline(5))
        assert caught.value.retry_after_seconds == pytest.approx(10)
    assert clock.now() == started


def test_unmetered_requests_neither_wait_nor_count(tmp_path: Path, clock: FakeTime) -> None:
    one = budget(tmp_path, clock, burst=1)
    for _ in range(100):
        one.wait_for_turn(clock.deadline(1), metered=False)
    one.wait_for_turn(clock.deadline(1))


@pytest.mark.parametrize("metered", [True, False])
def test_a_wait_that_was_asked_for_holds_for_all(tmp_path: Path, clock: FakeTime, metered: bool) -> None:
    budget(tmp_path, clock).hold(30, clock.deadline(1))
    with pytest.raises(TransientError):
        budget(tmp_path, clock).wait_for_turn(clock.deadline(29), metered=metered)
    started = clock.now()
    budget(tmp_path, clock).wait_for_turn(clock.deadline(31), metered=metered)
    assert clock.now() == pytest.approx(started + 30)


def test_an_absurd_wait_is_cut_to_an_hour(tmp_path: Path, clock: FakeTime) -> None:
    budget(tmp_path, clock).hold(1e9, clock.deadline(1))
    budget(tmp_path, clock).wait_for_turn(clock.deadline(3601))


def test_a_clock_set_back_refills_nothing_and_blocks_nothing(tmp_path: Path, clock: FakeTime) -> None:
    one = budget(tmp_path, clock, burst=1)
    one.wait_for_turn(clock.deadline(60))
    clock.seconds -= 86_400
    started = clock.now()
    one.wait_for_turn(clock.deadline(60))
    assert clock.now() == pytest.approx(started + 10)


def test_a_damaged_file_begins_afresh(tmp_path: Path, clock: FakeTime) -> None:
    one = budget(tmp_path, clock, burst=1)
    one.wait_for_turn(clock.deadline(60))
    (tmp_path / "chargepoint_budget.json").write_text('{"requests"')
    one.wait_for_turn(clock.deadline(1))


@settings(max_examples=25)
@given(pauses=st.lists(st.floats(min_value=0, max_value=40), min_size=1, max_size=20))
def test_no_window_holds_more_than_the_burst_and_the_rate(
    tmp_path_factory: pytest.TempPathFactory, pauses: list[float]
) -> None:
    clock = FakeTime()
    one = budget(tmp_path_factory.mktemp("budget"), clock, burst=3)
    sent = []
    for pause in pauses:
        clock.sleep(pause)
        one.wait_for_turn(clock.deadline(3600))
        sent.append(clock.now())
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            assert last - first + 1 <= 3 + (sent[last] - sent[first]) / 10 + 1e-3
