"""What the dashboard shows: the chargers now, what the house draws, what was charged today and this month."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isfinite
from typing import Literal
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.live.model import Freshness, LatestValue
from cph50_pipeline.live.snapshot import DeviceSnapshot, SensorSnapshot
from cph50_pipeline.pages.cars import Car
from cph50_pipeline.pages.charts import Curve, curve
from cph50_pipeline.pages.meters import meter_name
from cph50_pipeline.pages.rendering import decimals_of
from cph50_pipeline.pages.troubles import Trouble

State = Literal["charging", "plugged", "away", "offline", "unknown"]
STATES: Mapping[State, str] = {
    "charging": "Charging",
    "plugged": "Plugged in, not charging",
    "away": "Not plugged in",
    "offline": "Offline",
    "unknown": "Not known",
}
_CURVE_BREAKS = timedelta(minutes=35)
"""A charger tells its power every five to fifteen minutes; where it said nothing for longer the line is broken."""
_POWER_FIRST = {"kW": 0, "kWh": 1, "V": 2}


@dataclass(frozen=True, slots=True)
class ChargerView:
    """One charger.

    Attributes:
        state: As it says, or said last.
        freshness: Whether that still holds.
        heard_at: When it said something last, in the household's zone; None: never.
        power_at: When it took its power.
        is_session: Whether the figures are those of the session in progress; else of the one before.
        car: None while there is no session whose car could be known.
        confidence: From 0 to 1.
    """

    charger_id: str
    name: str
    state: State
    freshness: Freshness
    heard_at: datetime | None
    power_kw: float | None
    power_at: datetime | None
    energy_kwh: float | None
    minutes: float | None
    started_at: datetime | None
    is_session: bool
    car: Car | None
    confidence: float | None
    curve: Curve | None

    @property
    def is_current(self) -> bool:
        """Whether what it says is of now."""
        return self.freshness is Freshness.FRESH

    @property
    def words(self) -> str:
        """Its state in words."""
        if self.freshness is Freshness.NEVER:
            return "Nothing was ever heard of it"
        said = STATES[self.state]
        return said if self.freshness is not Freshness.SILENT else f"Last known: {said[0].lower()}{said[1:]}"

    @property
    def is_charging_now(self) -> bool:
        """Whether it charges, as far as that is known to be so now."""
        return self.state == "charging" and self.freshness is not Freshness.SILENT


@dataclass(frozen=True, slots=True)
class MeterView:
    """What a meter of the house said last.

    Attributes:
        at: When, in the household's zone.
        is_old: Whether it should have said something since.
    """

    meter: str
    value: float | None
    unit: str
    decimals: int
    at: datetime | None
    is_old: bool

    @property
    def name(self) -> str:
        """What people are shown for it."""
        return meter_name(self.meter)


@dataclass(frozen=True, slots=True)
class CarSum:
    """What a car charged in a period.

    Attributes:
        car: None for all cars together.
        cost: None where none is known.
        cost_of_kwh: Of how much of the energy the cost is known.
    """

    car: Car | None
    energy_kwh: float
    cost: float | None
    cost_of_kwh: float
    sessions: int

    @property
    def is_cost_partial(self) -> bool:
        """Whether some of the energy has no cost."""
        return self.cost is not None and self.energy_kwh - self.cost_of_kwh > 0.005


@dataclass(frozen=True, slots=True)
class PeriodView:
    """What was charged in a period, by car.

    Attributes:
        at: Its name as the history's address has it: "2026-01-07" or "2026-01".
        total: Of all cars.
    """

    title: str
    at: str
    cars: tuple[CarSum, ...]
    total: CarSum


@dataclass(frozen=True, slots=True)
class LiveView:
    """What the dashboard shows and keeps up to date.

    Attributes:
        meters_from: Where the meters' values come from: `live`, or the file they are in.
        troubles: What could not be read.
    """

    chargers: tuple[ChargerView, ...]
    meters: tuple[MeterView, ...]
    meters_from: str
    periods: tuple[PeriodView, ...]
    troubles: tuple[Trouble, ...]

    @property
    def title(self) -> str:
        """What the browser's tab says: the power while something charges."""
        charging = [one for one in self.chargers if one.is_charging_now]
        known = [one.power_kw for one in charging if one.power_kw is not None]
        if known:
            return f"{sum(known):.1f} kW"
        return "Charging" if charging else "Now"

    @property
    def summary(self) -> str:
        """One line that changes only when something happens: it is read out."""
        if not self.chargers:
            return "No charger is known"
        return "; ".join(
            f"{one.name}: {one.words}" if len(self.chargers) > 1 else one.words for one in self.chargers
        )


def charger_view(
    snapshot: DeviceSnapshot,
    drawn: Sequence[LatestValue],
    cars: Mapping[str, Car],
    zone: ZoneInfo,
) -> ChargerView:
    """A charger as its latest values say.

    Args:
        drawn: Its power since the session began, in order.
        cars: The household's, by id.
    """
    sensors = {sensor.sensor: sensor for sensor in snapshot.sensors}
    state = _state(sensors)
    is_session = in_session(snapshot)
    started_at = session_start(snapshot, zone)
    power = sensors.get("power_kw")
    told = {
        name: one
        for name, one in sensors.items()
        if not is_session or started_at is None or one.last_at >= started_at
    }  # what is older is of the session before
    vehicle_id = _text(told.get("vehicle_id"))
    if vehicle_id is None and is_session:
        vehicle_id = UNKNOWN_VEHICLE
    return ChargerView(
        charger_id=snapshot.device.device_id,
        name=snapshot.device.name,
        state=state,
        freshness=snapshot.freshness,
        heard_at=None if snapshot.newest_at is None else snapshot.newest_at.astimezone(zone),
        power_kw=None if power is None else _number(power.value),
        power_at=None if power is None or power.at is None else power.at.astimezone(zone),
        energy_kwh=_last_number(told.get("energy_kwh")),
        minutes=_last_number(told.get("duration_minutes")),
        started_at=started_at,
        is_session=is_session,
        car=None if vehicle_id is None else cars.get(vehicle_id) or Car(vehicle_id, vehicle_id, "none"),
        confidence=_last_number(told.get("vehicle_confidence")) if vehicle_id != UNKNOWN_VEHICLE else None,
        curve=_curve(drawn) if is_session else None,
    )


def in_session(snapshot: DeviceSnapshot) -> bool:
    """Whether the newest look at a charger saw a session in progress."""
    sensors = {sensor.sensor: sensor for sensor in snapshot.sensors}
    if _flag(sensors.get("charging")):
        return True
    session, looked = sensors.get("session_id"), sensors.get("connected") or sensors.get("charging")
    return session is not None and looked is not None and session.last_at >= looked.last_at


def session_start(snapshot: DeviceSnapshot, zone: ZoneInfo) -> datetime | None:
    """When the session of which a charger told last began; None where it did not say."""
    said = next((one.last_value for one in snapshot.sensors if one.sensor == "session_start"), None)
    if not isinstance(said, str):
        return None
    try:
        return parse_instant(said).astimezone(zone)
    except BadInputError:
        return None


def meter_views(snapshots: Iterable[DeviceSnapshot], zone: ZoneInfo) -> list[MeterView]:
    """What the house's meters say: power first, then what is counted, then the rest."""
    found = [
        MeterView(
            meter=f"{device.device.device_id}.{sensor.sensor}",
            value=_number(sensor.last_value),
            unit=sensor.unit or "",
            decimals=decimals_of(sensor.unit or ""),
            at=sensor.last_at.astimezone(zone),
            is_old=device.is_stale or sensor.value is None,
        )
        for device in snapshots
        for sensor in device.sensors
        if _number(sensor.last_value) is not None
    ]
    return sorted(found, key=_power_first)


def published_meter_views(
    points: Sequence[Mapping[str, object]],
    units: Mapping[str, str],
    main: str,
    zone: ZoneInfo,
    old_before: datetime,
) -> list[MeterView]:
    """The same from the points of a published file, for when there is no live table.

    Args:
        points: In order of time.
        units: Of the meters by id.
        main: The meter of which a point speaks itself.
        old_before: What was said before it is old; one meter may be silent while others go on.
    """
    found = []
    for meter, unit in units.items():
        for point in reversed(points):
            said = point if meter == main else point.get(meter)
            field = "power" if meter == main else "mean"
            value = _number(said.get(field)) if isinstance(said, Mapping) else None
            if value is not None:
                at = parse_instant(str(point["timestamp"])).astimezone(zone)
                found.append(MeterView(meter, value, unit, decimals_of(unit), at, at < old_before))
                break
    return sorted(found, key=_power_first)


def period_view(
    title: str,
    at: str,
    slots: Iterable[ChargingSlot],
    first: datetime,
    end: datetime,
    cars: Mapping[str, Car],
) -> PeriodView:
    """What was charged from `first` up to `end`, whenever its session began.

    Args:
        slots: Of which those in the period count.
    """
    by_car: dict[str, list[ChargingSlot]] = {}
    for slot in slots:
        if first <= slot.slot_start < end:
            by_car.setdefault(slot.vehicle_id, []).append(slot)
    order = {vehicle_id: place for place, vehicle_id in enumerate(cars)}
    named = sorted(by_car, key=lambda vehicle_id: (order.get(vehicle_id, len(order)), vehicle_id))
    sums = tuple(
        _sum(cars.get(vehicle_id) or Car(vehicle_id, vehicle_id, "none"), by_car[vehicle_id])
        for vehicle_id in named
    )
    total = _sum(None, [slot for vehicle_id in named for slot in by_car[vehicle_id]])
    return PeriodView(title, at, sums, total)


def _sum(car: Car | None, slots: Sequence[ChargingSlot]) -> CarSum:
    costs = [slot.cost for slot in slots if slot.cost is not None]
    return CarSum(
        car=car,
        energy_kwh=round(sum(slot.energy_kwh for slot in slots), 6),
        cost=round(sum(costs), 6) if costs else None,
        cost_of_kwh=round(sum(slot.energy_kwh for slot in slots if slot.cost is not None), 6),
        sessions=len({slot.session_id for slot in slots}),
    )


def _state(sensors: Mapping[str, SensorSnapshot]) -> State:
    online = sensors.get("online")
    if online is not None and online.last_value is False:
        return "offline"
    if _flag(sensors.get("charging")):
        return "charging"
    plugged = [_flag(sensors.get(name)) for name in ("connected", "plugged_in")]
    if any(plugged):
        return "plugged"
    return "away" if False in plugged else "unknown"


def _flag(sensor: SensorSnapshot | None) -> bool | None:
    """What a sensor of yes and no says; None where it says nothing that holds."""
    return sensor.value if sensor is not None and isinstance(sensor.value, bool) else None


def _text(sensor: SensorSnapshot | None) -> str | None:
    return sensor.last_value if sensor is not None and isinstance(sensor.last_value, str) else None


def _last_number(sensor: SensorSnapshot | None) -> float | None:
    return None if sensor is None else _number(sensor.last_value)


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isfinite(value) else None  # type: ignore[arg-type]


def _curve(drawn: Sequence[LatestValue]) -> Curve | None:
    """The power since a session began; where the charger said nothing for long the line is broken."""
    points: list[tuple[float, float | None]] = []
    before: datetime | None = None
    for one in drawn:
        power_kw = _number(one.value)
        if power_kw is None:
            continue
        if before is not None and one.at - before > _CURVE_BREAKS:
            points.append((before.timestamp(), None))
        points.append((one.at.timestamp(), power_kw))
        before = one.at
    return curve(points, width=480.0, height=96.0) if len(points) > 1 else None


def _power_first(meter: MeterView) -> tuple[int, str]:
    return _POWER_FIRST.get(meter.unit, len(_POWER_FIRST)), meter.meter
