from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.labels import (
    Label,
    LabelMap,
    check_car,
    labelled,
    new_label,
    person,
    unlabelled,
    with_label,
)

CARS = ("ember", "tide")
EXAMPLE = Path(__file__).parents[3] / "data" / "session_vehicle_map.example.json"


def read(document: object) -> LabelMap:
    return LabelMap.read(document, "session_vehicle_map.json", CARS)


def test_the_shipped_example_holds_no_label() -> None:
    assert read(json.loads(EXAMPLE.read_text())).truths() == {}


def test_an_entry_says_which_car_who_says_so_and_when() -> None:
    entry = {
        "vehicle": "ember",
        "labeled_by": "anna",
        "labeled_at": "2026-01-07T08:00:00+02:00",
        "note": "saw it",
    }
    label = read({"41": entry}).truth("41")
    assert label is not None
    assert (label.vehicle_id, label.labeled_by, label.note) == ("ember", "anna", "saw it")
    assert label.labeled_at == datetime(2026, 1, 7, 6, tzinfo=UTC)


def test_a_bare_vehicle_is_a_label_by_hand() -> None:
    label = read({"41": "tide"}).truth("41")
    assert label is not None
    assert (label.vehicle_id, label.labeled_by, label.labeled_at) == ("tide", "manual", None)


def test_a_person_may_say_that_it_was_none_of_the_cars() -> None:
    label = read({"41": "unknown"}).truth("41")
    assert label is not None
    assert label.vehicle_id == "unknown"


@pytest.mark.parametrize("author", ["labeled_by", "source"])
def test_what_the_classifier_wrote_is_carried_along_but_is_not_truth(author: str) -> None:
    labels = read({"41": {"vehicle_id": "volvo", author: "classifier"}, "42": "ember"})
    assert labels.truth("41") is None
    assert list(labels.truths()) == ["42"]
    assert list(labels.document()) == ["41", "42"]


def test_labels_are_written_in_one_shape_sorted_and_read_back_as_they_were() -> None:
    written = read(
        {"42": "ember", "41": {"vehicle": "tide", "labeled_at": "2026-01-07T06:00:01Z"}}
    ).document()
    assert list(written) == ["41", "42"]
    assert written["41"] == {
        "vehicle_id": "tide",
        "labeled_by": "manual",
        "labeled_at": "2026-01-07T06:00:01+00:00",
        "note": None,
    }
    assert read(written).document() == written


@pytest.mark.parametrize(
    "entry",
    [
        "bus",
        {"vehicle_id": "bus"},
        {},
        None,
        7,
        [],
        "",
        {"vehicle_id": 7},
        {"vehicle_id": "ember", "labeled_at": "yesterday"},
        {"vehicle_id": "ember", "labeled_at": "2026-01-07T06:00:00"},
        {"vehicle_id": "ember", "labeled_at": 1767765601},
        {"vehicle_id": "ember", "labeled_by": ""},
        {"vehicle_id": "ember", "confirmed": "yes"},
        {"vehicle_id": "ember", "confirmed": None},
    ],
)
def test_a_wrong_entry_is_named_with_its_session_and_file(entry: object) -> None:
    with pytest.raises(BadInputError) as raised:
        read({"40": "ember", "41": entry})
    assert "session_vehicle_map.json: session 41" in str(raised.value)


def test_an_unknown_vehicle_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(BadInputError, match=r"no vehicle 'bus'.*ember, tide"):
        read({"41": "bus"})


def test_a_file_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"session_vehicle_map\.json"):
        read([])


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["vehicle_id", "labeled_by", "labeled_at", "note", "confirmed"]), inner
                )
            ),
        ),
        max_size=3,
    )
)
def test_any_json_is_either_read_or_refused(document: dict[str, object]) -> None:
    try:
        labels = read(document)
    except BadInputError:
        return
    assert read(labels.document()).document() == labels.document()


def test_another_programs_map_is_told_apart_and_can_be_imported() -> None:
    with pytest.raises(BadInputError, match="cph50 import FILE"):
        read({"sessions": {"41": {"vehicle": "ember"}}, "statistics": {}})


HOUSEHOLD = VehicleConfig.read(
    {"vehicles": {"ember": {}, "tide": {"valid_periods": [{"from": "2024-02-01", "to": "2025-06-30"}]}}},
    "vehicle_config.json",
)
LABEL = Label(vehicle_id="ember", labeled_at=datetime(2026, 1, 7, 6, 0, 1, tzinfo=UTC))


def by(person: str, car: str = "tide", note: str | None = None) -> dict[str, str | None]:
    return {"vehicle_id": car, "labeled_by": person, "labeled_at": None, "note": note}


def test_a_label_is_added_with_who_when_and_note() -> None:
    assert labelled({}, "41", LABEL.model_copy(update={"note": "saw it"})) == {
        "41": {
            "vehicle_id": "ember",
            "labeled_by": "manual",
            "labeled_at": "2026-01-07T06:00:01+00:00",
            "note": "saw it",
        }
    }


@pytest.mark.parametrize(
    "before",
    [
        by("manual"),
        "tide",
        {"vehicle": "tide", "source": "manual"},
        {"vehicle": "tide", "source": "classifier", "confidence": 1.0},
    ],
    ids=["his own", "a bare car", "older names", "the classifier's"],
)
def test_a_persons_own_label_and_the_classifiers_are_replaced(before: object) -> None:
    changed = labelled({"41": before}, "41", LABEL)
    label = read(changed).truth("41")
    assert label == LABEL
    assert "vehicle" not in changed["41"]
    assert "confidence" not in changed["41"]


def test_another_persons_word_for_another_car_is_replaced_only_when_told_to() -> None:
    with pytest.raises(BadInputError, match=r"Session 41 is labelled tide by ann, not ember.*--replace"):
        labelled({"41": by("ann")}, "41", LABEL)
    assert read(labelled({"41": by("ann")}, "41", LABEL, replace=True)).truth("41") == LABEL


@pytest.mark.parametrize(
    "before", [by("ann", "ember", "red"), {**by("ann", "ember"), "photo": "a.jpg"}, "ember"]
)
def test_who_names_the_same_car_again_changes_nothing(before: object) -> None:
    assert labelled({"41": before}, "41", LABEL) == {"41": before}


def test_a_new_note_is_taken_in_and_who_said_so_first_stays() -> None:
    before = {**by("ann", "ember"), "labeled_at": "2026-01-01T00:00:00+00:00", "photo": "a.jpg"}
    noted = labelled({"41": before}, "41", LABEL.model_copy(update={"note": "red one"}))
    assert noted == {"41": {**before, "note": "red one"}}


def test_a_label_is_confirmed_where_it_says_so_and_only_then_is_that_written() -> None:
    written = read({"41": {"vehicle_id": "tide", "confirmed": True}, "42": by("ann")}).document()
    assert written["41"]["confirmed"] is True
    assert "confirmed" not in written["42"]
    said = read(written).truths()
    assert (said["41"].confirmed, said["42"].confirmed) == (True, False)


def test_a_first_label_can_be_confirmed_at_once() -> None:
    label = new_label("ember", "ann", None, datetime(2026, 1, 7, tzinfo=UTC), confirmed=True)
    assert labelled({}, "41", label)["41"]["confirmed"] is True


@pytest.mark.parametrize("before", [{**by("ann", "ember", "red"), "photo": "a.jpg"}, by("manual", "ember")])
def test_who_confirms_a_label_changes_nothing_else_of_it(before: dict[str, object]) -> None:
    confirmed = labelled({"41": before}, "41", LABEL.model_copy(update={"confirmed": True}))
    assert confirmed == {"41": {**before, "confirmed": True}}
    assert labelled(confirmed, "41", LABEL) == confirmed, "the same car said again takes nothing back"
    noted = labelled(confirmed, "41", LABEL.model_copy(update={"note": "blue"}))
    assert noted == {"41": {**before, "note": "blue", "confirmed": True}}


def test_another_car_drops_the_confirmation() -> None:
    confirmed = {"41": {**by("manual"), "confirmed": True, "photo": "a.jpg"}}
    assert "confirmed" not in labelled(confirmed, "41", LABEL)["41"]


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_label_that_is_put_back_stands_as_it_did(confirmed: bool) -> None:
    before = Label(vehicle_id="tide", labeled_by="ann", note="red", confirmed=confirmed)
    document = {"41": before.model_dump(mode="json"), "42": "ember"}
    for car in CARS:
        word = Label(vehicle_id=car, confirmed=not confirmed)
        changed = labelled(document, "41", word, replace=True)
        assert dump_json(with_label(changed, "41", before)) == dump_json(document)
    assert with_label({}, "41", before) == {"41": document["41"]}


def test_a_label_that_is_not_there_cannot_be_taken_back() -> None:
    with pytest.raises(BadInputError, match="Session 41 has no label"):
        unlabelled({"42": "ember"}, "41")


ENTRIES = st.sampled_from(CARS) | st.fixed_dictionaries(
    {"vehicle_id": st.sampled_from([*CARS, "unknown"])},
    optional={
        "labeled_by": st.sampled_from(["manual", "ann", "classifier"]),
        "note": st.none() | st.text(),
        "photo": st.text(),
        "certainty": st.floats(allow_nan=False, allow_infinity=False) | st.integers() | st.booleans(),
    },
)
DOCUMENTS = st.dictionaries(st.from_regex(r"[0-9]{1,3}", fullmatch=True), ENTRIES, max_size=5)


@given(DOCUMENTS, st.sampled_from(CARS))
def test_a_label_that_is_taken_back_leaves_the_file_as_it_was(document: dict[str, object], car: str) -> None:
    label = LABEL.model_copy(update={"vehicle_id": car})
    assert dump_json(unlabelled(labelled(document, "0041", label), "0041")) == dump_json(document)


@given(DOCUMENTS, st.from_regex(r"[0-9]{1,3}", fullmatch=True), st.none() | st.text(min_size=1))
def test_an_edit_keeps_every_other_entry_and_what_we_do_not_know_of_this_one(
    document: dict[str, object], session_id: str, note: str | None
) -> None:
    before = json.dumps(document)
    changed = labelled(document, session_id, LABEL.model_copy(update={"note": note}), replace=True)
    assert json.dumps(document) == before, "the caller's document is left alone"
    others = document.keys() - {session_id}
    assert {id_: changed[id_] for id_ in others} == {id_: document[id_] for id_ in others}
    assert changed.keys() == others | {session_id}
    said = read(document).truth(session_id)
    entry = document.get(session_id)
    if said is not None and isinstance(entry, dict):
        own = {name: value for name, value in entry.items() if name in ("photo", "certainty")}
        assert own.items() <= changed[session_id].items()
    assert read(changed).truths()[session_id].vehicle_id == "ember"


@pytest.mark.parametrize("car", ["ember", "tide", "unknown"])
def test_a_car_that_was_there_that_day_and_none_of_the_cars_may_be_named(car: str) -> None:
    check_car(car, HOUSEHOLD, date(2025, 6, 30))


def test_a_car_that_was_not_there_that_day_is_refused_with_those_that_were() -> None:
    with pytest.raises(BadInputError) as raised:
        check_car("tide", HOUSEHOLD, date(2025, 7, 1))
    assert "tide was not in the household on 2025-07-01 (it was from 2024-02-01 to 2025-06-30)" in str(
        raised.value
    )
    assert "There on that day: ember." in str(raised.value)


def test_a_car_of_nobody_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(BadInputError, match=r"no vehicle 'bus'.*ember, tide"):
        check_car("bus", HOUSEHOLD, date(2025, 7, 1))


@pytest.mark.parametrize("name", ["", "  ", "classifier", "Classifier "])
def test_nobody_labels_without_a_name_or_as_the_classifier(name: str) -> None:
    with pytest.raises(BadInputError, match="not somebody who can label"):
        person(name)


def test_a_name_is_taken_without_the_blanks_around_it() -> None:
    assert person(" ann ") == "ann"
