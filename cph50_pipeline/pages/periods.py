"""The periods that pages tell of: a civil day, month or year, or any days of the household's zone.

Which one an address names, what is before and after it, and into which parts it falls.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_start, from_epoch_ms, month_range, shift_month, to_epoch_ms
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.buckets import edges

View = Literal["day", "month", "year", "range"]
VIEWS: tuple[View, ...] = get_args(View)
Grain = Literal["hour", "day", "month"]
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)
MOST_DAYS_BY_DAY = 62
"""Of a longer range the parts are months."""
_ONE_DAY = timedelta(days=1)
_DAY = re.compile(r"(?a:\d{4}-\d{2}-\d{2})")
_LENGTHS: Mapping[View, int] = {"day": len("2026-01-07"), "month": len("2026-01"), "year": len("2026")}


@dataclass(frozen=True, slots=True)
class Period:
    """Civil days in a row, at least one.

    Attributes:
        view: Whether they are a day, a month, a year, or what somebody chose.
        first: The first day.
        last: The last day, which belongs to it.
    """

    view: View
    first: date
    last: date

    @property
    def at(self) -> str:
        """How an address names it: "2026-01-07", "2026-01" or "2026"; a range by its days."""
        if self.view == "range":
            return f"{self.first}_{self.last}"
        return self.first.isoformat()[: _LENGTHS[self.view]]

    @property
    def query(self) -> dict[str, str]:
        """The fields of an address that name it."""
        if self.view == "range":
            return {"view": "range", "from": self.first.isoformat(), "to": self.last.isoformat()}
        return {"view": self.view, "at": self.at}

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def months(self) -> tuple[str, ...]:
        """The keys of the months that it touches."""
        return tuple(month_range(self.first.strftime("%Y-%m"), self.last.strftime("%Y-%m")))

    @property
    def previous(self) -> Period | None:
        """The one before; None where the calendar of these pages begins."""
        return self._beside(self.first - _ONE_DAY, -1)

    @property
    def next(self) -> Period | None:
        """The one after; None where the calendar of these pages ends."""
        return self._beside(self.last + _ONE_DAY, 1)

    @property
    def grain(self) -> Grain:
        """Of what its parts are."""
        if self.view == "day":
            return "hour"
        by_month = self.view == "year" or self.days > MOST_DAYS_BY_DAY
        return "month" if by_month else "day"

    def seen_as(self, view: View, today: date) -> Period:
        """The period of another kind that a person means who looks at this one.

        Args:
            today: Which day, month or year is chosen where this period has several, and today is one of them.
        """
        if view == "range":
            return Period("range", self.first, self.last)
        inside = today if self.first <= today <= self.last else self.first
        return containing(view, inside)

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The half-open interval (UTC)."""
        return day_start(self.first, zone), day_start(self.last + _ONE_DAY, zone)

    def _beside(self, day: date, direction: int) -> Period | None:
        if not FIRST_DAY <= day <= LAST_DAY:
            return None
        if self.view != "range":
            return containing(self.view, day)
        if direction < 0:
            return Period("range", max(FIRST_DAY, day - timedelta(days=self.days - 1)), day)
        return Period("range", day, min(LAST_DAY, day + timedelta(days=self.days - 1)))


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a period.

    Attributes:
        start: When it begins (UTC); it ends where the next begins, the last with the period.
        label: What it is called where there is little room.
        title: What it is called in words.
        period: What shows it alone; None for an hour.
    """

    start: datetime
    label: str
    title: str
    period: Period | None


def containing(view: View, day: date) -> Period:
    """The day, month or year that a day lies in; as a range the day alone."""
    if view == "month":
        last = calendar.monthrange(day.year, day.month)[1]
        return Period(view, day.replace(day=1), day.replace(day=last))
    if view == "year":
        return Period(view, date(day.year, 1, 1), date(day.year, 12, 31))
    return Period(view, day, day)


def month_period(month: str) -> Period:
    """A month by its key."""
    return containing("month", date.fromisoformat(f"{month}-01"))


def parts(period: Period, zone: ZoneInfo) -> tuple[Part, ...]:
    """The hours, days or months of a period, in order; a day has 23, 24 or 25 hours, a skipped one has no part."""
    if period.grain == "hour":
        return _hours(period, zone)
    if period.grain == "day":
        return _days(period, zone)
    return tuple(_month(period, month, zone) for month in period.months)


def edges_ms(period: Period, zone: ZoneInfo) -> tuple[int, ...]:
    """Where a period and its parts begin and end, in order, in Unix milliseconds."""
    bounds = period.bounds(zone)
    return tuple(sorted({to_epoch_ms(at) for at in (*bounds, *(part.start for part in parts(period, zone)))}))


def period_asked(query: Mapping[str, str], today: date) -> Period:
    """The period that an address names; the month of `today` when it names none.

    Args:
        query: `view`, `at`, `from` and `to`, as far as they are given. `at` may say more than the view needs; `from`
            and `to` overrule it, unless they are the very days of it.

    Raises:
        BadInputError: one of them is not what it can be; names it.
    """
    given = {name: query[name] for name in ("view", "at", "from", "to") if query.get(name)}
    view = _view(given)
    if view == "range":
        return _range(given, today)
    whole = containing(view, _day_of(view, given["at"]) if "at" in given else today)
    if "from" not in given and "to" not in given:
        return whole
    asked = _range(given, today)
    return whole if (asked.first, asked.last) == (whole.first, whole.last) else asked


def _view(given: Mapping[str, str]) -> View:
    named = given.get("view")
    for view in VIEWS:
        if view == named:
            return view
    if named is not None:
        raise BadInputError(f"view: there is no '{named[:20]}'", remedy=f"There are {', '.join(VIEWS)}")
    if "at" in given:
        fitting = {length: view for view, length in _LENGTHS.items()}
        return fitting.get(len(given["at"]), "month")
    return "range" if "from" in given or "to" in given else "month"


def _day_of(view: View, text: str) -> date:
    wanted = text[: _LENGTHS[view]]
    if len(text) > _LENGTHS["day"]:
        raise _no_day("at", text)
    return _day("at", wanted + "-01" * ((_LENGTHS["day"] - len(wanted)) // len("-01")))


def _range(given: Mapping[str, str], today: date) -> Period:
    last = _day("to", given["to"]) if "to" in given else today
    first = _day("from", given["from"]) if "from" in given else last - timedelta(days=29)
    return Period("range", min(first, last), max(first, last))


def _day(name: str, text: str) -> date:
    if not _DAY.fullmatch(text):
        raise _no_day(name, text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _no_day(name, text) from None
    if not FIRST_DAY <= day <= LAST_DAY:
        raise BadInputError(
            f"{name}: {text} is no day of these pages", remedy=f"They know {FIRST_DAY} to {LAST_DAY}"
        )
    return day


def _no_day(name: str, text: str) -> BadInputError:
    return BadInputError(
        f"{name}: '{text[:20]}' is no day, month or year",
        remedy="Write it as 2026-01-07, 2026-01 or 2026, as the view wants it",
    )


def _hours(period: Period, zone: ZoneInfo) -> tuple[Part, ...]:
    start, end = period.bounds(zone)
    starts = [from_epoch_ms(int(edge)) for edge in edges("hour", start, end, zone)]
    begun = [at for at in starts if start <= at < end]
    shown = [at.astimezone(zone) for at in begun]
    clocks = [at.strftime("%H:%M") for at in shown]
    return tuple(
        # An hour that the clocks show twice is called by its zone's name, too.
        Part(at, text, f"{text} {local.tzname()}" if clocks.count(text) > 1 else text, None)
        for at, local, text in zip(begun, shown, clocks, strict=True)
    )


def _days(period: Period, zone: ZoneInfo) -> tuple[Part, ...]:
    every = [period.first + timedelta(days=number) for number in range(period.days)]
    made = []
    for day in every:
        start = day_start(day, zone)
        if start < day_start(day + _ONE_DAY, zone):
            label = str(day.day) if period.view == "month" else day.strftime("%m-%d")
            made.append(Part(start, label, day.strftime("%a %Y-%m-%d"), containing("day", day)))
    return tuple(made)


def _month(period: Period, month: str, zone: ZoneInfo) -> Part:
    whole = month_period(month)
    first = max(whole.first, period.first)
    label = whole.first.strftime("%b") if period.view == "year" else month
    return Part(day_start(first, zone), label, whole.first.strftime("%B %Y"), whole)


def months_to_read(period: Period) -> tuple[str, ...]:
    """The months whose files tell of a period: a session, its quarter hours included, stays in its start month."""
    return (shift_month(period.months[0], -1), *period.months)
