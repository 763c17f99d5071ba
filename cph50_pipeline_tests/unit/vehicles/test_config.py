from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.config import VehicleConfig, candidates

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


def test_a_file_that_is_no_object_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"vehicle_config\.json"):
        VehicleConfig.read(["ember"], "vehicle_config.json")
