from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.clock import SimulatedClock

REAL = datetime(2026, 3, 1, 12, tzinfo=UTC)
START = datetime(2025, 10, 1, tzinfo=UTC)


class RealTime:
    """Real time that passes when told."""

    def __init__(self) -> None:
        self.shown = REAL

    def __call__(self) -> datetime:
        return self.shown

    def pass_seconds(self, seconds: float) -> None:
        self.shown += timedelta(seconds=seconds)


@pytest.fixture
def real_time() -> RealTime:
    return RealTime()


def test_a_clock_without_a_start_follows_real_time(real_time: RealTime) -> None:
    clock = SimulatedClock(real_clock=real_time)
    real_time.pass_seconds(90)
    assert clock.now() == REAL + timedelta(seconds=90)


def test_a_fast_clock_multiplies_the_time_that_passes(real_time: RealTime) -> None:
    clock = SimulatedClock(START, 60, real_time)
    real_time.pass_seconds(10)
    assert clock.now() == START + timedelta(minutes=10)


def test_a_standing_clock_moves_only_when_told(real_time: RealTime) -> None:
    clock = SimulatedClock(START, 0, real_time)
    real_time.pass_seconds(3600)
    assert clock.now() == START
    clock.advance(timedelta(minutes=5))
    assert clock.now() == START + timedelta(minutes=5)


def test_a_change_of_speed_loses_no_time(real_time: RealTime) -> None:
    clock = SimulatedClock(START, 10, real_time)
    real_time.pass_seconds(6)
    clock.run_at(1)
    real_time.pass_seconds(6)
    assert clock.now() == START + timedelta(seconds=66)


def test_a_moved_clock_runs_on_from_there(real_time: RealTime) -> None:
    clock = SimulatedClock(START, 1, real_time)
    real_time.pass_seconds(6)
    clock.move_to(REAL)
    real_time.pass_seconds(6)
    assert clock.now() == REAL + timedelta(seconds=6)


def test_an_instant_without_offset_is_refused() -> None:
    with pytest.raises(BadInputError, match="no UTC offset"):
        SimulatedClock(datetime(2026, 1, 1))


@pytest.mark.parametrize("speed", [-1.0, float("nan")])
def test_a_clock_cannot_run_backwards(speed: float) -> None:
    with pytest.raises(BadInputError, match="speed"):
        SimulatedClock(START, speed)
