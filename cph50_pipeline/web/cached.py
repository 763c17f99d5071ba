"""Answers kept ready: the old one is served while one thread makes the new one, and after that failed.

An answer belongs to a key (route, query, form) and a fingerprint of what it is made of. What RFC 5861 asks of caches is
done here, on the server: stale-while-revalidate, stale-if-error, and one builder an answer, however many ask.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from time import monotonic

from cph50_pipeline.errors import Cph50Error, TransientError

MAX_AGE_SECONDS = 5
REVALIDATE_SECONDS = 60
IF_ERROR_SECONDS = 7 * 86_400
RETRY_SECONDS = 5.0
MAX_BYTES = 64 << 20
CACHE_CONTROL = ", ".join(
    (
        f"max-age={MAX_AGE_SECONDS}",
        f"stale-while-revalidate={REVALIDATE_SECONDS}",
        f"stale-if-error={IF_ERROR_SECONDS}",
    )
)
BEING_REBUILT = "The files have changed; this is made anew just now"
_ENTRY_BYTES = 1024
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Body:
    """What is sent: bytes, their type, and headers that belong to them."""

    data: bytes
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = field(init=False)

    def __post_init__(self) -> None:
        """Name the bytes by their hash."""
        object.__setattr__(self, "etag", f'"{hashlib.sha256(self.data).hexdigest()[:32]}"')


@dataclass(frozen=True, slots=True)
class Served:
    """An answer, and why it is an old one; None when it is not."""

    body: Body
    stale: str | None = None


@dataclass(frozen=True, slots=True)
class CacheCounts:
    """How often answers were there, had to be made, or were served though old; and what is kept now."""

    hits: int = 0
    misses: int = 0
    stale: int = 0
    errors: int = 0
    entries: int = 0
    size_bytes: int = 0

    @property
    def hit_rate(self) -> float | None:
        """The share of answers that nobody had to wait for; None before the first."""
        asked = self.hits + self.misses + self.stale
        return (self.hits + self.stale) / asked if asked else None


@dataclass
class _Entry:
    body: Body
    fingerprint: Hashable
    confirmed_at: float
    failed_for: Hashable = None
    error: str = ""
    retry_at: float = 0.0

    @property
    def size_bytes(self) -> int:
        return len(self.body.data) + _ENTRY_BYTES


class AnswerCache:
    """The answers of one server process.

    Args:
        max_bytes: How much is kept; what was not asked for longest goes first.
        revalidate_seconds: For how long after it was last known to be right an old answer is served at once.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        max_bytes: int = MAX_BYTES,
        revalidate_seconds: float = REVALIDATE_SECONDS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._max_bytes = max_bytes
        self._revalidate_seconds = revalidate_seconds
        self._clock = clock
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._size_bytes = 0
        self._flights: dict[tuple[Hashable, Hashable], Future[Body]] = {}
        self._lock = Lock()
        self._hits = self._misses = self._stale = self._errors = 0
        self._rebuilder = ThreadPoolExecutor(1, thread_name_prefix="answers")

    def get(self, key: Hashable, fingerprint: Hashable, build: Callable[[], Body]) -> Served:
        """The answer of a key.

        Args:
            fingerprint: Of what it is made of now.
            build: Makes it; called by one thread at a time for the same key and fingerprint.

        Raises:
            Cph50Error: it could not be made, and there is no old one.
        """
        with self._lock:
            ready = self._ready(key, fingerprint)
        if ready is not None:
            if ready.stale == BEING_REBUILT:
                self._rebuild(key, fingerprint, build)
            return ready
        try:
            return Served(self._made(key, fingerprint, build))
        except Cph50Error as error:
            with self._lock:
                entry = self._entries.get(key)
                if entry is None:
                    raise
                self._stale += 1
                return Served(entry.body, str(error))

    def expire(self) -> None:
        """Serve no old answer any more but where making the new one fails: something was changed on purpose."""
        with self._lock:
            for entry in self._entries.values():
                entry.confirmed_at = float("-inf")

    def counts(self) -> CacheCounts:
        """What happened so far."""
        with self._lock:
            return CacheCounts(
                self._hits, self._misses, self._stale, self._errors, len(self._entries), self._size_bytes
            )

    def close(self) -> None:
        """Stop making answers in the background."""
        self._rebuilder.shutdown(wait=True, cancel_futures=True)

    def _ready(self, key: Hashable, fingerprint: Hashable) -> Served | None:
        """What can be served at once; None: it has to be made first."""
        now, entry = self._clock(), self._entries.get(key)
        if entry is None:
            self._misses += 1
            return None
        self._entries.move_to_end(key)
        if entry.fingerprint == fingerprint:
            entry.confirmed_at = now
            self._hits += 1
            return Served(entry.body)
        if entry.failed_for == fingerprint and now < entry.retry_at:
            self._stale += 1
            return Served(entry.body, entry.error)
        if now - entry.confirmed_at <= self._revalidate_seconds:
            self._stale += 1
            return Served(entry.body, BEING_REBUILT)
        self._misses += 1
        return None

    def _rebuild(self, key: Hashable, fingerprint: Hashable, build: Callable[[], Body]) -> None:
        with self._lock:
            if (key, fingerprint) in self._flights:
                return
        try:
            self._rebuilder.submit(self._rebuild_quietly, key, fingerprint, build)
        except RuntimeError:  # the server stops
            return

    def _rebuild_quietly(self, key: Hashable, fingerprint: Hashable, build: Callable[[], Body]) -> None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and fingerprint in (entry.fingerprint, entry.failed_for):
                return  # several asked before the first of them was served
        try:
            self._made(key, fingerprint, build)
        except Cph50Error as error:
            _log.warning("An answer could not be made anew; the last good one is served: %s", error)

    def _made(self, key: Hashable, fingerprint: Hashable, build: Callable[[], Body]) -> Body:
        """The answer, by this thread or by the one that makes it already."""
        with self._lock:
            flight = self._flights.get((key, fingerprint))
            leads = flight is None
            if flight is None:
                flight = self._flights[key, fingerprint] = Future()
        if not leads:
            return flight.result()
        try:
            body = build()
        except BaseException as error:
            told = error if isinstance(error, Cph50Error) else _unexpected(error)
            with self._lock:
                self._errors += 1
                self._note_failure(key, fingerprint, told)
                del self._flights[key, fingerprint]
            flight.set_exception(told)
            if told is error:
                raise
            raise told from error
        with self._lock:
            self._keep(key, _Entry(body, fingerprint, self._clock()))
            del self._flights[key, fingerprint]
        flight.set_result(body)
        return body

    def _note_failure(self, key: Hashable, fingerprint: Hashable, error: Cph50Error) -> None:
        entry = self._entries.get(key)
        if entry is not None:
            entry.failed_for, entry.error = fingerprint, str(error)
            entry.retry_at = self._clock() + RETRY_SECONDS

    def _keep(self, key: Hashable, entry: _Entry) -> None:
        before = self._entries.pop(key, None)
        self._size_bytes -= before.size_bytes if before else 0
        if entry.size_bytes > self._max_bytes:
            return
        self._entries[key] = entry
        self._size_bytes += entry.size_bytes
        while self._size_bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._size_bytes -= oldest.size_bytes


def _unexpected(error: BaseException) -> Cph50Error:
    _log.error("An answer could not be made", exc_info=error)
    return TransientError("The answer could not be made: a fault of this program", remedy="See the log")
