"""The dashboard's live part as a stream of server-sent events: made once for all who listen, sent when it changed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

MOST_LISTENERS = 48
LOOK_SECONDS = 1.0
BEAT_SECONDS = 4.0
"""How often listeners that nothing is told hear that the server is there; scripts do not hear of comments."""
_RETRY_MS = 3000
_BEAT = b"event: beat\ndata: 1\n\n"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told now: the event's id and its bytes."""

    event_id: str
    event: bytes

    @classmethod
    def of(cls, text: str) -> _Told:
        event_id = hashlib.sha256(text.encode()).hexdigest()[:16]
        every = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        lines = "".join(f"data: {line}\n" for line in every)
        return cls(event_id, f"id: {event_id}\nevent: now\n{lines}\n".encode())


class LivePart:
    """What is shown now, for all who listen; nothing is asked while nobody does. For one event loop.

    Args:
        make: Makes the part, as it is now.
    """

    def __init__(self, make: Callable[[], Awaitable[str]]) -> None:
        self._make = make
        self._listeners: set[asyncio.Event] = set()
        self._told: _Told | None = None
        self._looking: asyncio.Task[None] | None = None
        self._has_ended = False

    @property
    def is_full(self) -> bool:
        """Whether as many listen as may."""
        return len(self._listeners) >= MOST_LISTENERS

    def end(self) -> None:
        """Let all streams end: the server stops."""
        self._has_ended = True
        self._wake()

    async def listen(self, known_id: str | None = None) -> AsyncIterator[bytes]:
        """The events for one listener, until the server stops or the part cannot be made.

        Args:
            known_id: Of the event that it heard last.
        """
        changed = asyncio.Event()
        self._listeners.add(changed)
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            self._look_on()
            while self._is_going_on():
                changed.clear()
                if self._told is not None and self._told.event_id != known_id:
                    known_id = self._told.event_id
                    yield self._told.event
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), BEAT_SECONDS)
                except TimeoutError:
                    yield _BEAT
        finally:
            self._listeners.discard(changed)
            if not self._listeners and self._looking is not None:
                self._looking.cancel()
                self._looking = self._told = None

    def _is_going_on(self) -> bool:
        return not self._has_ended and self._looking is not None and not self._looking.done()

    def _look_on(self) -> None:
        if self._looking is None or self._looking.done():
            self._told = None
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Make the part about once a second, one at a time, and wake those who wait when it is another."""
        try:
            while not self._has_ended:
                told = _Told.of(await self._make())
                if told != self._told:
                    self._told = told
                    self._wake()
                await asyncio.sleep(LOOK_SECONDS)
        except Exception:  # listeners' streams end, and begin anew by themselves
            _log.exception("The live part of the dashboard cannot be made")
        finally:
            # Not before the task is done: a listener that wakes sees that nothing more comes.
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()
