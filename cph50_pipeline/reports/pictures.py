"""Pictures of the classifier as SVG: what separates the cars, and whether its confidence is kept. Values in, text out.

Drawn by hand rather than by a library, and styled by classes, so that a picture follows a page's light and dark; see
`docs/decisions.md`. Numbers are rounded: the same data give the same bytes.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.etree import ElementTree as ET

from cph50_pipeline.vehicles.scores import ReliabilityBin

WIDTH, HEIGHT = 720.0, 350.0
LEFT, RIGHT, TOP, BOTTOM = 44.0, 16.0, 26.0, 34.0
GAP, SIDE = 12.0, 170.0  # between the two panels, and the width of the right one
SQUARE = 320.0
HISTOGRAM_BINS = 60
COLOR_COUNT = 6
# What stands around the levels and plateaus, as a share of their range.
MARGIN = 0.08
_NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

STYLE = """\
.picture .c0 { stroke: #1f88cc; fill: #1f88cc; } .picture .c1 { stroke: #e69f00; fill: #e69f00; }
.picture .c2 { stroke: #009e73; fill: #009e73; } .picture .c3 { stroke: #cc79a7; fill: #cc79a7; }
.picture .c4 { stroke: #56b4e9; fill: #56b4e9; } .picture .c5 { stroke: #d55e00; fill: #d55e00; }
.picture text { font: 12px system-ui, sans-serif; fill: var(--dim); }
.picture .grid { stroke: var(--line); fill: none; }
.picture .dots { fill: none; stroke-width: 5; stroke-linecap: round; stroke-opacity: .75; }
.picture .level { stroke-width: 1.5; stroke-dasharray: 5 3; }
.picture .band { stroke: none; fill-opacity: .14; }
.picture .heap { stroke: none; fill-opacity: .6; }
.picture .doubted { fill: none; stroke: var(--ink); stroke-width: 1.5; }
.picture .ideal { stroke: var(--dim); stroke-dasharray: 3 4; }
"""
"""What the pictures' classes look like; the page gives `--ink`, `--dim` and `--line`."""
_ON_PAPER = ".picture { --ink: #1c2126; --dim: #5b6670; --line: #d9dee3; background: #fff; }\n"


@dataclass(frozen=True, slots=True)
class Dot:
    """One labelled session's plateau.

    Attributes:
        power_kw: At the supply's usual level.
        doubt: Why its label is doubted, for a person; None when it is not.
    """

    at: datetime
    power_kw: float
    doubt: str | None = None


@dataclass(frozen=True, slots=True)
class Band:
    """A level, and the powers beyond which a session is not taken for it."""

    power_kw: float
    low_kw: float
    high_kw: float


@dataclass(frozen=True, slots=True)
class CarTrace:
    """What is drawn of one car."""

    vehicle_id: str
    bands: tuple[Band, ...]
    dots: tuple[Dot, ...]


def separation(cars: Sequence[CarTrace]) -> str:
    """Each car's plateaus over time, with its levels and their bounds, and beside it how they are distributed."""
    picture = _picture(WIDTH, HEIGHT, "The labelled plateaus of each car over time and as distributions")
    powers = [dot.power_kw for car in cars for dot in car.dots]
    powers += [edge for car in cars for band in car.bands for edge in (band.low_kw, band.high_kw)]
    if not powers:
        return _text_of(picture)
    margin = MARGIN * (max(powers) - min(powers)) + 0.01
    lowest, highest = min(powers) - margin, max(powers) + margin
    height = _Scale(lowest, highest, HEIGHT - BOTTOM, TOP)
    end = WIDTH - RIGHT - SIDE - GAP
    _power_axis(picture, height)
    for place, car in enumerate(cars):
        _bands(picture, car, f"c{place % COLOR_COUNT}", height)
    _legend(picture, cars)
    _over_time(picture, cars, height, end)
    _distributions(picture, cars, height, end + GAP)
    return _text_of(picture)


def reliability(bins: Iterable[ReliabilityBin]) -> str:
    """How often verdicts were right, by how sure they were; on the diagonal they were as right as they were sure."""
    picture = _picture(SQUARE, SQUARE, "How often the classifier was right, by its confidence")
    across, up = _Scale(0, 1, LEFT, SQUARE - 2 * RIGHT), _Scale(0, 1, SQUARE - BOTTOM, TOP)
    for tenth in range(0, 11, 2):
        share = tenth / 10
        _line(picture, "grid", across(0), up(share), across(1), up(share))
        _line(picture, "grid", across(share), up(0), across(share), up(1))
        _text(picture, across(0) - 6, up(share) + 4, f"{share:.0%}", "end")
        _text(picture, across(share), up(0) + 15, f"{share:.0%}", "middle")
    _text(picture, across(0.5), SQUARE - 4, "confidence", "middle")
    _text(picture, LEFT - 6, TOP - 12, "right", "end")
    _line(picture, "ideal", across(0), up(0), across(1), up(1))
    for one in bins:
        radius = 3 + 2 * math.log10(one.count)
        dot = _add(picture, "circle", "c0", cx=across(one.confidence), cy=up(one.accuracy), r=radius)
        told = f"{one.count} verdicts, {one.confidence:.1%} sure, {one.accuracy:.1%} right"
        ET.SubElement(dot, "title").text = told
    return _text_of(picture)


def as_image(picture: str) -> str:
    """A picture as a data URI that needs no page around it."""
    root = ET.fromstring(picture)
    root.set("xmlns", "http://www.w3.org/2000/svg")
    style = ET.Element("style")
    style.text = _ON_PAPER + STYLE
    root.insert(0, style)
    return "data:image/svg+xml;base64," + base64.b64encode(_text_of(root).encode()).decode()


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places in the picture."""

    first: float
    last: float
    first_place: float
    last_place: float

    def __call__(self, value: float) -> float:
        share = (value - self.first) / (self.last - self.first)
        return self.first_place + share * (self.last_place - self.first_place)


def _power_axis(picture: ET.Element, height: _Scale) -> None:
    step = _nice_step((height.last - height.first) / 6)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9)) + (
        step * 10 ** -math.floor(math.log10(step)) == 2.5
    )
    for number in range(math.ceil(height.first / step), math.floor(height.last / step) + 1):
        power_kw = number * step
        _line(picture, "grid", LEFT, height(power_kw), WIDTH - RIGHT, height(power_kw))
        _text(picture, LEFT - 6, height(power_kw) + 4, f"{power_kw:.{decimals}f}", "end")
    _text(picture, LEFT - 6, TOP - 12, "kW", "end")


def _bands(picture: ET.Element, car: CarTrace, color: str, height: _Scale) -> None:
    for band in car.bands:
        top, bottom = height(band.high_kw), height(band.low_kw)
        _add(picture, "rect", f"band {color}", x=LEFT, y=top, width=WIDTH - RIGHT - LEFT, height=bottom - top)
        at = height(band.power_kw)
        level = _line(picture, f"level {color}", LEFT, at, WIDTH - RIGHT, at)
        ET.SubElement(level, "title").text = f"{car.vehicle_id}: {band.power_kw:.2f} kW"


def _legend(picture: ET.Element, cars: Sequence[CarTrace]) -> None:
    width = (WIDTH - RIGHT - LEFT) / max(3, len(cars))
    for number, car in enumerate(cars):
        begin = LEFT + number * width
        _add(picture, "circle", f"c{number % COLOR_COUNT}", cx=begin + 5, cy=TOP - 16, r=4)
        _text(picture, begin + 14, TOP - 12, car.vehicle_id, "start")


def _over_time(picture: ET.Element, cars: Sequence[CarTrace], height: _Scale, end: float) -> None:
    times = [dot.at for car in cars for dot in car.dots]
    if not times:
        return
    first, last = min(times), max(times)
    span = max((last - first) / timedelta(days=1), 1.0)
    across = _Scale(0, span, LEFT + 8, end - 8)
    for tick in range(4):
        day = first + timedelta(days=span * tick / 3)
        anchor = ("start", "middle", "middle", "end")[tick]
        place = (LEFT, across(span / 3), across(span * 2 / 3), end)[tick]
        _text(picture, place, HEIGHT - BOTTOM + 18, day.date().isoformat(), anchor)

    def place_of(dot: Dot) -> tuple[float, float]:
        return across((dot.at - first) / timedelta(days=1)), height(dot.power_kw)

    for number, car in enumerate(cars):
        # One path of strokes without length, whose round ends are the dots: a tenth of the bytes of as many circles.
        strokes = "".join(f"M{_number(x)} {_number(y)}h0" for x, y in map(place_of, car.dots))
        _add(picture, "path", f"dots c{number % COLOR_COUNT}", d=strokes)
        for dot in car.dots:
            if dot.doubt is not None:
                x, y = place_of(dot)
                ring = _add(picture, "circle", "doubted", cx=x, cy=y, r=6)
                ET.SubElement(ring, "title").text = dot.doubt


def _distributions(picture: ET.Element, cars: Sequence[CarTrace], height: _Scale, begin: float) -> None:
    width_kw = (height.last - height.first) / HISTOGRAM_BINS
    heaps = [_heap([dot.power_kw for dot in car.dots], height.first, width_kw) for car in cars]
    most = max((count for heap in heaps for count in heap), default=0)
    if not most:
        return
    across = _Scale(0, most, begin, WIDTH - RIGHT)
    _line(picture, "grid", begin, TOP, begin, HEIGHT - BOTTOM)
    _text(picture, begin, HEIGHT - BOTTOM + 18, "sessions", "start")
    _text(picture, WIDTH - RIGHT, HEIGHT - BOTTOM + 18, str(most), "end")
    for number, heap in enumerate(heaps):
        bars = "".join(
            f"M{_number(begin)} {_number(height(height.first + place * width_kw))}"
            f"H{_number(across(count))}V{_number(height(height.first + (place + 1) * width_kw))}H{_number(begin)}z"
            for place, count in enumerate(heap)
            if count
        )
        _add(picture, "path", f"heap c{number % COLOR_COUNT}", d=bars)


def _heap(values: Iterable[float], first: float, width: float) -> list[int]:
    counts = [0] * HISTOGRAM_BINS
    for value in values:
        counts[min(HISTOGRAM_BINS - 1, int((value - first) / width))] += 1
    return counts


def _nice_step(rough: float) -> float:
    magnitude = 10.0 ** math.floor(math.log10(rough))
    return next(step * magnitude for step in _NICE_STEPS if step * magnitude >= rough)


def _picture(width: float, height: float, told: str) -> ET.Element:
    box = f"0 0 {_number(width)} {_number(height)}"
    attributes = {"class": "picture", "viewBox": box, "role": "img", "aria-label": told}
    return ET.Element("svg", attributes | {"width": _number(width), "height": _number(height)})


def _line(picture: ET.Element, kind: str, x1: float, y1: float, x2: float, y2: float) -> ET.Element:
    return _add(picture, "line", kind, x1=x1, y1=y1, x2=x2, y2=y2)


def _text(picture: ET.Element, x: float, y: float, text: str, anchor: str) -> None:
    element = ET.SubElement(picture, "text", {"x": _number(x), "y": _number(y), "text-anchor": anchor})
    element.text = text


def _add(picture: ET.Element, tag: str, kind: str, **values: float | str) -> ET.Element:
    written = {name: value if isinstance(value, str) else _number(value) for name, value in values.items()}
    return ET.SubElement(picture, tag, {"class": kind, **written})


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text_of(root: ET.Element) -> str:
    return ET.tostring(root, encoding="unicode")
