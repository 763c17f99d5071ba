"""The cars on pages: their names, and colours that stay theirs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.pages.cars import COLOR_COUNT, UNKNOWN_NAME, cars_of
from cph50_pipeline.vehicles.config import Vehicle, VehicleConfig

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
    colours = [alone[id_].color for id_ in sorted(config.vehicles)][:COLOR_COUNT]
    assert len(set(colours)) == len(colours)


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
