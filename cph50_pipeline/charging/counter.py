"""The energy counter: how much of a session's energy was drawn by any moment.

ChargePoint keeps about 52 points of a session whatever its length, some late, doubled or without power.
Energy is read off its cumulative counter between them and never integrated from power: on real curves the
integral is off by up to 100 %. Splitting at any boundaries conserves energy, because every part is a
difference of one function.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from cph50_pipeline.charging.model import Reading, Session

GAP_LIMIT = timedelta(minutes=20)
"""Between readings further apart, the course of the energy is a guess. Real gaps: median 5, p99 21 min."""

IDLE_KW = 0.1
"""Below this mean power a car is not charging, it stays awake."""

STEEPNESS = 1.15
"""How far the counter may outrun the highest power reported before a reading counts as stamped too early."""

STAMP_TOLERANCE_KWH = 0.02


class Knot(NamedTuple):
    """A point of the counter.

    Attributes:
        second: Seconds since the session's start.
        energy_kwh: What was counted by then.
        measured: Whether the charger said so, rather than an assumption.
    """

    second: float
    energy_kwh: float
    measured: bool


@dataclass(frozen=True, slots=True)
class EnergyCounter:
    """A session's cumulative energy as a function of time: monotone, 0 at its start, all of it at its end.

    Attributes:
        start: The session's start (UTC).
        end: Its end; of an open session the last moment known.
        knots: In order of time, linear between.
    """

    start: datetime
    end: datetime
    knots: tuple[Knot, ...]

    @classmethod
    def of(cls, session: Session, readings: Iterable[Reading]) -> EnergyCounter:
        """The counter of a session from its readings, in any order.

        A reading is used when it lies inside the session. Of several at one time the highest counts; a step
        down is levelled; what exceeds the session's energy is capped; a reading that outruns the car's power
        is left out. Where the curve begins late, ends early or is missing, see `_drawn_seconds`.
        """
        counted = [reading for reading in readings if reading.energy_kwh is not None]
        end = _last_moment(session, counted)
        last = Knot((end - session.start).total_seconds(), session.energy_kwh, bool(counted))
        power_kw = _highest_power_kw(session, counted)
        inner = _in_step(_monotone(_inside(session.start, counted, last)), last, power_kw)
        knots = _with_holes_filled(inner, last, session.charging_seconds, power_kw)
        return cls(start=session.start, end=end, knots=tuple(knots))

    def energy_at(self, instant: datetime) -> float:
        """The energy in kWh counted before an instant: 0 up to the start, all of it from the end on."""
        second = (instant - self.start).total_seconds()
        if second <= 0:
            return 0.0
        if second >= self.knots[-1].second:
            return self.knots[-1].energy_kwh
        index = bisect_right(self.knots, second, key=lambda knot: knot.second)
        before, after = self.knots[index - 1], self.knots[index]
        share = (second - before.second) / (after.second - before.second)
        between = before.energy_kwh + share * (after.energy_kwh - before.energy_kwh)
        return min(between, after.energy_kwh)  # rounding must not let the counter fall at a knot

    def energy_between(self, begin: datetime, end: datetime) -> float:
        """The energy in kWh drawn in the half-open interval; never negative when `begin` <= `end`."""
        return self.energy_at(end) - self.energy_at(begin)

    def coverage_between(self, begin: datetime, end: datetime) -> float:
        """How much of the interval's time within the session is measured, from 0 to 1.

        Measured is what lies between two readings at most `GAP_LIMIT` apart, or between two that count the
        same: then nothing was drawn however long it took. The session's start (0) and end (all) count as
        readings once there is at least one. What is assumed counts 0, and so does an interval outside the
        session.
        """
        low = max(0.0, (begin - self.start).total_seconds())
        high = min(self.knots[-1].second, (end - self.start).total_seconds())
        if high <= low:
            return 0.0
        first = max(0, bisect_right(self.knots, low, key=lambda knot: knot.second) - 1)
        last = bisect_left(self.knots, high, key=lambda knot: knot.second)
        measured = sum(
            min(high, after.second) - max(low, before.second)
            for before, after in pairwise(self.knots[first : last + 1])
            if _is_measured(before, after)
        )
        return min(1.0, measured / (high - low))


def _is_measured(before: Knot, after: Knot) -> bool:
    close = after.second - before.second <= GAP_LIMIT.total_seconds()
    return before.measured and after.measured and (close or after.energy_kwh <= before.energy_kwh)


def _last_moment(session: Session, readings: Sequence[Reading]) -> datetime:
    if session.end is not None:
        return session.end
    known = [session.start, *(reading.at for reading in readings)]
    return max([*known, session.last_update] if session.last_update else known)


def _inside(start: datetime, readings: Iterable[Reading], last: Knot) -> list[Knot]:
    """The readings strictly between start and end, sorted; at the ends the counter is known already."""
    knots = [
        Knot((reading.at - start).total_seconds(), min(reading.energy_kwh, last.energy_kwh), True)
        for reading in readings
        if reading.energy_kwh is not None
    ]
    return sorted(knot for knot in knots if 0 < knot.second < last.second)


def _monotone(knots: Iterable[Knot]) -> list[Knot]:
    """One knot a moment, never falling and never below zero."""
    level = 0.0
    rising: dict[float, Knot] = {}
    for knot in knots:
        level = max(level, knot.energy_kwh)
        rising[knot.second] = knot._replace(energy_kwh=level)
    return list(rising.values())


def _in_step(knots: Sequence[Knot], last: Knot, power_kw: float | None) -> list[Knot]:
    """The readings without those stamped too early.

    Such a reading has the counter rise faster than the car can draw, while the rise across it is plausible.
    Nine of 24 real curves hold twelve of them, up to three times too steep; across them the counter rises at
    the car's steady power.
    """
    if power_kw is None:
        return list(knots)
    kept = [Knot(0.0, 0.0, True)]
    for knot, following in pairwise([*knots, last]):
        if _outruns(kept[-1], knot, power_kw) and not _outruns(kept[-1], following, power_kw):
            continue
        kept.append(knot)
    return kept[1:]


def _outruns(before: Knot, after: Knot, power_kw: float) -> bool:
    possible_kwh = STEEPNESS * power_kw * (after.second - before.second) / 3600
    return after.energy_kwh - before.energy_kwh > possible_kwh + STAMP_TOLERANCE_KWH


def _highest_power_kw(session: Session, readings: Iterable[Reading]) -> float | None:
    """The most the car is known to have drawn; None when the charger never reported power."""
    reported = max((reading.power_kw or 0.0 for reading in readings), default=0.0)
    if reported <= 0:
        return None
    mean = 3600 * session.energy_kwh / session.charging_seconds if session.charging_seconds else 0.0
    return max(reported, mean)


def _with_holes_filled(
    inner: Sequence[Knot], last: Knot, charging_seconds: float | None, power_kw: float | None
) -> list[Knot]:
    """All knots, with the end of charging assumed in the hole before the first and after the last reading."""
    first = Knot(0.0, 0.0, last.measured)
    holes = [(first, inner[0]), (inner[-1], last)] if inner else [(first, last)]
    unseen_kwh = sum(after.energy_kwh - before.energy_kwh for before, after in holes)
    unseen_seconds = (
        None if charging_seconds is None else max(0.0, charging_seconds - _seconds_charging(inner))
    )
    assumed = []
    for before, after in holes:
        rise_kwh, length = after.energy_kwh - before.energy_kwh, after.second - before.second
        if rise_kwh <= 0 or (inner and length <= GAP_LIMIT.total_seconds()):
            continue  # nothing to place, or a hole no longer than a step of the curve itself
        share = None if unseen_seconds is None else unseen_seconds * rise_kwh / unseen_kwh
        drawn = _drawn_seconds(rise_kwh, length, share, power_kw)
        if 0 < drawn < length:
            assumed.append(Knot(before.second + drawn, after.energy_kwh, False))
    return [first, *sorted([*inner, *assumed]), last] if last.second > 0 else [first, last]


def _drawn_seconds(
    rise_kwh: float, length: float, charging_seconds: float | None, power_kw: float | None
) -> float:
    """How long, from a hole's beginning, energy was drawn in it.

    Energy is assumed at constant power from the beginning for the charging time that the curve does not show,
    never faster than the highest power and never beyond the hole. A session begins when the car may draw (two
    thirds of the real ones on a tariff's hour) and the car then draws until it is full, while it stays
    plugged in twice as
    long: spread evenly, a night's energy would land in the morning's tariff and in the next day.
    """
    known = [charging_seconds] if charging_seconds is not None else []
    if power_kw is not None:
        known.append(3600 * rise_kwh / power_kw)
    drawn = max(known, default=0.0)
    return min(drawn, length) if drawn > 0 else length


def _seconds_charging(knots: Sequence[Knot]) -> float:
    """The time within the curve in which it shows charging."""
    return sum(
        after.second - before.second
        for before, after in pairwise(knots)
        if (after.energy_kwh - before.energy_kwh) * 3600 > IDLE_KW * (after.second - before.second)
    )
