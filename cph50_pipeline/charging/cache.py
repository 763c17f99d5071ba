"""The session cache: one object a session that satisfies both published readers of the old files.

Everything in it is derived from the month's answers, the attribution and the slots, so it can be made again
at any time. Fields are added here, none is renamed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from cph50_pipeline.charging.activity import StoredSession
from cph50_pipeline.charging.chains import PlugIn
from cph50_pipeline.charging.fields import Instant, read_document, rounded
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Attribution, Reading, Session, VehicleCard
from cph50_pipeline.charging.slots import ChargingSlot

HOME = "Home"
HOME_CHARGER_MODEL = "CPH50"


class _Part(BaseModel):
    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, extra="allow", frozen=True, allow_inf_nan=False)


class CacheVehicle(_Part):
    """Whose session it was. `vin` stays for its readers, always null: no answer knows which car charged."""

    id: str
    confidence: float | None
    vehicle_id: str
    vehicle_name: str | None
    make: str | None
    model: str | None
    vin: str | None = None


class CacheLocation(_Part):
    """Where it happened; with public privacy no more than whether it was at home."""

    location_id: str | None
    name: str | None
    address: str | None
    city: str | None
    state: str | None
    zip_code: str | None


class CacheCharger(_Part):
    """What it was charged with; `charger_label` tells a household's chargers apart and identifies none."""

    charger_id: str | None
    charger_label: str | None
    connector_type: str | None
    charger_model: str | None
    level: int | None


class CacheSession(_Part):
    """How it went: seconds plugged in and drawing power, cost in the account's currency."""

    energy_kwh: float
    duration_seconds: int
    charging_seconds: int | None
    cost: float | None
    peak_power_kw: float | None
    status: Literal["charging", "completed"]


class CacheUtility(_Part):
    """Who sold the energy, and by which plan."""

    utility_name: str | None
    utility_company: str | None
    plan: str | None


class CacheRecord(_Part):
    """One session as history pages read it. Times are in UTC; the end of an open session is null.

    `plug_in_id` groups the sessions of one plug-in event; a record stored before there was such a field has none.
    """

    session_id: str
    session_start_time: Instant
    session_end_time: Instant | None
    energy_kwh: float
    vehicle_id: str
    vehicle_confidence: float | None
    vehicle: CacheVehicle
    location: CacheLocation
    charger: CacheCharger
    session: CacheSession
    utility: CacheUtility
    plug_in_id: str | None = None
    flags: tuple[str, ...]

    @classmethod
    def read(cls, document: object, name: str) -> CacheRecord:
        """Read a stored record; `name` is the file's, for the error.

        Raises:
            BadInputError: naming the file and the field.
        """
        return read_document(cls, document, name)

    def document(self) -> dict[str, Any]:
        """The record fit for JSON."""
        return self.model_dump(mode="json")


def cache_record(
    session: Session,
    stored: StoredSession,
    attribution: Attribution,
    slots: Sequence[ChargingSlot],
    vehicles: Mapping[str, VehicleCard],
    readings: Sequence[Reading] = (),
    plug_in: PlugIn | None = None,
) -> CacheRecord:
    """A session's record.

    Args:
        session: The session with its times set right.
        stored: Its answers, for what they say of place, charger and utility.
        attribution: Whose it was.
        slots: The session's own slots, which carry its cost.
        vehicles: Every configured vehicle by id.
        readings: All distinct readings, for the peak power; without them the session's curve is used.
        plug_in: The event that the session is part of; without one it is an event of its own.
    """
    plug_in = plug_in or PlugIn((session.session_id,))
    return CacheRecord(
        session_id=session.session_id,
        session_start_time=session.start,
        session_end_time=session.end,
        energy_kwh=round(session.energy_kwh, 6),
        vehicle_id=attribution.vehicle_id,
        vehicle_confidence=attribution.confidence,
        vehicle=_vehicle(attribution, vehicles),
        location=_location(session, stored),
        charger=_charger(session, stored),
        session=_course(session, slots, readings or session.curve),
        utility=_utility(stored),
        plug_in_id=plug_in.plug_in_id,
        flags=_flags(session, plug_in),
    )


def _flags(session: Session, plug_in: PlugIn) -> tuple[str, ...]:
    begins_by_swap = plug_in.is_swap and plug_in.plug_in_id == session.session_id
    return tuple(sorted({*session.flags, "swap"})) if begins_by_swap else session.flags


def _vehicle(attribution: Attribution, vehicles: Mapping[str, VehicleCard]) -> CacheVehicle:
    nothing = VehicleCard(name=None, make=None, model=None)
    card = (
        nothing
        if attribution.vehicle_id == UNKNOWN_VEHICLE
        else vehicles.get(attribution.vehicle_id, nothing)
    )
    return CacheVehicle(
        id=attribution.vehicle_id,
        confidence=attribution.confidence,
        vehicle_id=attribution.vehicle_id,
        vehicle_name=card.name,
        make=card.make,
        model=card.model,
    )


def _location(session: Session, stored: StoredSession) -> CacheLocation:
    return CacheLocation(
        location_id=_text(stored, "location_id"),
        name=HOME if session.is_home else _text(stored, "company_name"),
        address=_text(stored, "address1"),
        city=_text(stored, "city"),
        state=_text(stored, "state_name"),
        zip_code=_text(stored, "zipcode"),
    )


def _charger(session: Session, stored: StoredSession) -> CacheCharger:
    level = _answered(stored, "port_level")
    return CacheCharger(
        charger_id=_text(stored, "device_id"),
        charger_label=session.charger_label,
        connector_type=_text(stored, "connector_type"),
        charger_model=HOME_CHARGER_MODEL if session.is_home else _text(stored, "model"),
        level=level if isinstance(level, int) and not isinstance(level, bool) else None,
    )


def _course(session: Session, slots: Sequence[ChargingSlot], readings: Sequence[Reading]) -> CacheSession:
    powers = [reading.power_kw for reading in readings if reading.power_kw is not None]
    return CacheSession(
        energy_kwh=round(session.energy_kwh, 6),
        duration_seconds=_duration_seconds(session),
        charging_seconds=None if session.charging_seconds is None else round(session.charging_seconds),
        cost=_cost(session, slots),
        peak_power_kw=rounded(max(powers, default=None)),
        status="charging" if session.is_open else "completed",
    )


def _duration_seconds(session: Session) -> int:
    """The time plugged in; of an open session as far as is known."""
    if session.end is not None:
        return round((session.end - session.start).total_seconds())
    if session.plugged_in_seconds is not None:
        return round(session.plugged_in_seconds)
    return round((session.last_update - session.start).total_seconds()) if session.last_update else 0


def _cost(session: Session, slots: Sequence[ChargingSlot]) -> float | None:
    """The slots' cost, so that the cache and the slots never tell two costs."""
    costs = [slot.cost for slot in slots if slot.cost is not None]
    return rounded(sum(costs)) if costs else rounded(session.cost)


def _utility(stored: StoredSession) -> CacheUtility:
    utility = _answered(stored, "utility")
    known = utility if isinstance(utility, Mapping) else {}
    plans = known.get("plans")
    plan = plans[0] if isinstance(plans, list) and plans and isinstance(plans[0], Mapping) else {}
    name = _as_text(known.get("name"))
    return CacheUtility(
        utility_name=name, utility_company=name, plan=_as_text(plan.get("code")) or _as_text(plan.get("name"))
    )


def _answered(stored: StoredSession, field: str) -> object:
    """What the fuller answer that has the field says of it; undeclared fields are kept as answered."""
    values = ((answer.model_extra or {}).get(field) for answer in stored.answers)
    return next((value for value in values if value is not None), None)


def _text(stored: StoredSession, field: str) -> str | None:
    return _as_text(_answered(stored, field))


def _as_text(value: object) -> str | None:
    return None if value is None or isinstance(value, Mapping | list) else str(value)
