"""Home Assistant's statistics of a sensor: what is left of states when they are forgotten.

By its rules: a mean is weighted by time, text is skipped and what stood before stands on, a counter has begun anew
when it falls below nine tenths. Statistics are in the sensor's own unit; `simulator.home_assistant` converts them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cph50_pipeline.civil_time import day_start
from cph50_pipeline.simulator.house.orders import conversion
from cph50_pipeline.simulator.house.recorder import Kept, Recorder
from cph50_pipeline.simulator.house.sensors import Sensor

PERIODS = {"5minute": timedelta(minutes=5), "hour": timedelta(hours=1)}
COMPILED_AFTER = timedelta(seconds=10)
_LOOK_BACK = timedelta(days=2)
_RESET_BELOW = 0.9

Number = tuple[datetime, float]


@dataclass(frozen=True, slots=True)
class Row:
    """The statistics of one period. A gauge has mean, min and max; a counter state, sum and change."""

    start: datetime
    end: datetime
    mean: float | None = None
    min: float | None = None
    max: float | None = None
    state: float | None = None
    sum: float | None = None
    change: float | None = None


def statistics(
    recorder: Recorder,
    sensor: Sensor,
    start: datetime,
    end: datetime,
    now: datetime,
    period: str,
    *,
    with_sum: bool = False,
) -> list[Row]:
    """The rows of the periods that begin between two instants and are compiled by now.

    Args:
        with_sum: Whether rows of counters carry their sum since the beginning, which takes long.
    """
    length = PERIODS[period]
    first = _aligned(start if period == "hour" else max(start, recorder.oldest(now)), length)
    last = min(end, recorder.clock(now) - length - COMPILED_AFTER + timedelta(microseconds=1))
    if first >= last:
        return []
    kept = recorder.ever(sensor, first - _LOOK_BACK, last + length, now)
    rows = list(_rows(sensor, _numbers(sensor, kept), first, last, length))
    return _with_sums(recorder, sensor, rows, now) if with_sum else rows


def change(numbers: Sequence[Number], before: float) -> float:
    """What a counter counted over numbers that follow one."""
    counted = 0.0
    for _, number in numbers:
        counted += number if number < _RESET_BELOW * before else number - before
        before = number
    return counted


def _rows(
    sensor: Sensor, numbers: Sequence[Number], first: datetime, last: datetime, length: timedelta
) -> Iterator[Row]:
    start = first
    while start < last:
        begin, stop = (bisect_left(numbers, (edge,)) for edge in (start, start + length))
        before = numbers[begin - 1][1] if begin else None
        if sensor.state_class == "measurement":
            row = _gauge_row(start, length, numbers[begin:stop], before)
        else:
            row = _counter_row(start, length, numbers[begin:stop], before)
        if row is not None:
            yield row
        start += length


def _gauge_row(
    start: datetime, length: timedelta, numbers: Sequence[Number], before: float | None
) -> Row | None:
    standing = [*([(start, before)] if before is not None else []), *numbers]
    if not standing:
        return None
    ends = [*(at for at, _ in standing[1:]), start + length]
    pairs = list(zip(standing, ends, strict=True))
    area = sum(value * (until - at).total_seconds() for (at, value), until in pairs)
    covered = (start + length - standing[0][0]).total_seconds()
    values = [value for _, value in standing]
    return Row(start, start + length, mean=area / covered, min=min(values), max=max(values))


def _counter_row(
    start: datetime, length: timedelta, numbers: Sequence[Number], before: float | None
) -> Row | None:
    if not numbers and before is None:
        return None
    counted = (
        0.0
        if before is None and len(numbers) < 2
        else change(
            numbers if before is not None else numbers[1:], before if before is not None else numbers[0][1]
        )
    )
    state = numbers[-1][1] if numbers else before
    return Row(start, start + length, state=state, change=counted)


def _with_sums(recorder: Recorder, sensor: Sensor, rows: list[Row], now: datetime) -> list[Row]:
    """The rows with what was counted since the beginning of all records."""
    if sensor.state_class == "measurement" or not rows:
        return rows
    begin = day_start(recorder.house.history_start, recorder.house.zone)
    numbers = _numbers(sensor, recorder.ever(sensor, begin, rows[-1].end, now))
    summed = []
    total, place, before = 0.0, 0, numbers[0][1] if numbers else 0.0
    for row in rows:
        stop = bisect_left(numbers, (row.end,))
        total += change(numbers[place:stop], before)
        place, before = stop, numbers[stop - 1][1] if stop else before
        summed.append(Row(row.start, row.end, state=row.state, sum=round(total, 6), change=row.change))
    return summed


def _numbers(sensor: Sensor, kept: Sequence[Kept]) -> list[Number]:
    """The states that are finite numbers, in the sensor's own unit."""
    numbers = []
    for one in kept:
        try:
            number = float(one.state)
        except ValueError:
            continue
        if math.isfinite(number):
            numbers.append((one.at, number / conversion(sensor.unit, one.unit)))
    return numbers


def _aligned(instant: datetime, length: timedelta) -> datetime:
    """The first edge of a period that is not before an instant; periods begin on UTC hours."""
    seconds = length.total_seconds()
    return datetime.fromtimestamp(math.ceil(instant.timestamp() / seconds) * seconds, tz=instant.tzinfo)
