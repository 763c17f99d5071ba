"""What the power page shows: of each meter what it said, with what is not known left open, and what was wrong when."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_bounds, day_start, local_date, parse_instant
from cph50_pipeline.pages.line_charts import LineChart, line_chart
from cph50_pipeline.pages.meters import meter_name
from cph50_pipeline.pages.rendering import decimals_of
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.power.data_points import PowerFile
from cph50_pipeline.power.events import EventKind
from cph50_pipeline.power.meters import CANONICAL_UNITS, CHARGER, MeterConfig

Range = Literal["daily", "weekly", "monthly", "yearly", "fine"]
RANGES: Mapping[Range, str] = {
    "daily": "Today",
    "weekly": "7 days",
    "monthly": "30 days",
    "yearly": "365 days",
    "fine": "A year, every 5 minutes",
}
FILE_OF: Mapping[Range, PowerFile] = {
    "daily": "daily",
    "weekly": "weekly",
    "monthly": "monthly",
    "yearly": "yearly",
    "fine": "yearly",
}
"""The published file that a view begins with."""
KINDS: Mapping[EventKind, str] = {
    "outage": "Outage",
    "gap": "Nothing was read",
    "frozen": "Frozen: the meter repeated itself",
    "out_of_band": "Not normal",
    "out_of_range": "Not possible",
}
_UNNAMED = "power"
"""The house's power where meters.json does not say which meter that is."""
_BROKEN_BY: frozenset[str] = frozenset({"outage", "gap", "frozen"})
_MOST_EVENTS = 100
_HOUR = timedelta(hours=1)
Value = float | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a point of a file says of one meter, and the time for which it says that.

    Attributes:
        value: What is drawn: a gauge's mean, or its reading; of a counter what it counted.
        hours: How long the stretch is.
        coverage: The share of it that is known.
    """

    at: datetime
    hours: float
    value: Value
    low: Value
    high: Value
    energy_kwh: Value
    coverage: float


@dataclass(frozen=True, slots=True)
class MeterView:
    """One meter over the time that is shown.

    Attributes:
        unit: Of its values; what a counter counted is in kWh.
        mean: Over the time that is known.
        energy_kwh: The sum of the points' energies; None where none is known, or it has none.
        coverage: The share of the time that is known.
        points: What is drawn: Unix seconds with values, None where the line is broken.
        bands: What was wrong: kinds with their first and last Unix second.
        is_counter: Whether a value is what was counted since the point before.
    """

    meter: str
    unit: str
    decimals: int
    color: str
    is_counter: bool
    mean: Value
    low: Value
    high: Value
    energy_kwh: Value
    coverage: float | None
    points: tuple[tuple[int, Value], ...]
    bands: tuple[tuple[str, int, int], ...]
    chart: LineChart

    @property
    def name(self) -> str:
        """What people are shown for it."""
        return meter_name(self.meter)


@dataclass(frozen=True, slots=True)
class EventRow:
    """Something that was wrong, its times in the household's zone.

    Attributes:
        meter: Whose, or of which all: what several meters said at once is one event.
    """

    meter: str
    kind: EventKind
    start: datetime
    end: datetime
    duration_seconds: float

    @property
    def words(self) -> str:
        """What it is called."""
        return KINDS[self.kind]


@dataclass(frozen=True, slots=True)
class EventSum:
    """What the events of one kind come to for a meter."""

    meter: str
    words: str
    count: int
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Used:
    """What the house used.

    Attributes:
        is_counted: Whether a meter counted it; else it is summed of power.
    """

    energy_kwh: float
    meter: str
    is_counted: bool


@dataclass(frozen=True, slots=True)
class PowerView:
    """A range of power.

    Attributes:
        last_update: Up to when the file tells, in the household's zone; None while nothing is known.
        step: How far its points are apart, in words.
        drawn: What is drawn of them, in words.
        is_short: Whether it begins later than it is called after, because nothing is known of before.
        used: What the house used; None where nothing tells.
        last_outage: The newest outage of the year; None where there was none.
        events: The newest first, as many as are listed.
        event_count: How many there are.
        event_sums: Of all of them.
        kinds: Which kinds of events are drawn, for the legend.
        troubles: What could not be read.
    """

    range: Range
    step: str
    drawn: str
    last_outage: EventRow | None
    troubles: tuple[Trouble, ...]
    first: datetime | None = None
    last_update: datetime | None = None
    is_short: bool = False
    used: Used | None = None
    meters: tuple[MeterView, ...] = ()
    events: tuple[EventRow, ...] = ()
    event_count: int = 0
    event_sums: tuple[EventSum, ...] = ()
    kinds: tuple[tuple[EventKind, str], ...] = ()


_DRAWN: Mapping[Range, str] = {
    "daily": "as read",
    "weekly": "each hour's mean",
    "monthly": "each day's mean",
    "yearly": "each day's mean",
    "fine": "the mean of every 5 minutes",
}
_DAYS: Mapping[Range, int] = {"weekly": 7, "monthly": 30, "yearly": 365, "fine": 365}
_STEPS: Mapping[Range, str] = {
    "daily": "as read",
    "weekly": "by the hour",
    "monthly": "by the day",
    "yearly": "by the day",
    "fine": "every 5 minutes",
}


def power_view(
    wanted: Range,
    document: Mapping[str, Any] | None,
    config: MeterConfig,
    zone: ZoneInfo,
    troubles: Sequence[Trouble] = (),
    of_the_year: Mapping[str, Any] | None = None,
) -> PowerView:
    """What a published file says.

    Args:
        document: The file; None where there is none.
        config: The household's meters.
        of_the_year: The file of a year, for its newest outage; None where there is none.
    """
    points = [] if document is None else document["data_points"]
    outage = _last_outage([document, of_the_year], zone)
    if document is None or not points:
        return PowerView(wanted, _STEPS[wanted], _DRAWN[wanted], outage, tuple(troubles))
    file = FILE_OF[wanted]
    until = parse_instant(document["last_update"]).astimezone(zone)
    starts = [parse_instant(point["timestamp"]) for point in points]
    ends = _ends(file, starts, until, zone)
    events = [_event(one, zone) for one in document.get("events", ())]
    meters = tuple(
        _meter_view(
            place, meter, stretches, [one for one in events if one.meter == meter], config, file, zone
        )
        for place, (meter, stretches) in enumerate(_by_meter(points, starts, ends, config, file, zone))
    )
    found = {one.kind for one in events}
    together = _together(events)
    first = starts[0].astimezone(zone)
    return PowerView(
        range=wanted,
        first=first,
        last_update=until,
        step=_STEPS[wanted],
        drawn=_DRAWN[wanted],
        is_short=wanted in _DAYS and (until.date() - first.date()).days < _DAYS[wanted] - 1,
        used=_used(meters, config),
        last_outage=outage,
        meters=meters,
        events=tuple(together[:_MOST_EVENTS]),
        event_count=len(together),
        event_sums=_event_sums(events),
        kinds=tuple((kind, words) for kind, words in KINDS.items() if kind in found),
        troubles=tuple(troubles),
    )


def main_meter(points: Sequence[Mapping[str, Any]], config: MeterConfig) -> str:
    """The meter of which a file's points speak themselves: it is not among those that they name."""
    named = {name for point in points for name in point}
    return next((meter for meter in (config.main_power, CHARGER) if meter not in named), _UNNAMED)


def _used(meters: Sequence[MeterView], config: MeterConfig) -> Used | None:
    """What a counter of the house counted, else what its power comes to."""
    place = (config.main_power or _UNNAMED).partition(".")[0]
    of_house = [one for one in meters if one.meter.partition(".")[0] == place and one.energy_kwh is not None]
    counted = [one for one in of_house if one.is_counter]
    chosen = next(iter([*counted, *of_house]), None)
    if chosen is None or chosen.energy_kwh is None:
        return None
    return Used(chosen.energy_kwh, chosen.meter, chosen.is_counter)


def _last_outage(documents: Iterable[Mapping[str, Any] | None], zone: ZoneInfo) -> EventRow | None:
    """The newest outage that any of the files tells of."""
    events = [
        _event(one, zone)
        for document in documents
        if document is not None
        for one in document.get("events", ())
        if one["kind"] == "outage"
    ]
    return next(iter(_together(events)), None)


def _together(events: Iterable[EventRow]) -> list[EventRow]:
    """The newest first; what several meters said at once as one."""
    meters: dict[tuple[datetime, datetime, EventKind], list[EventRow]] = defaultdict(list)
    for one in events:
        meters[one.start, one.end, one.kind].append(one)
    merged = [
        replace(same[0], meter=", ".join(sorted({meter_name(one.meter) for one in same})))
        for same in meters.values()
    ]
    return sorted(merged, key=lambda one: (one.start, one.meter), reverse=True)


def chart_json(view: PowerView) -> str:
    """What a script draws: columns, Unix seconds, null where the line is broken."""
    document = {
        "range": view.range,
        "first": None if view.first is None else round(view.first.timestamp()),
        "last": None if view.last_update is None else round(view.last_update.timestamp()),
        "meters": [
            {
                "id": one.meter,
                "name": one.name,
                "unit": one.unit,
                "decimals": one.decimals,
                "at": [at for at, _ in one.points],
                "value": [None if value is None else round(value, 4) for _, value in one.points],
                "bands": [list(band) for band in one.bands],
            }
            for one in view.meters
        ],
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True) + "\n"


def _ends(file: PowerFile, starts: Sequence[datetime], until: datetime, zone: ZoneInfo) -> list[datetime]:
    """When each point's stretch is over (UTC): at the next point, the last one's as far as the file tells."""
    if file == "daily":
        return [*starts[1:], max(starts[-1], until.astimezone(UTC))]
    if file == "weekly":
        return [*starts[1:], starts[-1] + _HOUR]
    return [*starts[1:], day_bounds(local_date(starts[-1], zone), zone)[1]]


def _by_meter(
    points: Sequence[Mapping[str, Any]],
    starts: Sequence[datetime],
    ends: Sequence[datetime],
    config: MeterConfig,
    file: PowerFile,
    zone: ZoneInfo,
) -> Iterable[tuple[str, list[Stretch]]]:
    """Each meter's stretches, the house's power first."""
    main = main_meter(points, config)
    named = sorted({name for point in points for name, said in point.items() if isinstance(said, Mapping)})
    begins = [*starts]
    if file == "daily":  # what the first point says besides is of the day so far
        begins[0] = day_start(local_date(starts[0], zone), zone)
    for meter in [main, *named]:
        stretches = []
        for point, at, begin, end in zip(points, starts, begins, ends, strict=True):
            said = point if meter == main else point.get(meter) or {}
            mean = said.get("power" if meter == main else "mean")
            is_counter = meter in config.meters and config.meters[meter].kind == "counter"
            stretches.append(
                Stretch(
                    at=at,
                    hours=(end - begin) / _HOUR,
                    value=said.get("energy_kwh") if is_counter else mean,
                    low=said.get("min"),
                    high=said.get("max"),
                    energy_kwh=said.get("energy_kwh"),
                    coverage=said.get("coverage") or 0.0,
                )
            )
        yield meter, stretches


def _meter_view(
    place: int,
    meter: str,
    stretches: Sequence[Stretch],
    events: Sequence[EventRow],
    config: MeterConfig,
    file: PowerFile,
    zone: ZoneInfo,
) -> MeterView:
    known = config.meters.get(meter)
    unit = _unit_of(stretches) if known is None else CANONICAL_UNITS[known.quantity]
    is_counter = known is not None and known.kind == "counter"
    energies = [one.energy_kwh for one in stretches if one.energy_kwh is not None]
    hours = sum(one.hours for one in stretches)
    points = (
        _broken(stretches, events) if file == "daily" else [(_second(one.at), one.value) for one in stretches]
    )
    bands = tuple((one.kind, _second(one.start), _second(one.end)) for one in events)
    first, last = _edges(file, stretches, zone)
    return MeterView(
        meter=meter,
        unit=unit,
        decimals=decimals_of(unit),
        color=f"c{place % 6}",
        is_counter=is_counter,
        mean=None if is_counter else _mean(stretches),
        low=min((one.low for one in stretches if one.low is not None), default=None),
        high=max((one.high for one in stretches if one.high is not None), default=None),
        energy_kwh=round(sum(energies), 6) if energies else None,
        coverage=sum(one.coverage * one.hours for one in stretches) / hours if hours > 0 else None,
        points=tuple(points),
        bands=bands,
        chart=line_chart(
            points,
            bands,
            _ticks(file, first, last, zone),
            first=first.timestamp(),
            last=last.timestamp(),
            unit=unit,
            from_zero=unit in ("kW", "kWh"),
        ),
    )


def _unit_of(stretches: Sequence[Stretch]) -> str:
    """The unit of a meter that is not configured any more: only power has an energy."""
    return "kW" if any(one.energy_kwh is not None for one in stretches) else ""


def _edges(file: PowerFile, stretches: Sequence[Stretch], zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The times at the picture's edges: today as a whole, else what the file tells of."""
    first = stretches[0].at
    if file == "daily":
        return day_bounds(local_date(first, zone), zone)
    return first, stretches[-1].at + timedelta(hours=stretches[-1].hours)


def _mean(stretches: Sequence[Stretch]) -> Value:
    """The mean over the time that is known, each value by the time for which it is."""
    valued = [one for one in stretches if one.value is not None]
    known_hours = sum(one.coverage * one.hours for one in valued)
    if known_hours <= 0:
        return valued[-1].value if valued else None
    return sum(one.value * one.coverage * one.hours for one in valued if one.value is not None) / known_hours


def _broken(stretches: Sequence[Stretch], events: Sequence[EventRow]) -> list[tuple[int, Value]]:
    """A day's readings, the line broken where something was wrong between two of them."""
    breaks = [one for one in events if one.kind in _BROKEN_BY]
    points: list[tuple[int, Value]] = []
    for one, following in pairwise([*stretches, None]):
        assert one is not None
        at = _second(one.at)
        points.append((at, one.value))
        if following is None:
            continue
        until = _second(following.at)
        wrong = any(_second(event.start) < until and _second(event.end) > at for event in breaks)
        if wrong and until - at > 1:
            points.append((at + 1, None))
    return points


def _ticks(file: PowerFile, first: datetime, last: datetime, zone: ZoneInfo) -> list[tuple[float, str]]:
    """Times under a picture, in the household's zone: full hours of today, days, or the beginnings of months."""
    if file == "daily":
        every = [first + number * _HOUR for number in range(int((last - first) / _HOUR) + 1)]
        shown = [at for at in every if at.astimezone(zone).hour % 6 == 0 and at < last]
        return [(at.timestamp(), at.astimezone(zone).strftime("%H:%M")) for at in shown]
    days = _days(local_date(first, zone), local_date(last, zone))
    if file == "weekly":
        return [(day_start(day, zone).timestamp(), day.strftime("%a %d")) for day in days]
    if file == "monthly":
        return [(day_start(day, zone).timestamp(), day.strftime("%d %b")) for day in days[::5]]
    months = [day for day in days if day.day == 1]
    every_months = max(1, -(-len(months) // 6))
    return [(day_start(day, zone).timestamp(), day.strftime("%b %Y")) for day in months[::every_months]]


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _event(said: Mapping[str, Any], zone: ZoneInfo) -> EventRow:
    return EventRow(
        meter=said["meter"],
        kind=said["kind"],
        start=parse_instant(said["start"]).astimezone(zone),
        end=parse_instant(said["end"]).astimezone(zone),
        duration_seconds=said["duration_seconds"],
    )


def _event_sums(events: Sequence[EventRow]) -> tuple[EventSum, ...]:
    kinds = get_args(EventKind)
    found = sorted({(one.meter, one.kind) for one in events}, key=lambda one: (one[0], kinds.index(one[1])))
    return tuple(
        EventSum(
            meter_name(meter),
            KINDS[kind],
            sum(1 for one in events if (one.meter, one.kind) == (meter, kind)),
            sum(one.duration_seconds for one in events if (one.meter, one.kind) == (meter, kind)),
        )
        for meter, kind in found
    )


def _second(instant: datetime) -> int:
    return round(instant.timestamp())
