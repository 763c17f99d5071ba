"""Faults on demand: what the simulator does wrong, to which requests, and how often."""

from __future__ import annotations

import threading
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

FaultKind = Literal[
    "status",
    "delay",
    "hang_up",
    "unanswered",
    "truncated",
    "broken_json",
    "expired_token",
    "bot_json",
    "bot_html",
]


class Fault(BaseModel):
    """One thing that goes wrong.

    Attributes:
        kind: `status` answers `status_code`; `delay` answers well, but late; `hang_up` cuts the connection
            before the request is carried out, `unanswered` after that, without an answer; `truncated` cuts it in
            the middle of one; `broken_json` answers 200 with half a document; `expired_token` answers 401, and
            goes on doing so until the next login (Home Assistant knows no login: there it hits as often as told);
            `bot_json` and `bot_html` answer 403 as ChargePoint's bot protection does.
        operation: Which requests: `discovery`, `login`, `profile`, `chargers`, `charger_status`,
            `technical_info`, `configuration`, `user_status`, `charging_status`, `charging_activity_monthly`;
            of Home Assistant `ha_status`, `ha_states`, `ha_state`, `ha_history`, `ha_websocket`, `ha_statistics`,
            `ha_statistic_ids`, `ha_command`; of GitHub `get_repository`, `get_ref`, `match_refs`, `create_ref`,
            `update_ref`, `get_git_commit`, `create_commit`, `get_tree`, `create_tree`, `get_blob`, `create_blob`,
            `get_contents`, `put_contents`, `list_commits`, `get_commit`, `rate_limit`, `git_refs`, `git_fetch`,
            `git_push`; None for any.
        times: How many requests it hits; None for all until the faults are cleared.
        after: How many matching requests pass first.
        delay_seconds: How long the answer waits.
        status_code: For `status`.
        headers: Sent with the answer, such as `Retry-After`.
        body: Sent with the answer of a `status`; of GitHub, what it usually says when this is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: FaultKind
    operation: str | None = None
    times: int | None = Field(default=1, ge=1)
    after: int = Field(default=0, ge=0)
    delay_seconds: float = Field(default=0.0, ge=0)
    status_code: int = Field(default=500, ge=200, le=599)
    headers: dict[str, str] = {}
    body: str = ""


class FaultQueue:
    """The faults that wait for a request, in the order in which they were added. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Queue faults. A delay joins whatever else hits the same request; of all others the first does."""
        with self._lock:
            self._waiting.extend(faults)

    def fail(self, status_code: int, **details: object) -> None:
        """Queue a `status` fault; `details` are fields of `Fault`."""
        self.add(Fault.model_validate({"kind": "status", "status_code": status_code, **details}))

    def clear(self) -> None:
        """Forget all faults."""
        with self._lock:
            self._waiting.clear()

    def waiting(self) -> tuple[Fault, ...]:
        """The faults that have not been used up."""
        with self._lock:
            return tuple(self._waiting)

    def take(self, operation: str) -> tuple[Fault, ...]:
        """The faults that hit a request for an operation; at most one of them is not a delay."""
        with self._lock:
            taken: list[Fault] = []
            remaining: list[Fault] = []
            for fault in self._waiting:
                is_late = fault.kind != "delay" and any(one.kind != "delay" for one in taken)
                if is_late or fault.operation not in (None, operation):
                    remaining.append(fault)
                elif fault.after:
                    remaining.append(fault.model_copy(update={"after": fault.after - 1}))
                else:
                    taken.append(fault)
                    remaining.extend(_left_over(fault))
            self._waiting = remaining
            return tuple(taken)


def _left_over(fault: Fault) -> list[Fault]:
    if fault.times is None:
        return [fault]
    return [fault.model_copy(update={"times": fault.times - 1})] if fault.times > 1 else []
