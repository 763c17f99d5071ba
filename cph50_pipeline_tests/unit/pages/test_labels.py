"""What is asked about a session: its curve beside those of the cars, the answers, and who already said what."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Reading
from cph50_pipeline.pages.cars import cars_of
from cph50_pipeline.pages.labels import (
    HEIGHT,
    NONE_OF_OURS,
    WIDTH,
    Drawing,
    LabelOutcome,
    Points,
    RunShown,
    Said,
    Stay,
    Word,
    card,
    choices,
    counts,
    examples_of,
    is_waiting,
    learned,
    picture,
    since_charging,
    typical_power,
)
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.rendering import render
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.classifier import Case, Training, VehicleModel
from cph50_pipeline.vehicles.config import Vehicle, VehicleConfig
from cph50_pipeline.vehicles.features import fingerprint
from cph50_pipeline.vehicles.groups import Group
from cph50_pipeline.vehicles.labels import Label
from cph50_pipeline.vehicles.plateaus import NamedSession
from cph50_pipeline.vehicles.review import ReviewItem, ReviewKind

START = datetime(2026, 1, 7, 6, tzinfo=UTC)
ZONE = ZoneInfo("America/Los_Angeles")
CARS = cars_of(VehicleConfig(vehicles={"ember": Vehicle(nickname="Ember"), "tide": Vehicle(nickname="Tide")}))
POWERS = st.lists(st.none() | st.floats(0, 12), max_size=40)


def curve_of(*powers: float | None, minutes: float = 10) -> list[Reading]:
    """Readings in equal distances."""
    return [
        Reading(START + timedelta(minutes=minutes * place), 1.43 * place, power, "curve")
        for place, power in enumerate(powers)
    ]


def stay(**changes: Any) -> Stay:
    readings = curve_of(*[8.6] * 12)
    case = Case("1001", START, fingerprint(readings, None), ("ember", "tide"))
    values: dict[str, Any] = {
        "session_id": "1001",
        "vehicle_id": UNKNOWN_VEHICLE,
        "confidence": 0.0,
        "labeled_by": None,
        "labeled_at": None,
        "final": True,
        "needs_review": False,
        "reason": "no car is known",
        **changes,
    }
    return Stay("2026-01", NamedSession(case, Classification(**values)), START + timedelta(hours=2), 17.2)


def drawing(**changes: Any) -> Drawing:
    made = Drawing(CARS, ZONE, {"ember": [(0.0, 8.6), (60.0, 8.6)]}, {"1001": curve_of(*[8.6] * 12)}, {})
    return replace(made, **changes)


def test_a_curve_begins_when_the_car_begins_to_charge() -> None:
    assert since_charging(curve_of(0.0, 0.1, 8.0, None, 4.0)) == [(0.0, 8.0), (10.0, None), (20.0, 4.0)]
    assert since_charging(curve_of(0.0, 0.1, None)) == []


@given(st.lists(POWERS, max_size=6))
def test_what_is_typical_lies_between_what_was_seen_and_goes_on_without_holes(
    sessions: list[list[float | None]],
) -> None:
    points = [since_charging(curve_of(*powers)) for powers in sessions]
    seen = [power for one in points for _, power in one if power is not None]
    found = typical_power(points)
    assert [minute for minute, _ in found] == [5.0 * place for place in range(len(found))]
    for _, power in found:
        assert power is not None
        assert math.isfinite(power)
        assert min(seen) - 0.001 <= power <= max(seen) + 0.001


def test_what_is_typical_ends_when_more_than_half_have_ended() -> None:
    short: Points = [(0.0, 8.0), (30.0, 8.0)]
    long: Points = [(0.0, 9.0), (60.0, 9.0)]
    assert typical_power([short, short, long])[-1] == (30.0, 8.0)
    assert typical_power([short, long, long])[-1] == (60.0, 9.0)
    assert typical_power([]) == []


@given(POWERS)
def test_a_picture_stays_in_its_frame_whatever_was_read(powers: list[float | None]) -> None:
    found = picture(curve_of(*powers), ("ember", "tide"), drawing())
    if found is None:
        assert not any((power or 0) >= 0.5 for power in powers)
        return
    assert found.top_kw > max(power for power in powers if power is not None)
    for path in (*found.own.paths, *(path for line in found.typical for path in line.curve.paths)):
        for point in path.removeprefix("M").removesuffix("h0.01").split("L"):
            x, y = map(float, point.split())
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_only_cars_that_were_there_and_none_of_ours_are_answers_each_with_its_key() -> None:
    found = choices(["tide"], CARS, "tide", "ember")
    assert [(one.key, one.car.name, one.is_suggested, one.is_label) for one in found] == [
        ("1", "Tide", True, False),
        ("2", NONE_OF_OURS, False, False),
    ]


def test_from_the_tenth_answer_on_there_is_no_key() -> None:
    many = cars_of(VehicleConfig(vehicles={f"car{place:02}": Vehicle() for place in range(12)}))
    assert [one.key for one in choices([*many], many, None, None)][8:11] == ["9", "", ""]


def contradicted(**changes: Any) -> ReviewItem:
    values: dict[str, Any] = {
        "kind": ReviewKind.CONTRADICTED,
        "session_id": "1001",
        "start": START,
        "vehicle_id": "ember",
        "suggestion": "tide",
        "sentence": "Labelled ember; the classifier says tide (0.93)",
        "todo": "If the label is a slip, correct it; if ember is right, confirm it",
        "command": "cph50 label 1001 tide --replace",
        "confirm_command": "cph50 label 1001 ember --confirm",
        **changes,
    }
    return ReviewItem(**values)


def test_a_card_says_when_how_much_and_what_is_the_matter_in_the_households_words() -> None:
    label = Label(vehicle_id="ember", labeled_by="Anna", note="<i>")
    made = card(
        stay(vehicle_id="ember", labeled_by="manual", confidence=1.0),
        drawing(labels={"1001": label}),
        contradicted(),
    )
    assert made.start.isoformat() == "2026-01-06T22:00:00-08:00"
    assert (made.duration_seconds, made.energy_kwh) == (7200.0, 17.2)
    assert made.power_kw == pytest.approx(8.6)
    assert (made.kind, made.said_by, made.note) == ("Label contradicted", "by Anna", "<i>")
    assert made.sentence == "Labelled Ember; the classifier says Tide (93 %)"
    assert [one.car.name for one in made.choices if one.is_suggested] == ["Tide"]
    assert [one.car.name for one in made.choices if one.is_label] == ["Ember"]
    assert [one.car.name for one in made.choices if one.is_first] == ["Ember"]
    assert [one.car.name for one in made.choices if one.is_guess] == ["Tide"]
    assert made.dispute == "Anna said Ember; the program would say Tide. If Ember is right, confirm it"
    assert made.stands_by == CARS["ember"]


def test_only_a_label_that_is_contradicted_can_be_confirmed() -> None:
    by_hand = stay(vehicle_id="ember", labeled_by="manual", confidence=1.0)
    said = drawing(labels={"1001": Label(vehicle_id="ember")})
    moved = contradicted(kind=ReviewKind.DRIFT, confirm_command=None)
    assert card(by_hand, said).stands_by is None
    assert card(by_hand, said, moved).stands_by is None
    nobodys = drawing(labels={"1001": Label(vehicle_id=UNKNOWN_VEHICLE)})
    stands_by = card(stay(labeled_by="manual"), nobodys, contradicted()).stands_by
    assert stands_by is not None
    assert stands_by.name == NONE_OF_OURS


def test_a_card_says_that_a_label_was_confirmed() -> None:
    by_hand = stay(vehicle_id="ember", labeled_by="manual", confidence=1.0, confirmed=True)
    label = Label(vehicle_id="ember", labeled_by="Anna", confirmed=True)
    assert card(by_hand, drawing(labels={"1001": label})).said_by == "by Anna and confirmed"


def test_a_card_of_a_session_without_a_car_suggests_none() -> None:
    made = card(stay(), drawing())
    assert (made.kind, made.car.name, made.said_by) == ("Without a car", "Unknown", None)
    assert not any(one.is_suggested or one.is_label or one.is_first for one in made.choices)
    assert made.dispute == ""


def test_of_a_session_that_nobody_labelled_the_guess_stands_out_and_disputes_nothing() -> None:
    made = card(stay(vehicle_id="tide", labeled_by="classifier", confidence=0.9), drawing())
    assert [one.car.name for one in made.choices if one.is_first] == ["Tide"]
    assert not any(one.is_guess for one in made.choices)
    assert made.dispute == ""


@pytest.mark.parametrize(
    ("named", "said", "waits"),
    [
        ({}, None, False),
        ({}, "ember", True),
        ({"vehicle_id": "ember", "labeled_by": "manual"}, "ember", False),
        ({"vehicle_id": "ember", "labeled_by": "manual"}, "tide", True),
        ({"vehicle_id": "ember", "labeled_by": "manual"}, None, True),
        ({"vehicle_id": "ember", "labeled_by": "classifier"}, "ember", True),
        ({"vehicle_id": "ember", "labeled_by": "classifier"}, None, False),
    ],
)
def test_a_word_waits_until_it_is_in_force(named: dict[str, Any], said: str | None, waits: bool) -> None:
    assert is_waiting(stay(**named), None if said is None else Label(vehicle_id=said)) is waits


@pytest.mark.parametrize(("in_force", "said"), [(False, True), (True, False)])
def test_a_confirmation_waits_until_it_is_in_force(in_force: bool, said: bool) -> None:
    label = Label(vehicle_id="ember", confirmed=said)
    by_hand = {"vehicle_id": "ember", "labeled_by": "manual"}
    assert is_waiting(stay(**by_hand, confirmed=in_force), label)
    assert not is_waiting(stay(**by_hand, confirmed=said), label)


def test_what_waits_to_be_named_is_not_counted_as_without_a_car() -> None:
    stays = {"1001": stay()}
    assert counts(stays, set(), 3, 2).without_car == 1
    found = counts(stays, {"1001"}, 3, 2)
    assert (found.to_review, found.without_car, found.tellable, found.labelled) == (3, 0, 0, 2)


@given(st.integers(1, 8), st.integers(4, 12))
def test_a_click_labels_as_many_of_a_group_as_are_wanted_its_examples_first(wanted: int, size: int) -> None:
    ids = tuple(str(place) for place in range(size))
    group = Group(8.6, (), ids, START, START, ids[1:4], min(wanted, size), None)
    found = examples_of(group)
    assert len(found) == len({*found}) == min(wanted, size)
    assert found[:3] == ids[1:4][: len(found)]


def test_a_confusion_matrix_has_a_row_a_true_car_and_a_column_a_given_one() -> None:
    scores = {
        "sessions": 20,
        "coverage": 0.95,
        "accuracy": 1.0,
        "log_loss": 0.1,
        "brier": None,
        "expected_calibration_error": None,
        "confusion": {"ember": {"ember": 9, UNKNOWN_VEHICLE: 1}, "tide": {"tide": 8, "gone": 2}},
        "reliability": (),
    }
    found = learned(VehicleModel(training=Training.model_validate({"validated": scores})), CARS)
    assert [car.name for car in found.across] == ["Ember", "Tide", "Unknown", "gone"]
    assert [(truth.name, row) for truth, row in found.confusion] == [
        ("Ember", (9, 0, 1, 0)),
        ("Tide", (0, 8, 0, 2)),
    ]
    assert found.version == ""


def test_a_card_whose_label_is_not_in_force_yet_is_told_to_wait() -> None:
    said = drawing(labels={"1001": Label(vehicle_id="ember")})
    assert card(stay(), said).is_waiting
    assert not card(stay(vehicle_id="ember", labeled_by="manual"), said).is_waiting


def outcome_text(word: Word, runs: Sequence[RunShown], back_to: Said | None) -> str:
    found = LabelOutcome((word,), tuple(runs), "{}", back_to, "/label/outcome?done=1001", "/label?done=1001")
    person = SimpleNamespace(csrf="x")
    return render("label_outcome", links=ServedLinks(), zone="UTC", outcome=found, counts=None, person=person)


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ((), "nothing is on record"),
        (("unknown",), "nothing is on record"),
        (("running", "succeeded"), "is being named again…"),
        (("succeeded",), "Done: shown everywhere"),
        (("failed",), "could not be named again"),
    ],
)
def test_what_came_of_a_click_is_told_in_the_households_words(states: tuple[str, ...], words: str) -> None:
    word = Word("1001", START, START.date(), None, None, "")
    runs = tuple(RunShown(str(uuid4()), state, (), None) for state in states)
    text = outcome_text(word, runs, Said(CARS["ember"], is_confirmed=False))
    assert words in text
    assert "Label it" in text
    assert 'class="redo"' in text
    assert ('href="/label?done=1001"' in text) == ("running" in states)
    assert "/runs/" not in text


def test_what_was_confirmed_is_told_and_can_be_confirmed_again() -> None:
    ember = Said(CARS["ember"], is_confirmed=True)
    confirmed = outcome_text(Word("1001", START, START.date(), ember, None, ""), (), None)
    assert "and confirmed" in confirmed
    assert 'class="undo"' in confirmed
    undone = Word("1001", START, START.date(), replace(ember, is_confirmed=False), None, "")
    text = outcome_text(undone, (), ember)
    assert "and confirmed" not in text
    assert "Confirm" in text
    assert 'class="redo"' in text
