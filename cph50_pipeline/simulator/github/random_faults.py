"""Faults by chance: all the kinds that a publisher meets and gets over, on a share of the requests."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Mapping

from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github.problems import (
    DOCUMENTATION,
    NO_FAST_FORWARD,
    SECONDARY_LIMITED,
)

_MOVES_A_BRANCH = frozenset({"update_ref", "put_contents"})


class RandomFaults:
    """Draws the same faults for the same seed and order of requests. Thread-safe.

    Args:
        share: Of the requests that are hit, from 0 to 1.
        retry_after_seconds: How long limits ask to wait.
    """

    def __init__(self, share: float, seed: int, retry_after_seconds: int = 1) -> None:
        self._share = share
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        waiting = {"retry-after": str(retry_after_seconds)}
        self._of_git = [_refusal(429, SECONDARY_LIMITED, waiting), *_ANYWHERE]
        self._of_api = [_refusal(403, SECONDARY_LIMITED, waiting), *self._of_git]

    def draw(self, operation: str) -> tuple[Fault, ...]:
        """What goes wrong with the next request; mostly nothing."""
        kinds = self._of_git if operation.startswith("git_") else self._of_api
        if operation in _MOVES_A_BRANCH:
            kinds = kinds + _CONFLICTS
        with self._lock:
            is_hit = self._random.random() < self._share
            return (self._random.choice(kinds),) if is_hit else ()


def _refusal(status_code: int, message: str, headers: Mapping[str, str] | None = None) -> Fault:
    body = {"message": message, "documentation_url": DOCUMENTATION, "status": str(status_code)}
    return Fault(kind="status", status_code=status_code, headers=dict(headers or {}), body=json.dumps(body))


_ANYWHERE = [
    Fault(kind="status", status_code=500),
    Fault(kind="status", status_code=502),
    Fault(kind="status", status_code=503),
    Fault(kind="hang_up"),
    Fault(kind="unanswered"),
    Fault(kind="truncated"),
    Fault(kind="delay", delay_seconds=0.05),
]
_CONFLICTS = [_refusal(422, NO_FAST_FORWARD), _refusal(409, "Conflict")]
