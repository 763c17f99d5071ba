"""What Home Assistant keeps of what its sensors say, and for how long: the states of its recorder.

A state is kept when it differs from the one before. Times are those of Home Assistant's own clock, which an order
can make wrong. How states travel is `simulator.home_assistant`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from cph50_pipeline.civil_time import day_start, local_date
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.house.house import House, HouseDay
from cph50_pipeline.simulator.house.orders import (
    ClockShift,
    Order,
    OrderBook,
    Outage,
    Purge,
    Removed,
    UnitChange,
    conversion,
)
from cph50_pipeline.simulator.house.sensors import SENSORS, Said, Sensor, is_recorded, said_on

REMOVED = ""
"""What the history shows of a sensor from its removal on."""

_KEPT_SENSOR_DAYS = 256
_LONGEST_SILENCE_DAYS = 40
_DAY = timedelta(days=1)


class Kept(NamedTuple):
    """A state as it was kept.

    Attributes:
        at: When, by Home Assistant's clock.
        true_at: When in truth.
        state: What the sensor said.
        unit: In what.
        changed_at: Since when it says so, by Home Assistant's clock: before `at` where only the unit is news (and
            then no earlier than the evening before).
    """

    at: datetime
    true_at: datetime
    state: str
    unit: str
    changed_at: datetime


class Recorder:
    """Home Assistant's memory of one house. Instants that are passed in as `now` are true, all others are its own."""

    def __init__(self, house: House, orders: OrderBook) -> None:
        self.house = house
        self.orders = orders
        self._said = lru_cache(_KEPT_SENSOR_DAYS)(said_on)
        self._kept = lru_cache(_KEPT_SENSOR_DAYS)(self._keep)

    def order(self, *orders: Order) -> None:
        """Let something go wrong, or be forgotten.

        Raises:
            BadInputError: an order names a sensor that the house never had, or a unit that it cannot speak in.
        """
        for one in orders:
            entity = getattr(one, "entity", None)
            sensor = self.known(entity) if entity is not None else None
            if entity is not None and sensor is None:
                known = ", ".join(sensor.entity_id for sensor in SENSORS)
                raise BadInputError(f"The simulated house has no {entity}", remedy=f"Use one of {known}")
            if isinstance(one, UnitChange) and sensor is not None:
                conversion(sensor.unit, one.unit)
        self.orders.add(*orders)

    def clock(self, now: datetime) -> datetime:
        """What Home Assistant takes for the present."""
        return now + _shift(now, self.orders.in_force())

    def is_down(self, now: datetime) -> bool:
        """Whether Home Assistant answers nobody.

        Only when it was ordered to be: where it stopped by itself, nothing is recorded, and it answers nevertheless, so
        that what is tried on it by the wall clock does not fail by chance.
        """
        outages = (one for one in self.orders.in_force() if isinstance(one, Outage))
        return any(one.start <= now < one.end for one in outages)

    def sensors(self, now: datetime) -> list[Sensor]:
        """The sensors that exist."""
        return [sensor for sensor in SENSORS if self._exists(sensor, now)]

    def sensor(self, entity_id: str, now: datetime) -> Sensor | None:
        """The sensor of that name, None when there is none."""
        return next((one for one in self.sensors(now) if one.entity_id == entity_id), None)

    def known(self, entity_id: str) -> Sensor | None:
        """The sensor of that name that exists or did once, None when there never was one."""
        return next((one for one in SENSORS if one.entity_id == entity_id), None)

    def reported_at(self, sensor: Sensor, now: datetime) -> datetime | None:
        """When a sensor last said something today, news or not, by Home Assistant's clock."""
        orders = self.orders.in_force()
        day = self.house.day(local_date(now, self.house.zone))
        said = [one.at for one in self._said(sensor, day, orders) if one.at <= now]
        return said[-1] + _shift(said[-1], orders) if said else None

    def state(self, sensor: Sensor, now: datetime) -> Kept | None:
        """The present state; None when the sensor has not said anything yet."""
        day = local_date(now, self.house.zone)
        for back in range(_LONGEST_SILENCE_DAYS):
            said = [one for one in self._on(sensor, day - back * _DAY) if one.true_at <= now]
            if said:
                return said[-1]
        return None

    def oldest(self, now: datetime) -> datetime:
        """Since when states are kept."""
        begin = day_start(self.house.history_start, self.house.zone)
        purges = [one for one in self.orders.in_force() if isinstance(one, Purge)]
        return max([begin, *(self.clock(now) - timedelta(days=one.keep_days) for one in purges)])

    def between(self, sensor: Sensor, start: datetime, end: datetime, now: datetime) -> list[Kept]:
        """The states strictly between two instants, in order, as far as they are still kept."""
        oldest = self.oldest(now)
        kept = self._around(sensor, start, end, now)
        return [one for one in kept if start < one.at < end and one.at >= oldest]

    def before(self, sensor: Sensor, start: datetime, now: datetime) -> Kept | None:
        """The last state strictly before an instant, None when it is forgotten or never was."""
        oldest = self.oldest(now)
        for back in range(_LONGEST_SILENCE_DAYS):
            begin = start - (back + 1) * _DAY
            found = [one for one in self._around(sensor, begin, start, now) if oldest <= one.at < start]
            if found or begin < oldest:
                return found[-1] if found else None
        return None

    def ever(self, sensor: Sensor, start: datetime, end: datetime, now: datetime) -> list[Kept]:
        """All that was kept between two instants, with what has been forgotten since: what statistics are made of."""
        return [one for one in self._around(sensor, start, end, now) if start <= one.at < end]

    def _around(self, sensor: Sensor, start: datetime, end: datetime, now: datetime) -> list[Kept]:
        """States that may lie between two instants, in the order of Home Assistant's clock."""
        if not is_recorded(sensor, self.orders.in_force()):
            return []
        has_shift = any(isinstance(one, ClockShift) for one in self.orders.in_force())
        margin = _DAY if has_shift else timedelta(0)
        kept = [
            one
            for day in self._days(start - margin, min(end + margin, now))
            for one in self._on(sensor, day)
            if one.true_at <= now
        ]
        return sorted(kept) if has_shift else kept

    def _days(self, start: datetime, end: datetime) -> Iterator[date]:
        day = max(local_date(start, self.house.zone), self.house.history_start)
        while day <= local_date(end, self.house.zone):
            yield day
            day += _DAY

    def _on(self, sensor: Sensor, day: date) -> tuple[Kept, ...]:
        if day < self.house.history_start:
            return ()
        kept = self._kept(sensor, day, self.house.day(day), self.orders.in_force())
        removed_at = self._removed_at(sensor)
        if removed_at is None:
            return kept
        last = Kept(removed_at, removed_at, REMOVED, sensor.unit, removed_at)
        is_last_day = local_date(removed_at, self.house.zone) == day
        return (*(one for one in kept if one.true_at < removed_at), *([last] if is_last_day else []))

    def _keep(
        self, sensor: Sensor, day: date, house_day: HouseDay, orders: tuple[Order, ...]
    ) -> tuple[Kept, ...]:
        before = self._said_before(sensor, day, orders)
        state, unit = (before.state, before.unit) if before else (None, None)
        shifts = [one for one in orders if isinstance(one, ClockShift)]
        changed_at = before.at if before else house_day.start
        kept = []
        for one in self._said(sensor, house_day, orders):
            if one.state == state and one.unit == unit:
                continue
            at = one.at + _shift(one.at, shifts) if shifts else one.at
            changed_at = at if one.state != state else changed_at
            kept.append(Kept(at, one.at, one.state, one.unit, changed_at))
            state, unit = one.state, one.unit
        return tuple(kept)

    def _said_before(self, sensor: Sensor, day: date, orders: tuple[Order, ...]) -> Said | None:
        for back in range(1, _LONGEST_SILENCE_DAYS):
            earlier = day - back * _DAY
            if earlier < self.house.history_start:
                return None
            said = self._said(sensor, self.house.day(earlier), orders)
            if said:
                return said[-1]
        return None

    def _removed_at(self, sensor: Sensor) -> datetime | None:
        removals = (one for one in self.orders.in_force() if isinstance(one, Removed))
        return min((one.at for one in removals if one.entity == sensor.entity_id), default=None)

    def _exists(self, sensor: Sensor, now: datetime) -> bool:
        removed_at = self._removed_at(sensor)
        return removed_at is None or now < removed_at


def _shift(at: datetime, orders: Iterable[Order]) -> timedelta:
    """How wrong Home Assistant's clock is at a true instant."""
    seconds = (one.seconds for one in orders if isinstance(one, ClockShift) and one.start <= at < one.end)
    return timedelta(seconds=sum(seconds))
