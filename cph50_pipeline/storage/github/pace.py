"""When GitHub may be asked next: its limits obeyed before and after it says so.

GitHub counts requests that create content more dearly: so many a minute and an hour. These wait for their turn,
so that an ordinary publication goes at once and a large one stays below.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime

from cph50_pipeline.http.deadline import Clock, Deadline
from cph50_pipeline.http.reply import Reply
from cph50_pipeline.storage.github.failures import limited
from cph50_pipeline.storage.github.model import Place

_MINUTE_SECONDS = 60.0
_HOUR_SECONDS = 3600.0
# Clocks differ, and GitHub counts whole seconds.
_RESET_MARGIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class WritingLimits:
    """How often content may be created.

    Attributes:
        per_minute: At once, as long as a minute has no more.
        per_hour: The same for an hour.
        seconds_between: The least time from one to the next.
        secondary_wait_seconds: How long nothing is asked after a limit that names no time; doubled each time.
    """

    per_minute: int = 80
    per_hour: int = 500
    seconds_between: float = 0.0
    secondary_wait_seconds: float = 60.0


@dataclass
class Pace:
    """The turns of one process. Thread-safe.

    Attributes:
        place: For errors.
        limits: How often content may be created.
        now: Unix time in seconds.
        monotonic: A clock that never goes back.
        sleep: Waits so many seconds.
    """

    place: Place
    limits: WritingLimits
    now: Callable[[], float]
    monotonic: Clock
    sleep: Callable[[float], None]
    _writes: deque[float] = field(default_factory=deque)
    _held_until: float = float("-inf")
    _limits_in_a_row: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_for_turn(self, deadline: Deadline, *, creates_content: bool) -> None:
        """Wait until a request may be sent.

        Raises:
            TransientError: that would take longer than the deadline leaves; it says how long.
        """
        while (wait_seconds := self._take_turn(creates_content)) > 0:
            if wait_seconds >= deadline.remaining_seconds:
                raise limited(self.place, wait_seconds)
            self.sleep(wait_seconds)

    def succeeded(self, reply: Reply) -> None:
        """Learn from an answer that was no limit."""
        with self._lock:
            self._limits_in_a_row = 0
        if reply.is_success and reply.headers.get("x-ratelimit-remaining") == "0":
            self._hold(self._until_reset_seconds(reply) or 0.0)

    def limited(self, reply: Reply) -> float:
        """Learn from an answer that was a limit, and return for how many seconds nothing may be asked."""
        wait_seconds = reply.retry_after_seconds
        if wait_seconds is None and reply.headers.get("x-ratelimit-remaining") == "0":
            wait_seconds = self._until_reset_seconds(reply)
        if wait_seconds is None:
            with self._lock:
                wait_seconds = min(
                    _HOUR_SECONDS, self.limits.secondary_wait_seconds * 2.0**self._limits_in_a_row
                )
                self._limits_in_a_row += 1
        self._hold(wait_seconds)
        return wait_seconds

    def _take_turn(self, creates_content: bool) -> float:
        """Seconds still to wait; 0 takes the turn."""
        with self._lock:
            moment = self.monotonic()
            wait_seconds = self._held_until - moment
            if creates_content:
                wait_seconds = max(wait_seconds, self._until_next_write_seconds(moment))
                if wait_seconds <= 0:
                    self._writes.append(moment)
            return max(0.0, wait_seconds)

    def _until_next_write_seconds(self, moment: float) -> float:
        while self._writes and self._writes[0] <= moment - _HOUR_SECONDS:
            self._writes.popleft()
        windows = (
            (1, self.limits.seconds_between),
            (self.limits.per_minute, _MINUTE_SECONDS),
            (self.limits.per_hour, _HOUR_SECONDS),
        )
        return max(
            (
                self._writes[-count] + seconds - moment
                for count, seconds in windows
                if len(self._writes) >= count
            ),
            default=0.0,
        )

    def _until_reset_seconds(self, reply: Reply) -> float | None:
        """Seconds until GitHub counts anew, by its own clock; None when it does not say."""
        reset = reply.headers.get("x-ratelimit-reset", "")
        if not (reset.isascii() and reset.isdigit()):
            return None
        theirs = _instant(reply.headers.get("date", ""))
        return max(0.0, int(reset) - (theirs.timestamp() if theirs else self.now())) + _RESET_MARGIN_SECONDS

    def _hold(self, seconds: float) -> None:
        with self._lock:
            self._held_until = max(self._held_until, self.monotonic() + seconds)


def _instant(header: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(header)
    except ValueError:
        return None
    return at if at.tzinfo else None
