"""How long a call may still take. What is done with the time is not known here."""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], float]
"""Seconds on a clock that never goes back."""


class Deadline:
    """A moment after which nothing more is begun.

    Args:
        seconds: How far away it is.
        clock: The clock it is measured on.
    """

    def __init__(self, seconds: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._at = clock() + seconds

    @property
    def remaining_seconds(self) -> float:
        """Seconds left, 0 when it has passed."""
        return max(0.0, self._at - self._clock())

    def at_most(self, seconds: float) -> Deadline:
        """This deadline, or the one `seconds` from now when that comes first."""
        return Deadline(min(seconds, self.remaining_seconds), self._clock)
