"""What kind of day the household has, and roughly when it plugs in: draws, in hours and kilowatt-hours.

A day is drawn from seed and date alone, so that any window of days comes out the same in every process. How a
draw becomes a session with a curve: see `household`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from random import Random

from cph50_pipeline.simulator.bill import night_end_hour
from cph50_pipeline.simulator.cars import EMBER, GUEST, TIDE, Car
from cph50_pipeline.simulator.sessions import SessionKind


class DayKind(StrEnum):
    """What happens at the plug on one civil day."""

    AWAY = "away"
    SCHEDULED = "scheduled"
    SWAP = "swap"
    TOP_UP = "top_up"
    EVENING = "evening"
    IDLE = "idle"
    TRICKLE = "trickle"
    PUBLIC = "public"


_SHARES = {
    DayKind.AWAY: 12,
    DayKind.SCHEDULED: 45,
    DayKind.SWAP: 15,
    DayKind.TOP_UP: 8,
    DayKind.EVENING: 9,
    DayKind.IDLE: 4,
    DayKind.TRICKLE: 3,
    DayKind.PUBLIC: 4,
}
_STARTS_AT_MIDNIGHT = frozenset(DayKind) - {DayKind.AWAY, DayKind.EVENING}
_GUEST_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class PlugInDraw:
    """One plug-in before it has a curve.

    Attributes:
        start_hour: Local hour of its day.
        end_hour: Local hour at which it ends, counted from the same day: 30 is 06:00 of the day after.
        energy_kwh: What the car would take if it had the time.
    """

    kind: SessionKind
    car: Car
    start_hour: float
    end_hour: float
    energy_kwh: float


def day_kind(seed: int, day: date) -> DayKind:
    """The kind of a civil day."""
    return Random(f"{seed}:{day.isoformat()}:kind").choices(list(_SHARES), list(_SHARES.values()))[0]


def begins_at_midnight(seed: int, day: date) -> bool:
    """Whether a scheduled start happens at the day's first second."""
    yesterday = day_kind(seed, day - timedelta(days=1))
    return day_kind(seed, day) in _STARTS_AT_MIDNIGHT and yesterday is not DayKind.EVENING


def draw_day(seed: int, day: date, *, third_car: bool) -> list[PlugInDraw]:
    """The day's plug-ins at the household's charger in order of time, and a public one last."""
    kind = day_kind(seed, day)
    draw = Random(f"{seed}:{day.isoformat()}:draws")
    first, second = draw.sample((EMBER, TIDE), 2)
    if third_car and kind is DayKind.SCHEDULED and _guest_comes(seed, day):
        first = GUEST
    return draw_plug_ins(kind, day, first, second, draw, night_is_free=begins_at_midnight(seed, day))


def draw_plug_ins(
    kind: DayKind, day: date, first: Car, second: Car, draw: Random, *, night_is_free: bool
) -> list[PlugInDraw]:
    """The plug-ins of a day of this kind, on which `first` is the car that charges and `second` the other one.

    `night_is_free` is False when a car is still plugged in from the evening before.
    """
    draws = _night(kind, day, first, second, draw) if night_is_free else []
    return draws + _daytime(kind, first, second, draw)


def _guest_comes(seed: int, day: date) -> bool:
    """Drawn apart, so that a guest changes nobody else's sessions."""
    return Random(f"{seed}:{day.isoformat()}:guest").random() < _GUEST_SHARE


def _night(kind: DayKind, day: date, first: Car, second: Car, draw: Random) -> list[PlugInDraw]:
    night_end = float(night_end_hour(day))
    if kind is DayKind.SWAP:
        return _swap(first, second, night_end, draw)
    if kind is DayKind.IDLE:
        return [PlugInDraw("idle", first, 0, night_end, draw.uniform(0.15, 2.5))]
    if kind is DayKind.TRICKLE:
        return [PlugInDraw("trickle", first, 0, night_end, draw.uniform(1.5, 6.0))]
    leaves = night_end
    if draw.random() < 0.4:
        leaves -= draw.uniform(0.1, night_end * 0.4)
    return [PlugInDraw("scheduled", first, 0, leaves, _need_kwh(first, draw))]


def _swap(first: Car, second: Car, night_end: float, draw: Random) -> list[PlugInDraw]:
    unplugged = draw.uniform(0.6, 0.9) * night_end
    plugged = unplugged + draw.uniform(1.2, min(50.0, (night_end - unplugged) * 45)) / 60
    return [
        PlugInDraw("swap", first, 0, unplugged, min(_need_kwh(first, draw), unplugged * 8)),
        PlugInDraw("swap", second, plugged, night_end, _need_kwh(second, draw)),
    ]


def _daytime(kind: DayKind, first: Car, second: Car, draw: Random) -> list[PlugInDraw]:
    if kind is DayKind.TOP_UP:
        start = draw.uniform(14.5, 20.0)
        unplugged = start + draw.uniform(0.15, 1.2)
        return [PlugInDraw("top_up", second, start, unplugged, draw.uniform(0.03, 0.95))]
    if kind is DayKind.EVENING:
        leaves = 24 + 6 + draw.uniform(-0.3, 0.2)
        return [PlugInDraw("evening", first, draw.uniform(16.0, 21.0), leaves, _need_kwh(first, draw))]
    if kind is DayKind.PUBLIC:
        start = draw.uniform(8.0, 13.0)
        return [PlugInDraw("public", second, start, start + draw.uniform(1.0, 3.6), 40.0)]
    return []


def _need_kwh(car: Car, draw: Random) -> float:
    return min(car.battery_kwh, draw.triangular(4.0, 70.0, 32.0))
