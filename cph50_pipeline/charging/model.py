"""The words of charging: a reading, a session, a slot, whose car it was.

Values only; the rules that make them stand beside this module.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Origin = Literal["window", "curve"]
UNKNOWN_VEHICLE = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """One distinct value of the charger's meter during a session.

    Attributes:
        at: When the charger took it (UTC), as the charger says.
        energy_kwh: The session's cumulative counter, None when it was not given.
        power_kw: Power at that moment, None when it was not given.
        origin: "window" when sampled live, "curve" when it came with the session's own curve.
    """

    at: datetime
    energy_kwh: float | None
    power_kw: float | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Session:
    """One charging session with its times set right. Instants are UTC.

    Attributes:
        session_id: ChargePoint's id, always a string.
        end: The corrected end; None while the session is open.
        reported_end: The end that ChargePoint answered.
        plugged_in_seconds: `session_time`, None when not answered.
        charging_seconds: `charging_time`, None when not answered.
        cost: ChargePoint's own total in the account's currency, None when not answered.
        power_kw: The power last reported, None when not answered.
        is_home: Whether it happened at the household's own charger.
        charger_label: Tells chargers apart without identifying them; None when unknown.
        curve: The readings that came with the session, in order of time.
        last_update: When the charger last reported (UTC), None when not answered.
        flags: What was corrected or is doubtful, sorted; `sessions.FLAGS` says what each means.
    """

    session_id: str
    start: datetime
    end: datetime | None
    reported_end: datetime | None
    energy_kwh: float
    plugged_in_seconds: float | None
    charging_seconds: float | None
    cost: float | None
    power_kw: float | None
    is_home: bool
    charger_label: str | None
    curve: tuple[Reading, ...]
    last_update: datetime | None
    flags: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether the session still runs."""
        return self.end is None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whose session it was, as far as is known.

    Attributes:
        vehicle_id: Key of the vehicle's configuration, or "unknown".
        confidence: From 0 to 1; None when nothing was concluded.
    """

    vehicle_id: str = UNKNOWN_VEHICLE
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class VehicleCard:
    """What a reader is shown of a vehicle. Each part is None when it was not configured."""

    name: str | None
    make: str | None
    model: str | None
