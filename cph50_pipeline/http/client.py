"""What the clients of all sources have in common: a connection that is kept, counted, bounded and closed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar


class Connecting(Protocol):
    """What a client needs of its connection besides asking."""

    @property
    def requests_made(self) -> int:
        """Requests sent so far, retries included."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound all requests of this thread inside by one deadline, waits and retries included."""

    def close(self) -> None:
        """Let go of what is open."""


ConnectionT = TypeVar("ConnectionT", bound=Connecting)


class Client(Generic[ConnectionT]):
    """A client on a connection of its own; closed when the `with` block ends."""

    def __init__(self, connection: ConnectionT) -> None:
        self._connection = connection

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections. What processes share stays."""
        self._connection.close()

    @property
    def requests_made(self) -> int:
        """Requests sent by this client so far, retries and logins included; one for a websocket's conversation."""
        return self._connection.requests_made

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound all reads of this thread inside by one deadline, waits and retries included."""
        return self._connection.within(seconds)
