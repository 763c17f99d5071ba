"""What the protocol, the control routes and the owner of a running simulator share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from cph50_pipeline.simulator.answers import Answers
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import FaultQueue
from cph50_pipeline.simulator.house.recorder import Recorder
from cph50_pipeline.simulator.identity import EMAIL
from cph50_pipeline.simulator.plug_ins import LiveHousehold
from cph50_pipeline.simulator.tokens import Tokens

HOME_ASSISTANT_TOKEN = "simulated-home-assistant-token"
_KEPT_REQUESTS = 20_000


@dataclass(frozen=True, slots=True)
class Account:
    """Who may log in."""

    username: str = EMAIL
    password: str = "simulated"


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """One request as it came in, whether or not it was answered. Passwords are masked.

    Attributes:
        operation: What was asked, as faults name it.
    """

    method: str
    path: str
    operation: str
    body: dict[str, Any]
    had_token: bool


class _Named(Protocol):
    @property
    def operation(self) -> str:
        """What was asked, as faults name it."""


RequestT = TypeVar("RequestT", bound=_Named)


class RequestLog(Generic[RequestT]):
    """The requests so far, oldest first; the oldest are forgotten in a server that runs for long."""

    def __init__(self) -> None:
        self._requests: list[RequestT] = []

    def __iter__(self) -> Iterator[RequestT]:
        """Iterate over a copy, so that a request meanwhile disturbs nothing."""
        return iter(self._requests[:])

    def __len__(self) -> int:
        """How many requests are kept."""
        return len(self._requests)

    def append(self, request: RequestT) -> None:
        """Keep a request."""
        self._requests.append(request)
        del self._requests[:-_KEPT_REQUESTS]

    def clear(self) -> None:
        """Forget all requests."""
        self._requests.clear()

    def counts(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(request.operation for request in self)


@dataclass(frozen=True)
class SimulatorState:
    """One simulator's parts.

    Attributes:
        household: None when recorded answers are replayed.
        recorder: What the house's Home Assistant knows.
        home_token: The long-lived token of Home Assistant.
    """

    answers: Answers
    household: LiveHousehold | None
    recorder: Recorder
    clock: SimulatedClock
    tokens: Tokens
    account: Account = Account()
    home_token: str = HOME_ASSISTANT_TOKEN
    faults: FaultQueue = field(default_factory=FaultQueue)
    requests: RequestLog[RecordedRequest] = field(default_factory=RequestLog)
