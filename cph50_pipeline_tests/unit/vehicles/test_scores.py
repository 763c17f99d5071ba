from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.vehicles.scores import Judged, Scores, score


def judged(truth: str, named: str, confidence: float, truth_probability: float | None = None) -> Judged:
    if truth_probability is None:
        truth_probability = confidence if named == truth else 1 - confidence
    return Judged(f"{truth}-{named}-{confidence}", truth, named, confidence, truth_probability)


def test_figures_are_what_their_names_say() -> None:
    found = score(
        [
            judged("ember", "ember", 0.9),
            judged("ember", "tide", 0.8),
            judged("tide", "tide", 0.8),
            judged("tide", "unknown", 0.0, 0.5),
        ]
    )
    assert found.sessions == 4
    assert found.coverage == 0.75
    assert found.accuracy == pytest.approx(2 / 3, abs=1e-4)
    assert found.log_loss == pytest.approx(
        -(math.log(0.9) + math.log(0.2) + math.log(0.8) + math.log(0.5)) / 4, abs=1e-4
    )
    assert found.brier == pytest.approx((0.1**2 + 0.8**2 + 0.2**2) / 3, abs=1e-4)
    assert found.expected_calibration_error == pytest.approx((0.1 + 2 * 0.3) / 3, abs=1e-4)
    assert found.confusion == {"ember": {"ember": 1, "tide": 1}, "tide": {"tide": 1, "unknown": 1}}
    assert [(one.confidence, one.accuracy, one.count) for one in found.reliability] == [
        (0.8, 0.5, 2),
        (0.9, 1.0, 1),
    ]


def test_a_classifier_that_names_nothing_has_no_accuracy_rather_than_a_perfect_one() -> None:
    found = score([judged("ember", "unknown", 0.0, 0.1)])
    assert (found.coverage, found.accuracy, found.brier) == (0, None, None)
    assert found.expected_calibration_error is None


def test_nothing_judged_cannot_be_scored() -> None:
    with pytest.raises(ValueError, match="nothing to score"):
        score([])


CAR = st.sampled_from(["ember", "tide"])


@given(
    st.lists(st.builds(judged, CAR, CAR, st.floats(0.01, 0.999), st.floats(0, 1)), min_size=1, max_size=30)
)
def test_figures_stay_in_their_bounds_and_count_every_session_once(ones: list[Judged]) -> None:
    found = score(ones)
    assert found.accuracy is not None
    assert found.brier is not None
    assert found.expected_calibration_error is not None
    for share in (found.coverage, found.accuracy, found.brier, found.expected_calibration_error):
        assert 0 <= share <= 1
    assert found.log_loss >= 0
    assert sum(count for row in found.confusion.values() for count in row.values()) == len(ones)
    assert sum(one.count for one in found.reliability) == len(ones)
    assert Scores.model_validate_json(found.model_dump_json()) == found
