from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.vehicles.config import (
    VehicleConfig,
    candidates,
    with_edited_vehicle,
    with_retired_vehicle,
    with_vehicle,
)

EXAMPLE = Path(__file__).parents[3] / "data" / "vehicle_config.example.json"
DOCUMENTED_FIELDS = {
    "nickname", "year", "make", "model", "trim", "battery_capacity_kwh", "max_charge_rate_kw", "paint_color",
    "paint_color_hex", "display_color", "efficiency_mi_per_kwh", "characteristics",
}  # fmt: skip


def read(vehicles: object) -> VehicleConfig:
    return VehicleConfig.read({"vehicles": vehicles}, "vehicle_config.json")


def test_the_shipped_example_describes_two_cars_with_every_documented_field() -> None:
    config = VehicleConfig.read(json.loads(EXAMPLE.read_text()), EXAMPLE.name)
    assert sorted(config.vehicles) == ["ember_hatch_2023", "tide_suv_2024"]
    for vehicle in config.vehicles.values():
        assert vehicle.model_dump().keys() >= DOCUMENTED_FIELDS
        assert not vehicle.model_extra
        assert all(value is not None for value in vehicle.model_dump().values())


def test_a_car_is_a_candidate_only_while_it_is_in_the_household() -> None:
    config = read({
        "always": {},
        "sold": {"valid_periods": [{"from": "2023-01-01", "to": "2025-06-30"}]},
        "bought": {"valid_periods": [{"from": "2025-07-01"}]},
        "lent": {"valid_periods": [{"to": "2024-01-31"}, {"from": "2025-06-30", "to": "2025-06-30"}]},
    })  # fmt: skip
    assert candidates(config, date(2025, 6, 30)) == ["always", "lent", "sold"]
    assert candidates(config, date(2025, 7, 1)) == ["always", "bought"]
    assert candidates(config, date(2024, 1, 31)) == ["always", "lent", "sold"]


def test_fields_that_we_do_not_know_are_kept() -> None:
    config = read({"ember": {"towbar": True}})
    assert config.model_dump()["vehicles"]["ember"]["towbar"] is True


def test_a_reader_is_shown_name_make_and_model_of_each_car() -> None:
    cards = read({"ember": {"make": "M"}}).cards()
    assert (cards["ember"].name, cards["ember"].make, cards["ember"].model) == ("M", "M", None)


def test_a_car_is_called_by_its_nickname_or_make_and_model_or_id() -> None:
    config = read({"a": {"nickname": "Ash", "make": "M"}, "b": {"make": "M", "model": "X"}, "c": {}})
    names = [vehicle.display_name(id_) for id_, vehicle in config.vehicles.items()]
    assert names == ["Ash", "M X", "c"]


@pytest.mark.parametrize(
    ("vehicles", "named"),
    [
        ({"ember": {"efficiency_mi_per_kwh": "lots"}}, "vehicles.ember.efficiency_mi_per_kwh"),
        ({"ember": {"battery_capacity_kwh": -1}}, "vehicles.ember.battery_capacity_kwh"),
        ({"ember": {"valid_periods": [{"from": "2025-02-30"}]}}, "vehicles.ember.valid_periods.0.from"),
        ({"ember": {"valid_periods": [{"from": "2025-02-02", "to": "2025-02-01"}]}}, "ends before it begins"),
        ({"ember": {"valid_periods": [{"until": "2025-02-01"}]}}, "vehicles.ember.valid_periods.0.until"),
        ({"unknown": {}}, "'unknown' cannot be the id of a car"),
        ({"": {}}, "vehicles"),
        ([], "vehicles"),
    ],
)
def test_a_wrong_entry_is_named_with_its_file(vehicles: object, named: str) -> None:
    with pytest.raises(BadInputError) as raised:
        read(vehicles)
    assert "vehicle_config.json" in str(raised.value)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    ("vehicles", "said"),
    [
        ({"Tide": {}}, "vehicles.Tide: an id is lower case letters, digits, - and _, and begins with"),
        ({"unknown": {}}, "vehicle_config.json: 'unknown' cannot be the id of a car"),
        (
            {"tide": {"valid_periods": [{"from": "2025-01-02", "to": "2025-01-01"}]}},
            "vehicles.tide.valid_periods.0: ends before it begins",
        ),
    ],
)
def test_what_is_wrong_is_said_in_words_for_people_and_not_for_programmers(
    vehicles: object, said: str
) -> None:
    with pytest.raises(BadInputError) as raised:
        read(vehicles)
    assert said in str(raised.value)
    assert not any(word in str(raised.value) for word in ("Value error", "pattern", "[key]"))


def test_a_file_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"vehicle_config\.json"):
        VehicleConfig.read(["ember"], "vehicle_config.json")


NOW = datetime(2026, 1, 20, 18, 0, 0, 5, tzinfo=UTC)
STAMP = "2026-01-20T18:00:00+00:00"
OPEN = {"from": "2024-02-01", "to": None}


def household(**vehicles: object) -> dict[str, Any]:
    return {"vehicles": vehicles, "last_updated": "2026-01-01T00:00:00+00:00", "garage": "two doors"}


def periods(document: Mapping[str, Any], vehicle_id: str = "tide") -> object:
    return document["vehicles"][vehicle_id]["valid_periods"]


def test_a_car_is_added_with_the_fields_that_are_known_in_their_types() -> None:
    fields = {"nickname": "42", "year": "2024", "battery_capacity_kwh": "85", "trim": ""}
    added = with_vehicle(household(ember={}), "tide", fields, {"from": "2024-02-01"}, NOW)
    assert added == {
        "vehicles": {
            "ember": {},
            "tide": {
                "nickname": "42", "year": 2024, "battery_capacity_kwh": 85.0, "trim": None, "valid_periods": [OPEN],
            },
        },
        "last_updated": STAMP,
        "garage": "two doors",
    }  # fmt: skip


def test_the_first_car_makes_the_file() -> None:
    assert with_vehicle({}, "tide", {}, {}, NOW) == {"vehicles": {"tide": {}}, "last_updated": STAMP}


def test_a_car_that_is_there_is_not_added_again() -> None:
    with pytest.raises(BadInputError, match=r"'tide' already.*cph50 vehicles edit tide"):
        with_vehicle(household(tide={}), "tide", {}, {}, NOW)


@pytest.mark.parametrize("edit", [with_vehicle, with_edited_vehicle])
@pytest.mark.parametrize(
    ("fields", "days", "words"),
    [
        ({"year": "soon"}, {}, "vehicles.tide.year: "),
        ({"battery_capacity_kwh": "-1"}, {}, "vehicles.tide.battery_capacity_kwh: "),
        ({"paint_color_hex": "blue"}, {}, "vehicles.tide.paint_color_hex: "),
        ({"colour": "blue"}, {}, "no field 'colour' to set. Fields are: battery_capacity_kwh, "),
        ({"valid_periods": "[]"}, {}, "no field 'valid_periods' to set"),
        ({}, {"from": "2025-01-02", "to": "2025-01-01"}, "ends before it begins"),
    ],
)
def test_what_a_car_cannot_have_is_refused_by_name(
    edit: Callable[..., object], fields: dict[str, str], days: dict[str, str], words: str
) -> None:
    document = {} if edit is with_vehicle else household(tide={})
    with pytest.raises(BadInputError) as raised:
        edit(document, "tide", fields, days, NOW)
    assert words in str(raised.value)


@pytest.mark.parametrize("vehicle_id", ["unknown", "", "Tide", "a b", "-tide"])
def test_an_id_that_no_car_can_have_is_refused(vehicle_id: str) -> None:
    with pytest.raises(BadInputError, match=r"vehicles|'unknown' cannot be the id"):
        with_vehicle({}, vehicle_id, {}, {}, NOW)


@pytest.mark.parametrize(
    "edit",
    [
        lambda document: with_edited_vehicle(document, "bus", {"year": "2024"}, {}, NOW),
        lambda document: with_retired_vehicle(document, "bus", date(2026, 1, 1), NOW),
    ],
    ids=["edit", "retire"],
)
def test_a_car_that_is_not_there_is_refused_with_those_that_are(edit: Callable[..., object]) -> None:
    with pytest.raises(BadInputError, match=r"no vehicle 'bus'. There are: ember, tide"):
        edit(household(tide={}, ember={}))


def test_an_edit_changes_the_fields_that_it_names_and_empties_one_without_a_value() -> None:
    before = household(
        tide={"year": 2023, "trim": "Touring", "towbar": True, "tyres": "summer"}, ember={"year": 1}
    )
    edited = with_edited_vehicle(before, "tide", {"year": "2024", "trim": "", "tyres": "winter"}, {}, NOW)
    assert edited["vehicles"] == {
        "tide": {"year": 2024, "trim": None, "towbar": True, "tyres": "winter"},
        "ember": {"year": 1},
    }


def test_an_edit_that_says_nothing_new_changes_nothing() -> None:
    before = household(tide={"year": 2024, "battery_capacity_kwh": 85})
    assert (
        with_edited_vehicle(before, "tide", {"year": "2024", "battery_capacity_kwh": "85"}, {}, NOW) == before
    )


@pytest.mark.parametrize(
    ("before", "days", "after"),
    [
        ({}, {"from": "2024-02-01"}, OPEN),
        ({"valid_periods": [OPEN]}, {"to": "2025-06-30"}, {"from": "2024-02-01", "to": "2025-06-30"}),
        ({"valid_periods": [{"to": "2025-06-30"}]}, {"to": None}, {"from": None, "to": None}),
    ],
)
def test_the_days_of_a_car_are_corrected(
    before: dict[str, object], days: dict[str, str | None], after: dict[str, str | None]
) -> None:
    assert periods(with_edited_vehicle(household(tide=before), "tide", {}, days, NOW)) == [after]


def test_of_several_periods_none_is_guessed_at() -> None:
    twice = {"valid_periods": [{"to": "2024-01-31"}, {"from": "2025-06-30"}]}
    with pytest.raises(BadInputError, match="2 times"):
        with_edited_vehicle(household(tide=twice), "tide", {}, {"from": "2025-06-01"}, NOW)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, [{"from": None, "to": "2026-01-31"}]),
        ({"valid_periods": [OPEN]}, [{**OPEN, "to": "2026-01-31"}]),
        ({"valid_periods": [{"from": "2026-01-31"}]}, [{"from": "2026-01-31", "to": "2026-01-31"}]),
        ({"valid_periods": [{**OPEN, "to": "2026-06-30"}]}, [{**OPEN, "to": "2026-01-31"}]),
        (
            {"valid_periods": [{"to": "2024-01-31"}, OPEN]},
            [{"to": "2024-01-31"}, {**OPEN, "to": "2026-01-31"}],
        ),
    ],
)
def test_a_car_that_leaves_is_a_candidate_until_its_last_day(
    before: dict[str, object], after: list[dict[str, object]]
) -> None:
    retired = with_retired_vehicle(household(tide=before, ember={}), "tide", date(2026, 1, 31), NOW)
    assert periods(retired) == after
    config = VehicleConfig.read(retired, "vehicle_config.json")
    assert candidates(config, date(2026, 1, 31)) == ["ember", "tide"]
    assert candidates(config, date(2026, 2, 1)) == ["ember"]


@pytest.mark.parametrize(
    ("valid_periods", "why"),
    [
        ([{"to": "2025-12-31"}], "is not in the household on that day (it is there to 2025-12-31)"),
        ([{"from": "2026-02-01"}], "comes back later"),
        ([{"to": "2026-01-31"}, {"from": "2026-03-01"}], "comes back later"),
    ],
)
def test_a_car_that_is_not_there_or_comes_back_cannot_leave(valid_periods: list[object], why: str) -> None:
    with pytest.raises(BadInputError) as raised:
        with_retired_vehicle(household(tide={"valid_periods": valid_periods}), "tide", date(2026, 1, 31), NOW)
    assert why in str(raised.value)


def test_a_car_that_has_left_on_that_day_stays_as_it_is() -> None:
    before = household(tide={"valid_periods": [{"to": "2026-01-31"}]})
    assert with_retired_vehicle(before, "tide", date(2026, 1, 31), NOW) == before


IDS = st.sampled_from(["ember", "tide", "van"])
OWN_VALUES = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "year": st.integers(1900, 2200),
        "nickname": st.text(),
        "towbar": OWN_VALUES,
        "note": OWN_VALUES,
    },
)


@given(
    st.dictionaries(IDS, ENTRIES),
    st.dictionaries(st.text(min_size=3), OWN_VALUES),
    IDS,
    st.dictionaries(st.sampled_from(["nickname", "make"]), st.text()),
)
def test_an_edit_keeps_all_other_cars_and_everything_that_it_does_not_name(
    vehicles: dict[str, Any], own: dict[str, Any], vehicle_id: str, fields: dict[str, str]
) -> None:
    before = {**own, "vehicles": vehicles}
    edit = with_edited_vehicle if vehicle_id in vehicles else with_vehicle
    after = json.loads(json.dumps(edit(before, vehicle_id, fields, {}, NOW)))
    changed = after["vehicles"].pop(vehicle_id)
    kept = {id_: entry for id_, entry in vehicles.items() if id_ != vehicle_id}
    untouched = {name: value for name, value in vehicles.get(vehicle_id, {}).items() if name not in fields}
    assert dump_json({**after, "last_updated": None}) == dump_json(
        {**own, "vehicles": kept, "last_updated": None}
    )
    assert dump_json({name: changed[name] for name in untouched}) == dump_json(untouched)
    assert changed.keys() == untouched.keys() | fields.keys()
