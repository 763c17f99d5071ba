"""Which instants of a session's curve ChargePoint keeps: about 52, some late, missing or without power.

Only offsets and quirks are decided here; what the charger measured at an offset is the curve's business.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

_CAP = 54
_USUAL = 52
_OPENING_SECONDS = (0, 7, 22, 94)  # plug-in, first current, on the ramp, on the plateau
_SHORTEST_INTERVAL_SECONDS = 60.0

PowerField = Literal["given", "zero", "absent"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a session's kept curve differs from a faithful one.

    Attributes:
        late_seconds: The curve begins this long after the session.
        has_hole: A run of points is missing in the middle.
        power: Whether points carry their power, zero instead, or none at all.
        repeats: How often the last point comes again with the same timestamp.
        steps_back: One reading of the counter lies a little below the one before.
        point_count: How many points are kept at most.
    """

    late_seconds: int = 0
    has_hole: bool = False
    power: PowerField = "given"
    repeats: int = 2
    steps_back: bool = False
    point_count: int = _USUAL


def draw_quirks(draw: random.Random, duration_seconds: float) -> Quirks:
    """Quirks as often as real curves have them."""
    late = 0
    if draw.random() < 0.11:
        late = round(min(draw.uniform(900, 27_000), duration_seconds * draw.uniform(0.3, 0.95)))
    return Quirks(
        late_seconds=late,
        has_hole=draw.random() < 0.15,
        power=draw.choices(("given", "zero", "absent"), (95, 2, 3))[0],
        repeats=draw.choice((1, 2, 2, 2, 3, 4)),
        steps_back=draw.random() < 0.02,
        point_count=_USUAL if draw.random() < 0.85 else draw.randint(46, _CAP),
    )


def kept_offsets(duration_seconds: int, quirks: Quirks, draw: random.Random) -> list[int]:
    """Seconds since the start of every kept point, in order; the last ones repeat the session's end."""
    opening = [offset for offset in _OPENING_SECONDS if offset < duration_seconds]
    ending = [duration_seconds] * (1 + quirks.repeats)
    offsets = opening + _between(opening[-1], duration_seconds, quirks, len(opening) + len(ending), draw)
    if quirks.has_hole and len(offsets) > 12:
        begin = draw.randint(4, len(offsets) - 8)
        del offsets[begin : begin + draw.randint(3, 7)]
    return [offset for offset in offsets if offset >= quirks.late_seconds] + ending


def _between(begin: int, end: int, quirks: Quirks, taken: int, draw: random.Random) -> list[int]:
    room = quirks.point_count - taken
    interval = max(_SHORTEST_INTERVAL_SECONDS, (end - begin) / (room + 1))
    count = min(room, int((end - begin - 1) // interval))
    offsets = [begin + round(interval * (number + 1) + draw.uniform(-2, 2)) for number in range(count)]
    if count > 8 and draw.random() < 0.1:  # the same reading uploaded twice
        offsets[count // 2] = offsets[count // 2 - 1]
    return [offset for offset in offsets if begin < offset < end]
