"""The simulator's clock: the wall clock, one that runs faster, or one that stands still until it is moved."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cph50_pipeline.errors import BadInputError


def wall_clock() -> datetime:
    """The present instant in UTC."""
    return datetime.now(UTC)


class SimulatedClock:
    """A clock that starts anywhere and runs at any speed. Safe to use from several threads.

    Args:
        start: The instant it shows at first (aware); None follows the wall clock.
        speed: Simulated seconds per real second; 0 stands still, 1 is real time.
        real_clock: What real time is read from.
    """

    def __init__(
        self,
        start: datetime | None = None,
        speed: float = 1.0,
        real_clock: Callable[[], datetime] = wall_clock,
    ) -> None:
        self._real_clock = real_clock
        self._lock = threading.Lock()
        self._real_anchor = real_clock()
        self._anchor = self._real_anchor if start is None else _aware(start)
        self._speed = _not_negative(speed)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> datetime:
        """The simulated instant (UTC)."""
        with self._lock:
            return self._now()

    def move_to(self, instant: datetime) -> None:
        """Show `instant` (aware) from now on, at the same speed.

        Raises:
            BadInputError: when the instant has no UTC offset.
        """
        with self._lock:
            self._anchor_at(_aware(instant))

    def advance(self, step: timedelta) -> None:
        """Move by `step`; back when it is negative."""
        with self._lock:
            self._anchor_at(self._now() + step)

    def run_at(self, speed: float) -> None:
        """Run at `speed` from the instant shown now.

        Raises:
            BadInputError: when the speed is negative.
        """
        with self._lock:
            self._anchor_at(self._now())
            self._speed = _not_negative(speed)

    def _now(self) -> datetime:
        return self._anchor + (self._real_clock() - self._real_anchor) * self._speed

    def _anchor_at(self, instant: datetime) -> None:
        self._anchor = instant
        self._real_anchor = self._real_clock()


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise BadInputError(f"The simulated clock cannot show {instant.isoformat()}: it has no UTC offset")
    return instant.astimezone(UTC)


def _not_negative(speed: float) -> float:
    if not speed >= 0:
        raise BadInputError(f"The simulated clock cannot run at speed {speed}", remedy="Use 0 or more")
    return speed
