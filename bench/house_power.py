"""The power of a simulated household in its data root: readings taken in by the hour, and what is made of them.

Works on the store and the functions behind the assets, without Dagster, so that a year takes minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from bench.homes import ZONE
from cph50_pipeline.civil_time import (
    from_epoch_ms,
    local_date,
    month_bounds,
    month_of,
    month_range,
    to_epoch_ms,
)
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS, WINDOWS
from cph50_pipeline.defs.power_files import make_files
from cph50_pipeline.defs.reading_files import is_folded, read_readings, reading_months, write_readings
from cph50_pipeline.defs.rolling_up import month_events, roll_up, roll_windows
from cph50_pipeline.defs.store import Store
from cph50_pipeline.power.data_points import FILES
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings, Series, merge, series_of
from cph50_pipeline.simulator.house.house import House, HouseDay

if TYPE_CHECKING:
    from cph50_pipeline.simulator.house.load import Minutes

MAIN = "home.power"
INTERVAL_SECONDS = 60.0
_MINUTE_MS = 60_000
_REACH = timedelta(minutes=15)
"""For how long what was said last may stand, and so be of another month than what is said now."""

_POWER = {"source": "home_assistant", "quantity": "power", "kind": "gauge", "unit": "W"}
ONE_METER = {
    MAIN: {
        **_POWER, "entity": "sensor.home_power", "mains": True, "outage_after_seconds": 300,
        "frozen_after_seconds": 3600,
    }
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """What a meter of the house says: to so many decimals, in the canonical unit."""

    of: Callable[[HouseDay], Minutes]
    factor: float
    decimals: int


_SAID: Mapping[str, _Said] = {
    MAIN: _Said(lambda day: day.power_w, 0.001, 4),
    "home.energy": _Said(lambda day: day.energy_total_kwh, 1.0, 3),
    "home.power_factor": _Said(lambda day: day.power_factor_percent, 0.01, 3),
    "home.voltage": _Said(lambda day: day.voltage_v, 1.0, 1),
    "solar.power": _Said(lambda day: day.solar_w, 0.001, 4),
}


def readings_between(house: House, config: MeterConfig, start: datetime, end: datetime) -> Readings:
    """What the configured meters of the house said in a half-open interval, once a minute."""
    found = Readings.of({})
    day = local_date(start, ZONE)
    while True:
        of_day = house.day(day)
        if of_day.start >= end:
            return found.between(start, end)
        series = {id_: _series(of_day, _SAID[id_]) for id_ in config.meters if id_ in _SAID}
        found, day = merge(found, Readings.of(series)), day + timedelta(days=1)


def _series(day: HouseDay, said: _Said) -> Series:
    values = np.round(said.of(day) * said.factor, said.decimals)
    at = to_epoch_ms(day.start) + _MINUTE_MS * np.arange(len(values), dtype=np.int64)
    return series_of(at, values)


def take_in(store: Store, readings: Readings, now: datetime) -> list[str]:
    """Store readings and fold the months that are over, as a collection does; returns the months of the readings."""
    ends = [int(at) for series in readings.series.values() for at in (series.at[0], series.at[-1])]
    first, last = (month_of(from_epoch_ms(at), ZONE) for at in (min(ends), max(ends)))
    months = month_range(first, last)
    for month in months:
        together = merge(read_readings(store, month), readings.between(*month_bounds(month, ZONE)))
        write_readings(store, month, together, is_over=False)
    for month in reading_months(store):
        if month < month_of(now, ZONE) and not is_folded(store, month):
            write_readings(store, month, read_readings(store, month), is_over=True)
    return months


def make(store: Store, months: Sequence[str], config: MeterConfig, files: Iterable[str] = FILES) -> None:
    """Make rollups, events and windows of months, and some of the four files, as a run over the months does."""
    store.write_months(ROLLUPS, {month: roll_up(store, month, config) for month in months})
    store.write_months(EVENTS, {month: month_events(store, month, config) for month in months})
    store.write_months(WINDOWS, {month: roll_windows(store, month, config) for month in months})
    for path, document in make_files(store, config, files, datetime.now(UTC)).items():
        store.write_document(path, document)


@dataclass
class HousePower:
    """The power of a house in a data root.

    Attributes:
        until: What was said before it is stored.
    """

    store: Store
    house: House
    config: MeterConfig
    until: datetime

    def run(self, now: datetime, files: Iterable[str] = FILES) -> None:
        """What a run does: take in what was said since the last one, and make again what that reaches."""
        readings = readings_between(self.house, self.config, self.until, now)
        months = take_in(self.store, readings, now)
        reached = month_range(month_of(self.until - _REACH, ZONE), months[-1])
        make(self.store, reached, self.config, files)
        self.until = now
