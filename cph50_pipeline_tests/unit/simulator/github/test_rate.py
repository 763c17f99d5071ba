"""The rate limit of the simulated GitHub."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.github.rate import RateLimits

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW, speed=0)


def test_one_request_too_many_is_refused_until_the_hour_is_over(clock: SimulatedClock) -> None:
    limits = RateLimits(clock, limit=2)
    assert [limits.count("a").is_exceeded for _ in range(3)] == [False, False, True]
    clock.advance(timedelta(minutes=59))
    assert limits.count("a").is_exceeded
    clock.advance(timedelta(minutes=1))
    assert not limits.count("a").is_exceeded


def test_tokens_are_counted_apart_and_looking_costs_nothing(clock: SimulatedClock) -> None:
    limits = RateLimits(clock, limit=5)
    limits.count("a")
    assert [limits.show(token).remaining for token in ("a", "a", "b", None)] == [4, 4, 5, 5]


def test_a_lower_limit_holds_at_once(clock: SimulatedClock) -> None:
    limits = RateLimits(clock, limit=5)
    for _ in range(4):
        limits.count("a")
    limits.limit = 2
    assert limits.show("a").remaining == 0
    assert limits.count("a").is_exceeded


def test_headers_tell_the_whole_state(clock: SimulatedClock) -> None:
    headers = RateLimits(clock, limit=10).count("a").headers()
    assert headers == {
        "x-ratelimit-limit": "10",
        "x-ratelimit-remaining": "9",
        "x-ratelimit-reset": str(int((NOW + timedelta(hours=1)).timestamp())),
        "x-ratelimit-used": "1",
        "x-ratelimit-resource": "core",
    }
