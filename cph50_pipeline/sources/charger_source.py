"""What the pipeline needs of a source of charging sessions: the seam that all other code types against.

ChargePoint's implementation is `chargepoint.py`; the simulator speaks ChargePoint's protocol and needs none.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from cph50_pipeline.charging.answers import (
    ActiveSession,
    ActivityRow,
    ChargerStatus,
    ChargingStatus,
    TechnicalInfo,
)


class ChargerSource(Protocol):
    """A source of charging sessions; its answers are scrubbed, by the household's privacy, as they arrive.

    Every read raises a `TransientError` when it may succeed later, a `PermanentError` when somebody has to
    change something first (`NotFoundError` when the session or charger does not exist), and a `BadInputError`
    when the answer cannot be used.
    """

    @property
    def requests_made(self) -> int:
        """Requests sent so far."""

    def chargers(self) -> list[str]:
        """The ids of the account's chargers, sorted. They identify the household: never store or log them."""

    def charger_status(self, charger_id: str) -> ChargerStatus:
        """A charger as it is now."""

    def technical_info(self, charger_id: str) -> TechnicalInfo:
        """What a charger is and runs."""

    def user_status(self) -> ActiveSession | None:
        """The session in progress, None when there is none."""

    def session(self, session_id: str) -> ChargingStatus:
        """A session with its curve."""

    def activity(self, since: datetime, page_size: int = 50) -> list[ActivityRow]:
        """The sessions that started at or after an aware instant, newest first."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound all reads inside by one deadline."""

    def unmetered(self) -> AbstractContextManager[None]:
        """Lift the polite budget of requests inside: for a backfill or a sampling window."""
