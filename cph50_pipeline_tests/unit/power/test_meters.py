"""Meters as they are declared, and the numbers in what a source says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import CHARGER, MeterConfig, canonical
from cph50_pipeline_tests.unit.power.builders import config, counter, gauge, voltage

EXAMPLE = Path(__file__).parents[3] / "data" / "meters.example.json"
DECLARED = {
    "source": "home_assistant",
    "entity": "sensor.home_power",
    "quantity": "power",
    "kind": "gauge",
    "unit": "W",
}


def read(**changes: Any) -> MeterConfig:
    """A file with one meter, home.power, some of whose fields are others."""
    return MeterConfig.read({"meters": {"home.power": {**DECLARED, **changes}}}, "meters.json")


def test_the_shipped_example_can_be_read() -> None:
    found = MeterConfig.read(json.loads(EXAMPLE.read_text()), EXAMPLE.name)

    assert found.main_power == "home.power"
    assert {id_ for id_, meter in found.meters.items() if meter.mains} == {"home.power", "home.voltage"}


@pytest.mark.parametrize("document", [{}, {"meters": {}}])
def test_without_a_word_the_charger_is_a_meter(document: dict[str, Any]) -> None:
    found = MeterConfig.read(document, "meters.json")

    assert [*found.meters] == [CHARGER]
    assert found.main_power == CHARGER


@pytest.mark.parametrize(
    ("state", "unit", "expected"),
    [
        ("412.5", None, 0.4125),
        ("412.5", "W", 0.4125),
        ("0.4125", "kW", 0.4125),
        ("-3000", "W", -3.0),
        ("1e3", "W", 1.0),
        ("0", "W", 0.0),
        (" 5 ", "W", 0.005),
        ("0.0004125", "MW", 0.4125),
    ],
)
def test_a_number_is_brought_to_the_canonical_unit(state: str, unit: str | None, expected: float) -> None:
    assert canonical(gauge(unit="W"), state, unit) == expected


@pytest.mark.parametrize(
    "state", ["unavailable", "unknown", "", "on", "nan", "inf", "-Infinity", "1_000", "1,5", "0x1"]
)
def test_what_is_no_number_is_null_and_never_zero(state: str) -> None:
    assert canonical(gauge(unit="W"), state, "W") is None


@pytest.mark.parametrize("unit", ["°C", "w", "kWh", "", "BTU/h"])
def test_a_unit_that_does_not_measure_the_quantity_makes_no_number(unit: str) -> None:
    assert canonical(gauge(unit="W"), "412.5", unit) is None


@pytest.mark.parametrize(
    ("meter", "state", "unit", "expected"),
    [
        (counter(unit="Wh"), "1500", None, 1.5),
        (counter(), "3.6", "MJ", 1.0),
        (counter(), "0.001", "GJ", 0.277778),
        (voltage(), "0.2304", "kV", 230.4),
        (gauge(quantity="power_factor", unit="%"), "98", "%", 0.98),
        (gauge(quantity="power_factor", unit="", scale=0.1), "9.8", None, 0.98),
        (gauge(quantity="power_factor", unit="", scale=0.1), "9.8", "", 0.98),
    ],
)
def test_each_quantity_has_its_units(meter: Any, state: str, unit: str | None, expected: float) -> None:
    assert canonical(meter, state, unit) == expected


@given(st.floats(-1e5, 1e5))
def test_a_number_is_the_same_in_watts_and_kilowatts(power_kw: float) -> None:
    meter = gauge(unit="W")
    assert canonical(meter, repr(power_kw), "kW") == pytest.approx(
        canonical(meter, repr(power_kw * 1000), "W"), abs=2e-6
    )


def test_a_range_is_in_the_meters_own_unit() -> None:
    assert gauge(unit="W", range=(-100, 20_000)).possible == (-0.1, 20.0)
    assert gauge(quantity="power_factor", unit="%", range=(0, 100)).possible == (0.0, 1.0)
    assert voltage(band=(207, 253)).normal == (207.0, 253.0)


def test_without_a_range_only_what_no_house_draws_is_impossible() -> None:
    low, high = gauge(unit="W").possible
    assert low < -20
    assert 50 < high < 1000
    assert canonical(gauge(unit="mW"), "1e9") == 1000.0
    assert counter().possible[0] == 0


def test_a_meter_holds_three_intervals_unless_it_says_how_long() -> None:
    document = {"meters": {"home.power": DECLARED, "home.voltage": {**DECLARED, "hold_seconds": 45}}}
    found = MeterConfig.read(document, "meters.json", interval_seconds=10)

    assert found.meters["home.power"].hold_ms == 30_000
    assert found.meters["home.voltage"].hold_ms == 45_000


def test_the_charger_holds_until_its_power_changes() -> None:
    found = MeterConfig.read({}, "meters.json", interval_seconds=10)

    assert found.meters[CHARGER].hold_ms > 100 * 365 * 86_400_000


def test_the_mains_go_before_other_meters_of_power() -> None:
    assert config(home_power=gauge(), grid_power=gauge(mains=True)).main_power == "grid.power"
    assert config(solar_power=gauge(), home_voltage=voltage(mains=True)).main_power == "solar.power"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unit": "V"}, "home.power: unit: 'V' does not measure power"),
        ({"unit": None}, "home.power: unit:"),
        ({"quantity": "temperature"}, "home.power: quantity:"),
        ({"kind": "counter"}, "home.power: kind: energy is counted"),
        ({"entity": None}, "home.power: entity:"),
        ({"entity": "home power"}, "home.power: entity:"),
        ({"scale": 0}, "home.power: scale: makes every reading zero"),
        ({"scale": float("inf")}, "home.power: scale:"),
        ({"range": [5, 1]}, "home.power: range: the lower limit comes first"),
        ({"band": [5]}, "home.power: band"),
        ({"outage_after_seconds": 300}, "home.power: outage_after_seconds: only where mains is true"),
        ({"frozen_after_seconds": -1}, "home.power: frozen_after_seconds:"),
        ({"hold_seconds": 0}, "home.power: hold_seconds:"),
        ({"frozen_after": 60}, "home.power: frozen_after:"),
        ({"source": "charger"}, "home.power: entity:"),
    ],
)
def test_a_fault_is_named_with_its_meter_and_field(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError) as caught:
        read(**changes)
    assert str(caught.value).startswith("meters.json: meter ")
    assert words in str(caught.value)


@pytest.mark.parametrize("document", [[], {"meters": []}, {"metres": {}}, None])
def test_what_is_no_list_of_meters_is_refused_by_the_files_name(document: object) -> None:
    with pytest.raises(BadInputError, match=r"^meters\.json: "):
        MeterConfig.read(document, "meters.json")


@pytest.mark.parametrize("id_", ["power", "home power", "Home.power", ".power", "home."])
def test_an_id_has_a_place_and_a_name(id_: str) -> None:
    with pytest.raises(BadInputError, match="meter"):
        MeterConfig.read({"meters": {id_: DECLARED}}, "meters.json")


@pytest.mark.parametrize(
    "meters",
    [
        {CHARGER: DECLARED},
        {"garage.power": {"source": "charger", "quantity": "power", "kind": "gauge", "unit": "kW"}},
        {CHARGER: {"source": "charger", "quantity": "energy", "kind": "counter", "unit": "kWh"}},
    ],
)
def test_the_charger_is_called_by_its_name_and_nothing_else_is(meters: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match=CHARGER):
        MeterConfig.read({"meters": meters}, "meters.json")


def test_several_faults_are_told_at_once() -> None:
    faulty = {**DECLARED, "unit": "V"}
    with pytest.raises(BadInputError, match=r"meter a\.b: .*; meter c\.d: "):
        MeterConfig.read({"meters": {"a.b": faulty, "c.d": faulty}}, "meters.json")
