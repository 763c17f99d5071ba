"""ChargePoint's answers, typed at the edge.

Undeclared fields are kept, so that what is stored is what was answered. Declared are only the fields that the
pipeline reads. Where the protocol is stated: docs/chargepoint.md. No network here (see `sources/chargepoint.py`).
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _as_id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


SessionId = Annotated[str, BeforeValidator(_as_id)]


class Answer(BaseModel):
    """A part of an answer: declared fields are checked, all others are kept."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)

    def as_answered(self) -> dict[str, Any]:
        """The fields that were answered, declared or not, fit for JSON."""
        return self.model_dump(mode="json", exclude_unset=True)


class UpdatePoint(Answer):
    """One point of a session's curve. `energy_kwh` counts up from the start of the session."""

    timestamp: int  # ms
    energy_kwh: float | None = None
    power_kw: float | None = None


class SessionAnswer(Answer):
    """What a session's row in the activity and its `charging_status` have in common. Times are Unix ms."""

    session_id: SessionId
    start_time: int
    end_time: int | None = None
    energy_kwh: float
    power_kw: float | None = None
    session_time: int | None = None  # ms, plugged in
    charging_time: int | None = None  # ms, drawing power
    current_charging: str | None = None  # "done" when it has ended
    last_update_data_timestamp: int | None = None
    start_offset: int | None = None  # s, the UTC offset at the start
    total_amount: float | None = None
    is_home_charger: bool | None = None

    @property
    def has_ended(self) -> bool:
        """Whether ChargePoint calls the session over: an end, and no state that contradicts it."""
        return self.end_time is not None and self.current_charging in (None, "done")


class ActivityRow(SessionAnswer):
    """One session in a `charging_activity_monthly` answer."""


class ChargingStatus(SessionAnswer):
    """A session with its curve, from `charging_status` or `driver-bff/v1/sessions/{id}`."""

    update_data: list[UpdatePoint] = []
