"""When the rows of a file were read: timestamps as instants, and whether a row is a reading or the mean of a time.

The old monitor wrote local times without an offset. When clocks are set back an hour comes twice, and only the order
of the rows tells which of the two is meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import PurePath
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_bounds, day_start, local_date
from cph50_pipeline.power.migration.shapes import Source
from cph50_pipeline.power.migration.verdicts import Reason, Refusal

_EPOCH = re.compile(r"(?a:\d{9,13}(\.\d+)?)")
_MILLISECONDS_FROM = 1e11
_YEARS = range(2000, 2200)
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_MEANS_BY_DAY = ("monthly", "yearly")


class Span(StrEnum):
    """What the rows of a file are."""

    READINGS = "readings"
    HOURS = "hours"
    DAYS = "days"


@dataclass(frozen=True, slots=True)
class Stretch:
    """For what time a row speaks: an instant, or the half-open interval of which it is the mean (UTC)."""

    begin: datetime
    end: datetime


Stamp = datetime | Refusal
"""A timestamp as read, with an offset or without, or why it cannot be."""


def read_stamp(written: object) -> Stamp:
    """A timestamp: ISO 8601 with an offset or without, or Unix time in seconds or milliseconds."""
    stamp = _read_stamp(written)
    if stamp is None or stamp.year not in _YEARS:
        return Refusal(Reason.NO_TIME, "it has no time that can be read")
    return stamp


def _read_stamp(written: object) -> datetime | None:
    text = str(written).strip()
    try:
        if isinstance(written, bool) or not isinstance(written, str | int | float):
            return None
        if _EPOCH.fullmatch(text):
            number = float(text)
            return datetime.fromtimestamp(number / (1000 if number >= _MILLISECONDS_FROM else 1), UTC)
        return datetime.fromisoformat(text) if isinstance(written, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def span_of(source: Source, stamps: Sequence[Stamp], zone: ZoneInfo) -> Span:
    """What the rows are, as their times tell: means stand at the beginning of their hour or day.

    A single row tells nothing, but for its file's name.
    """
    read = {stamp for stamp in stamps if isinstance(stamp, datetime)}
    stem = PurePath(source.name).stem.lower()
    if stem.startswith("daily") or (len(read) < 2 and not stem.startswith(_MEANS_BY_DAY)):
        return Span.READINGS
    if all(_is_midnight(stamp, zone) for stamp in read):
        return Span.DAYS
    is_hourly = all(stamp.minute == stamp.second == stamp.microsecond == 0 for stamp in read)
    return Span.HOURS if is_hourly and len(read) > 1 else Span.READINGS


def _is_midnight(stamp: datetime, zone: ZoneInfo) -> bool:
    if stamp.time() == time():
        return True
    return stamp.tzinfo is not None and stamp == day_start(local_date(stamp, zone), zone)


def stretches(stamps: Sequence[Stamp], span: Span, zone: ZoneInfo) -> list[Stretch | Refusal]:
    """For what time each row speaks, in the order of the file."""
    if span is Span.DAYS:
        return [stamp if isinstance(stamp, Refusal) else _day(stamp, zone) for stamp in stamps]
    length = _HOUR if span is Span.HOURS else timedelta()
    return [
        instant if isinstance(instant, Refusal) else Stretch(instant, instant + length)
        for instant in _instants(stamps, span, zone)
    ]


def _day(stamp: datetime, zone: ZoneInfo) -> Stretch:
    """The household's civil day, or, of a midnight with another offset, the day that begins with it."""
    if stamp.tzinfo is None:
        return Stretch(*day_bounds(stamp.date(), zone))
    begin, end = day_bounds(local_date(stamp, zone), zone)
    if stamp.time() == time() and stamp != begin:
        return Stretch(stamp.astimezone(UTC), stamp.astimezone(UTC) + _DAY)
    return Stretch(begin, end)


def _instants(stamps: Sequence[Stamp], span: Span, zone: ZoneInfo) -> list[datetime | Refusal]:
    folds = _folds(stamps, span, zone)
    return [_instant(stamp, zone, folds.get(number)) for number, stamp in enumerate(stamps)]


def _instant(stamp: Stamp, zone: ZoneInfo, fold: int | Refusal | None) -> datetime | Refusal:
    if isinstance(stamp, Refusal):
        return stamp
    if isinstance(fold, Refusal):
        return fold
    if stamp.tzinfo is not None:
        return stamp.astimezone(UTC)
    first, second = _both(stamp, zone)
    if first > second:
        return Refusal(
            Reason.SKIPPED_HOUR, f"{stamp.isoformat(' ')} did not exist in {zone.key}: clocks went forward"
        )
    return second if fold == 1 else first


def _folds(stamps: Sequence[Stamp], span: Span, zone: ZoneInfo) -> dict[int, int | Refusal]:
    """Of each row in an hour that came twice, by its place: 0 for the first time, 1 for the second, or not known."""
    repeated = defaultdict(list)
    for number, stamp in enumerate(stamps):
        if isinstance(stamp, datetime) and stamp.tzinfo is None and _is_repeated(stamp, zone):
            repeated[stamp.date()].append(number)
    folds: dict[int, int | Refusal] = {}
    for places in repeated.values():
        turn = _turn(places, stamps, span)
        for place in places:
            folds[place] = _which(stamps[place], zone) if turn is None else int(place >= turn)
    return folds


def _which(stamp: Stamp, zone: ZoneInfo) -> Refusal:
    assert isinstance(stamp, datetime)
    why = f"{stamp.isoformat(' ')} came twice in {zone.key}, and the order of the rows does not tell which"
    return Refusal(Reason.REPEATED_HOUR, why)


def _turn(places: Sequence[int], stamps: Sequence[Stamp], span: Span) -> int | None:
    """The place at which the second time begins; None where rows beside are missing or out of order."""
    around = [stamps[place] for place in range(places[0] - 1, places[-1] + 2) if 0 <= place < len(stamps)]
    times = [stamp.replace(tzinfo=None) for stamp in around if isinstance(stamp, datetime)]
    is_whole = places[-1] - places[0] + 1 == len(places) and len(times) == len(around)
    backwards = [
        number
        for number, (earlier, later) in enumerate(pairwise(times), start=1)
        if later < earlier or (later == earlier and span is Span.HOURS)
    ]
    if not is_whole or len(backwards) != 1:
        return None
    turn = max(places[0] - 1, 0) + backwards[0]
    return turn if places[0] < turn <= places[-1] else None


def _is_repeated(stamp: datetime, zone: ZoneInfo) -> bool:
    first, second = _both(stamp, zone)
    return first < second


def _both(stamp: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """A local time as an instant before and after the clocks are moved; the same where they are not."""
    first, second = (stamp.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second
