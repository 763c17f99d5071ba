"""The page of one session: its curve, whose it was and who says so, what is odd about it, and where its energy went."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Reading
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import format_local, local_date, month_of, parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.pages.cars import Car, by_name, cars_of
from cph50_pipeline.pages.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Curve, GridLine, curve, scale
from cph50_pipeline.pages.history import NAMED_BY, Flag, flags_of
from cph50_pipeline.pages.links import Links
from cph50_pipeline.pages.periods import containing
from cph50_pipeline.pages.rendering import NOTHING
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.config import VehicleConfig

_TICKS = 5
_SECOND = timedelta(seconds=1)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class SessionInputs:
    """What is stored of one session.

    Attributes:
        slots: Its quarter hours, in order.
        readings: Its distinct readings, in order.
        together: The records of the sessions of its plug-in event, itself among them, in order of start.
        troubles: What could not be read.
    """

    record: CacheRecord
    config: VehicleConfig
    slots: tuple[ChargingSlot, ...] = ()
    readings: tuple[Reading, ...] = ()
    classification: Classification | None = None
    together: tuple[CacheRecord, ...] = ()
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Tick:
    """A time under the picture."""

    x: float
    label: str
    anchor: str


@dataclass(frozen=True, slots=True)
class PowerPicture:
    """Power over the session's time, with its axes.

    Attributes:
        curve: The line, placed at `left` and `top`.
    """

    curve: Curve
    grid: tuple[GridLine, ...]
    ticks: tuple[Tick, ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    top: float = TOP
    right: float = WIDTH - RIGHT
    base: float = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A quarter hour; `is_next_day` where it is the first of another civil day than the one before."""

    start: datetime
    energy_kwh: float
    cost: float | None
    coverage: float
    is_next_day: bool


@dataclass(frozen=True, slots=True)
class Sibling:
    """A session of the same plug-in event."""

    session_id: str
    start: datetime
    energy_kwh: float
    car: Car
    address: str
    is_this: bool


@dataclass(frozen=True, slots=True)
class SessionView:
    """All that the page shows.

    Attributes:
        labeled_by: Who named the car, as it is stored; None while nobody did.
        reason: Why, in words that call cars by their names; empty where nobody said.
        day_address: The page of the day on which it began.
        readings: Times with power (kW) and the energy counter (kWh).
    """

    session_id: str
    start: datetime
    end: datetime | None
    energy_kwh: float
    duration_seconds: int
    charging_seconds: int | None
    cost: float | None
    peak_kw: float | None
    car: Car
    confidence: float | None
    labeled_by: str | None
    labeled_at: datetime | None
    reason: str
    needs_review: bool
    is_final: bool
    place: str
    plan: str
    flags: tuple[Flag, ...]
    picture: PowerPicture | None
    readings: tuple[tuple[datetime, float | None, float | None], ...]
    slots: tuple[SlotRow, ...]
    together: tuple[Sibling, ...]
    day_address: str
    month_address: str
    troubles: tuple[Trouble, ...]

    @property
    def named_by(self) -> str:
        """Who named the car, in words; empty while nobody did."""
        return NAMED_BY.get(self.labeled_by, "")

    @property
    def is_open(self) -> bool:
        """Whether it still runs."""
        return self.end is None


@dataclass(frozen=True, slots=True)
class Version:
    """A commit that changed what is stored of the session.

    Attributes:
        by: What committed: a job and its run, or a person's words.
        event: What happened to the record: it appeared, changed, moved or vanished.
        changes: Fields with what they were and became, in words.
    """

    at: datetime
    commit: str
    by: str
    event: str
    changes: tuple[tuple[str, str, str], ...]


def session_view(inputs: SessionInputs, links: Links, zone: ZoneInfo) -> SessionView:
    """The page of a session.

    Args:
        links: Where other pages are.
        zone: The household's.
    """
    record, said, reason = inputs.record, inputs.classification, ""
    if said is not None:
        # The record follows the naming by a run: between them nothing is told of the one that is of the other.
        is_ahead = said.vehicle_id != record.vehicle_id
        said, reason = (None, "it is being named again") if is_ahead else (said, said.reason)
    cars = cars_of(inputs.config, [record.vehicle_id, *(one.vehicle_id for one in inputs.together)])
    start, end = _local(record.session_start_time, zone), _local(record.session_end_time, zone)
    assert start is not None
    day = start.date()
    return SessionView(
        session_id=record.session_id,
        start=start,
        end=end,
        energy_kwh=record.energy_kwh,
        duration_seconds=record.session.duration_seconds,
        charging_seconds=record.session.charging_seconds,
        cost=record.session.cost,
        peak_kw=record.session.peak_power_kw,
        car=cars[record.vehicle_id],
        confidence=record.vehicle_confidence if record.vehicle_id != UNKNOWN_VEHICLE else None,
        labeled_by=None if said is None else said.labeled_by,
        labeled_at=None if said is None else _local(said.labeled_at, zone),
        reason=by_name(reason, cars),
        needs_review=said is not None and said.needs_review,
        is_final=said is None or said.final,
        place=" · ".join(part for part in (record.location.name, record.charger.charger_label) if part),
        plan=record.utility.plan or "",
        flags=flags_of(record),
        picture=power_picture(inputs.readings, record, zone),
        readings=tuple(
            (reading.at.astimezone(zone), reading.power_kw, reading.energy_kwh) for reading in inputs.readings
        ),
        slots=_slot_rows(inputs.slots, zone),
        together=tuple(_sibling(one, record, cars, links, zone) for one in inputs.together),
        day_address=links.page("history", **containing("day", day).query),
        month_address=links.page("history", **containing("month", day).query),
        troubles=inputs.troubles,
    )


def power_picture(readings: Sequence[Reading], record: CacheRecord, zone: ZoneInfo) -> PowerPicture | None:
    """The power of a session over its time; None where no reading has any."""
    powers = [one.power_kw for one in readings if one.power_kw is not None]
    if not powers:
        return None
    first = min(record.session_start_time, readings[0].at)
    last = max(record.session_end_time or first, readings[-1].at, first + _SECOND)
    step, top = scale(max(powers))
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    line = curve(
        [(one.at.timestamp(), one.power_kw) for one in readings],
        width=width,
        height=height,
        first=first.timestamp(),
        last=last.timestamp(),
        top=top,
    )
    grid = tuple(
        GridLine(round(HEIGHT - BOTTOM - height * number * step / top, 2), f"{number * step:g}")
        for number in range(round(top / step) + 1)
    )
    return PowerPicture(line, grid, _ticks(first, last, width, zone))


def shown(value: object, zone: ZoneInfo) -> str:
    """A stored value as people read it."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return _time_shown(value, zone) if _INSTANT.match(value) else value
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or NOTHING
    return str(value)


def _time_shown(text: str, zone: ZoneInfo) -> str:
    """What looks like a time as the household has it; as it stands where it is none."""
    try:
        return format_local(parse_instant(text), zone)
    except (BadInputError, OverflowError):  # the latter beyond the years that there are
        return text


def _ticks(first: datetime, last: datetime, width: float, zone: ZoneInfo) -> tuple[Tick, ...]:
    anchors = ("start", *["middle"] * (_TICKS - 2), "end")
    return tuple(
        Tick(
            round(LEFT + width * place / (_TICKS - 1), 2),
            f"{(first + (last - first) * place / (_TICKS - 1)).astimezone(zone):%H:%M}",
            anchor,
        )
        for place, anchor in enumerate(anchors)
    )


def _slot_rows(slots: Sequence[ChargingSlot], zone: ZoneInfo) -> tuple[SlotRow, ...]:
    days = [local_date(slot.slot_start, zone) for slot in slots]
    return tuple(
        SlotRow(
            start=slot.slot_start.astimezone(zone),
            energy_kwh=slot.energy_kwh,
            cost=slot.cost,
            coverage=slot.coverage,
            is_next_day=place > 0 and days[place - 1] != days[place],
        )
        for place, slot in enumerate(slots)
    )


def _sibling(
    one: CacheRecord, this: CacheRecord, cars: Mapping[str, Car], links: Links, zone: ZoneInfo
) -> Sibling:
    return Sibling(
        session_id=one.session_id,
        start=one.session_start_time.astimezone(zone),
        energy_kwh=one.energy_kwh,
        car=cars[one.vehicle_id],
        address=links.page("session", id=one.session_id, month=month_of(one.session_start_time, zone)),
        is_this=one.session_id == this.session_id,
    )


def _local(instant: datetime | None, zone: ZoneInfo) -> datetime | None:
    return None if instant is None else instant.astimezone(zone)
