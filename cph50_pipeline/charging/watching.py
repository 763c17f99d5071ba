"""Watching the charger: what its state is now, and what must be collected because the store does not have it yet.

Level-triggered: every answer is compared with what is stored, nothing depends on having seen an event. Asking,
starting runs and writing files is done elsewhere (`defs.sensors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from cph50_pipeline.charging.answers import ChargerStatus, ChargingStatus
from cph50_pipeline.civil_time import format_instant, format_local, parse_instant
from cph50_pipeline.errors import BadInputError

REWRITE_AFTER = timedelta(minutes=10)
PROMPT_ATTEMPTS = 3
RETRY_AFTER = timedelta(hours=1)
REPEAT_AFTER = timedelta(minutes=5)

Purpose = Literal["collection", "completion", "refresh"]
MS_PER_MINUTE = 60_000


class LastSession(BaseModel):
    """`last_session.json`: the charger now and the current or most recent session. Field names are seed names.

    `timestamp` is UTC, `detected_at` the same instant in the household's zone, for display. `power_kw` is null
    while nothing charges.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, extra="ignore")

    timestamp: str
    detected_at: str
    power_kw: float | None = None
    energy_kwh: float | None = None
    duration_minutes: int | None = None
    vehicle_id: str | None = None
    vehicle_confidence: float | None = None
    connected: bool
    charging: bool

    @property
    def looked_at(self) -> datetime | None:
        """When the charger was looked at; None where the file's time is none."""
        try:
            return parse_instant(self.timestamp)
        except BadInputError:
            return None


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at the charger.

    Attributes:
        at: When (UTC).
        charger: The charger's own status, None when the account has no home charger.
        session: The session in progress, None when there is none.
        vehicle_id: The car the stored classification names for that session, None when there is none yet.
        vehicle_confidence: Its confidence.
    """

    at: datetime
    charger: ChargerStatus | None
    session: ChargingStatus | None
    vehicle_id: str | None = None
    vehicle_confidence: float | None = None


def last_session(seen: Observation, before: LastSession | None, zone: ZoneInfo) -> LastSession:
    """The state to show after a look; without a session in progress the most recent one's figures stay."""
    session = seen.session
    charging = _is_charging(seen)
    if session is None:
        energy = before.energy_kwh if before else None
        minutes = before.duration_minutes if before else None
        vehicle = (before.vehicle_id, before.vehicle_confidence) if before else (None, None)
    else:
        energy = session.energy_kwh
        minutes = None if session.session_time is None else session.session_time // MS_PER_MINUTE
        vehicle = (seen.vehicle_id, seen.vehicle_confidence)
    return LastSession(
        timestamp=format_instant(seen.at.replace(microsecond=0)),
        detected_at=format_local(seen.at, zone),
        power_kw=session.power_kw if session is not None and charging else None,
        energy_kwh=energy,
        duration_minutes=minutes,
        vehicle_id=vehicle[0],
        vehicle_confidence=vehicle[1],
        connected=seen.charger.is_plugged_in if seen.charger is not None else session is not None,
        charging=charging,
    )


def state_differs(one: LastSession | None, other: LastSession) -> bool:
    """Whether two states differ in what a person would call a change: connected, charging, or which car."""
    return one is None or _state(one) != _state(other)


def is_worth_writing(before: LastSession | None, now: LastSession) -> bool:
    """Whether the file should be rewritten: the state changed, or the last writing is ten minutes old."""
    if before is None or before.looked_at is None or state_differs(before, now):
        return True  # also what cannot be dated is replaced
    return parse_instant(now.timestamp) - before.looked_at >= REWRITE_AFTER


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run that was started for a purpose and a subject, newest first in a sequence."""

    outcome: Literal["running", "success", "failure"]
    ended_at: datetime | None


def may_start(attempts: Sequence[Attempt], now: datetime) -> bool:
    """Whether to start another run: at once up to three failures, then hourly; never beside a running one.

    A success that left the wish standing (the source lags) is repeated after five minutes, and from the fourth in a
    row on hourly, too.
    """
    if any(attempt.outcome == "running" for attempt in attempts):
        return False
    if not attempts:
        return True
    newest = attempts[0]
    waited = now - newest.ended_at if newest.ended_at is not None else RETRY_AFTER
    in_a_row = len(list(takewhile(lambda attempt: attempt.outcome == newest.outcome, attempts)))
    if in_a_row > PROMPT_ATTEMPTS:
        return waited >= RETRY_AFTER
    return newest.outcome == "failure" or waited >= REPEAT_AFTER


def _is_charging(seen: Observation) -> bool:
    if seen.session is None or seen.session.has_ended:
        return False
    if (
        seen.charger is not None
        and seen.charger.charging_status
        and seen.session.is_home_charger is not False
    ):
        return seen.charger.charging_status.upper() == "CHARGING"
    return (seen.session.power_kw or 0.0) > 0.0


def _state(state: LastSession) -> tuple[bool, bool, str | None]:
    return state.connected, state.charging, state.vehicle_id
