"""What the routes, the git bridge and the owner of a running stand-in share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault, FaultQueue
from cph50_pipeline.simulator.github.access import NOBODY, Access
from cph50_pipeline.simulator.github.random_faults import RandomFaults
from cph50_pipeline.simulator.github.rate import RateLimits
from cph50_pipeline.simulator.github.repository import BareRepository
from cph50_pipeline.simulator.state import RequestLog

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """One request, after it was answered. Neither headers nor bodies are kept, so no token is.

    Attributes:
        operation: What was asked, as faults name it.
        status: None when the connection was cut instead of an answer.
    """

    method: str
    path: str
    operation: str
    status: int | None


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request to the API with its answer, for those who check both against GitHub's description.

    Attributes:
        path: Below the API's root, percent-encoded as it came, without the query.
        status: None when the connection was cut instead of an answer.
        content_type: Of the answer.
    """

    method: str
    path: str
    query: str
    request_body: bytes
    status: int | None
    content_type: str
    answer_body: bytes


@dataclass
class Limits:
    """What GitHub takes and gives at most.

    Attributes:
        file_bytes: Of one file.
        tree_entries: Of one listing; what is beyond is left out and the listing marked so.
    """

    file_bytes: int = 100 * MEBIBYTE
    tree_entries: int = 100_000


@dataclass
class HubState:
    """One stand-in's parts.

    Attributes:
        root: The folder of the repositories.
        on_request: Called after the n-th request was carried out and before its answer is sent.
        on_exchange: Called with each request to the API and its answer.
    """

    root: Path
    clock: SimulatedClock
    rates: RateLimits
    limits: Limits = field(default_factory=Limits)
    faults: FaultQueue = field(default_factory=FaultQueue)
    random_faults: RandomFaults | None = None
    requests: RequestLog[AnsweredRequest] = field(default_factory=RequestLog)
    on_request: Callable[[int], None] | None = None
    on_exchange: Callable[[Exchange], None] | None = None
    tokens: dict[str, Access] = field(default_factory=dict)
    repositories: dict[str, BareRepository] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _carried_out: int = 0

    def repository(self, name: str) -> BareRepository:
        """A repository, by `owner/name`.

        Raises:
            BadInputError: when there is none of this name.
        """
        try:
            return self.repositories[name]
        except KeyError:
            raise BadInputError(f"The simulated GitHub has no repository {name}") from None

    def access(self, token: str | None) -> Access | None:
        """What a token lets do: nothing without one, None for one that nobody has."""
        return NOBODY if token is None else self.tokens.get(token)

    def take_faults(self, operation: str) -> tuple[Fault, ...]:
        """The faults that hit a request: ordered ones, or else those that chance draws."""
        ordered = self.faults.take(operation)
        if ordered or self.random_faults is None:
            return ordered
        return self.random_faults.draw(operation)

    def count_request(self) -> int:
        """The number of a request that was carried out; the first is 1."""
        with self._lock:
            self._carried_out += 1
            return self._carried_out
