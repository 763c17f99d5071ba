"""The four files that dashboards read: today as read, a week by hour, a month and a year by day.

Their form is that of the programs before this one: `{"data_points": […], "last_update": …}`. All of them are made anew
from readings and rollups, never one from another, so that nothing is lost when a day ends. Empty ones are valid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from math import isnan
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.fields import rounded
from cph50_pipeline.civil_time import day_bounds, day_start, from_epoch_ms, to_epoch_ms
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.buckets import Resolution, edges
from cph50_pipeline.power.events import PERIODS, Event, totals
from cph50_pipeline.power.meters import Meter, MeterConfig
from cph50_pipeline.power.readings import Readings, Series, State
from cph50_pipeline.power.rollups import Rollup, rollup

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants

RollingFile = Literal["weekly", "monthly", "yearly"]
PowerFile = Literal["daily", "weekly", "monthly", "yearly"]
PATHS: Mapping[PowerFile, str] = {
    "daily": "power/daily.json",
    "weekly": "power/weekly.json",
    "monthly": "power/monthly.json",
    "yearly": "power/yearly.json",
}
"""Where each of the four files is, relative to the data root."""
FILES: tuple[PowerFile, ...] = tuple(PATHS)

ROLLING: Mapping[RollingFile, tuple[Resolution, int]] = {
    "weekly": ("hour", 7),
    "monthly": ("day", 30),
    "yearly": ("day", 365),
}
"""Of each rolling file the resolution of its points, and how many days they cover."""

EVENT_TOTALS = "power/event_totals.json"

_COVERAGE_DECIMALS = 4


def rolling_edges(file: RollingFile, last_day: date, zone: ZoneInfo) -> Instants:
    """The edges of the buckets in a rolling file that ends with a civil day."""
    resolution, days = ROLLING[file]
    first_day = last_day - timedelta(days=days - 1)
    return edges(resolution, day_start(first_day, zone), day_bounds(last_day, zone)[1], zone)


def rolling(
    rollups: Mapping[str, Rollup],
    events: Sequence[Event],
    config: MeterConfig,
    main: str,
    zone: ZoneInfo,
) -> dict[str, Any]:
    """A weekly, monthly or yearly file.

    There is a point for each bucket from the first to the last of which anything is known, with nulls where nothing is.

    Args:
        rollups: By meter, at least one, over the same edges: those of `rolling_edges`.
        events: Those that reach into the file's days.
        main: The meter that is shown as the house's power.
    """
    import numpy as np

    known = np.flatnonzero(np.any([one.is_known for one in rollups.values()], axis=0))
    if not len(known):
        return empty()
    shown = range(known[0], known[-1] + 1)
    cells = {id_: _cells(one, config.meters[id_], shown) for id_, one in rollups.items()}
    bounds = next(iter(rollups.values())).edges
    points = _points(bounds[shown.start : shown.stop], cells, main, zone)
    return _document(points, events, from_epoch_ms(int(bounds[-1])), zone)


def daily(
    readings: Readings, events: Sequence[Event], config: MeterConfig, main: str, day: date, zone: ZoneInfo
) -> dict[str, Any]:
    """The file of a civil day: a point for each reading of the house's power, as it was read.

    What is said besides, of other meters, too, is of the time until the next point; before the first, of the day so
    far. So the points' energy is the day's.

    Args:
        readings: Of the day, with what stood before it and the first of the day after.
        events: Those that reach into the day.
        main: The meter that is shown as the house's power.
    """
    begins, ends = day_bounds(day, zone)
    read = readings[main].between(begins, ends)
    if not len(read):
        return empty()
    bucket_edges = _between_points(readings[main], config.meters[main], begins, ends)
    stretches = range(len(read))
    cells = {
        id_: _cells(rollup(series, config.meters[id_], bucket_edges), config.meters[id_], stretches)
        for id_, series in readings.series.items()
        if id_ in config.meters
    }
    points = _points(read.at, cells, main, zone)
    for point, value, state in zip(points, read.value.tolist(), read.state.tolist(), strict=True):
        point["power"] = rounded(value) if state == State.OK else None
    return _document(points, events, from_epoch_ms(int(read.at[-1])), zone)


def empty() -> dict[str, Any]:
    """A file of which nothing is known yet."""
    return {"data_points": [], "events": [], "last_update": None}


def event_totals(events: Sequence[Event], zone: ZoneInfo) -> dict[str, Any]:
    """What events come to by civil day, month and year: the content of `power/event_totals.json`."""
    return {
        period: [total.model_dump(mode="json") for total in totals(events, period, zone)]
        for period in PERIODS
    }


def read_totals(document: object, name: str) -> dict[str, Any]:
    """The totals of events, parsed, as they are.

    Raises:
        BadInputError: it does not have their form.
    """
    fields = document if isinstance(document, dict) else {}
    if fields.keys() != {*PERIODS}:
        raise BadInputError(
            f"{name} has not one list each for {', '.join(PERIODS)}", remedy="Materialize power_files again"
        )
    return fields


def read(document: object, name: str) -> dict[str, Any]:
    """One of the four files, parsed, as it is.

    Raises:
        BadInputError: it does not have their form.
    """
    fields = document if isinstance(document, dict) else {}
    points = fields.get("data_points")
    if (
        "last_update" not in fields
        or not isinstance(points, list)
        or not all(isinstance(point, dict) and isinstance(point.get("timestamp"), str) for point in points)
    ):
        raise BadInputError(
            f"{name} is not {{data_points, last_update}} with a timestamp in each point",
            remedy="Materialize power_files again",
        )
    return fields


def _between_points(series: Series, meter: Meter, begins: datetime, ends: datetime) -> Instants:
    """The edges of what a day's points stand for: each until the next, the last as long as it stands."""
    import numpy as np

    first, end = np.searchsorted(series.at, [to_epoch_ms(begins), to_epoch_ms(ends)])
    last = int(series.at[end - 1])
    stands = last + max(1, int(series.standing_ms(meter)[end - 1]))
    return np.array(
        [to_epoch_ms(begins), *series.at[first + 1 : end], min(stands, to_epoch_ms(ends))], np.int64
    )


def _points(
    at: Instants, cells: Mapping[str, Sequence[dict[str, Any]]], main: str, zone: ZoneInfo
) -> list[dict[str, Any]]:
    nothing = [_NOTHING] * len(at)
    others = sorted(cells.keys() - {main})
    return [
        {
            "timestamp": _local(from_epoch_ms(instant), zone),
            "power": own["mean"],
            **{name: own[name] for name in ("energy_kwh", "min", "max", "coverage")},
            **{id_: cells[id_][number] for id_ in others},
        }
        for number, (instant, own) in enumerate(zip(at.tolist(), cells.get(main, nothing), strict=True))
    ]


_NOTHING: dict[str, Any] = {"mean": None, "min": None, "max": None, "energy_kwh": None, "coverage": 0.0}


def _cells(rollup: Rollup, meter: Meter, shown: range) -> list[dict[str, Any]]:
    """What is said of a meter in each of the buckets shown: what its quantity has."""
    names = [] if meter.kind == "counter" else ["mean", "min", "max"]
    names += ["energy_kwh"] if meter.quantity in ("power", "energy") else []
    columns = [getattr(rollup, name)[shown.start : shown.stop].tolist() for name in names]
    coverage = rollup.coverage[shown.start : shown.stop].tolist()
    return [
        {
            **{
                name: None if isnan(value) else rounded(value) for name, value in zip(names, row, strict=True)
            },
            "coverage": round(share, _COVERAGE_DECIMALS),
        }
        for share, *row in zip(coverage, *columns, strict=True)
    ]


def _document(
    points: list[dict[str, Any]], events: Sequence[Event], last_update: datetime | None, zone: ZoneInfo
) -> dict[str, Any]:
    return {
        "data_points": points,
        "events": [event.model_dump(mode="json") for event in events],
        "last_update": None if last_update is None else _local(last_update, zone),
    }


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).isoformat()
