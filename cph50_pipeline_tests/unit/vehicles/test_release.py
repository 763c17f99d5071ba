"""The release gate: what replaces the model in force by itself, what only a person may put there, what nobody may."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.release import Decision, Gate, Outcome, decide, released, rolled_back
from cph50_pipeline.vehicles.scores import Scores
from cph50_pipeline.vehicles.training import LabelledSession, Trained, train
from cph50_pipeline_tests.unit.vehicles.labelled import EMBER, TIDE, household, labelled

OTHER = {EMBER: TIDE, TIDE: EMBER}
NO_CAR = VehicleModel()


def swapped(sessions: list[LabelledSession], wrong: set[int]) -> list[LabelledSession]:
    """The same sessions, some labelled with the other car."""
    return [
        replace(one, vehicle_id=OTHER[one.vehicle_id]) if place in wrong else one
        for place, one in enumerate(sessions)
    ]


def a_fifth_at_random(sessions: list[LabelledSession], seed: int) -> set[int]:
    return set(random.Random(seed).sample(range(len(sessions)), len(sessions) // 5))


def a_fifth_of_one_car(sessions: list[LabelledSession], seed: int) -> set[int]:
    own = [place for place, one in enumerate(sessions) if one.vehicle_id == TIDE]
    return set(random.Random(seed).sample(own, len(sessions) // 5))


@cache
def trained_on(label_count: int) -> Trained:
    return train(household(label_count))


def by_itself(trained: Trained, in_force: VehicleModel = NO_CAR) -> Decision:
    return decide(trained, in_force, by_hand=False)


def good_release(label_count: int = 12) -> VehicleModel:
    trained = trained_on(label_count)
    assert by_itself(trained).outcome is Outcome.RELEASED
    return trained.model


def scored(trained: Trained, **changes: float | None) -> Trained:
    """The same candidate with other scores."""
    training = trained.model.training
    assert training.validated is not None
    scores = training.validated.model_copy(update=changes)
    changed = training.model_copy(update={"validated": scores})
    return replace(trained, model=trained.model.model_copy(update={"training": changed}))


def in_force_with(trained: Trained, **changes: float | None) -> VehicleModel:
    """A model in force that differs from the candidate and had these scores."""
    other = scored(trained, **changes).model
    return other.model_copy(update={"vehicles": train(household(11, seed=2)).model.vehicles})


def test_ten_labels_a_car_release_the_first_model_by_themselves() -> None:
    assert by_itself(trained_on(10)) == Decision(Outcome.RELEASED)


def test_fewer_labels_are_refused_and_the_reason_names_car_and_count() -> None:
    decision = by_itself(trained_on(9))
    assert decision.outcome is Outcome.REFUSED
    assert any("ember has 9 labelled session(s)" in reason and "10" in reason for reason in decision.reasons)


def test_every_car_needs_its_labels() -> None:
    few = [labelled("guest", 7.2, day=40 + n) for n in range(3)]
    decision = by_itself(train([*household(12), *few]))
    assert decision.outcome is Outcome.REFUSED
    assert any(reason.startswith("guest has 3") for reason in decision.reasons)


def test_a_person_may_release_few_labels_and_is_told_what_speaks_against_it() -> None:
    decision = decide(trained_on(5), NO_CAR, by_hand=True)
    assert decision.outcome is Outcome.RELEASED
    assert any("ember has 5" in reason for reason in decision.reasons)


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_model_that_knows_no_car_never_replaces_one_that_does(by_hand: bool) -> None:
    decision = decide(train([]), good_release(), by_hand=by_hand)
    assert decision.outcome is Outcome.REFUSED
    assert decision.reasons


@pytest.mark.parametrize("by_hand", [False, True])
def test_without_labels_there_is_nothing_to_decide(by_hand: bool) -> None:
    assert decide(train([]), NO_CAR, by_hand=by_hand) == Decision(Outcome.UNCHANGED)


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_same_labels_again_change_nothing(by_hand: bool) -> None:
    trained = trained_on(12)
    assert decide(trained, trained.model, by_hand=by_hand) == Decision(Outcome.UNCHANGED)


def test_more_labels_of_the_same_cars_are_released_after_a_good_release() -> None:
    in_force = good_release(10)
    for count in (11, 15, 20, 30):
        trained = trained_on(count)
        assert by_itself(trained, in_force) == Decision(Outcome.RELEASED)
        in_force = released(trained.model, in_force)


def test_a_car_that_lost_all_its_labels_is_not_forgotten_by_itself() -> None:
    only_ember = train([one for one in household(15) if one.vehicle_id == EMBER])
    decision = by_itself(only_ember, good_release())
    assert decision.outcome is Outcome.REFUSED
    assert any(reason.startswith("tide, which the model in force knows") for reason in decision.reasons)


@pytest.mark.parametrize("poison", [a_fifth_at_random, a_fifth_of_one_car])
@pytest.mark.parametrize("after_a_good_release", [False, True])
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(seed=st.integers(0, 10_000), label_count=st.integers(10, 16))
def test_a_fifth_of_wrong_labels_is_refused(
    poison: Callable[[list[LabelledSession], int], set[int]],
    after_a_good_release: bool,
    seed: int,
    label_count: int,
) -> None:
    sessions = household(label_count, seed=seed)
    in_force = train(sessions[:20]).model if after_a_good_release else NO_CAR
    poisoned = train(swapped(sessions, poison(sessions, seed)))
    assert by_itself(poisoned, in_force).outcome is Outcome.REFUSED


@pytest.mark.parametrize("seed", range(1, 7))
def test_one_wrong_label_is_released_and_named(seed: int) -> None:
    wrong = labelled(EMBER, 9.05, day=11.5)
    poisoned = train([*household(12, seed=seed), wrong])
    assert by_itself(poisoned).outcome is Outcome.RELEASED
    assert poisoned.model.training.doubted == (wrong.session_id,)


def test_wrong_labels_of_one_car_do_not_hide_among_the_many_of_another() -> None:
    sessions = [*household(12), *(labelled(EMBER, 8.55, day=30 + n) for n in range(40))]
    tides = [place for place, one in enumerate(sessions) if one.vehicle_id == TIDE][:2]
    poisoned = train(swapped(sessions, set(tides)))
    decision = by_itself(poisoned)
    assert len(poisoned.doubted) <= 0.1 * min(len(sessions), poisoned.model.vehicles[EMBER].label_count)
    assert decision.outcome is Outcome.REFUSED
    assert any(
        reason.startswith("beside 10 labels of tide, 2 session(s) labelled otherwise")
        for reason in decision.reasons
    )


def test_the_reason_names_the_sessions_whose_labels_are_contradicted() -> None:
    sessions = household(10)
    poisoned = train(swapped(sessions, {1, 3, 5}))
    reasons = " ".join(by_itself(poisoned).reasons)
    for place in (1, 3, 5):
        assert f"{sessions[place].session_id} (labelled ember, like tide)" in reasons


@pytest.mark.parametrize(
    ("figure", "before", "now"),
    [
        ("accuracy", 1.0, 0.949),
        ("accuracy", None, 0.899),
        ("accuracy", 0.93, 0.899),
        ("expected_calibration_error", 0.05, 0.101),
        ("expected_calibration_error", None, 0.251),
        ("expected_calibration_error", 0.24, 0.251),
    ],
)
def test_a_fall_of_accuracy_or_calibration_is_refused_with_both_figures(
    figure: str, before: float | None, now: float
) -> None:
    trained = scored(trained_on(20), **{figure: now})
    in_force = NO_CAR if before is None else in_force_with(trained, **{figure: before})
    decision = by_itself(trained, in_force)
    assert decision.outcome is Outcome.REFUSED
    [reason] = decision.reasons
    assert f"{now:.3f}" in reason
    assert before is None or f"{before:.3f}" in reason


@pytest.mark.parametrize(
    ("figure", "before", "now"),
    [
        ("accuracy", 1.0, 0.951),
        ("accuracy", None, 0.901),
        ("accuracy", 0.8, 0.8),
        ("expected_calibration_error", 0.05, 0.099),
        ("expected_calibration_error", 0.4, 0.4),
    ],
)
def test_what_falls_by_less_than_the_gate_is_released(figure: str, before: float | None, now: float) -> None:
    trained = scored(trained_on(20), **{figure: now})
    in_force = NO_CAR if before is None else in_force_with(trained, **{figure: before})
    assert by_itself(trained, in_force) == Decision(Outcome.RELEASED)


def test_small_falls_do_not_add_up_below_what_a_first_release_needs() -> None:
    trained = trained_on(20)
    accuracy, in_force = 1.0, in_force_with(trained, accuracy=1.0)
    while by_itself(scored(trained, accuracy=accuracy - 0.04), in_force).outcome is Outcome.RELEASED:
        accuracy -= 0.04
        in_force = in_force_with(trained, accuracy=accuracy)
    assert accuracy >= Gate().least_accuracy


def test_a_higher_log_loss_on_sessions_that_the_model_in_force_knows_is_refused() -> None:
    trained = trained_on(20)
    decision = by_itself(trained, in_force_with(trained, log_loss=0.01))
    assert decision.outcome is Outcome.REFUSED
    assert decision.reasons[0].startswith("log-loss")


def test_sessions_under_a_new_limit_do_not_count_as_a_fall() -> None:
    """The first of them cost the candidate dearly, because nobody could foresee them; then it knows them."""
    in_force = good_release(12)
    lower = household(10, powers_kw={EMBER: 6.84, TIDE: 7.24}, first_day=30, seed=2)
    trained = train([*household(12), *lower])
    before, now = in_force.training.validated, trained.model.training.validated
    assert before is not None
    assert now is not None
    assert now.log_loss > before.log_loss + Gate().largest_fall
    assert by_itself(trained, in_force) == Decision(Outcome.RELEASED)


def test_without_a_single_judgement_there_is_no_release_by_itself() -> None:
    trained = trained_on(12)
    unjudged = trained.model.training.model_copy(update={"validated": None})
    decision = by_itself(replace(trained, model=trained.model.model_copy(update={"training": unjudged})))
    assert decision.outcome is Outcome.REFUSED
    assert "nothing is known" in decision.reasons[0]


def test_a_model_released_by_hand_without_scores_sets_no_bar_but_that_of_a_first_release() -> None:
    in_force = trained_on(3).model
    assert in_force.training.validated is None or in_force.training.validated.accuracy is None
    assert by_itself(trained_on(12), in_force) == Decision(Outcome.RELEASED)


def test_a_rollback_puts_the_previous_model_in_force_and_remembers_what_was_taken_back() -> None:
    previous, current = good_release(10), good_release(20)
    back = rolled_back(current, previous)
    assert back.version == previous.version
    assert back.rolled_back == (current.version,)


def test_what_was_rolled_back_is_not_released_again_by_itself_but_by_hand() -> None:
    trained, previous = trained_on(20), good_release(10)
    back = rolled_back(trained.model, previous)
    decision = by_itself(trained, back)
    assert decision.outcome is Outcome.REFUSED
    assert trained.model.version in decision.reasons[0]
    assert decide(trained, back, by_hand=True).outcome is Outcome.RELEASED
    assert released(trained.model, back).rolled_back == ()


def test_other_labels_after_a_rollback_are_released_and_the_memory_is_kept() -> None:
    current = good_release(20)
    back = rolled_back(current, good_release(10))
    trained = trained_on(25)
    assert by_itself(trained, back).outcome is Outcome.RELEASED
    assert released(trained.model, back).rolled_back == (current.version,)


def test_a_rollback_of_a_rollback_ends_where_it_began() -> None:
    first, second = good_release(10), good_release(20)
    back = rolled_back(second, first)
    again = rolled_back(back, second)
    assert again.version == second.version
    assert again.rolled_back == (first.version,)


def test_scores_are_all_that_is_compared() -> None:
    """The gate reads what the document says: a model that was written and read is judged the same."""
    in_force = VehicleModel.read(good_release(20).document(), "classifier_summary.json")
    assert isinstance(in_force.training.validated, Scores)
    poisoned = household(20)
    wrong = train(swapped(poisoned, a_fifth_at_random(poisoned, 1)))
    assert by_itself(wrong, in_force) == by_itself(wrong, good_release(20))
