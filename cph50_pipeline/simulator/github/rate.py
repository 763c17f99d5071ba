"""GitHub's primary rate limit: so many requests an hour for each token."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from cph50_pipeline.simulator.clock import SimulatedClock

_HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class RateState:
    """How one token stands.

    Attributes:
        reset: When its hour is over, in seconds since 1970.
        is_exceeded: Whether the request that was just counted is one too many.
    """

    limit: int
    used: int
    reset: int
    is_exceeded: bool = False

    @property
    def remaining(self) -> int:
        """How many requests are left in the hour."""
        return max(self.limit - self.used, 0)

    def headers(self) -> dict[str, str]:
        """As every answer tells it."""
        return {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.remaining),
            "x-ratelimit-reset": str(self.reset),
            "x-ratelimit-used": str(self.used),
            "x-ratelimit-resource": "core",
        }


class RateLimits:
    """Counts requests by token, in hours that start with a token's first request. Thread-safe.

    Args:
        limit: Requests an hour.
    """

    def __init__(self, clock: SimulatedClock, limit: int = 5000) -> None:
        self.limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._states: dict[str | None, RateState] = {}

    def count(self, token: str | None) -> RateState:
        """Count a request and tell how its token stands now."""
        with self._lock:
            state = self._current(token)
            is_exceeded = state.used >= self.limit
            used = state.used + (not is_exceeded)
            self._states[token] = RateState(self.limit, used, state.reset)
            return RateState(self.limit, used, state.reset, is_exceeded)

    def show(self, token: str | None) -> RateState:
        """How a token stands, without counting."""
        with self._lock:
            return self._current(token)

    def _current(self, token: str | None) -> RateState:
        now = self._clock.now().timestamp()
        state = self._states.get(token)
        if state is None or state.reset <= now:
            return RateState(self.limit, 0, math.ceil(now) + _HOUR_SECONDS)
        return RateState(self.limit, min(state.used, self.limit), state.reset)
