"""How long a call may still take."""

from __future__ import annotations

from cph50_pipeline.sources.deadline import Deadline


class FakeTime:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_time_runs_out_and_never_below_zero() -> None:
    clock = FakeTime()
    deadline = Deadline(10, clock)
    clock.seconds += 4
    assert deadline.remaining_seconds == 6
    clock.seconds += 40
    assert deadline.remaining_seconds == 0


def test_an_inner_deadline_shortens_and_never_lengthens() -> None:
    outer = Deadline(10, FakeTime())
    assert outer.at_most(3).remaining_seconds == 3
    assert outer.at_most(30).remaining_seconds == 10
