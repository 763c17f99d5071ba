from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.labels import LabelMap

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
                | st.dictionaries(st.sampled_from(["vehicle_id", "labeled_by", "labeled_at", "note"]), inner)
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
