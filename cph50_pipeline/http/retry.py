"""The one retry policy: what is transient is tried again, with growing waits, within a total time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import count
from typing import TypeVar

import stamina

from cph50_pipeline.errors import TransientError
from cph50_pipeline.http.deadline import Deadline

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how patiently.

    Attributes:
        attempts: Tries altogether.
        first_wait_seconds: The first wait; each further one is twice as long.
        longest_wait_seconds: No wait is longer, unless the other side asks for more.
        jitter: Each wait is made longer by a random share of itself, up to this one.
    """

    attempts: int = 5
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 10.0
    jitter: float = 0.5

    def wait_seconds(self, failures: int) -> float:
        """The wait after so many failures."""
        wait = min(self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** (failures - 1))
        return wait * (1 + random.uniform(0, self.jitter))


def retrying(
    call: Callable[[], T],
    *,
    policy: RetryPolicy,
    deadline: Deadline,
    on: type[TransientError] = TransientError,
) -> T:
    """The result of `call`, tried again while it fails with a `TransientError` and the time allows.

    A wait that the error asks for (`retry_after_seconds`) is honoured. When the next wait would pass the
    deadline the error is raised at once.

    Args:
        on: Only these errors are worth another try.

    Raises:
        TransientError: the last one.
    """
    failures = count(1)

    def backoff(error: Exception) -> bool | float:
        if not isinstance(error, on):
            return False
        wait = max(policy.wait_seconds(next(failures)), error.retry_after_seconds or 0.0)
        return wait if wait < deadline.remaining_seconds else False

    for attempt in stamina.retry_context(on=backoff, attempts=policy.attempts, timeout=None):
        with attempt:
            return call()
    raise AssertionError("stamina either returns or raises")


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait by a `Retry-After` header (seconds or an HTTP date), None when it is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
