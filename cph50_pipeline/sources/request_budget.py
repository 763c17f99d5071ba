"""How often ChargePoint may be asked: one budget for all processes, and the waits that ChargePoint asked for.

A token bucket in a file: a burst is allowed, then requests come at the sustained rate. Who asks, and what, is
not known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from cph50_pipeline.errors import TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.state_file import StateFile

BUDGET_FILE = "chargepoint_budget.json"
_LONGEST_HOLD_SECONDS = 3600.0


class _Bucket(BaseModel):
    requests: float  # left; below zero when requests wait for their turn
    at: float  # Unix s, when `requests` was true
    held_until: float = 0.0  # Unix s


class RequestBudget:
    """The polite budget.

    Args:
        state_dir: The private folder that all processes share.
        per_minute: Requests a minute, sustained.
        burst: Requests that may come at once after a quiet time.
        now: Unix time in seconds, shared by all processes.
        sleep: Waits so many seconds.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        per_minute: float = 6.0,
        burst: int = 24,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._file = StateFile(state_dir / BUDGET_FILE, _Bucket)
        self._per_second = per_minute / 60
        self._burst = float(burst)
        self._now = now
        self._sleep = sleep

    def wait_for_turn(self, deadline: Deadline, *, metered: bool = True) -> None:
        """Wait until a request may be sent, and count it.

        Args:
            deadline: How long may be waited.
            metered: False for a backfill or a sampling window: only a wait that ChargePoint asked for counts.

        Raises:
            TransientError: when the turn would come after the deadline; no request is counted.
        """
        with self._file.locked(deadline):
            now = self._now()
            bucket = self._refilled(now)
            if metered:
                bucket.requests -= 1
            queue_seconds = max(0.0, -bucket.requests / self._per_second) if metered else 0.0
            wait_seconds = max(queue_seconds, bucket.held_until - now)
            if wait_seconds > deadline.remaining_seconds:
                raise _too_long(wait_seconds)
            if metered:
                self._file.write(bucket)
        if wait_seconds > 0:
            self._sleep(wait_seconds)

    def hold(self, seconds: float, deadline: Deadline) -> None:
        """Let no process send a request for so long, because ChargePoint asked for it (an hour at most)."""
        with self._file.locked(deadline):
            now = self._now()
            bucket = self._refilled(now)
            bucket.held_until = max(bucket.held_until, now + min(seconds, _LONGEST_HOLD_SECONDS))
            self._file.write(bucket)

    def _refilled(self, now: float) -> _Bucket:
        bucket = self._file.read() or _Bucket(requests=self._burst, at=now)
        elapsed_seconds = max(0.0, now - bucket.at)  # a clock set back refills nothing
        bucket.requests = min(self._burst, bucket.requests + elapsed_seconds * self._per_second)
        bucket.at = now
        bucket.held_until = min(bucket.held_until, now + _LONGEST_HOLD_SECONDS)
        return bucket


def _too_long(wait_seconds: float) -> TransientError:
    return TransientError(
        f"ChargePoint may be asked again in {wait_seconds:.0f} s, later than this call can wait",
        kept="What is stored stays as it is",
        remedy="Try again later; requests are limited so that ChargePoint does not block the household",
        retry_after_seconds=wait_seconds,
    )
