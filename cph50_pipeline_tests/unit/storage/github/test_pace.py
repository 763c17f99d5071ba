"""When GitHub may be asked next."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.http.reply import Reply
from cph50_pipeline.storage.github.model import Place
from cph50_pipeline.storage.github.pace import Pace, WritingLimits


@dataclass
class FakeClock:
    """Time that passes only while somebody sleeps."""

    seconds: float = 1_000_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def pace_on(clock: FakeClock, limits: WritingLimits | None = None) -> Pace:
    return Pace(Place("household/data", "main"), limits or WritingLimits(), clock.now, clock.now, clock.sleep)


def reply(status: int, headers: dict[str, str], retry_after_seconds: float | None = None) -> Reply:
    return Reply(
        status=status,
        content_type="",
        body=b"",
        headers=headers,
        retry_after_seconds=retry_after_seconds,
    )


def write(pace: Pace, clock: FakeClock, within_seconds: float = 10_000) -> float:
    """Take a turn to create content; returns when it came."""
    pace.wait_for_turn(Deadline(within_seconds, clock.now), creates_content=True)
    return clock.seconds


def test_an_ordinary_publication_does_not_wait() -> None:
    clock = FakeClock()
    pace = pace_on(clock)
    for _ in range(80):
        write(pace, clock)
    assert clock.slept == []


@given(
    writes=st.integers(1, 120),
    per_minute=st.integers(1, 30),
    per_hour=st.integers(1, 60),
    seconds_between=st.sampled_from([0.0, 1.0, 7.5]),
)
def test_no_minute_and_no_hour_has_more_content_created_than_allowed(
    writes: int, per_minute: int, per_hour: int, seconds_between: float
) -> None:
    clock = FakeClock()
    pace = pace_on(clock, WritingLimits(per_minute, per_hour, seconds_between))
    turns = [write(pace, clock, within_seconds=1e9) for _ in range(writes)]
    for count, seconds in ((per_minute, 60), (per_hour, 3600), (1, seconds_between)):
        windows = zip(turns, turns[count:], strict=False)
        assert all(later - earlier >= seconds - 1e-6 for earlier, later in windows)


def test_reading_waits_for_no_turn() -> None:
    clock = FakeClock()
    pace = pace_on(clock, WritingLimits(per_minute=1))
    write(pace, clock)
    pace.wait_for_turn(Deadline(1, clock.now), creates_content=False)
    assert clock.slept == []


def test_a_turn_that_comes_after_the_deadline_is_an_error_that_says_when() -> None:
    clock = FakeClock()
    pace = pace_on(clock, WritingLimits(per_minute=1))
    write(pace, clock)
    with pytest.raises(TransientError, match="household/data") as caught:
        write(pace, clock, within_seconds=30)
    assert caught.value.retry_after_seconds == 60
    assert clock.slept == []


def test_a_wait_that_github_asks_for_holds_back_reading_too() -> None:
    clock = FakeClock()
    pace = pace_on(clock)
    assert pace.limited(reply(403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9"}, 17)) == 17
    with pytest.raises(TransientError) as caught:
        pace.wait_for_turn(Deadline(10, clock.now), creates_content=False)
    assert caught.value.retry_after_seconds == 17
    pace.wait_for_turn(Deadline(20, clock.now), creates_content=False)
    assert clock.slept == [17]


def test_a_spent_hour_lasts_until_its_reset_by_githubs_own_clock() -> None:
    clock = FakeClock()
    headers = {
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": "1767765660",
        "date": "Wed, 07 Jan 2026 06:00:00 GMT",
    }
    assert pace_on(clock).limited(reply(403, headers)) == 61


def test_without_a_date_our_own_clock_counts() -> None:
    clock = FakeClock(seconds=500)
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "530"}
    assert pace_on(clock).limited(reply(429, headers)) == 31


def test_a_reset_that_is_past_needs_no_wait_but_the_margin() -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}
    assert pace_on(FakeClock(seconds=500)).limited(reply(403, headers)) == 1


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-ratelimit-remaining": "0"}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}],
)
def test_a_limit_without_a_time_lasts_a_minute_and_longer_each_time(headers: dict[str, str]) -> None:
    pace = pace_on(FakeClock())
    assert [pace.limited(reply(403, headers)) for _ in range(8)] == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_after_a_success_a_limit_lasts_a_minute_again() -> None:
    pace = pace_on(FakeClock())
    pace.limited(reply(403, {}))
    pace.succeeded(reply(200, {}))
    assert pace.limited(reply(403, {})) == 60


def test_the_last_request_of_an_hour_holds_back_the_next() -> None:
    clock = FakeClock(seconds=500)
    pace = pace_on(clock)
    pace.succeeded(reply(200, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "530"}))
    with pytest.raises(TransientError) as caught:
        pace.wait_for_turn(Deadline(10, clock.now), creates_content=False)
    assert caught.value.retry_after_seconds == 31
