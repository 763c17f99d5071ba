"""Pictures as geometry that templates draw as SVG: they are there before any script runs.

Coordinates are in the units of the picture's view box. Numbers are rounded: the same data give the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720.0, 240.0
LEFT, RIGHT, TOP, BOTTOM = 56.0, 6.0, 30.0, 30.0
_MOST_LABELS = 12
_NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LEAST = 1e-9  # what is less is nothing that a picture could show
_GRID_LINES = 4


@dataclass(frozen=True, slots=True)
class Segment:
    """One car's part of a bar."""

    color: str
    name: str
    value: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bucket.

    Attributes:
        label: What it is called under the axis; empty where there is no room.
        title: What it is called in words.
        link: The page that shows it alone; None where there is none.
        total: The sum of its segments.
        unknown: What is missing in it because nobody knows it, in words; empty where nothing is.
        top: Where its highest segment ends.
    """

    label: str
    title: str
    link: str | None
    total: float
    x: float
    width: float
    middle: float
    top: float
    segments: tuple[Segment, ...]
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class GridLine:
    """A line across the picture, and the value it stands for."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class BarChart:
    """Stacked bars over buckets."""

    bars: tuple[Bar, ...]
    grid: tuple[GridLine, ...]
    unit: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    base: float = HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a bar stands for: values by car, in the order in which they are stacked.

    Attributes:
        unknown: What is missing in them because nobody knows it, in words.
    """

    label: str
    title: str
    link: str | None
    values: Mapping[str, float]
    unknown: str = ""


def stacked_bars(
    buckets: Sequence[Bucket], cars: Mapping[str, tuple[str, str]], unit: str, *, whole: bool = False
) -> BarChart:
    """A bar a bucket, a segment a car.

    Args:
        cars: By id a car's name and the class of its colour.
        whole: Whether there are only whole values, so that no line of the grid stands for others.
    """
    totals = [sum(bucket.values.values()) for bucket in buckets]
    step, highest = scale(max(totals, default=0.0), whole=whole)
    base, room = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    slot = (WIDTH - LEFT - RIGHT) / max(1, len(buckets))
    every = max(1, math.ceil(len(buckets) / _MOST_LABELS))
    bars = []
    for place, (bucket, total) in enumerate(zip(buckets, totals, strict=True)):
        segments, below = [], base
        for vehicle_id, value in bucket.values.items():
            height = room * value / highest
            below -= height
            name, color = cars[vehicle_id]
            segments.append(Segment(color, name, value, _number(below), _number(height)))
        x = LEFT + slot * place
        bars.append(
            Bar(
                label=bucket.label if place % every == 0 else "",
                title=bucket.title,
                link=bucket.link,
                total=total,
                x=_number(x + slot * 0.1),
                width=_number(slot * 0.8),
                middle=_number(x + slot / 2),
                top=_number(below),
                segments=tuple(segments),
                unknown=bucket.unknown,
            )
        )
    lines = round(highest / step)
    grid = tuple(
        GridLine(_number(base - room * line * step / highest), f"{line * step:g}")
        for line in range(lines + 1)
    )
    return BarChart(tuple(bars), grid, unit)


@dataclass(frozen=True, slots=True)
class Curve:
    """A line over time, in pieces: where nothing is known there is none.

    Attributes:
        paths: One SVG path for each piece.
        top: The value at the upper edge.
        highest: The highest value itself; None where there is none.
    """

    paths: tuple[str, ...]
    top: float
    highest: float | None
    width: float
    height: float


def curve(
    points: Sequence[tuple[float, float | None]],
    *,
    width: float = 240.0,
    height: float = 60.0,
    first: float | None = None,
    last: float | None = None,
    top: float | None = None,
) -> Curve:
    """A small picture of values over time.

    Args:
        points: Times (in any unit) with values, in order; a value that is not known breaks the line.
        first: The time at the left edge; unless it is given that of the first point, and `last` likewise.
        top: The value at the upper edge; unless it is given the highest.
    """
    values = [value for _, value in points if value is not None]
    begin = points[0][0] if first is None and points else first or 0.0
    end = points[-1][0] if last is None and points else last or 1.0
    span = (end - begin) or 1.0
    upper = top if top is not None else max(values, default=1.0)
    upper = upper if upper > 0 else 1.0
    pieces: list[list[str]] = [[]]
    for at, value in points:
        if value is None:
            pieces.append([])
            continue
        x = _number(min(max((at - begin) / span, 0.0), 1.0) * width)
        y = _number(height - min(max(value / upper, 0.0), 1.0) * (height - 2) - 1)
        pieces[-1].append(f"{x:g} {y:g}")
    paths = tuple("M" + "L".join(piece) + ("h0.01" if len(piece) == 1 else "") for piece in pieces if piece)
    return Curve(paths, upper, max(values, default=None), width, height)


def scale(highest: float, *, whole: bool = False) -> tuple[float, float]:
    """The distance of the lines of a grid that begins at zero, and the value of the topmost.

    Args:
        highest: The highest value that is drawn.
        whole: Whether lines stand at whole values alone.
    """
    if highest < _LEAST:
        return 1.0, 1.0
    rough = highest / _GRID_LINES
    power = 10 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in _NICE_STEPS if nice * power >= rough * (1 - 1e-9))
    step = math.ceil(step) if whole else step
    return step, step * math.ceil(highest / step * (1 - 1e-9))


def _number(value: float) -> float:
    return round(value, 2)
