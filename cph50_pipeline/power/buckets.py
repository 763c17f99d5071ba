"""Buckets of time: where 5 minutes, hours and civil days begin. What falls into them stands in `rollups.py`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_start, local_date, to_epoch_ms

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants

Resolution = Literal["5min", "hour", "day"]

_BASE = timedelta(minutes=5)
_BASE_MS = 300_000
_HOUR = timedelta(hours=1)


def edges(resolution: Resolution, start: datetime, end: datetime, zone: ZoneInfo) -> Instants:
    """The edges of the buckets that touch a half-open interval, in Unix milliseconds; not to be written to.

    A day is a civil day of the zone, of 23, 24 or 25 hours. An hour begins where the zone's clocks show a full one,
    which is on UTC's hours except in zones like India's; so no hour lies in two days, and none in two months. Where
    clocks are moved by half an hour, one hour has 90 minutes.
    """
    return _edges(resolution, start, end, zone)


@lru_cache(maxsize=64)
def _edges(resolution: Resolution, start: datetime, end: datetime, zone: ZoneInfo) -> Instants:
    """The same, made once for all meters."""
    made = _made_edges(resolution, start, end, zone)
    made.setflags(write=False)
    return made


def _made_edges(resolution: Resolution, start: datetime, end: datetime, zone: ZoneInfo) -> Instants:
    import numpy as np

    if resolution == "5min":
        first, last = to_epoch_ms(start) // _BASE_MS, -(-to_epoch_ms(end) // _BASE_MS)
        return np.arange(first, last + 1, dtype=np.int64) * _BASE_MS
    starts = [*_day_starts(start, end, zone)]
    if resolution == "day":
        return np.array([to_epoch_ms(day) for day in starts], np.int64)
    hours = [
        to_epoch_ms(hour) for day, following in pairwise(starts) for hour in _hours(day, following, zone)
    ]
    every = np.array([*hours, to_epoch_ms(starts[-1])], np.int64)
    first, last = np.searchsorted(every, [to_epoch_ms(start), to_epoch_ms(end)])
    return every[first - (every[first] > to_epoch_ms(start)) : last + 1]


def _day_starts(start: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """The starts of the civil days that touch the interval, and of the day after."""
    day = local_date(start, zone)
    while True:
        begins = day_start(day, zone)
        day += timedelta(days=1)
        if begins == day_start(day, zone):
            continue  # a day that the zone left out
        yield begins
        if begins >= end:
            return


def _hours(start: datetime, end: datetime, zone: ZoneInfo) -> list[datetime]:
    """The starts of a civil day's hours."""
    if start.astimezone(zone).utcoffset() == end.astimezone(zone).utcoffset():
        return [start + number * _HOUR for number in range((end - start) // _HOUR)]
    every = [start + number * _BASE for number in range((end - start) // _BASE)]
    return [start, *(at for at in every[1:] if at.astimezone(zone).minute == 0)]
