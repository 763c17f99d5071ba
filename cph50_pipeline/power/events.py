"""Events: stretches in which a meter's readings say that something was wrong, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from cph50_pipeline.charging.fields import Instant
from cph50_pipeline.civil_time import day_bounds, from_epoch_ms, local_date, to_epoch_ms
from cph50_pipeline.power.meters import Meter, MeterConfig
from cph50_pipeline.power.readings import Readings, Series, State
from cph50_pipeline.power.states import runs

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants, Mask
    from cph50_pipeline.power.rollups import Counts

EventKind = Literal["outage", "gap", "frozen", "out_of_band", "out_of_range"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
Period = Literal["day", "month", "year"]
PERIODS: tuple[Period, ...] = get_args(Period)

_PERIOD_LENGTH: dict[Period, int] = {"day": 10, "month": 7, "year": 4}  # of "2026-01-07"


class Event(BaseModel):
    """One stretch of time.

    Attributes:
        kind: Of the meter's readings: `outage` and `frozen` as their states say; `gap`, none came for longer than one
            stands; `out_of_band`, not normal; `out_of_range`, not possible.
        start: The first such reading; of a gap the last reading before it.
        end: Until when the last of them stands; of a gap the first reading after it.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    meter: str
    kind: EventKind
    start: Instant
    end: Instant
    duration_seconds: float


class EventTotal(BaseModel):
    """What the events of one kind come to in a day, month or year of the household's calendar.

    Attributes:
        period: "2026-01-07", "2026-01" or "2026".
        count: Of the events that begin in it.
        duration_seconds: Of the time within it.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    period: str
    meter: str
    kind: EventKind
    count: int
    duration_seconds: float


def events_of(readings: Readings, config: MeterConfig) -> list[Event]:
    """The events in readings whose states are marked, sorted by start, meter and kind.

    What lasts at the last reading ends there as far as is known. Readings of meters that are not configured are left
    out.
    """
    found = [
        _event(id_, kind, start, end)
        for id_, series in readings.series.items()
        if id_ in config.meters
        for kind, start, end in _stretches(series, config.meters[id_])
    ]
    return sorted(found, key=lambda event: (event.start, event.meter, event.kind))


def _stretches(series: Series, meter: Meter) -> Iterator[tuple[EventKind, int, int]]:
    import numpy as np

    chosen: dict[EventKind, Mask] = {
        "outage": series.state == State.OUTAGE,
        "frozen": series.state == State.FROZEN,
        "out_of_range": (series.state == State.MISSING) & ~np.isnan(series.value),
    }
    if meter.normal is not None:
        low, high = meter.normal
        chosen["out_of_band"] = (series.state == State.OK) & ((series.value < low) | (series.value > high))
    for kind, which in chosen.items():
        for start, end, _ in runs(series, meter, which):
            yield kind, start, end
    for start, end in _gaps(series, meter):
        yield "gap", start, end


def _gaps(series: Series, meter: Meter) -> list[tuple[int, int]]:
    import numpy as np

    at = series.at[series.state != State.MISSING]
    before = np.flatnonzero(np.diff(at) > meter.hold_ms)
    return list(zip(at[before].tolist(), at[before + 1].tolist(), strict=True))


def _event(meter: str, kind: EventKind, start: int, end: int) -> Event:
    return Event(
        meter=meter,
        kind=kind,
        start=from_epoch_ms(start),
        end=from_epoch_ms(end),
        duration_seconds=(end - start) / 1000,
    )


def totals(events: Iterable[Event], by: Period, zone: ZoneInfo) -> list[EventTotal]:
    """What events come to by civil day, month or year; sorted, without those in which there was none."""
    length = _PERIOD_LENGTH[by]
    sums: dict[tuple[str, str, EventKind], tuple[int, timedelta]] = {}
    for event in events:
        for day, number, duration in _by_day(event, zone):
            key = (day[:length], event.meter, event.kind)
            count, so_far = sums.get(key, (0, timedelta()))
            sums[key] = (count + number, so_far + duration)
    return [
        EventTotal(
            period=period, meter=meter, kind=kind, count=count, duration_seconds=duration.total_seconds()
        )
        for (period, meter, kind), (count, duration) in sorted(sums.items())
    ]


def _by_day(event: Event, zone: ZoneInfo) -> Iterator[tuple[str, int, timedelta]]:
    """The civil days that an event touches, whether it begins there, and for how long it is there."""
    day, begins = local_date(event.start, zone), 1
    while True:
        start, end = day_bounds(day, zone)
        yield day.isoformat(), begins, min(event.end, end) - max(event.start, start)
        if event.end <= end:
            return
        day, begins = day + timedelta(days=1), 0


def begun_and_lasted(events: Sequence[Event], at: Instants) -> tuple[Counts, Counts]:
    """How many of some events began before each instant, and for how many milliseconds they had lasted by then."""
    import numpy as np

    starts = np.sort(np.array([to_epoch_ms(event.start) for event in events], np.int64))
    ends = np.sort(np.array([to_epoch_ms(event.end) for event in events], np.int64))
    lasted = _time_since(starts, at) - _time_since(ends, at)
    return np.searchsorted(starts, at), lasted


def _time_since(instants: Instants, at: Instants) -> Counts:
    """The sum of the time that has passed since each of the sorted instants."""
    import numpy as np

    past = np.searchsorted(instants, at)
    sums = np.append(0, np.cumsum(instants))
    passed: Counts = past * at - sums[past]
    return passed
