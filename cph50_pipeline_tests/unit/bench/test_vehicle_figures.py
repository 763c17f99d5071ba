from __future__ import annotations

import pytest

from bench.vehicle_figures import Figure, figures_of
from bench.vehicle_households import FIRST_CAR, SECOND_CAR, THIRD_CAR
from bench.vehicle_trial import Outcome
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE

RIGHT = Outcome(FIRST_CAR, FIRST_CAR, 0.9, 0.9)
WRONG = Outcome(FIRST_CAR, SECOND_CAR, 0.9, 0.1)
UNNAMED = Outcome(SECOND_CAR, UNKNOWN_VEHICLE, 0.0, 0.4)
UNSEEN = Outcome(SECOND_CAR, UNKNOWN_VEHICLE, 0.0, None)
REJECTED = Outcome(THIRD_CAR, UNKNOWN_VEHICLE, 0.0, 0.8)
TAKEN_FOR_OURS = Outcome(THIRD_CAR, FIRST_CAR, 0.7, 0.2)


def value_of(figure: Figure) -> float:
    assert figure.value is not None
    return figure.value


def test_what_is_not_named_lowers_the_coverage_and_not_the_accuracy() -> None:
    figures = figures_of([[RIGHT, RIGHT, WRONG, UNNAMED]])
    assert value_of(figures.accuracy) == pytest.approx(2 / 3)
    assert value_of(figures.coverage) == pytest.approx(3 / 4)


def test_a_third_car_counts_for_rejection_and_calibration_alone() -> None:
    figures = figures_of([[RIGHT, REJECTED, TAKEN_FOR_OURS]])
    assert value_of(figures.rejected) == pytest.approx(1 / 2)
    assert value_of(figures.accuracy) == 1
    assert figures.sessions == 1
    assert value_of(figures.calibration_error) == pytest.approx((0.1 + 0.7) / 2)


def test_the_calibration_error_is_the_distance_of_confidence_from_accuracy() -> None:
    assert value_of(figures_of([[RIGHT] * 9 + [WRONG]]).calibration_error) == pytest.approx(0)
    assert value_of(figures_of([[RIGHT] * 5 + [WRONG] * 5]).calibration_error) == pytest.approx(0.4)


def test_a_session_of_which_too_little_was_seen_has_no_log_loss() -> None:
    assert figures_of([[RIGHT, UNSEEN]]).log_loss.value == figures_of([[RIGHT]]).log_loss.value


def test_the_interval_is_as_wide_as_households_differ_however_many_sessions_they_have() -> None:
    alike = figures_of([[RIGHT, WRONG] * 50] * 10).accuracy
    unlike = figures_of([[RIGHT] * 100, [WRONG] * 100] * 5).accuracy
    assert alike.value == unlike.value == 0.5
    assert (alike.low, alike.high) == (0.5, 0.5)
    assert unlike.low is not None
    assert unlike.high is not None
    assert unlike.high - unlike.low > 0.4


def test_an_error_never_seen_is_not_an_error_excluded() -> None:
    accuracy = figures_of([[RIGHT] * 10] * 10).accuracy
    assert accuracy.value == 1
    assert accuracy.low == pytest.approx(0.97, abs=0.001)  # three in a hundred could have been missed


def test_nothing_measured_is_written_as_nothing() -> None:
    figures = figures_of([[RIGHT]])
    assert figures.rejected.percent() == "-"
    assert figures.rejected.complement() == figures.rejected


def test_a_share_and_what_it_leaves_have_the_same_interval() -> None:
    left = Figure(0.75, 0.5, 1.0).complement()
    assert left.percent() == "25.00 % (0.00 to 50.00)"
