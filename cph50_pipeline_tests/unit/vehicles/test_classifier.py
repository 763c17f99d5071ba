from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.classifier import Case, TrackRecord, VehicleModel, Verdict
from cph50_pipeline.vehicles.features import Measure, fingerprint
from cph50_pipeline.vehicles.supply import Offset
from cph50_pipeline.vehicles.training import fit, train
from cph50_pipeline_tests.unit.vehicles.curves import START, curve, steady
from cph50_pipeline_tests.unit.vehicles.labelled import (
    CARS,
    EMBER,
    POWERS_KW,
    TIDE,
    case,
    household,
    labelled,
    seen,
)

STEADY = Offset()


@pytest.fixture(scope="module")
def model() -> VehicleModel:
    return train(household(20)).model


def judge(model: VehicleModel, asked: Case) -> Verdict:
    [verdict] = model.judge([asked])
    return verdict


def test_each_car_is_known_by_its_plateau(model: VehicleModel) -> None:
    assert judge(model, case(8.52)).vehicle_id == EMBER
    assert judge(model, case(9.08)).vehicle_id == TIDE


def test_readings_are_judged_by_their_plateau_and_the_reason_says_so(model: VehicleModel) -> None:
    asked = Case("41", START, fingerprint(curve(steady(9.05)), 40), CARS)
    verdict = judge(model, asked)
    assert verdict.vehicle_id == TIDE
    for part in ("9.05 kW at 40 A", "14 distinct readings", "as tide charges"):
        assert part in verdict.reason


def test_without_steady_charging_the_car_is_unknown(model: VehicleModel) -> None:
    assert judge(model, case(None)) == Verdict("unknown", 0.0, "no steady charging seen")


@pytest.mark.parametrize("power_kw", [1.5, 3.6, 6.06, 7.2, 8.2, 9.45, 11.0])
def test_a_plateau_that_resembles_no_car_is_not_forced_into_one(model: VehicleModel, power_kw: float) -> None:
    verdict = judge(model, case(power_kw))
    assert (verdict.vehicle_id, verdict.confidence, verdict.is_stranger) == ("unknown", 0.0, True)
    assert "too far away" in verdict.reason


def test_halfway_between_two_like_cars_is_a_guess_and_not_made() -> None:
    alike = fit(household(10, powers_kw={EMBER: 9.00, TIDE: 9.02}))
    verdict = judge(alike, case(9.01))
    assert (verdict.vehicle_id, verdict.is_stranger) == ("unknown", True)
    assert "another is as near" in verdict.reason


def test_probabilities_leave_room_for_a_car_that_nobody_has_labelled(model: VehicleModel) -> None:
    verdict = judge(model, case(8.55))
    assert set(verdict.probabilities) == set(CARS)
    assert verdict.probabilities[EMBER] == verdict.confidence
    assert 0.9 < sum(verdict.probabilities.values()) < 1


def test_only_a_candidate_can_be_the_car(model: VehicleModel) -> None:
    assert judge(model, case(9.05, candidates=(EMBER,))).vehicle_id == "unknown"
    assert judge(model, case(9.05, candidates=())).vehicle_id == "unknown"


def test_without_labels_every_car_is_unknown_and_that_is_no_error() -> None:
    verdict = judge(VehicleModel(), case(9.05))
    assert (verdict.vehicle_id, verdict.is_stranger) == ("unknown", False)
    assert "no candidate car has labelled sessions" in verdict.reason


def test_an_amperage_change_does_not_make_one_car_the_other() -> None:
    # Under 48 A the greater car draws exactly what the smaller one draws under 50 A.
    powers = {EMBER: 10.00, TIDE: 10.00 * 50 / 48}
    at_50 = train(household(20, powers_kw=powers, amperage_limit=50)).model
    asked = case(powers[TIDE] * 48 / 50, amperage_limit=48)
    assert judge(at_50, asked).vehicle_id == TIDE
    assert judge(at_50, case(powers[EMBER] * 48 / 50, amperage_limit=48)).vehicle_id == EMBER


def test_a_change_to_a_limit_never_seen_is_no_car_when_nobody_saw_the_limit_either(
    model: VehicleModel,
) -> None:
    assert judge(model, case(8.55 * 32 / 40)).vehicle_id == "unknown"


def test_labels_whose_limit_nobody_saw_serve_for_sessions_whose_limit_was_seen(
    model: VehicleModel,
) -> None:
    assert judge(model, case(9.05, amperage_limit=40)).vehicle_id == TIDE


def test_a_drift_that_the_neighbouring_sessions_share_is_not_taken_for_another_car(
    model: VehicleModel,
) -> None:
    drifted = [case(POWERS_KW[CARS[day % 2]] * 1.03, day=100 + day) for day in range(20)]
    verdicts = model.judge(drifted)
    assert [verdict.vehicle_id for verdict in verdicts] == [CARS[day % 2] for day in range(20)]
    assert judge(model, case(8.55 * 1.03, day=41)).vehicle_id == "unknown"


def test_sessions_of_the_context_show_the_supply_and_are_not_judged(model: VehicleModel) -> None:
    context = [case(POWERS_KW[CARS[day % 2]] * 1.03, day=100 + day) for day in range(20)]
    [verdict] = model.judge([case(8.55 * 1.03, day=121)], context)
    assert verdict.vehicle_id == EMBER


def test_a_label_in_the_neighbourhood_fixes_the_supply_but_does_not_judge_its_own_session(
    model: VehicleModel,
) -> None:
    wrong = case(8.55, day=60, label=TIDE)
    assert judge(model, wrong).vehicle_id == EMBER


def test_one_wrong_label_in_twenty_misnames_nobody() -> None:
    sessions = household(20)
    poisoned = fit([*sessions, labelled(EMBER, 9.05, day=50)])
    assert judge(poisoned, case(9.05)).vehicle_id == TIDE


def test_duplicated_readings_change_nothing(model: VehicleModel) -> None:
    readings = curve(steady(9.05))
    once = Case("41", START, fingerprint(readings), CARS)
    often = Case("41", START, fingerprint([*readings * 5]), CARS)
    assert judge(model, once) == judge(model, often)


def test_most_sessions_get_their_car_and_most_strangers_none(model: VehicleModel) -> None:
    later = household(200, seed=2, first_day=41)
    verdicts = model.judge([replace(one.case(), label=None) for one in later])
    named = [(one, verdict) for one, verdict in zip(later, verdicts, strict=True) if verdict.confidence]
    assert len(named) >= 0.97 * len(later)
    assert all(verdict.vehicle_id == one.vehicle_id for one, verdict in named)
    draw = random.Random(3)
    strangers = [case(9.05 * (1.04 + draw.gauss(0, 0.006))) for _ in range(200)]
    refused = sum(model.judge_one(stranger, STEADY).vehicle_id == "unknown" for stranger in strangers)
    assert refused >= 0.95 * len(strangers)


def test_an_unsure_supply_makes_a_verdict_less_sure(model: VehicleModel) -> None:
    sure = model.judge_one(case(8.6), STEADY)
    unsure = model.judge_one(case(8.6), Offset(0.0, 0.02))
    assert unsure.confidence < sure.confidence


def test_a_trait_that_was_not_measured_speaks_for_nobody(model: VehicleModel) -> None:
    without = model.evidence(seen(8.55), EMBER, TIDE, STEADY)
    assert without[0] > 5
    assert without[1:] == [0.0] * 4


def test_no_single_kind_of_evidence_outweighs_all_others(model: VehicleModel) -> None:
    assert model.evidence(seen(4.0), EMBER, TIDE, STEADY)[0] <= 10


@given(st.integers(0, 200), st.data())
def test_trust_is_never_certain_and_falls_with_every_error(judged: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, judged))
    expected = data.draw(st.floats(0, judged))
    record = TrackRecord(judged=judged, right=right, expected=expected)
    assert 0 < record.trust < 1
    assert record.and_judged(0.9, False).trust <= record.and_judged(0.9, True).trust


def test_a_model_is_the_same_after_it_was_written_and_read(model: VehicleModel) -> None:
    text = json.dumps(model.document())
    again = VehicleModel.read(json.loads(text), "classifier_summary.json")
    assert again == model
    assert again.version == model.version == model.document()["version"]


def test_scores_are_for_people_and_make_no_other_version(model: VehicleModel) -> None:
    relabelled = model.training.model_copy(update={"doubted": ("41",)})
    assert model.model_copy(update={"training": relabelled}).version == model.version
    assert fit(household(5)).version != fit(household(6)).version


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"vehicles": {"ember": {"label_count": 5}}},
        {"vehicles": {"ember": {**fit(household(1)).document()["vehicles"]["ember"], "spread": 0}}},
        {"vehicles": {"ember": {**fit(household(1)).document()["vehicles"]["ember"], "regimes": []}}},
        {"evidence_weights": {"plateau": float("nan")}},
    ],
)
def test_a_damaged_model_is_refused_with_its_file(document: object) -> None:
    with pytest.raises(BadInputError, match=r"classifier_summary\.json"):
        VehicleModel.read(document, "classifier_summary.json")


def test_a_model_of_another_kind_is_refused_by_that_and_by_nothing_that_it_lacks() -> None:
    document = {"kind": "nearest_plateau", "vehicles": {"ember": {"mean_kw": 8.6}}}
    with pytest.raises(BadInputError, match="another kind, 'nearest_plateau'") as refused:
        VehicleModel.read(document, "classifier_summary.json")
    assert "label_count" not in str(refused.value)
    assert "cph50 train" in str(refused.value)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(CARS), st.floats(1.5, 12)), max_size=8),
    st.floats(1.5, 12),
    st.floats(0.001, 0.2),
    st.sampled_from([None, 16.0, 40.0]),
)
def test_a_verdict_is_a_candidate_with_a_confidence_below_one_or_unknown_with_none(
    sessions: list[tuple[str, float]], power_kw: float, sigma_kw: float, limit: float | None
) -> None:
    model = fit(labelled(car, power, day=day) for day, (car, power) in enumerate(sessions))
    asked = replace(seen(power_kw, limit), power_kw=Measure(power_kw, sigma_kw))
    verdict = judge(model, Case("41", datetime(2026, 3, 1, tzinfo=UTC), asked, CARS))
    assert all(0 <= share < 1 for share in verdict.probabilities.values())
    assert math.fsum(verdict.probabilities.values()) <= 1 + 1e-9
    if verdict.vehicle_id == "unknown":
        assert verdict.confidence == 0
    else:
        assert verdict.vehicle_id in {car for car, _ in sessions}
        assert 0 < verdict.confidence < 1


def test_judging_needs_no_scikit_learn() -> None:
    code = """
import sys
from datetime import UTC, datetime
from cph50_pipeline.vehicles.classification import classify_month
from cph50_pipeline.vehicles.classifier import Case, VehicleModel
VehicleModel().judge([Case("41", datetime(2026, 1, 1, tzinfo=UTC), None, ())])
print({"sklearn", "scipy", "pandas", "dagster"} & set(sys.modules) or "none")
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "none"
