"""How long a call may still take. What is done with the time is not known here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


class DeadlineScope(threading.local):
    """The deadline that each thread has set itself: several may share one client.

    Args:
        clock: The clock that deadlines are measured on.
    """

    _deadline: Deadline | None = None

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock

    def at_most(self, seconds: float) -> Deadline:
        """The deadline set, or the one `seconds` from now when that comes first."""
        return self._deadline.at_most(seconds) if self._deadline else Deadline(seconds, self._clock)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Set a deadline for what this thread does inside; an outer, earlier one still holds."""
        outer = self._deadline
        self._deadline = self.at_most(seconds)
        try:
            yield
        finally:
            self._deadline = outer
