from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.vehicles.levels import (
    EXPECTED_SPREAD,
    SCALING_SPREAD,
    Observed,
    Regime,
    Scatter,
    Spread,
    find_regimes,
    levels_under,
    regime_of,
    spread_among,
    spread_of,
    stretches,
    student_density,
)


def observed(power_kw: float, limit: float | None = None) -> Observed:
    return Observed(math.log(power_kw), limit)


def test_sessions_without_a_gap_between_their_powers_are_one_regime() -> None:
    assert find_regimes([observed(9.0), observed(9.1), observed(8.9)]) == [[2, 0, 1]]


def test_another_amperage_limit_is_another_regime_also_when_nobody_saw_it() -> None:
    assert find_regimes([observed(9.0), observed(7.2), observed(9.05)]) == [[1], [0, 2]]


def test_limits_seen_at_powers_close_together_are_told_apart_and_unseen_ones_go_to_the_nearest() -> None:
    sessions = [observed(10.70, 50), observed(10.45), observed(10.27, 48), observed(10.68)]
    assert find_regimes(sessions) == [[2, 1], [3, 0]]


def test_a_car_that_draws_the_same_under_two_limits_has_one_regime_for_both() -> None:
    sessions = [observed(7.2, 32), observed(7.21, 40)]
    assert find_regimes(sessions) == [[0, 1]]
    assert regime_of(sessions).amperage_limits == (32, 40)


@given(st.lists(st.floats(-3, 3), max_size=20), st.floats(0.001, 1))
def test_stretches_part_the_values_at_every_gap_and_only_there(values: list[float], gap: float) -> None:
    groups = stretches(values, gap)
    assert sorted(index for group in groups for index in group) == list(range(len(values)))
    for group in groups:
        ordered = [values[index] for index in group]
        assert all(0 <= later - earlier <= gap for earlier, later in pairwise(ordered))
    tops = [(values[before[-1]], values[after[0]]) for before, after in pairwise(groups)]
    assert all(low - high > gap for high, low in tops)


def test_under_a_limit_only_its_own_regimes_and_those_whose_limit_nobody_saw_apply() -> None:
    at_40, at_32, unseen = (
        Regime(power_kw=9.0, label_count=5, amperage_limits=(40,)),
        Regime(power_kw=7.2, label_count=5, amperage_limits=(32,)),
        Regime(power_kw=8.9, label_count=2),
    )
    assert levels_under([at_40, at_32, unseen], 40) == [at_40.level(), unseen.level()]
    assert levels_under([at_40, at_32, unseen], None) == [at_40.level(), at_32.level(), unseen.level()]


def test_under_a_limit_never_seen_power_follows_the_limit_and_is_less_sure() -> None:
    [level] = levels_under([Regime(power_kw=9.0, label_count=5, amperage_limits=(40,))], 32)
    assert math.exp(level.log_power) == pytest.approx(7.2)
    assert level.extra_spread == SCALING_SPREAD


def test_a_spread_is_what_labels_show_once_there_are_many_and_what_is_expected_while_there_are_few() -> None:
    nobody = Scatter()
    assert spread_among(nobody, nobody).value == pytest.approx(EXPECTED_SPREAD)
    many = spread_among(Scatter(400 * 0.003**2, 400), nobody)
    assert many.value == pytest.approx(0.003, rel=0.05)
    assert many.degrees_of_freedom == 404


def test_a_car_with_few_labels_borrows_the_spread_of_its_neighbours() -> None:
    neighbours = Scatter(40 * 0.02**2, 40)
    assert 0.015 < spread_among(Scatter(), neighbours).value < 0.02


@given(st.floats(0, 1), st.integers(0, 100), st.floats(0.001, 0.1), st.integers(1, 20))
def test_a_spread_lies_between_what_was_seen_and_what_was_expected(
    own_variance: float, free: int, expected: float, weight: int
) -> None:
    found = spread_of(Scatter(own_variance * free, free), Spread(expected, weight)).value
    bounds = sorted([expected, math.sqrt(own_variance) if free else expected])
    assert bounds[0] * 0.999 <= found <= bounds[1] * 1.001


def test_students_density_is_the_normal_one_for_many_degrees_and_has_heavier_tails_for_few() -> None:
    normal = math.exp(-0.5 * 3**2) / math.sqrt(math.tau)
    assert student_density(3.0, 1e5) == pytest.approx(normal, rel=1e-3)
    assert student_density(3.0, 4) > 4 * normal
