"""How long a call may still take."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from cph50_pipeline.http.deadline import Deadline, DeadlineScope


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


def test_a_scope_sets_a_deadline_for_what_happens_inside_and_no_longer() -> None:
    clock = FakeTime()
    scope = DeadlineScope(clock)
    with scope.within(10):
        clock.seconds += 4
        assert scope.at_most(60).remaining_seconds == 6
        with scope.within(100):
            assert scope.at_most(60).remaining_seconds == 6
    assert scope.at_most(60).remaining_seconds == 60


def test_each_thread_has_a_scope_of_its_own() -> None:
    scope = DeadlineScope(FakeTime())
    with scope.within(1), ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: scope.at_most(60).remaining_seconds).result() == 60
