"""Chargers of which nothing was heard for longer than may be: what they charged since may be missing on a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from cph50_pipeline.live.model import Freshness
from cph50_pipeline.live.snapshot import DeviceSnapshot

_TOLD = (Freshness.SILENT, Freshness.NEVER)


@dataclass(frozen=True, slots=True)
class Silence:
    """One of them.

    Attributes:
        name: What it is called; empty where there is no other.
        heard_at: When it said something last, in the household's zone; None: never, or nobody can tell.
        why: Why nobody can tell; empty where it is known.
    """

    name: str = ""
    heard_at: datetime | None = None
    why: str = ""


def silences(chargers: Sequence[DeviceSnapshot], now: datetime, zone: ZoneInfo) -> tuple[Silence, ...]:
    """The silent ones; without any charger one that never said anything.

    Args:
        now: UTC; may be later than when they were looked at.
    """
    if not chargers:
        return (Silence(),)
    return tuple(
        Silence(
            one.device.name if len(chargers) > 1 else "",
            None if one.newest_at is None else one.newest_at.astimezone(zone),
        )
        for one in chargers
        if one.device.freshness(_age_seconds(one, now)) in _TOLD
    )


def _age_seconds(charger: DeviceSnapshot, now: datetime) -> float | None:
    return None if charger.newest_at is None else max(0.0, (now - charger.newest_at).total_seconds())
