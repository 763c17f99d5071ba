"""Moments as the live table keeps them: whole microseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(moment: datetime) -> int:
    """A moment that has an offset, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def optional_microseconds(moment: datetime | None) -> int | None:
    """A moment, or none."""
    return None if moment is None else microseconds(moment)


def moment_of(since_1970_us: int) -> datetime:
    """The moment that was kept."""
    return _EPOCH + since_1970_us * _MICROSECOND


def optional_moment(since_1970_us: int | None) -> datetime | None:
    """The moment that was kept, or none."""
    return None if since_1970_us is None else moment_of(since_1970_us)
