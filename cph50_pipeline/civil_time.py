"""Civil time: the one place that turns instants into local days and months, and back.

Instants are timezone-aware datetimes in UTC. A month is its key, "2026-01". Days have 23, 24 or 25 hours and
months have as many hours as the zone's rules give them; nothing here adds fixed lengths to local times. No
clock is read here: times come in as arguments.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from cph50_pipeline.errors import BadInputError

SLOT = timedelta(minutes=15)
_MONTH = re.compile(r"(?a:\d{4}-(0[1-9]|1[0-2]))")


def parse_month(text: str) -> str:
    """Return `text` when it is a month key such as "2026-01".

    Raises:
        BadInputError: for anything else.
    """
    if not _MONTH.fullmatch(text) or text.startswith("0000"):
        raise BadInputError(f"'{text}' is not a month", remedy="Write it as YYYY-MM, for example 2026-01")
    return text


def month_of(instant: datetime, zone: ZoneInfo) -> str:
    """The month key of an aware instant in the household's zone."""
    return local_date(instant, zone).strftime("%Y-%m")


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The civil date of an aware instant in the household's zone."""
    return instant.astimezone(zone).date()


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The UTC instant at which a civil day begins.

    Where the zone skips local midnight, the day begins at the first instant that exists.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    begins = midnight.astimezone(UTC)
    if begins.astimezone(zone).hour == begins.astimezone(zone).minute == 0:
        return begins
    before = midnight.replace(fold=1).astimezone(UTC)  # in a gap the two folds lie on either side of it
    seconds = bisect_left(
        range(int((begins - before).total_seconds())),
        day,
        key=lambda second: local_date(before + timedelta(seconds=second), zone),
    )
    return before + timedelta(seconds=seconds)


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The half-open UTC interval of a civil day."""
    return day_start(day, zone), day_start(day + timedelta(days=1), zone)


def month_bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The half-open UTC interval of a civil month."""
    return day_start(_first_day(month), zone), day_start(_first_day(shift_month(month, 1)), zone)


def shift_month(month: str, months: int) -> str:
    """The month key `months` later (earlier when negative)."""
    first = _first_day(month)
    ordinal = first.year * 12 + first.month - 1 + months
    return f"{ordinal // 12:04d}-{ordinal % 12 + 1:02d}"


def month_range(first: str, last: str) -> list[str]:
    """All month keys from `first` to `last`, both included; empty when `last` comes before `first`."""
    months = [parse_month(first)]
    parse_month(last)
    while months[-1] < last:
        months.append(shift_month(months[-1], 1))
    return months if first <= last else []


def from_epoch_ms(milliseconds: float) -> datetime:
    """The UTC instant of a Unix time in milliseconds, as ChargePoint writes times."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def to_epoch_ms(instant: datetime) -> int:
    """The Unix time in milliseconds of an aware instant."""
    return round(instant.timestamp() * 1000)


def parse_instant(text: str) -> datetime:
    """Read an ISO 8601 time that carries its offset, as an instant in UTC.

    Raises:
        BadInputError: when it is not a time, or carries no offset.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(f"'{text}' is not an ISO 8601 time") from error
    if instant.tzinfo is None:
        raise BadInputError(f"'{text}' has no UTC offset", remedy="Write it as 2026-01-07T06:00:01+00:00")
    return instant.astimezone(UTC)


def format_instant(instant: datetime) -> str:
    """An aware instant as ISO 8601 in UTC with its offset: "2026-01-07T06:00:01+00:00"."""
    return instant.astimezone(UTC).isoformat()


def format_local(instant: datetime, zone: ZoneInfo) -> str:
    """An instant as people read it: "2026-01-06 22:00:01 PST"."""
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _first_day(month: str) -> date:
    year, number = parse_month(month).split("-")
    return date(int(year), int(number), 1)
