"""The review queue: what is in it and why, in which order, and how it empties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.plateaus import NamedSession
from cph50_pipeline.vehicles.review import ReviewItem, ReviewKind, review, unnamed_groups
from cph50_pipeline.vehicles.training import LabelledSession, train
from cph50_pipeline_tests.unit.vehicles.labelled import EMBER, POWERS_KW, TIDE, household, labelled
from cph50_pipeline_tests.unit.vehicles.named import UNSURE, in_turns, named

SLIP_DAY = 20.5


@pytest.fixture(scope="module")
def model() -> VehicleModel:
    return train(household(20)).model


@pytest.fixture(scope="module")
def with_a_slip() -> VehicleModel:
    """Learned from labels of which one calls an ember a tide."""
    slip: LabelledSession = replace(labelled(TIDE, POWERS_KW[EMBER], day=SLIP_DAY), session_id=f"s{SLIP_DAY}")
    return train([*household(20), slip]).model


def kinds(items: Sequence[ReviewItem]) -> list[tuple[str, str]]:
    return [(item.kind.value, item.session_id) for item in items]


def contradicted(day: float = 60) -> NamedSession:
    return named(TIDE, 8.55, day=day, by="manual", needs_review=True, reason="labelled by anna; but see")


def stranger(power_kw: float, day: float) -> NamedSession:
    return named("unknown", power_kw, day=day, by=None, needs_review=True, reason="plateau 7.20 kW")


def unsure(day: float, confidence: float = UNSURE) -> NamedSession:
    return named(EMBER, 8.6, day=day, confidence=confidence, needs_review=True)


def test_nothing_is_asked_about_sessions_that_are_clear(model: VehicleModel) -> None:
    clear = [*in_turns(20), named("unknown", None, by=None, day=90), named("unknown", 9, by="manual", day=91)]
    assert review(clear, model) == []
    assert review([], VehicleModel()) == []


def test_a_label_that_the_classifier_contradicts_is_shown_with_the_car_it_probably_was(
    model: VehicleModel,
) -> None:
    [item] = review([contradicted(), *in_turns(10)], model)
    assert (item.kind, item.vehicle_id, item.suggestion) == (ReviewKind.CONTRADICTED, TIDE, EMBER)
    assert item.sentence.startswith("Labelled tide; the classifier says ember (0.9")
    assert item.command == "cph50 label s60 ember --replace"
    assert item.todo == "If the label is a slip, correct it; if tide is right, confirm it"
    assert item.confirm_command == "cph50 label s60 tide --confirm"


def test_a_contradiction_that_is_less_clear_by_now_stays_as_it_was_found(model: VehicleModel) -> None:
    agreed = named(TIDE, 9.05, by="manual", needs_review=True, reason="labelled by anna; but see")
    [item] = review([agreed], model)
    assert (item.kind, item.suggestion) == (ReviewKind.CONTRADICTED, None)
    assert item.sentence == "Labelled tide: labelled by anna; but see"
    assert item.command == "cph50 label s60 CAR --replace"


def test_a_label_that_all_others_contradict_is_doubted_until_it_is_corrected_or_taken_back(
    with_a_slip: VehicleModel,
) -> None:
    assert with_a_slip.training.doubted == (f"s{SLIP_DAY}",)
    slip = named(TIDE, POWERS_KW[EMBER], day=SLIP_DAY, by="manual")
    [item] = review([slip, *in_turns(10)], with_a_slip)
    assert (item.kind, item.suggestion) == (ReviewKind.DOUBTED, EMBER)
    assert "all other labels contradict" in item.sentence

    corrected = named(EMBER, POWERS_KW[EMBER], day=SLIP_DAY, by="manual")
    taken_back = named(EMBER, POWERS_KW[EMBER], day=SLIP_DAY)
    assert review([corrected, *in_turns(10)], with_a_slip) == []
    assert review([taken_back, *in_turns(10)], with_a_slip) == []


def test_a_label_that_a_person_stands_by_is_not_asked_about_again(with_a_slip: VehicleModel) -> None:
    slip = named(TIDE, POWERS_KW[EMBER], day=SLIP_DAY, by="manual", confirmed=True)
    assert review([slip, *in_turns(10)], with_a_slip) == []


def test_a_car_that_moved_is_shown_also_when_its_newest_label_is_confirmed(model: VehicleModel) -> None:
    *sessions, newest = in_turns(60, moved=lambda car, day: 1.025 if car == TIDE else 1.0)
    confirmed = named(TIDE, POWERS_KW[TIDE] * 1.025, day=99, by="manual", confirmed=True)
    assert newest.case.session_id == confirmed.case.session_id
    [item] = review([*sessions, confirmed], model)
    assert (item.kind, item.session_id, item.confirm_command) == (ReviewKind.DRIFT, "s99", None)


def test_a_label_that_is_doubted_and_contradicted_is_one_thing_to_look_at(with_a_slip: VehicleModel) -> None:
    both = named(TIDE, POWERS_KW[EMBER], day=SLIP_DAY, by="manual", needs_review=True)
    assert kinds(review([both], with_a_slip)) == [("doubted", f"s{SLIP_DAY}")]


def test_a_car_that_moved_is_shown_once_with_its_newest_session(model: VehicleModel) -> None:
    sessions = in_turns(60, moved=lambda car, day: 1.025 if car == TIDE else 1.0)
    [item] = review(sessions, model)
    assert (item.kind, item.session_id, item.suggestion) == (ReviewKind.DRIFT, "s99", TIDE)
    assert "above the 9.0" in item.sentence
    assert item.command == "cph50 label s99 tide"


def test_a_car_that_left_the_household_need_not_be_learned_anew(model: VehicleModel) -> None:
    sessions = in_turns(60, moved=lambda car, day: 1.025 if car == TIDE else 1.0)
    after_it_left = named(EMBER, 8.55, day=200, candidates=(EMBER,))
    assert review([*sessions, after_it_left], model) == []


def test_a_session_like_no_car_is_a_stranger_and_says_how_many_are_alike(model: VehicleModel) -> None:
    items = review([stranger(7.2, 61), stranger(7.23, 62), stranger(10.1, 63)], model)
    assert kinds(items) == [("stranger", "s62"), ("stranger", "s61"), ("stranger", "s63")]
    assert ["as did 1 other near that power" in item.sentence for item in items] == [True, True, False]
    assert items[0].command == "cph50 label s62 CAR"


def test_a_session_named_with_little_confidence_is_to_be_confirmed(model: VehicleModel) -> None:
    [item] = review([unsure(61)], model)
    assert (item.kind, item.suggestion, item.command) == (ReviewKind.UNSURE, EMBER, "cph50 label s61 ember")
    assert f"{UNSURE:.2f}" in item.sentence


def test_a_session_that_the_classifier_failed_on_says_so(model: VehicleModel) -> None:
    failed = named("unknown", None, by=None, needs_review=True, reason="the classifier failed (E: no)")
    [item] = review([failed], model)
    assert (item.kind, item.suggestion) == (ReviewKind.UNSURE, None)
    assert "the classifier failed (E: no)" in item.sentence


def test_sessions_that_still_run_are_left_to_their_end(model: VehicleModel) -> None:
    running = named(EMBER, 8.6, final=False, confidence=UNSURE, needs_review=True)
    assert review([running], model) == []


def test_what_helps_most_comes_first(with_a_slip: VehicleModel) -> None:
    sessions = [
        unsure(150, 0.65),
        unsure(151, 0.4),
        stranger(7.2, 152),
        *in_turns(60, moved=lambda car, day: 1.025 if car == TIDE else 1.0),
        contradicted(153),
        named(TIDE, POWERS_KW[EMBER], day=SLIP_DAY, by="manual"),
    ]
    assert kinds(review(sessions, with_a_slip)) == [
        ("doubted", f"s{SLIP_DAY}"),
        ("contradicted", "s153"),
        ("drift", "s99"),
        ("stranger", "s152"),
        ("unsure", "s151"),
        ("unsure", "s150"),
    ]
    assert review(sessions[::-1], with_a_slip) == review(sessions, with_a_slip)


sessions_of_a_household = st.lists(
    st.tuples(
        st.sampled_from([EMBER, TIDE, "unknown"]),
        st.none() | st.floats(1.5, 12),
        st.sampled_from(["manual", "classifier", None]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=12,
)


@given(sessions_of_a_household)
def test_every_ended_session_that_needs_review_is_asked_about_once(
    drawn: list[tuple[str, float | None, str | None, bool, bool]],
) -> None:
    sessions = [
        named(car if by else "unknown", power, day=day, by=by, needs_review=needs_review, final=final)
        for day, (car, power, by, needs_review, final) in enumerate(drawn)
    ]
    asked = [
        item.session_id for item in review(sessions, VehicleModel()) if item.kind is not ReviewKind.DRIFT
    ]
    wanted = [
        one.case.session_id
        for one in sessions
        if one.classification.needs_review and one.classification.final
    ]
    assert sorted(asked) == sorted(wanted)


def test_without_labels_all_steady_sessions_are_grouped(model: VehicleModel) -> None:
    nameless = [replace_car(one) for one in in_turns(20)]
    groups = unnamed_groups([*nameless, named("unknown", None, by=None, day=99)], VehicleModel()).groups
    assert [len(group.session_ids) for group in groups] == [10, 10]
    assert [group.guess for group in groups] == [None, None]


def test_with_a_model_only_what_nobody_named_surely_is_grouped(model: VehicleModel) -> None:
    strangers = [stranger(7.2, 100 + day) for day in range(4)]
    guests = [named("unknown", 7.2, by="manual", day=110 + day) for day in range(3)]
    doubtful = [unsure(120 + day) for day in range(3)]
    proposal = unnamed_groups([*in_turns(20), *strangers, *guests, *doubtful], model)
    assert [(len(group.session_ids), group.guess) for group in proposal.groups] == [(4, None), (3, EMBER)]
    assert proposal.groups[1].labels_wanted == 1


def replace_car(one: NamedSession) -> NamedSession:
    unknown = one.classification.model_copy(
        update={"vehicle_id": "unknown", "confidence": 0.0, "labeled_by": None}
    )
    return replace(one, classification=unknown)
