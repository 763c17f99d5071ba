"""The dashboard's live part as a stream of server-sent events: made once for all who listen, sent when it changed."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from time import monotonic

MOST_LISTENERS = 48
MOST_OF_ONE_CLIENT = 8
_RETRY_MS = 3000
_BEAT = b"event: beat\ndata: 1\n\n"
_OVER = b"event: over\ndata: 1\n\n"
_REST_SHARE = 5
"""How many times as long as a look took the next one is put off at least, up to `Pace.longest_rest_seconds`."""
_SECTION = re.compile(r"<section .*?</section>", re.DOTALL)
_ID = re.compile(r' id="([^"]*)"')
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is done.

    Attributes:
        look_seconds: Between two looks, when they are quick.
        longest_rest_seconds: Between two looks, when they are slow.
        beat_seconds: How often listeners that nothing is told hear that it stands; scripts do not hear of comments.
        trusted_seconds: For how long after a look it stands: without another there are no beats.
        stream_seconds: How long one stream goes on; a browser that asks again has to be let in again.
    """

    look_seconds: float = 1.0
    longest_rest_seconds: float = 5.0
    beat_seconds: float = 4.0
    trusted_seconds: float = 10.0
    stream_seconds: float = 300.0

    def rest_seconds(self, took_seconds: float) -> float:
        """How long to rest after a look that took so long."""
        return max(self.look_seconds, min(_REST_SHARE * took_seconds, self.longest_rest_seconds))


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told now.

    Attributes:
        event_id: The event's id.
        event: All of it.
        before_id: The id of what was told before; None for the first.
        change: What became another since; all of it where that is not just some sections.
    """

    text: str
    event_id: str
    event: bytes
    before_id: str | None
    change: bytes

    @classmethod
    def of(cls, text: str, before: _Told | None) -> _Told:
        event_id = hashlib.sha256(text.encode()).hexdigest()[:16]
        event = _event("now", event_id, text)
        changed = None if before is None else _changed(before.text, text)
        return cls(
            text,
            event_id,
            event,
            None if before is None else before.event_id,
            event if changed is None else _event("change", event_id, changed),
        )


def _event(name: str, event_id: str, text: str) -> bytes:
    every = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    lines = "".join(f"data: {line}\n" for line in every)
    return f"id: {event_id}\nevent: {name}\n{lines}\n".encode()


def _changed(before: str, text: str) -> str | None:
    """The part without the sections that stayed as they were; None where it has other sections than before."""
    was = {_id_of(section): section for section in _SECTION.findall(before)}
    if list(was) != [_id_of(section) for section in _SECTION.findall(text)]:
        return None
    return _SECTION.sub(lambda found: "" if was[_id_of(found[0])] == found[0] else found[0], text)


def _id_of(section: str) -> str:
    found = _ID.search(section)
    return found[1] if found else ""


class LivePart:
    """What is shown now, for all who listen; nothing is asked while nobody does. For one event loop.

    Args:
        make: Makes the part, as it is now.
    """

    def __init__(self, make: Callable[[], Awaitable[str]], pace: Pace | None = None) -> None:
        self._make = make
        self._pace = pace or Pace()
        self._listeners: dict[asyncio.Event, str] = {}
        self._told: _Told | None = None
        self._made_at = monotonic()
        self._looking: asyncio.Task[None] | None = None
        self._has_ended = False

    def has_room(self, client: str) -> bool:
        """Whether one more may listen, and one more of this client."""
        of_client = sum(1 for one in self._listeners.values() if one == client)
        return len(self._listeners) < MOST_LISTENERS and of_client < MOST_OF_ONE_CLIENT

    def end(self) -> None:
        """Let all streams end: the server stops."""
        self._has_ended = True
        self._wake()

    async def listen(self, client: str, known_id: str | None = None) -> AsyncIterator[bytes]:
        """The events for one listener, until the server stops, the part cannot be made, or it is to ask again.

        Args:
            client: Who listens.
            known_id: Of the event that it heard last.
        """
        changed = asyncio.Event()
        self._listeners[changed] = client
        ends_at = monotonic() + self._pace.stream_seconds
        try:
            yield f"retry: {_RETRY_MS}\n\n".encode()
            self._look_on()
            while self._is_going_on():
                if monotonic() >= ends_at:
                    yield _OVER
                    return
                changed.clear()
                if self._told is not None and self._told.event_id != known_id:
                    told, heard_id = self._told, known_id
                    known_id = told.event_id
                    yield told.change if told.before_id == heard_id else told.event
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), self._pace.beat_seconds)
                except TimeoutError:
                    if monotonic() - self._made_at < self._pace.trusted_seconds:
                        yield _BEAT
        finally:
            del self._listeners[changed]
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
                begun = monotonic()
                text = await self._make()
                self._made_at = monotonic()
                if self._told is None or text != self._told.text:
                    self._told = _Told.of(text, self._told)
                    self._wake()
                await asyncio.sleep(self._pace.rest_seconds(self._made_at - begun))
        except Exception:  # listeners' streams end, and begin anew by themselves
            _log.exception("The live part of the dashboard cannot be made")
        finally:
            # Not before the task is done: a listener that wakes sees that nothing more comes.
            asyncio.get_running_loop().call_soon(self._wake)

    def _wake(self) -> None:
        for listener in self._listeners:
            listener.set()
