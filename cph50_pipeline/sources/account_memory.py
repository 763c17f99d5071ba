"""What changes once in years and would cost a request a tick: addresses, user id, charger ids.

Kept for a day, as private as the token: it identifies the household. What it is used for is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from cph50_pipeline.charging.answers import Discovery
from cph50_pipeline.sources.state_file import StateFile

MEMORY_FILE = "chargepoint_account.json"
KEPT_SECONDS = 24 * 3600.0


class _Memory(BaseModel):
    account: str
    since: float  # Unix s, when discovery was asked
    discovery: Discovery
    user_id: str | None = None
    charger_ids: list[str] = []


class AccountMemory:
    """What is known of one account.

    Args:
        state_dir: The private folder that all processes share.
        account: Names the account and the address it belongs to.
        now: Unix time in seconds.

    Two processes that learn something at once may lose one's finding: it is asked for once more.
    """

    def __init__(self, state_dir: Path, *, account: str, now: Callable[[], float] = time.time) -> None:
        self._file = StateFile(state_dir / MEMORY_FILE, _Memory)
        self._account = account
        self._now = now
        self._held: _Memory | None = None

    @property
    def discovery(self) -> Discovery | None:
        """Where the services answer."""
        memory = self._fresh()
        return memory.discovery if memory else None

    @property
    def user_id(self) -> str | None:
        """The account's id."""
        memory = self._fresh()
        return memory.user_id if memory else None

    @property
    def charger_ids(self) -> list[str]:
        """The account's chargers, empty when not known."""
        memory = self._fresh()
        return list(memory.charger_ids) if memory else []

    def learn_discovery(self, discovery: Discovery) -> None:
        """Begin afresh with discovery's answer."""
        self._keep(_Memory(account=self._account, since=self._now(), discovery=discovery))

    def learn_user(self, user_id: str) -> None:
        """Add the account's id."""
        memory = self._fresh()
        if memory:
            self._keep(memory.model_copy(update={"user_id": user_id}))

    def learn_chargers(self, charger_ids: list[str]) -> None:
        """Add the account's chargers."""
        memory = self._fresh()
        if memory:
            self._keep(memory.model_copy(update={"charger_ids": list(charger_ids)}))

    def forget(self) -> None:
        """Ask for everything again: something remembered no longer holds."""
        self._held = None
        self._file.remove()

    def _fresh(self) -> _Memory | None:
        memory = self._held or self._file.read()
        usable = (
            memory is not None
            and memory.account == self._account
            and 0 <= self._now() - memory.since < KEPT_SECONDS
        )
        self._held = memory if usable else None
        return self._held

    def _keep(self, memory: _Memory) -> None:
        self._held = memory
        self._file.write(memory)
