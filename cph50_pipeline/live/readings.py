"""Which readings may stand in the live table."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from cph50_pipeline.live.model import Reading

FUTURE_TOLERANCE = timedelta(minutes=5)
"""How far the clock of a source may be ahead of ours; a time beyond would shut out whatever comes after."""


def trouble_of(reading: Reading, now: datetime) -> str | None:
    """Why a reading cannot stand in the live table, one line that names its sensor; None: it can."""
    trouble = _trouble_of_value(reading.value) or _trouble_of_time(reading.at, now)
    if trouble is None and any("\0" in text for text in (reading.sensor, reading.unit or "")):
        trouble = "has a NUL in its name or unit"
    return None if trouble is None else f"{reading.sensor!r} {trouble}"


def _trouble_of_value(value: object) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return None if _is_finite(value) else f"says {value!r:.40}, which is no number that can be kept"
    if not isinstance(value, str):
        return f"says {value!r:.40}, which is neither number, text nor boolean"
    if not value.strip():
        return "says an empty text, which is nothing"
    return None if _is_storable(value) else f"says {value!r:.40}, which no database keeps"


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _trouble_of_time(at: datetime, now: datetime) -> str | None:
    if at.tzinfo is None:
        return "has a time without an offset"
    if at - now > FUTURE_TOLERANCE:
        return f"is of {at.isoformat()}, which is in the future"
    return None
