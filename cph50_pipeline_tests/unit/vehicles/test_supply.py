from __future__ import annotations

import math
import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.vehicles.supply import (
    RANGE,
    Anchor,
    Likelihood,
    Offset,
    SupplyPath,
    follow,
)

if TYPE_CHECKING:
    from cph50_pipeline.vehicles.supply import Grid

START = datetime(2026, 1, 1, tzinfo=UTC)


def about(offset: float, sigma: float = 0.006) -> Likelihood:
    return lambda grid: np.exp(-0.5 * ((grid - offset) / sigma) ** 2)


def either(first: float, second: float) -> Likelihood:
    def likelihood(grid: Grid) -> Grid:
        one, other = about(first), about(second)
        assert one is not None
        assert other is not None
        return one(grid) + other(grid)

    return likelihood


def days(count: int) -> list[datetime]:
    return [START + timedelta(days=number) for number in range(count)]


def test_nothing_known_is_no_offset_and_as_unsure_as_supplies_are() -> None:
    [offset] = follow([START], [None], SupplyPath(), leave_out=True)
    assert offset.value == pytest.approx(0, abs=1e-9)
    assert offset.sigma == pytest.approx(RANGE, rel=0.02)


def test_a_slow_drift_is_followed() -> None:
    draw = random.Random(4)
    truth = [0.04 * math.sin(math.tau * number / 180) for number in range(180)]
    words = [about(offset + draw.gauss(0, 0.006)) for offset in truth]
    found = follow(days(180), words, SupplyPath(), leave_out=True)
    errors = [abs(offset.value - true) for offset, true in zip(found, truth, strict=True)]
    assert max(errors) < 0.012
    assert sum(errors) / len(errors) < 0.004


def test_a_sessions_own_word_is_left_out_when_it_is_to_be_judged() -> None:
    words = [about(0.0)] * 5 + [about(0.012)] + [about(0.0)] * 5
    without = follow(days(11), words, SupplyPath(), leave_out=True)[5]
    including = follow(days(11), words, SupplyPath(), leave_out=False)[5]
    assert abs(without.value) < 0.0005
    assert including.value > 0.001


def test_later_sessions_tell_which_of_two_offsets_it_was() -> None:
    words = [either(-0.02, 0.02), about(0.02), about(0.021)]
    first = follow(days(3), words, SupplyPath(), leave_out=False)[0]
    assert first.value == pytest.approx(0.02, abs=0.004)


def test_an_anchor_near_in_time_says_where_the_supply_stands_and_one_far_away_little() -> None:
    def at(day: date) -> Offset:
        path = SupplyPath(anchors=(Anchor(day=day, offset=0.03, sigma=0.001),))
        return follow([START], [None], path, leave_out=True)[0]

    near, far = at(date(2025, 12, 31)), at(date(2022, 1, 1))
    assert near.value == pytest.approx(0.03, abs=0.002)
    assert near.sigma < 0.004
    assert far.value < 0.01
    assert far.sigma > 0.02


def test_only_the_anchors_next_to_the_sessions_are_asked() -> None:
    anchors = tuple(
        Anchor(day=date(2026, 1, day), offset=day / 1000, sigma=0.001) for day in (1, 5, 9, 20, 25)
    )
    path = SupplyPath(anchors=anchors)
    assert path.around(date(2026, 1, 6), date(2026, 1, 12)) == [anchors[1], anchors[3]]


def test_a_single_odd_session_moves_nothing() -> None:
    words = [about(0.0)] * 10 + [about(0.09, 0.002)] + [about(0.0)] * 10
    found = follow(days(21), words, SupplyPath(), leave_out=False)
    assert abs(found[10].value) < 0.003


def test_without_sessions_there_is_nothing_to_follow() -> None:
    assert follow([], [], SupplyPath(), leave_out=True) == []


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 400), st.floats(-0.08, 0.08)), min_size=1, max_size=8), st.randoms())
def test_the_order_in_which_sessions_are_given_changes_nothing(
    sessions: list[tuple[float, float]], shuffle: random.Random
) -> None:
    sessions = list(dict(sessions).items())
    mixed = sessions[:]
    shuffle.shuffle(mixed)

    def followed(ones: list[tuple[float, float]]) -> dict[float, Offset]:
        times = [START + timedelta(days=day) for day, _ in ones]
        words = [about(offset) for _, offset in ones]
        found = follow(times, words, SupplyPath(), leave_out=True)
        return dict(zip((day for day, _ in ones), found, strict=True))

    once, again = followed(sessions), followed(mixed)
    for day, offset in once.items():
        assert offset.value == pytest.approx(again[day].value, abs=1e-9)
        assert 0 <= offset.sigma <= 0.1
