"""Learning the cars: what labels teach, how far it is trusted, and which labels are doubted."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.vehicles.classifier import PLATEAU_ALONE, Evidence
from cph50_pipeline.vehicles.features import Measure
from cph50_pipeline.vehicles.levels import EXPECTED_SPREAD
from cph50_pipeline.vehicles.training import (
    WEIGHED_AFTER,
    LabelledSession,
    evidence_weights,
    fit,
    train,
)
from cph50_pipeline_tests.unit.vehicles.labelled import CARS, EMBER, TIDE, case, household, labelled, seen


def relabelled(sessions: list[LabelledSession], share: float, seed: int = 3) -> list[LabelledSession]:
    """A share of the labels, spread over all of them, names the other car."""
    draw = random.Random(seed)
    wrong = set(draw.sample(range(len(sessions)), round(share * len(sessions))))
    other = {EMBER: TIDE, TIDE: EMBER}
    return [
        replace(one, vehicle_id=other[one.vehicle_id]) if place in wrong else one
        for place, one in enumerate(sessions)
    ]


def test_a_car_is_learned_with_its_level_its_scatter_and_how_often_it_was_seen() -> None:
    known = fit(household(40)).vehicles[TIDE]
    [regime] = known.regimes
    assert regime.power_kw == pytest.approx(9.05, rel=0.004)
    assert known.spread == pytest.approx(0.006, abs=0.0015)
    assert (known.label_count, regime.label_count) == (40, 40)


def test_one_label_does_not_make_a_car_sharper_than_cars_are() -> None:
    assert fit([labelled(EMBER, 8.55)]).vehicles[EMBER].spread == pytest.approx(EXPECTED_SPREAD)


def test_few_labels_reject_from_further_away_than_many() -> None:
    few, many = fit(household(2)).vehicles[EMBER], fit(household(60)).vehicles[EMBER]
    assert few.rejection_distance > many.rejection_distance > 2


def test_sessions_that_were_none_of_the_cars_do_not_make_a_car() -> None:
    assert fit([labelled("unknown", 6.06)]).vehicles == {}


def test_another_amperage_limit_makes_another_regime_of_the_same_car() -> None:
    at_40 = household(5, amperage_limit=40)
    at_32 = household(5, powers_kw={EMBER: 6.84, TIDE: 7.24}, amperage_limit=32, first_day=20, seed=2)
    regimes = fit([*at_40, *at_32]).vehicles[TIDE].regimes
    assert [(regime.amperage_limits, regime.label_count) for regime in regimes] == [((32,), 5), ((40,), 5)]


def test_a_slow_drift_of_the_supply_is_taken_out_of_the_level_and_kept_as_anchors() -> None:
    drifting = household(60, factor=lambda day: 1 + 0.04 * math.sin(math.tau * day / 180))
    model = fit(drifting)
    assert model.vehicles[TIDE].spread < 0.009
    offsets = [anchor.offset for anchor in model.supply.anchors]
    assert max(offsets) > 0.02
    assert min(offsets) < -0.02
    days = [anchor.day for anchor in model.supply.anchors]
    assert days == sorted(days)


def test_the_order_of_labels_changes_nothing() -> None:
    sessions = household(6)
    assert train(sessions[::-1]).model.document() == train(sessions).model.document()


def test_training_twice_gives_the_same_model() -> None:
    sessions = household(12)
    assert train(sessions).model.document() == train(sessions).model.document()


def test_every_session_is_validated_by_earlier_ones_alone() -> None:
    sessions = household(6)
    before = {one.session.session_id: one.verdict for one in train(sessions[:8]).validated}
    after = {one.session.session_id: one.verdict for one in train(sessions).validated}
    assert before
    assert before.items() <= after.items()


def test_sessions_of_one_plug_in_never_stand_on_both_sides() -> None:
    sessions = household(8)
    together = [replace(one, plug_in_id="one long stay") for one in sessions]
    assert train(together).validated == ()
    assert len(train(sessions).validated) > 0


def test_a_car_is_not_asked_for_before_a_few_of_its_sessions_were_seen() -> None:
    late = labelled("guest", 7.9, day=100)
    assert all(one.session.vehicle_id != "guest" for one in train([*household(8), late]).validated)


def test_scores_come_from_the_validation_and_count_the_labels() -> None:
    trained = train(household(10))
    training = trained.model.training
    assert training.labels == {EMBER: 10, TIDE: 10}
    assert training.validated is not None
    assert training.validated.sessions == len(trained.validated)
    assert training.validated.accuracy == 1
    assert (training.first_session, training.last_session) == ("2026-01-01", "2026-01-20")
    assert trained.model.record.judged == trained.model.record.right > 0


def test_more_labels_allow_more_confidence_and_never_certainty() -> None:
    confidences = []
    for count in (1, 5, 10, 40):
        model = train(household(count)).model
        [verdict] = model.judge([case(8.55, day=2 * count + 1)])
        confidences.append(verdict.confidence)
    assert confidences == sorted(confidences)
    assert confidences[0] < 0.6
    assert confidences[1] < 0.95
    assert 0.97 < confidences[-1] < 1


def test_without_labels_the_model_knows_no_car_and_nothing_was_validated() -> None:
    trained = train([])
    assert trained.model.vehicles == {}
    assert trained.model.training.validated is None
    assert (trained.validated, trained.doubted) == ((), ())


def test_a_wrong_label_is_doubted_and_named() -> None:
    sessions = household(12)
    wrong = replace(sessions[15], vehicle_id=EMBER if sessions[15].vehicle_id == TIDE else TIDE)
    trained = train([*sessions[:15], wrong, *sessions[16:]])
    assert trained.model.training.doubted == (wrong.session_id,)
    [doubt] = trained.doubted
    assert doubt.verdict.vehicle_id == sessions[15].vehicle_id


def test_right_labels_are_not_doubted() -> None:
    assert train(household(30)).doubted == ()


def test_a_fifth_of_wrong_labels_costs_accuracy_and_confidence_and_is_doubted() -> None:
    poisoned = train(relabelled(household(20), 0.2))
    assert poisoned.model.training.validated is not None
    assert poisoned.model.training.validated.accuracy is not None
    assert poisoned.model.training.validated.accuracy < 0.9
    assert poisoned.model.judge([case(9.05)])[0].confidence < 0.85
    wrong = {one.session_id for one in household(20)} - {
        new.session_id
        for new, old in zip(relabelled(household(20), 0.2), household(20), strict=True)
        if new.vehicle_id == old.vehicle_id
    }
    assert wrong <= {doubt.session_id for doubt in poisoned.doubted}


def test_with_few_judgements_the_plateau_alone_decides() -> None:
    assert evidence_weights([[3.0, 1.0, 1.0, 1.0, 1.0]] * (WEIGHED_AFTER - 1)) == PLATEAU_ALONE


def test_evidence_that_misleads_as_often_as_not_gets_hardly_any_weight_and_telling_evidence_much() -> None:
    draw = random.Random(5)
    judgements = [[draw.gauss(4, 1), *(draw.gauss(0, 2) for _ in range(4))] for _ in range(300)]
    weights = evidence_weights(judgements)
    assert weights[Evidence.PLATEAU] > 0.5
    assert all(weights[kind] < 0.4 for kind in Evidence if kind is not Evidence.PLATEAU)


def test_a_trait_in_which_the_cars_differ_decides_where_their_plateaus_are_alike() -> None:
    draw = random.Random(6)

    def session(car: str, day: int) -> LabelledSession:
        ramp = Measure((30 if car == EMBER else 90) + draw.gauss(0, 4), 3.0)
        fingerprint = seen(9.0 * (1 + draw.gauss(0, 0.006)), ramp_seconds=ramp)
        return replace(labelled(car, 9.0, day=day), fingerprint=fingerprint)

    model = train(session(CARS[day % 2], day) for day in range(80)).model
    assert model.evidence_weights[Evidence.RAMP] > 0.3
    asked = replace(case(9.0, day=81), fingerprint=seen(9.0, ramp_seconds=Measure(90.0, 3.0)))
    assert model.judge([asked])[0].vehicle_id == TIDE


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*CARS, "unknown"]), st.floats(1.5, 11), st.floats(0, 300)), max_size=12
    )
)
def test_any_labels_make_a_model_that_can_be_written_and_judges(
    sessions: list[tuple[str, float, float]],
) -> None:
    model = train(labelled(car, power, day=day) for car, power, day in sessions).model
    assert type(model).read(model.document(), "classifier_summary.json") == model
    [verdict] = model.judge([case(9.0)])
    assert verdict.vehicle_id in {*CARS, "unknown"}
