"""What goes wrong in the house by itself: restarts, lost sensors, frozen readings, blips, power cuts.

Drawn from seed and date alone, and as often as one household's real year had them. What goes wrong on demand is
in `orders`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from cph50_pipeline.simulator.bill import at_hour

MishapKind = Literal["restart", "unavailable", "freeze", "blip", "power_cut"]
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Mishap:
    """One mishap, over a half-open interval of whole minutes in UTC.

    Attributes:
        kind: `restart`: Home Assistant stops and records nothing; `unavailable`: the mains meter is out of reach;
            `freeze`: its readings stand still; `blip`: it says zero for a minute; `power_cut`: there is no power.
    """

    kind: MishapKind
    start: datetime
    end: datetime


def draw_mishaps(seed: int, day: date, zone: ZoneInfo, busy: Sequence[Span] = ()) -> tuple[Mishap, ...]:
    """The mishaps of a civil day, in order.

    Args:
        busy: When there is power for certain, because a car charges.
    """
    draw = Random(f"{seed}:{day.isoformat()}:mishaps")
    drawn = (_at(day, zone, *one) for one in _drawn(day, draw))
    kept = (one for one in drawn if one.kind != "power_cut" or not _touches(one, busy))
    return tuple(sorted(kept, key=lambda one: (one.start, one.kind)))


def counter_restarts_on(day: date) -> bool:
    """Whether the lifetime counter begins anew on a day: its maker installs software on first Tuesdays."""
    return day.weekday() == 1 and day.day <= 7


COUNTER_RESTART_HOUR = 3.25
"""The local hour at which the lifetime counter begins anew."""


def _drawn(day: date, draw: Random) -> Iterator[tuple[MishapKind, float, float]]:
    """Kind, local hour and minutes."""
    shares = [draw.random() for _ in range(6)]
    hours = [draw.uniform(0, 23) for _ in range(6)]
    if shares[0] < 0.1:
        yield "restart", hours[0], draw.randint(2, 5)
    if shares[1] < 0.012:
        yield "restart", hours[1], draw.randint(40, 170)  # a failed update, repaired after breakfast
    if shares[2] < 0.3:
        yield "unavailable", hours[2], draw.randint(1, 3)
    if shares[3] < 0.25:
        yield "freeze", 4.5, draw.choice((5, 6, 6, 7, 7, 163))
    if shares[4] < 0.15:
        yield "blip", 23 + draw.uniform(17, 22) / 60, 1
    if shares[5] < 0.04:
        yield "power_cut", hours[5], draw.randint(4, 40)
    if counter_restarts_on(day):
        yield "unavailable", COUNTER_RESTART_HOUR - 2 / 60, 2


def _at(day: date, zone: ZoneInfo, kind: MishapKind, hour: float, minutes: float) -> Mishap:
    start = at_hour(day, hour, zone).replace(second=0)
    return Mishap(kind, start, start + timedelta(minutes=minutes))


def _touches(mishap: Mishap, busy: Sequence[Span]) -> bool:
    return any(start < mishap.end and mishap.start < end for start, end in busy)
