"""How often one client may do something: a bucket of tokens each, in memory, for one server process."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import monotonic

_SECONDS_PER_MINUTE = 60.0
_MAX_CLIENTS = 10_000


@dataclass
class _Bucket:
    left: float
    filled_at: float


class RateLimiter:
    """So many a minute for each client, at once or evenly; the clients that were quiet longest are forgotten first.

    Args:
        per_minute: How many a minute.
        clock: Seconds that never go back.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = Lock()

    def take(self, client: str) -> float:
        """Count one; returns the seconds to wait where there was none left, which counts nothing, else 0."""
        with self._lock:
            bucket = self._filled(client)
            if bucket.left >= 1:
                bucket.left -= 1
                return 0.0
            return self._wait(bucket)

    def seconds_to_wait(self, client: str) -> float:
        """How long until the client may do it again; 0 when it may now. Counts nothing."""
        with self._lock:
            return self._wait(self._filled(client))

    def _filled(self, client: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.pop(client, None) or _Bucket(self._per_minute, now)
        gained = (now - bucket.filled_at) * self._per_minute / _SECONDS_PER_MINUTE
        bucket.left = min(self._per_minute, bucket.left + gained)
        bucket.filled_at = now
        self._buckets[client] = bucket
        while len(self._buckets) > _MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return bucket

    def _wait(self, bucket: _Bucket) -> float:
        return max(0.0, (1 - bucket.left) * _SECONDS_PER_MINUTE / self._per_minute)
