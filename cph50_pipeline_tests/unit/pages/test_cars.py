"""The cars on pages: their names, and colours that stay theirs."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.pages.cars import COLOR_COUNT, UNKNOWN_NAME, Car, by_name, cars_of
from cph50_pipeline.vehicles.config import ValidPeriod, Vehicle, VehicleConfig

IDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True).filter(lambda one: one != UNKNOWN_VEHICLE)
CONFIGS = st.sets(IDS, max_size=9).map(lambda ids: VehicleConfig(vehicles={id_: Vehicle() for id_ in ids}))


@given(CONFIGS, st.sets(IDS | st.just(UNKNOWN_VEHICLE)))
def test_all_that_are_configured_or_found_are_there_and_the_unknown_one_is_last(
    config: VehicleConfig, found: set[str]
) -> None:
    cars = cars_of(config, found)
    assert set(cars) == {*config.vehicles, *found, UNKNOWN_VEHICLE}
    assert list(cars)[-1] == UNKNOWN_VEHICLE
    assert all(cars[id_].vehicle_id == id_ for id_ in cars)


@given(CONFIGS, st.sets(IDS))
def test_a_cars_colour_does_not_depend_on_which_others_a_page_shows(
    config: VehicleConfig, found: set[str]
) -> None:
    alone, together = cars_of(config), cars_of(config, found)
    assert all(alone[id_].color == together[id_].color for id_ in config.vehicles)
    colours = {alone[id_].color for id_ in config.vehicles}
    assert len(colours) == min(COLOR_COUNT, len(config.vehicles))


PAINTS = st.sampled_from([None, "#A63A24", "#1F4E79", "#808080", "#00FF00"])


@given(st.dictionaries(IDS, PAINTS, max_size=9), IDS, PAINTS)
def test_a_car_that_comes_later_changes_the_colour_of_none_before(
    paints: dict[str, str | None], new_id: str, paint: str | None
) -> None:
    first = date(2020, 1, 1)
    vehicles = {
        id_: Vehicle(
            paint_color_hex=its, valid_periods=(ValidPeriod(first_day=first + timedelta(days=number)),)
        )
        for number, (id_, its) in enumerate(paints.items())
        if id_ != new_id
    }
    new = Vehicle(paint_color_hex=paint, valid_periods=(ValidPeriod(first_day=date(2021, 1, 1)),))
    before = cars_of(VehicleConfig(vehicles=vehicles))
    after = cars_of(VehicleConfig(vehicles={**vehicles, new_id: new}))
    assert [after[id_].color for id_ in vehicles] == [before[id_].color for id_ in vehicles]


@pytest.mark.parametrize(
    ("vehicle", "color"),
    [
        (Vehicle(display_color="Red"), "c5"),
        (Vehicle(display_color="Blue", paint_color_hex="#A63A24"), "c0"),
        (Vehicle(display_color="Night sky", paint_color_hex="#1F4E79"), "c0"),
        (Vehicle(paint_color_hex="#A63A24"), "c5"),
    ],
)
def test_a_car_has_a_colour_like_its_own_where_it_is_free(vehicle: Vehicle, color: str) -> None:
    twin = vehicle.model_copy(update={"valid_periods": (ValidPeriod(first_day=date(2026, 1, 1)),)})
    cars = cars_of(VehicleConfig(vehicles={"b": twin, "a": vehicle}))
    assert cars["b"].color == color
    assert cars["a"].color != color


def test_a_car_is_called_as_the_household_calls_it() -> None:
    config = VehicleConfig(
        vehicles={
            "a": Vehicle(nickname="Ember", make="M"),
            "b": Vehicle(make="Tide", model="SUV"),
            "c": Vehicle(),
        }
    )
    assert [car.name for car in cars_of(config, ["gone"]).values()] == [
        "Ember",
        "Tide SUV",
        "c",
        "gone",
        UNKNOWN_NAME,
    ]


def test_miles_are_known_where_the_efficiency_is() -> None:
    cars = cars_of(VehicleConfig(vehicles={"a": Vehicle(efficiency_mi_per_kwh=3.5), "b": Vehicle()}))
    assert cars["a"].miles(10) == 35
    assert cars["b"].miles(10) is None
    assert cars[UNKNOWN_VEHICLE].miles(10) is None


def called(**names: str) -> dict[str, Car]:
    """Cars by id, with what people call them."""
    return cars_of(VehicleConfig(vehicles={id_: Vehicle(nickname=name) for id_, name in names.items()}))


def test_names_replace_ids_and_nothing_else() -> None:
    cars = called(ember="E", ember_2="F")
    assert by_name("ember, ember_2 and remember; unknown", cars) == "E, F and remember; unknown"
    assert by_name("(ember) ember-3 ember_22 ember.", cars) == "(E) ember-3 ember_22 E."
    told = by_name("ember with a confidence of 0.97 (0.5), 1.05 kW (1.00)", cars)
    assert told == "E with a confidence of 97 % (0.5), 1.05 kW (100 %)"


@pytest.mark.parametrize("name", ["tide", r"\1 \g<0>", "<b>(0.97)</b>", "\u202e{{ 7 }}"])
def test_a_name_stands_in_a_sentence_as_it_is_whatever_it_looks_like(name: str) -> None:
    cars = called(ember=name, tide="T")
    assert by_name("ember, not tide", cars) == f"{name}, not T"


def test_a_car_that_is_not_known_is_called_by_its_id() -> None:
    assert by_name("taken for gone_2019", called(ember="E")) == "taken for gone_2019"
