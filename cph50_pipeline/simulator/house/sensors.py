"""The sensors of the house: what each says, once a minute, with what went wrong laid over it.

What Home Assistant keeps of it is in `recorder`: a sensor that says the same again leaves no trace there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from cph50_pipeline.simulator.house.house import HouseDay
from cph50_pipeline.simulator.house.load import MINUTE
from cph50_pipeline.simulator.house.orders import (
    Frozen,
    NotRecorded,
    Order,
    Outage,
    PowerCut,
    Reading,
    Unavailable,
    UnitChange,
    conversion,
)

if TYPE_CHECKING:
    from cph50_pipeline.simulator.house.load import Minutes

UNAVAILABLE = "unavailable"
StateClass = Literal["measurement", "total_increasing"]


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor as Home Assistant knows it.

    Attributes:
        unit: In which it says what it says, unless an order changes that.
        second: The second of the minute at which it reports.
        is_mains: Whether it is part of the meter at the mains, which mishaps befall.
        is_gauge_of_mains: Whether it says zero while the mains meter sees no power.
    """

    entity_id: str
    name: str
    device_class: str
    state_class: StateClass
    unit: str
    decimals: int
    second: float
    minutes_of: Callable[[HouseDay], Minutes]
    is_mains: bool = True
    is_gauge_of_mains: bool = False

    @property
    def unit_class(self) -> str:
        """What Home Assistant converts it as."""
        return "unitless" if self.device_class == "power_factor" else self.device_class


class Said(NamedTuple):
    """What a sensor said, and when. `unit` is None only where it never said one."""

    at: datetime
    state: str
    unit: str


def _gauge(
    entity: str, name: str, device: str, unit: str, minutes_of: Callable[[HouseDay], Minutes]
) -> Sensor:
    return Sensor(entity, name, device, "measurement", unit, 1, 2.25, minutes_of, is_gauge_of_mains=True)


SENSORS = (
    _gauge("sensor.home_power", "Mains power", "power", "W", lambda day: day.power_w),
    _gauge("sensor.home_voltage", "Mains voltage", "voltage", "V", lambda day: day.voltage_v),
    _gauge(
        "sensor.home_power_factor", "Power factor", "power_factor", "%", lambda day: day.power_factor_percent
    ),
    Sensor(
        "sensor.home_energy_today",
        "Energy today",
        "energy",
        "total_increasing",
        "kWh",
        3,
        2.5,
        lambda day: day.energy_today_kwh,
    ),
    Sensor(
        "sensor.home_energy_total",
        "Energy",
        "energy",
        "total_increasing",
        "kWh",
        3,
        2.5,
        lambda day: day.energy_total_kwh,
    ),
    Sensor(
        "sensor.solar_power",
        "Solar power",
        "power",
        "measurement",
        "W",
        1,
        17.75,
        lambda day: day.solar_w,
        is_mains=False,
    ),
    Sensor(
        "sensor.solar_energy_today",
        "Solar energy today",
        "energy",
        "total_increasing",
        "kWh",
        3,
        17.75,
        lambda day: day.solar_today_kwh,
        is_mains=False,
    ),
)


def said_on(sensor: Sensor, day: HouseDay, orders: Sequence[Order]) -> list[Said]:
    """All that a sensor says on a day, in order of time, whether or not it is news."""
    values = sensor.minutes_of(day).tolist()
    first = day.start + timedelta(seconds=sensor.second)
    said = [
        Said(first + minute * MINUTE, f"{value:.{sensor.decimals}f}", sensor.unit)
        for minute, value in enumerate(values)
    ]
    end = day.start + len(values) * MINUTE
    for silenced in _silences(sensor, day, orders, end):
        said = silenced.over(said)
    return _as_ordered(sensor, said, orders)


@dataclass(frozen=True, slots=True)
class _Silence:
    """A span in which a sensor says nothing of its own.

    Attributes:
        instead: What stands from the span's start on; None for what stood before.
        after: What stands at the span's end, before the sensor speaks again.
    """

    start: datetime
    end: datetime
    instead: Said | None = None
    after: Said | None = None

    def over(self, said: list[Said]) -> list[Said]:
        """What is said with the span silenced."""
        kept = [one for one in said if not self.start <= one.at < self.end]
        return sorted([*kept, *(one for one in (self.instead, self.after) if one is not None)])


def _silences(sensor: Sensor, day: HouseDay, orders: Sequence[Order], end: datetime) -> Iterator[_Silence]:
    """Mishaps and orders that silence a sensor. Home Assistant being down comes last: it hides all others."""
    for mishap in day.mishaps:
        if mishap.kind == "freeze" and sensor.is_mains:
            yield _Silence(mishap.start, mishap.end)
        elif mishap.kind == "unavailable" and sensor.is_mains:
            yield _Silence(mishap.start, mishap.end, Said(mishap.start, UNAVAILABLE, sensor.unit))
        elif mishap.kind == "blip" and sensor.is_gauge_of_mains:
            yield _Silence(mishap.start, mishap.end, Said(mishap.start, _zero(sensor), sensor.unit))
    for order in orders:
        if isinstance(order, Frozen) and order.entity in (None, sensor.entity_id):
            yield _Silence(order.start, order.end)
        elif isinstance(order, Unavailable) and order.entity in (None, sensor.entity_id):
            yield from _within(day.start, end, order.start, order.end, order.state, sensor.unit)
        elif isinstance(order, PowerCut) and sensor.is_gauge_of_mains:
            yield from _within(day.start, end, order.start, order.end, _zero(sensor), sensor.unit)
    downs = [(one.start, one.end) for one in day.mishaps if one.kind == "restart"]
    downs += [(one.start, one.end) for one in orders if isinstance(one, Outage)]
    for begin, until in downs:
        is_up_today = day.start <= until < end
        yield _Silence(begin, until, after=Said(until, UNAVAILABLE, sensor.unit) if is_up_today else None)


def _within(
    day_start: datetime, day_end: datetime, start: datetime, end: datetime, state: str, unit: str
) -> Iterator[_Silence]:
    if start < day_end and day_start < end:
        yield _Silence(start, end, Said(max(start, day_start), state, unit))


def _zero(sensor: Sensor) -> str:
    return f"{0:.{sensor.decimals}f}"


def _as_ordered(sensor: Sensor, said: list[Said], orders: Sequence[Order]) -> list[Said]:
    """Readings and units as ordered."""
    for order in orders:
        if isinstance(order, Reading) and order.entity == sensor.entity_id:
            said = _with_reading(said, order)
        elif isinstance(order, UnitChange) and order.entity == sensor.entity_id:
            factor = conversion(sensor.unit, order.unit)
            said = [one if one.at < order.at else _converted(one, factor, order.unit) for one in said]
    return said


def _with_reading(said: list[Said], order: Reading) -> list[Said]:
    hit = next((place for place, one in enumerate(said) if one.at >= order.at), None)
    if hit is None or said[hit].at >= order.at + MINUTE:
        return said  # of another day
    return [*said[:hit], said[hit]._replace(state=order.state), *said[hit + 1 :]]


def _converted(one: Said, factor: float, unit: str) -> Said:
    try:
        number = float(one.state)
    except ValueError:
        number = 0.0
    return Said(one.at, f"{number * factor:.7g}" if number else one.state, unit)


def is_recorded(sensor: Sensor, orders: Sequence[Order]) -> bool:
    """Whether the recorder keeps what a sensor says."""
    return not any(isinstance(one, NotRecorded) and one.entity == sensor.entity_id for one in orders)
