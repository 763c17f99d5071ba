from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.label_import import ImportedLabels, merged, read_labels
from cph50_pipeline.vehicles.labels import Label

CARS = ("ember", "tide")
SURROUNDINGS = {
    "unknown_sessions": [],
    "last_updated": "2026-01-10T23:22:41.590427+00:00",
    "statistics": {"total_sessions": 3, "labeled_sessions": 2, "unknown": 0},
}


def read(document: object, aliases: dict[str, str] | None = None, author: str = "manual") -> ImportedLabels:
    return read_labels(document, "map.json", CARS, aliases or {}, author)


def cars(found: ImportedLabels) -> dict[str, str]:
    return {id_: label.vehicle_id for id_, label in found.labels.items()}


def test_the_old_programs_map_gives_its_owners_labels_and_none_of_its_classifiers() -> None:
    made = {"confidence": 1.0, "source": "classifier", "labeled_at": "2026-01-13T04:31:28.745652Z"}
    said = {"confidence": None, "source": "manual", "labeled_at": "2026-01-09T17:30:00Z"}
    entries = {"41": {"vehicle": "ember", **made}, "42": {"vehicle": "tide", **said}}
    found = read({"sessions": entries, **SURROUNDINGS})
    assert found.labels == {
        "42": Label(vehicle_id="tide", labeled_at=datetime(2026, 1, 9, 17, 30, tzinfo=UTC))
    }
    assert found.by_machine == ["41"]
    assert found.refused == []


@pytest.mark.parametrize(
    "document",
    [
        {"42": "tide"},
        {"42": {"vehicle": "tide"}},
        {"42": {"vehicle_id": "tide", "labeled_by": "manual", "labeled_at": None, "note": None}},
        {"sessions": {"42": "tide"}},
        {"labels": {"42": {"vehicle_id": "tide"}}},
        {"42": "tide", **SURROUNDINGS},
        {"sessions": {"42": {"vehicle": "tide", "confidence": "high"}}},
    ],
)
def test_a_map_is_read_in_every_shape_it_may_have(document: object) -> None:
    assert read(document).labels == {"42": Label(vehicle_id="tide")}


@pytest.mark.parametrize(
    "source", ["classifier", "Classifier", "batch", "auto-classifier", "ml_model", "api"]
)
def test_what_a_machine_says_is_no_label(source: str) -> None:
    found = read({"42": {"vehicle": "bus", "source": source}})
    assert (found.labels, found.by_machine, found.refused) == ({}, ["42"], [])


def test_who_is_87_percent_sure_and_has_no_name_is_a_machine() -> None:
    assert read({"42": {"vehicle": "tide", "confidence": 0.87}}).by_machine == ["42"]
    assert cars(read({"42": {"vehicle": "tide", "confidence": 0.87, "source": "ann"}})) == {"42": "tide"}


@pytest.mark.parametrize("vehicle", [None, "", "unknown", "Unknown"])
def test_an_entry_that_names_no_car_was_never_labelled(vehicle: str | None) -> None:
    assert read({"41": "tide", "42": {"vehicle": vehicle}}).without_car == ["42"]


def test_a_person_may_say_that_it_was_none_of_the_cars() -> None:
    assert cars(read({"42": {"vehicle": "Unknown", "source": "ann"}})) == {"42": "unknown"}


@pytest.mark.parametrize(("written", "confirmed"), [(True, True), (False, False), ("yes", False), (1, False)])
def test_a_label_that_somebody_stood_by_is_stood_by_here(written: object, confirmed: bool) -> None:
    found = read({"42": {"vehicle_id": "tide", "confirmed": written}})
    assert found.refused == []
    assert found.labels["42"].confirmed is confirmed


def test_short_names_of_cars_are_read_by_what_they_are_mapped_to() -> None:
    document = {"41": "sereni", "42": "volvo", "43": "rental", "44": "ember"}
    found = read(document, {"sereni": "ember", "volvo": "tide", "rental": "unknown"})
    assert cars(found) == {"41": "ember", "42": "tide", "43": "unknown", "44": "ember"}


def test_who_said_so_is_kept_and_given_where_the_map_does_not_say() -> None:
    document = {
        "41": "tide",
        "42": {"vehicle": "tide", "source": "manual"},
        "43": {"vehicle": "tide", "source": "bo"},
    }
    found = read(document, author="ann")
    assert [label.labeled_by for label in found.labels.values()] == ["ann", "ann", "bo"]


@pytest.mark.parametrize("written", ["2026-01-09T17:30:00", "2026-01-09"])
def test_a_time_without_an_offset_names_no_instant_and_is_left_out(written: str) -> None:
    assert read({"42": {"vehicle": "tide", "labeled_at": written}}).labels["42"].labeled_at is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("volvo", "session 42: there is no vehicle 'volvo'"),
        ({"vehicle": 7}, "session 42: vehicle_id"),
        ({"vehicle": ["tide"]}, "session 42: vehicle_id"),
        ({"vehicle": "tide", "labeled_at": "yesterday"}, "session 42: labeled_at"),
        ({"vehicle": "tide", "labeled_at": 1767765601}, "session 42: labeled_at"),
        ({"vehicle": "tide", "source": 7}, "session 42: labeled_by"),
        ({"vehicle": "tide", "note": 7}, "session 42: note"),
        (7, "session 42: vehicle_id"),
    ],
)
def test_each_entry_that_cannot_be_used_has_a_line_and_hides_no_other(entry: object, words: str) -> None:
    found = read({"41": "ember", "42": entry})
    [line] = found.refused
    assert line.startswith(words)
    assert cars(found) == {"41": "ember"}


def test_what_is_no_session_is_refused_by_name() -> None:
    assert read({"sessions": {"41": "ember", "a b": "tide"}}).refused == ["'a b' is not the id of a session"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        [{"session_id": "42", "vehicle_id": "tide"}],
        "tide",
        None,
        {},
        {"vehicles": {"tide": {"year": 2024}}, "last_updated": None},
        {"month": "2026-01", "closed": False, "sessions": {"42": {"activity": {}, "status": None}}},
        {"session_id": "42", "vehicle_id": "tide", "labeled_by": "classifier"},
        {"2026": 7},
        {"runs": []},
    ],
)
def test_anything_else_is_refused_with_what_can_be_imported(document: object) -> None:
    with pytest.raises(BadInputError) as raised:
        read(document)
    assert str(raised.value).startswith(
        "map.json holds no labels. Nothing was imported. What can be imported is"
    )


def test_a_map_without_sessions_is_a_map_without_labels() -> None:
    assert read({"sessions": {}, **SURROUNDINGS}) == ImportedLabels()


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(CARS),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(["vehicle", "source", "labeled_at", "note", "confidence"]), inner
                )
            ),
        ),
        max_size=3,
    )
)
def test_every_entry_of_any_map_is_taken_in_left_out_or_refused(entries: dict[str, object]) -> None:
    found = read({"sessions": {"1": "ember", **entries}})
    outcomes = [*found.labels, *found.by_machine, *found.without_car, *found.refused]
    assert len(outcomes) == len({"1", *entries})
    json.dumps([label.model_dump(mode="json") for label in found.labels.values()])


@pytest.mark.parametrize("author", ["manual", "ben"])
def test_an_imported_label_replaces_none_that_names_another_car_whoever_made_it(author: str) -> None:
    there = {"41": {"vehicle_id": "ember", "labeled_by": author}}
    imported = read({"41": "tide", "42": "tide"}).labels
    kept = merged(there, imported, replace=False)
    assert kept.document == there
    [line] = kept.refused
    assert "41" in line
    replaced = merged(there, imported, replace=True)
    assert {id_: entry["vehicle_id"] for id_, entry in replaced.document.items()} == {
        "41": "tide",
        "42": "tide",
    }


def test_an_import_done_twice_adds_nothing_the_second_time() -> None:
    imported = read({"41": "tide"}).labels
    once = merged({}, imported, replace=False)
    again = merged(once.document, imported, replace=False)
    assert (again.document, again.added, again.already_there) == (once.document, (), ("41",))
