"""Pictures: what is stacked sums to the total, nothing leaves the frame, and what is not known is not drawn."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.pages.charts import HEIGHT, WIDTH, Bucket, curve, stacked_bars

CARS = {"a": ("Ember", "c0"), "b": ("Tide", "c1"), "unknown": ("Unknown", "none")}
VALUES = st.dictionaries(st.sampled_from(sorted(CARS)), st.floats(0, 1e5, allow_subnormal=False))
BUCKETS = st.lists(VALUES.map(lambda values: Bucket("l", "t", None, values)), max_size=40)
POINTS = st.lists(
    st.tuples(st.floats(0, 1e9), st.none() | st.floats(0, 1e6, allow_subnormal=False)), max_size=60
).map(lambda points: sorted(points, key=lambda point: point[0]))
ROUNDING = 0.02


@given(BUCKETS)
def test_segments_stand_on_each_other_without_gaps_and_sum_to_the_total(buckets: list[Bucket]) -> None:
    chart = stacked_bars(buckets, CARS, "kWh")
    for bucket, bar in zip(buckets, chart.bars, strict=True):
        assert bar.total == sum(part.value for part in bar.segments) == sum(bucket.values.values())
        below = chart.base
        for part in bar.segments:
            assert part.y + part.height == pytest.approx(below, abs=ROUNDING)
            below = part.y
        assert math.isfinite(below)
        assert below >= -ROUNDING


@given(BUCKETS)
def test_heights_are_as_the_values_are_and_the_grid_is_the_scale(buckets: list[Bucket]) -> None:
    chart = stacked_bars(buckets, CARS, "kWh")
    top, highest = chart.grid[-1].y, float(chart.grid[-1].label)
    scale = (chart.base - top) / highest
    for bar in chart.bars:
        assert bar.total <= highest * 1.0001
        for part in bar.segments:
            assert part.height == pytest.approx(part.value * scale, rel=1e-3, abs=ROUNDING)
    assert chart.grid[0].label == "0"
    assert all(lower.y > upper.y for lower, upper in pairwise(chart.grid))


@given(BUCKETS.filter(bool))
def test_bars_lie_side_by_side_within_the_picture(buckets: list[Bucket]) -> None:
    chart = stacked_bars(buckets, CARS, "kWh")
    edges = [edge for bar in chart.bars for edge in (bar.x, bar.x + bar.width)]
    assert edges == sorted(edges)
    assert edges[0] >= chart.left - ROUNDING
    assert edges[-1] <= chart.right + ROUNDING
    assert sum(bool(bar.label) for bar in chart.bars) <= 12


def test_no_bars_and_bars_of_nothing_have_a_frame_all_the_same() -> None:
    for buckets in ([], [Bucket("", "", None, {})], [Bucket("", "", None, {"a": 0.0})]):
        chart = stacked_bars(buckets, CARS, "kWh")
        assert (chart.width, chart.height, len(chart.grid)) == (WIDTH, HEIGHT, 2)
        assert all(part.height == 0 for bar in chart.bars for part in bar.segments)


@given(POINTS)
def test_a_line_stays_in_its_frame_and_breaks_where_nothing_is_known(
    points: list[tuple[float, float | None]],
) -> None:
    drawn = curve(points, width=240, height=60)
    told = "".join("." if value is None else "x" for _, value in points)
    assert len(drawn.paths) == len(re.findall("x+", told))
    for path in drawn.paths:
        for x, y in _points_of(path):
            assert 0 <= x <= 240
            assert 0 <= y <= 60
    known = [value for _, value in points if value is not None]
    assert drawn.highest == (max(known) if known else None)
    assert drawn.top > 0


def test_a_line_begins_and_ends_where_it_is_told_to() -> None:
    drawn = curve([(10.0, 5.0), (20.0, 10.0)], width=100, height=62, first=0.0, last=40.0, top=20.0)
    assert _points_of(drawn.paths[0]) == [(25.0, 46.0), (50.0, 31.0)]


def test_a_single_point_can_be_seen() -> None:
    assert curve([(3.0, 2.0)]).paths == ("M0 1h0.01",)


def _points_of(path: str) -> list[tuple[float, float]]:
    body = path.removeprefix("M").removesuffix("h0.01")
    return [(float(x), float(y)) for x, y in (point.split(" ") for point in body.split("L"))]


def test_the_grid_of_what_is_counted_has_no_line_between_whole_numbers() -> None:
    for highest in (1, 2, 3, 7, 10, 33):
        chart = stacked_bars(
            [Bucket("a", "A", None, {"one": highest})], {"one": ("One", "c0")}, "", whole=True
        )
        assert all(float(line.label).is_integer() for line in chart.grid)
        assert float(chart.grid[-1].label) >= highest
