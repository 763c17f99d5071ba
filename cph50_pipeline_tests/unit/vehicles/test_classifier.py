from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.classifier import LabelledPlateau, NearestPlateau, Verdict, fit
from cph50_pipeline.vehicles.features import Plateau
from cph50_pipeline_tests.unit.vehicles.curves import curve, steady

CARS = ("ember", "tide")


def plateau(power_kw: float) -> Plateau:
    return Plateau(power_kw, 0.03, 20, "power")


def labelled(vehicle_id: str, *powers_kw: float) -> list[LabelledPlateau]:
    return [LabelledPlateau(f"{vehicle_id}-{power}", vehicle_id, plateau(power)) for power in powers_kw]


def household(label_count: int, *, seed: int = 1, spread: float = 0.006) -> list[LabelledPlateau]:
    random_ = random.Random(seed)
    return [
        *labelled("ember", *(random_.gauss(8.55, 8.55 * spread) for _ in range(label_count))),
        *labelled("tide", *(random_.gauss(9.05, 9.05 * spread) for _ in range(label_count))),
    ]


def test_each_car_is_known_by_its_plateau() -> None:
    model = fit(household(5))
    assert model.judge(plateau(8.52), CARS).vehicle_id == "ember"
    assert model.judge(plateau(9.08), CARS).vehicle_id == "tide"


def test_readings_are_judged_by_their_plateau_and_the_reason_says_so() -> None:
    verdict = fit(household(5)).classify(curve(steady(9.05)), CARS)
    assert verdict.vehicle_id == "tide"
    assert "9.0" in verdict.reason
    assert "14 distinct readings" in verdict.reason


def test_without_steady_charging_the_car_is_unknown() -> None:
    verdict = fit(household(5)).classify(curve([0.0, 0.5, 0.0]), CARS)
    assert verdict == Verdict("unknown", 0.0, "no steady charging seen")


@pytest.mark.parametrize("power_kw", [1.4, 3.6, 6.06, 7.2, 8.2, 9.45, 11.0])
def test_a_plateau_that_resembles_no_car_is_not_forced_into_one(power_kw: float) -> None:
    verdict = fit(household(20)).judge(plateau(power_kw), CARS)
    assert (verdict.vehicle_id, verdict.confidence, verdict.is_stranger) == ("unknown", 0.0, True)


def test_the_nearest_car_is_named_however_far_it_is() -> None:
    assert "nearest is ember" in fit(household(20)).judge(plateau(6.06), CARS).reason


def test_halfway_between_two_like_cars_is_a_guess_and_not_made() -> None:
    model = fit([*labelled("ember", *[9.00] * 5), *labelled("tide", *[9.02] * 5)])
    assert model.judge(plateau(9.01), CARS).vehicle_id == "unknown"


def test_only_a_candidate_can_be_the_car() -> None:
    assert fit(household(5)).judge(plateau(9.05), ["ember"]).vehicle_id == "unknown"
    assert fit(household(5)).judge(plateau(9.05), []).vehicle_id == "unknown"


def test_without_labels_every_car_is_unknown_and_that_is_no_error() -> None:
    verdict = fit([]).judge(plateau(9.05), CARS)
    assert (verdict.vehicle_id, verdict.is_stranger) == ("unknown", False)
    assert "no candidate car has labelled sessions" in verdict.reason


def test_sessions_that_were_none_of_the_cars_do_not_make_a_car() -> None:
    assert fit(labelled("unknown", 6.06, 6.07)).vehicles == {}


def test_more_labels_allow_more_confidence_and_never_certainty() -> None:
    confidences = [fit(household(count)).judge(plateau(8.55), CARS).confidence for count in (1, 3, 10, 100)]
    assert confidences == sorted(confidences)
    assert confidences[0] < 0.7
    assert confidences[-1] < 1


def test_one_label_does_not_make_a_car_sharper_than_cars_are() -> None:
    learned = fit(labelled("ember", 8.55)).vehicles["ember"]
    assert learned.spread_kw > 0.05
    assert fit(labelled("ember", *[8.55] * 50)).vehicles["ember"].spread_kw < 0.03


def test_one_wrong_label_in_ten_does_not_move_a_car() -> None:
    learned = fit(labelled("ember", *[8.55] * 9, 9.05)).vehicles["ember"]
    assert learned.plateau_power_kw == 8.55


def test_most_sessions_get_their_car_and_most_strangers_none() -> None:
    model = fit(household(20))
    later = household(200, seed=2)
    right = sum(model.judge(case.plateau, CARS).vehicle_id == case.vehicle_id for case in later)
    wrong = sum(
        model.judge(case.plateau, CARS).vehicle_id not in (case.vehicle_id, "unknown") for case in later
    )
    assert wrong == 0
    assert right >= 0.97 * len(later)
    random_ = random.Random(3)
    strangers = [plateau(random_.gauss(9.05 * 1.05, 0.05)) for _ in range(200)]
    assert sum(model.judge(case, CARS).vehicle_id == "unknown" for case in strangers) >= 0.9 * len(strangers)


def test_a_model_is_the_same_after_it_was_written_and_read() -> None:
    model = fit(household(5))
    text = json.dumps(model.document())
    again = NearestPlateau.read(json.loads(text), "classifier_summary.json")
    assert again == model
    assert again.version == model.version == model.document()["version"]


def test_the_order_of_labels_changes_nothing() -> None:
    sessions = household(5)
    assert fit(reversed(sessions)).document() == fit(sessions).document()


def test_another_label_makes_another_version() -> None:
    assert fit(household(5)).version != fit(household(6)).version


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"kind": "forest"},
        {"vehicles": {"ember": {"plateau_power_kw": 8.5, "spread_kw": 0, "label_count": 5}}},
        {"vehicles": {"ember": {"plateau_power_kw": float("nan"), "spread_kw": 0.1, "label_count": 5}}},
        {"vehicles": {"ember": {"spread_kw": 0.1, "label_count": 5}}},
    ],
)
def test_a_damaged_model_is_refused_with_its_file(document: object) -> None:
    with pytest.raises(BadInputError, match=r"classifier_summary\.json"):
        NearestPlateau.read(document, "classifier_summary.json")


@given(
    st.lists(st.tuples(st.sampled_from(CARS), st.floats(1.2, 12)), max_size=12),
    st.floats(1.2, 12),
    st.floats(0, 0.2),
    st.integers(2, 60),
)
def test_a_verdict_is_a_candidate_with_a_confidence_below_one_or_unknown_with_none(
    sessions: list[tuple[str, float]], power_kw: float, spread_kw: float, count: int
) -> None:
    model = fit(case for vehicle_id, power in sessions for case in labelled(vehicle_id, power))
    verdict = model.judge(Plateau(power_kw, spread_kw, count, "power"), CARS)
    if verdict.vehicle_id == "unknown":
        assert verdict.confidence == 0
    else:
        assert verdict.vehicle_id in {vehicle_id for vehicle_id, _ in sessions}
        assert 0 < verdict.confidence < 1


def test_inference_needs_neither_scikit_learn_nor_numpy() -> None:
    code = (
        "import sys, cph50_pipeline.vehicles.classification as c; "
        "print({'sklearn', 'numpy', 'pandas', 'dagster'} & set(sys.modules) or 'none')"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "none"
