"""Values over time as geometry: a line that is broken where nothing is known, and bands where something was wrong."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cph50_pipeline.pages.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, GridLine, scale

_LEAST_BAND = 1.5
"""What lasted a minute is to be seen in a year, too."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A time under the picture."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of time in which something was wrong.

    Attributes:
        kind: The class of its pattern.
    """

    kind: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class LineChart:
    """A line over time.

    Attributes:
        paths: One SVG path for each piece.
        zero: Where zero is; None where it is not in the picture.
    """

    paths: tuple[str, ...]
    bands: tuple[Band, ...]
    grid: tuple[GridLine, ...]
    ticks: tuple[Tick, ...]
    unit: str
    zero: float | None
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    base: float = HEIGHT - BOTTOM


def line_chart(
    points: Sequence[tuple[float, float | None]],
    bands: Sequence[tuple[str, float, float]],
    ticks: Sequence[tuple[float, str]],
    *,
    first: float,
    last: float,
    unit: str,
    from_zero: bool,
) -> LineChart:
    """A picture of values over time.

    Args:
        points: Times in order with values; a value that is not known breaks the line.
        bands: Kinds with their first and last time.
        first: The time at the left edge.
        last: At the right edge.
        from_zero: Whether zero is in the picture in any case, as it must be where heights are compared.
    """
    room = WIDTH - LEFT - RIGHT
    span = (last - first) or 1.0

    def x_of(at: float) -> float:
        return LEFT + min(max((at - first) / span, 0.0), 1.0) * room

    values = [value for _, value in points if value is not None]
    low, high, step = _range(values, from_zero)
    base, height = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP

    def y_of(value: float) -> float:
        return base - (value - low) / (high - low) * height

    grid = tuple(
        GridLine(_rounded(y_of(low + line * step)), f"{_tidy(low + line * step, step):g}")
        for line in range(round((high - low) / step) + 1)
    )
    return LineChart(
        _paths([(x_of(at), None if value is None else y_of(value)) for at, value in points]),
        _bands(
            [(kind, x_of(begin), x_of(end)) for kind, begin, end in bands if end >= first and begin <= last]
        ),
        grid,
        tuple(Tick(_rounded(x_of(at)), label) for at, label in ticks if first <= at <= last),
        unit,
        _rounded(y_of(0.0)) if low < 0 < high else None,
    )


def _paths(points: Sequence[tuple[float, float | None]]) -> tuple[str, ...]:
    pieces: list[list[str]] = [[]]
    for x, y in points:
        if y is None:
            pieces.append([])
        else:
            pieces[-1].append(f"{_rounded(x):g} {_rounded(y):g}")
    return tuple("M" + "L".join(piece) + ("h0.01" if len(piece) == 1 else "") for piece in pieces if piece)


def _bands(found: Sequence[tuple[str, float, float]]) -> tuple[Band, ...]:
    """The bands of each kind; those that touch are one, so that there are never more than can be seen."""
    made: list[Band] = []
    for kind in sorted({kind for kind, _, _ in found}):
        open_from, open_to = -1.0, -1.0
        for begin, end in sorted(
            (begin, max(end, begin + _LEAST_BAND)) for one, begin, end in found if one == kind
        ):
            if begin > open_to:
                if open_to >= 0:
                    made.append(Band(kind, _rounded(open_from), _rounded(open_to - open_from)))
                open_from = begin
            open_to = max(open_to, end)
        made.append(Band(kind, _rounded(open_from), _rounded(open_to - open_from)))
    return tuple(made)


def _range(values: Sequence[float], from_zero: bool) -> tuple[float, float, float]:
    """The lowest and the highest value of the picture, and the distance of the grid's lines."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if from_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high - low < 1e-9:
        low, high = (low - 1.0, high + 1.0) if not from_zero else (low, high + 1.0)
    step, _ = scale(high - low)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _tidy(value: float, step: float) -> float:
    """A line's value without the noise of sums, and without minus zero."""
    return round(value, max(0, 2 - math.floor(math.log10(step)))) + 0.0


def _rounded(value: float) -> float:
    return round(value, 2)
