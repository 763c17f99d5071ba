"""The history page: what was charged in a period, by car and by hour, day or month, and its sessions.

Energy and cost are counted where they were drawn, by quarter hours of sessions, in whole millionths: all sums are
exact, and those of a month's days are the month's. Where the values come from is known elsewhere.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.cache import HOME, CacheRecord
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Reading
from cph50_pipeline.charging.sessions import FLAGS
from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.pages.cars import Car, cars_of
from cph50_pipeline.pages.charts import BarChart, Bucket, Curve, curve, stacked_bars
from cph50_pipeline.pages.links import Links
from cph50_pipeline.pages.measures import MEASURES, Measure, Show
from cph50_pipeline.pages.periods import VIEWS, Part, Period, View, month_period, parts
from cph50_pipeline.pages.silence import Silence
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.config import VehicleConfig

UNIT = 1_000_000
PAGE_SIZE = 100
Sort = Literal["start", "end", "car", "energy", "duration", "cost", "peak"]
SORTS: tuple[Sort, ...] = get_args(Sort)
Order = Literal["asc", "desc"]
ORDERS: tuple[Order, ...] = get_args(Order)
NAMED_BY: Mapping[str | None, str] = {"manual": "labelled by hand", "classifier": "by the classifier"}
_FLAG_WORDS: Mapping[str, str] = {
    "counter_reset": "counter fell",
    "end_assumed": "end assumed",
    "end_corrected": "end corrected",
    "end_overlaps_next": "end cut",
    "idle": "mostly idle",
    "late_curve": "curve begins late",
    "no_curve": "no curve",
    "no_power": "no power shown",
    "swap": "cars swapped",
    "tiny": "tiny",
}
_COLUMNS: Mapping[Sort, str] = {
    "start": "Start",
    "car": "Car",
    "energy": "kWh",
    "cost": "Cost",
    "end": "End",
    "duration": "Plugged in",
    "peak": "Peak kW",
}
"""In the order of what matters most: a phone's width shows the first four."""
_TAB_WORDS: Mapping[View, str] = {"day": "Day", "month": "Month", "year": "Year", "range": "Range"}


@dataclass(frozen=True, slots=True)
class Draw:
    """What a session drew in a quarter of an hour, or in several that lie in one part of a period.

    Attributes:
        start_ms: When the first of them begins, in Unix milliseconds.
        energy: In millionths of kWh.
        cost: In millionths of the account's currency; None where it is not known of any of them.
    """

    session_id: str
    vehicle_id: str
    start_ms: int
    energy: int
    cost: int | None


@dataclass(frozen=True, slots=True)
class HistoryInputs:
    """What is stored of a period; its first sessions may have begun in the month before.

    Attributes:
        draws: All that the sessions drew that are read, also outside the period.
        readings: By session, where curves are wanted.
        stored_months: The months of which anything is stored, in order.
        troubles: What could not be read.
    """

    config: VehicleConfig = field(default_factory=VehicleConfig)
    records: tuple[CacheRecord, ...] = ()
    draws: tuple[Draw, ...] = ()
    classifications: Mapping[str, Classification] = field(default_factory=dict)
    readings: Mapping[str, Sequence[Reading]] = field(default_factory=dict)
    stored_months: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants to see of a period.

    Attributes:
        vehicles: The cars; none: all of them.
        text: Which sessions are listed: those that have all of its words. Sums do not heed it.
        page: Of the list of sessions, from 1.
        show: What the bars show.
    """

    vehicles: frozenset[str] = frozenset()
    sort: Sort = "start"
    order: Order = "desc"
    text: str = ""
    page: int = 1
    show: Show = "energy"

    @property
    def query(self) -> dict[str, str]:
        """The fields of an address that say it; what is as it is unasked is left out. The page is not among them."""
        told = {"vehicle": ",".join(sorted(self.vehicles)), "q": self.text}
        if (self.sort, self.order) != ("start", "desc"):
            told |= {"sort": self.sort, "order": self.order}
        if self.show != "energy":
            told["show"] = self.show
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class Amounts:
    """Sums over sessions, as far as they lie in the period.

    Attributes:
        car: Whose; None: all cars together.
        share: Of the period's energy; None where there is none. Those of `by_car` are whole percents of it that sum up.
        miles: As far as the cars' efficiency is known; None where of none.
        unknown_miles_kwh: The energy of which it is not.
        cost: As far as it is known; None where of nothing.
        unknown_cost_kwh: The energy of which it is not.
    """

    car: Car | None
    sessions: int
    energy_kwh: float
    share: float | None
    miles: float | None
    unknown_miles_kwh: float
    cost: float | None
    unknown_cost_kwh: float

    def of(self, show: Show) -> float | None:
        """What bars show of it, as far as it is known; None where nothing is."""
        return {
            "energy": self.energy_kwh,
            "cost": self.cost,
            "miles": self.miles,
            "sessions": float(self.sessions),
        }[show]

    def unknown_kwh(self, show: Show) -> float:
        """The energy of which that is not known."""
        return {"cost": self.unknown_cost_kwh, "miles": self.unknown_miles_kwh}.get(show, 0.0)


@dataclass(frozen=True, slots=True)
class PartRow:
    """An hour, a day or a month of the period.

    Attributes:
        by_car: In the order of the view's cars.
        total: Of all of them.
    """

    title: str
    address: str | None
    day: date | None
    by_car: tuple[Amounts, ...]
    total: Amounts


@dataclass(frozen=True, slots=True)
class Flag:
    """Something about a session: as it is stored, in plain words, and what it means."""

    name: str
    word: str
    title: str


AWAY = Flag("away", "elsewhere", "it was not at the household's own charger")


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session of the list.

    Attributes:
        end: None while it is open.
        labeled_by: Who named the car, as it is stored; None while nobody did.
        energy_kwh: In the period; None where nothing tells.
        whole_kwh: Of the whole session, where that is another; else None.
        cost: In the period; None where it is not known.
        curve: Its power, where curves are wanted.
    """

    session_id: str
    start: datetime
    end: datetime | None
    car: Car
    confidence: float | None
    labeled_by: str | None
    needs_review: bool
    energy_kwh: float | None
    whole_kwh: float | None
    duration_seconds: int
    cost: float | None
    peak_kw: float | None
    flags: tuple[Flag, ...]
    curve: Curve | None = None

    @property
    def day(self) -> date:
        """The civil day on which it began."""
        return self.start.date()

    @property
    def month(self) -> str:
        """The key of the month in which it began, whose files have it."""
        return self.start.strftime("%Y-%m")

    @property
    def words(self) -> str:
        """What a text is looked for in, in lower case."""
        start = self.start.isoformat(" ", "minutes")[: len("2026-01-07 18:04")]
        words = [self.car.name, self.car.vehicle_id, self.session_id, start, self.named_by]
        words += [flag.word for flag in self.flags]
        if self.needs_review:
            words.append("needs review")
        return " ".join(words).casefold()

    @property
    def named_by(self) -> str:
        """Who named the car, in words; empty while nobody did."""
        return NAMED_BY.get(self.labeled_by, "")

    @property
    def is_open(self) -> bool:
        """Whether it still runs."""
        return self.end is None


@dataclass(frozen=True, slots=True)
class Heading:
    """A column of the list, and the address that sorts by it, or turns the order.

    Attributes:
        sorted_as: `ascending`, `descending`, or None where it is not what sorts.
    """

    name: Sort
    word: str
    address: str
    sorted_as: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A link among several, of which one is chosen."""

    name: str
    word: str
    address: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Way:
    """A period to go to, and its address."""

    period: Period
    address: str


@dataclass(frozen=True, slots=True)
class CarChoice:
    """A car that the page can be narrowed to."""

    car: Car
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class HistoryView:
    """All that the page shows.

    Attributes:
        query: The fields that keep what is seen when a form asks for something else.
        shows: What the bars can show, to choose from.
        cars: Those that the bars and tables have, in order.
        choices: Those that can be chosen.
        total: All cars together.
        began_before: How many of the sessions began before the period.
        rows: The sessions on this page of the list.
        listed: How many sessions the list has on all its pages.
        nearest: The nearest month that has something.
        all_cars: The address that narrows to no car.
        whole_list: The address that lists all sessions, whatever their words.
        address: This page's own.
        silences: The chargers whose newest sessions may be missing.
    """

    period: Period
    wanted: Wanted
    query: Mapping[str, str]
    tabs: tuple[Choice, ...]
    years: tuple[Choice, ...]
    shows: tuple[Choice, ...]
    previous: Way | None
    next: Way | None
    cars: tuple[Car, ...]
    choices: tuple[CarChoice, ...]
    total: Amounts
    by_car: tuple[Amounts, ...]
    began_before: int
    chart: BarChart
    parts: tuple[PartRow, ...]
    headings: tuple[Heading, ...]
    rows: tuple[SessionRow, ...]
    listed: int
    pages: tuple[Choice, ...]
    nearest: Way | None
    all_cars: str
    whole_list: str
    address: str
    troubles: tuple[Trouble, ...]
    silences: tuple[Silence, ...] = ()

    @property
    def measure(self) -> Measure:
        """What the bars show."""
        return MEASURES[self.wanted.show]

    @property
    def is_empty(self) -> bool:
        """Whether nothing was charged."""
        return self.total.sessions == 0

    def rows_of(self, part: PartRow) -> tuple[SessionRow, ...]:
        """The sessions that began on a day; those from before stand on the first."""
        first = next((one.day for one in self.parts if one.day), None)
        return tuple(
            row
            for row in self.rows
            if row.day == part.day or (part.day == first and first is not None and row.day < first)
        )


def history_view(
    inputs: HistoryInputs,
    period: Period,
    links: Links,
    zone: ZoneInfo,
    today: date,
    wanted: Wanted | None = None,
    page_size: int | None = PAGE_SIZE,
) -> HistoryView:
    """The page of a period.

    Args:
        links: Where other pages are.
        zone: The household's.
        today: Its civil day.
        page_size: How many sessions are listed at once; None: all.
    """
    wanted = wanted or Wanted()
    tally = Tally.of(inputs, period, zone, wanted.vehicles)
    cars = tally.cars_in_order
    sessions = _sorted(_rows(inputs, tally, zone), wanted)
    looked_for = wanted.text.casefold().split()
    listed = [row for row in sessions if all(word in row.words for word in looked_for)]
    address = _Addresses(links, wanted)
    size = page_size or max(1, len(listed))
    page = min(wanted.page, max(1, -(-len(listed) // size)))
    rows = _part_rows(tally, cars, address, _told_of(inputs.stored_months, today))
    return HistoryView(
        period=period,
        wanted=wanted,
        query={**period.query, **wanted.query},
        tabs=_tabs(period, _day_to_choose(period, inputs.stored_months, today), address),
        years=_years(inputs.stored_months, period, today, address),
        shows=_shows(period, address),
        previous=address.way(_stored_before(period, inputs.stored_months, today)),
        next=address.way(_stored_after(period, inputs.stored_months, today)),
        cars=cars,
        choices=_choices(tally, wanted),
        total=tally.amounts(None),
        by_car=_with_whole_percents([tally.amounts(car) for car in cars]),
        began_before=sum(1 for row in sessions if row.day < period.first),
        chart=_chart(rows, tally.parts, cars, MEASURES[wanted.show]),
        parts=rows,
        headings=_headings(period, address),
        rows=tuple(listed[(page - 1) * size : page * size]),
        listed=len(listed),
        pages=_pages(period, len(listed), size, page, address),
        nearest=_nearest(inputs.stored_months, period, address),
        all_cars=_Addresses(links, replace(wanted, vehicles=frozenset())).to(period),
        whole_list=_Addresses(links, replace(wanted, text="")).to(period),
        address=address.to(period, list=str(page) if page > 1 else ""),
        troubles=inputs.troubles,
    )


@dataclass(frozen=True)
class Tally:
    """The sums of a period, in whole millionths.

    Attributes:
        cars: All cars by id, in order.
        energy: By part and car.
        cost: By part and car, where it is known.
        uncosted: The energy of which no cost is known, by part and car.
        began: How many sessions began, by part and car; those from before the period stand in its first part.
        in_period: By session its energy in the period.
        cost_in_period: By session its cost there, where it is known.
        whole: By session its energy on all days.
        car_of: By session its car's id.
        counted: The sessions that belong to the period.
    """

    parts: tuple[Part, ...]
    cars: Mapping[str, Car]
    energy: Mapping[tuple[int, str], int]
    cost: Mapping[tuple[int, str], int]
    uncosted: Mapping[tuple[int, str], int]
    began: Mapping[tuple[int, str], int]
    in_period: Mapping[str, int]
    cost_in_period: Mapping[str, int]
    whole: Mapping[str, int]
    car_of: Mapping[str, str]
    counted: frozenset[str]

    @classmethod
    def of(
        cls, inputs: HistoryInputs, period: Period, zone: ZoneInfo, vehicles: frozenset[str] = frozenset()
    ) -> Tally:
        """Sum what was drawn in a period, of these cars or of all."""
        every = parts(period, zone)
        edges = [to_epoch_ms(part.start) for part in every]
        start, end = period.bounds(zone)
        first_ms, end_ms = to_epoch_ms(start), to_epoch_ms(end)
        car_of = {record.session_id: record.vehicle_id for record in inputs.records}
        car_of |= {draw.session_id: draw.vehicle_id for draw in inputs.draws}
        energy: dict[tuple[int, str], int] = defaultdict(int)
        cost: dict[tuple[int, str], int] = defaultdict(int)
        uncosted: dict[tuple[int, str], int] = defaultdict(int)
        begin_ms: dict[str, int] = {}
        in_period: dict[str, int] = defaultdict(int)
        cost_in_period: dict[str, int] = defaultdict(int)
        whole: dict[str, int] = defaultdict(int)
        for one in inputs.draws:
            whole[one.session_id] += one.energy
            if not first_ms <= one.start_ms < end_ms or (vehicles and one.vehicle_id not in vehicles):
                continue
            place = (_place(edges, one.start_ms), one.vehicle_id)
            begin_ms[one.session_id] = min(one.start_ms, begin_ms.get(one.session_id, one.start_ms))
            energy[place] += one.energy
            in_period[one.session_id] += one.energy
            if one.cost is None:
                uncosted[place] += one.energy
            else:
                cost[place] += one.cost
                cost_in_period[one.session_id] += one.cost
        began = {
            record.session_id
            for record in inputs.records
            if start <= record.session_start_time < end
            and (not vehicles or car_of[record.session_id] in vehicles)
        }
        counted = frozenset(began | {session_id for session_id, drawn in in_period.items() if drawn})
        # Of a session whose record is lost its first energy is all that tells when it began.
        begin_ms |= {one.session_id: to_epoch_ms(one.session_start_time) for one in inputs.records}
        return cls(
            parts=every,
            cars=cars_of(inputs.config, car_of.values()),
            energy=energy,
            cost=cost,
            uncosted=uncosted,
            began=Counter((_place(edges, begin_ms[id_]), car_of[id_]) for id_ in counted),
            in_period=in_period,
            cost_in_period=cost_in_period,
            whole=whole,
            car_of=car_of,
            counted=counted,
        )

    @cached_property
    def drawn(self) -> int:
        """The energy of the period."""
        return sum(self.energy.values())

    @cached_property
    def cars_in_order(self) -> tuple[Car, ...]:
        """The cars that have sessions in the period."""
        found = {self.car_of[session_id] for session_id in self.counted}
        return tuple(car for vehicle_id, car in self.cars.items() if vehicle_id in found)

    def amounts(self, car: Car | None, place: int | None = None) -> Amounts:
        """The sums of one car, or of all; of one part of the period, or of all."""
        cars = self.cars_in_order if car is None else [car]
        places = range(len(self.parts)) if place is None else [place]
        keys = [(one, whose.vehicle_id) for whose in cars for one in places]
        energy = {whose.vehicle_id: 0 for whose in cars}
        for key in keys:
            energy[key[1]] += self.energy.get(key, 0)
        costs = [self.cost[key] for key in keys if key in self.cost]
        miles = {whose: self.cars[whose].miles(drawn / UNIT) for whose, drawn in energy.items()}
        known_miles = [one for whose in sorted(miles) if (one := miles[whose]) is not None]
        drawn = sum(energy.values())
        return Amounts(
            car=car,
            sessions=sum(self.began.get(key, 0) for key in keys),
            energy_kwh=drawn / UNIT,
            share=drawn / self.drawn if self.drawn else None,
            miles=sum(known_miles) if known_miles else None,
            unknown_miles_kwh=sum(energy[whose] for whose, one in miles.items() if one is None) / UNIT,
            cost=sum(costs) / UNIT if costs else None,
            unknown_cost_kwh=sum(self.uncosted.get(key, 0) for key in keys) / UNIT,
        )


def _place(edges: Sequence[int], at_ms: int) -> int:
    """In which part a time lies; what is before the first lies in it."""
    return max(0, bisect_right(edges, at_ms) - 1)


def flags_of(record: CacheRecord) -> tuple[Flag, ...]:
    """What is odd about a session, in words; a flag that nobody knows is shown as it is called."""
    away = () if record.location.name == HOME else (AWAY,)
    return away + tuple(
        Flag(name, _FLAG_WORDS.get(name, name.replace("_", " ")), FLAGS.get(name, ""))
        for name in record.flags
    )


@dataclass(frozen=True, slots=True)
class _Addresses:
    """Addresses of this page that keep what is wanted."""

    links: Links
    wanted: Wanted

    def way(self, period: Period | None) -> Way | None:
        return None if period is None else Way(period, self.to(period))

    def to(self, period: Period, **changes: str) -> str:
        return self.links.page("history", **{**period.query, **self.wanted.query, **changes})


def _rows(inputs: HistoryInputs, tally: Tally, zone: ZoneInfo) -> list[SessionRow]:
    return [
        _row(record, inputs, tally, zone) for record in inputs.records if record.session_id in tally.counted
    ]


def _row(record: CacheRecord, inputs: HistoryInputs, tally: Tally, zone: ZoneInfo) -> SessionRow:
    id_ = record.session_id
    car = tally.cars[tally.car_of[id_]]
    said = inputs.classifications.get(id_)
    start = record.session_start_time.astimezone(zone)
    end = None if record.session_end_time is None else record.session_end_time.astimezone(zone)
    energy, whole, cost = tally.in_period.get(id_), tally.whole.get(id_), tally.cost_in_period.get(id_)
    if whole is None and record.energy_kwh == 0:
        energy = 0  # nothing was drawn, so there is no quarter hour to tell it
    elif whole is not None:
        energy = energy or 0
    labeled_by = None if said is None else said.labeled_by
    readings = inputs.readings.get(id_)
    return SessionRow(
        session_id=id_,
        start=start,
        end=end,
        car=car,
        confidence=record.vehicle_confidence if car.vehicle_id != UNKNOWN_VEHICLE else None,
        labeled_by=labeled_by,
        needs_review=said is not None and said.needs_review,
        energy_kwh=None if energy is None else energy / UNIT,
        whole_kwh=None if whole in (None, energy) else (whole or 0) / UNIT,
        duration_seconds=record.session.duration_seconds,
        cost=None if cost is None else cost / UNIT,
        peak_kw=record.session.peak_power_kw,
        flags=flags_of(record),
        curve=_curve(readings) if readings else None,
    )


def _curve(readings: Sequence[Reading]) -> Curve:
    return curve([(reading.at.timestamp(), reading.power_kw) for reading in readings])


_KEYS: Mapping[Sort, Callable[[SessionRow], float | str | None]] = {
    "start": lambda row: row.start.timestamp(),
    "end": lambda row: None if row.end is None else row.end.timestamp(),
    "car": lambda row: row.car.name.casefold(),
    "energy": lambda row: row.energy_kwh,
    "duration": lambda row: row.duration_seconds,
    "cost": lambda row: row.cost,
    "peak": lambda row: row.peak_kw,
}


def _sorted(rows: list[SessionRow], wanted: Wanted) -> list[SessionRow]:
    """In the order that is wanted; equal ones the newest first, and last what has no value."""
    key = _KEYS[wanted.sort]
    newest = sorted(rows, key=lambda row: (row.start.timestamp(), row.session_id), reverse=True)
    known = [row for row in newest if key(row) is not None]
    known.sort(key=lambda row: key(row) or 0, reverse=wanted.order == "desc")
    return known + [row for row in newest if key(row) is None]


def _headings(period: Period, address: _Addresses) -> tuple[Heading, ...]:
    wanted = address.wanted
    made = []
    for name, word in _COLUMNS.items():
        is_sorted = name == wanted.sort
        first: Order = "asc" if name == "car" else "desc"
        order = ("asc" if wanted.order == "desc" else "desc") if is_sorted else first
        as_ = ("descending" if wanted.order == "desc" else "ascending") if is_sorted else None
        made.append(Heading(name, word, address.to(period, sort=name, order=order), as_))
    return tuple(made)


def _told_of(stored_months: Sequence[str], today: date) -> tuple[date, date] | None:
    """The first and the last day of which there is something to show; None while nothing is stored."""
    if not stored_months:
        return None
    return month_period(stored_months[0]).first, max(today, month_period(stored_months[-1]).first)


def _part_rows(
    tally: Tally, cars: Sequence[Car], address: _Addresses, told_of: tuple[date, date] | None
) -> tuple[PartRow, ...]:
    made = []
    for place, part in enumerate(tally.parts):
        is_day = part.period is not None and part.period.view == "day"
        is_told = (
            part.period is not None
            and told_of is not None
            and part.period.last >= told_of[0]
            and part.period.first <= told_of[1]
        )
        made.append(
            PartRow(
                title=part.title,
                address=address.to(part.period) if part.period is not None and is_told else None,
                day=part.period.first if part.period is not None and is_day else None,
                by_car=tuple(tally.amounts(car, place) for car in cars),
                total=tally.amounts(None, place),
            )
        )
    return tuple(made)


def _chart(rows: Sequence[PartRow], every: Sequence[Part], cars: Sequence[Car], measure: Measure) -> BarChart:
    buckets = [
        Bucket(
            label=part.label,
            title=row.title,
            link=row.address,
            values={
                car.vehicle_id: one.of(measure.show) or 0.0 for car, one in zip(cars, row.by_car, strict=True)
            },
            unknown=_unknown(row.total, measure),
        )
        for part, row in zip(every, rows, strict=True)
    ]
    named = {car.vehicle_id: (car.name, car.color) for car in cars}
    return stacked_bars(buckets, named, measure.unit, whole=measure.whole)


def _unknown(amounts: Amounts, measure: Measure) -> str:
    unknown_kwh = amounts.unknown_kwh(measure.show)
    return f"without {unknown_kwh:,.1f} kWh {measure.unknown}" if unknown_kwh else ""


def _shows(period: Period, address: _Addresses) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            one.show,
            one.word,
            address.to(period, show="" if one.show == "energy" else one.show),
            one.show == address.wanted.show,
        )
        for one in MEASURES.values()
    )


def _choices(tally: Tally, wanted: Wanted) -> tuple[CarChoice, ...]:
    # A car that is asked for and that nobody knows has to be there to be given up.
    others = sorted(wanted.vehicles - tally.cars.keys())
    every = [*tally.cars.values(), *(Car(id_, id_, "none") for id_ in others)]
    return tuple(CarChoice(car, car.vehicle_id in wanted.vehicles) for car in every)


def _day_to_choose(period: Period, stored_months: Sequence[str], today: date) -> date:
    """The day that a person means who looks closer: today, else one of the newest month that has anything."""
    if period.first <= today <= period.last:
        return today
    inside = [month for month in stored_months if month in period.months]
    return max(period.first, month_period(inside[-1]).first) if inside else today


def _tabs(period: Period, chosen: date, address: _Addresses) -> tuple[Choice, ...]:
    kept: tuple[View, ...] = ("month", "year") if address.links.is_static else VIEWS
    return tuple(
        Choice(view, _TAB_WORDS[view], address.to(period.seen_as(view, chosen)), view == period.view)
        for view in kept
    )


def _years(months: Sequence[str], period: Period, today: date, address: _Addresses) -> tuple[Choice, ...]:
    years = sorted({month[:4] for month in months}, reverse=True)
    chosen = {f"{day:%Y}" for day in (period.first, period.last)}
    return tuple(Choice(year, year, address.to(_year(year)), year in chosen) for year in years)


def _year(year: str) -> Period:
    return month_period(f"{year}-01").seen_as("year", date.min)


def _stored_before(period: Period, months: Sequence[str], today: date) -> Period | None:
    """The period before; behind all that is stored the newest of which there is something."""
    before = period.previous
    if before is None or not months or before.months[-1] < months[0]:
        return None
    is_far = before.first > max(today, month_period(months[-1]).last)
    return _like(period, months[-1]) if is_far else before


def _stored_after(period: Period, months: Sequence[str], today: date) -> Period | None:
    """The period after; before all that is stored the first of which there is something."""
    after = period.next
    if after is None:
        return None
    if months and after.months[-1] < months[0]:
        return _like(period, months[0])
    is_there = after.first <= today or after.months[0] <= max(months, default="")
    return after if is_there else None


def _like(period: Period, month: str) -> Period:
    """A stored month, or the year it lies in where years are looked at."""
    return _year(month[:4]) if period.view == "year" else month_period(month)


def _with_whole_percents(amounts: Sequence[Amounts]) -> tuple[Amounts, ...]:
    """Shares in whole percents that sum up to all: those that lack most of one are rounded up."""
    percents = [(one.share or 0.0) * 100 for one in amounts]
    whole = [math.floor(round(one, 6)) for one in percents]
    lacking = round(sum(percents)) - sum(whole)
    order = sorted(range(len(whole)), key=lambda place: (whole[place] - percents[place], place))
    for place in order[:lacking]:
        whole[place] += 1
    return tuple(
        one if one.share is None else replace(one, share=percent / 100)
        for one, percent in zip(amounts, whole, strict=True)
    )


def _nearest(months: Sequence[str], period: Period, address: _Addresses) -> Way | None:
    first, *_, last = (period.months[0], *period.months)
    earlier = [month for month in months if month < first]
    later = [month for month in months if month > last]
    found = earlier[-1:] or later[:1]
    return address.way(month_period(found[0])) if found else None


def _pages(period: Period, listed: int, size: int, page: int, address: _Addresses) -> tuple[Choice, ...]:
    count = -(-listed // size)
    if count < 2:
        return ()
    return tuple(
        Choice(str(one), str(one), address.to(period, list=str(one)), one == page)
        for one in range(1, count + 1)
    )
