from __future__ import annotations

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.migration.columns import Choices, meter_of
from cph50_pipeline.power.migration.shapes import Value
from cph50_pipeline_tests.unit.power.builders import config, counter, gauge, voltage
from cph50_pipeline_tests.unit.power.migration.old_files import (
    METERS,
    by_minute,
    of_list,
    outcomes,
    planned,
    point,
    values,
    why,
)


@pytest.mark.parametrize(
    ("column", "unit", "meter"),
    [
        ("power", None, "home.power"),
        ("value", None, "home.power"),
        ("value", "kW", "home.power"),
        ("value", "V", "home.voltage"),
        ("value", "kWh", "home.energy"),
        ("value", "°C", None),
        ("voltage", None, "home.voltage"),
        ("power_factor", None, "home.power_factor"),
        ("daily_energy", None, "home.energy"),
        ("solar", None, "solar.power"),
        ("solar", "W", "solar.power"),
        ("solar", "kWh", None),
        ("humidity", None, None),
    ],
)
def test_a_column_is_the_meter_of_its_quantity(column: str, unit: str | None, meter: str | None) -> None:
    assert meter_of(Value(column, 1, unit), Choices(), METERS) == meter


def test_a_person_says_which_meter_a_column_is_and_the_charger_is_none() -> None:
    chosen = Choices(meters={"solar": "home.energy"})
    assert meter_of(Value("solar", 1), chosen, METERS) == "home.energy"
    alone = config()
    assert [meter_of(Value(column, 1), Choices(), alone) for column in ("power", "value")] == [None, None]


def test_the_house_is_not_its_solar_panels() -> None:
    panels = config(
        pv_power=gauge(), pv_energy=counter(), cellar_voltage=voltage(), hall_voltage=voltage(mains=True)
    )
    found = {
        column: meter_of(Value(column, 1), Choices(), panels)
        for column in ("power", "daily_energy", "voltage", "solar")
    }
    assert found == {"power": None, "daily_energy": None, "voltage": "hall.voltage", "solar": "pv.energy"}


@pytest.mark.parametrize(
    ("choices", "complaint"),
    [
        (Choices(meters={"power": "home.typo"}), "--meter power=home.typo: there is no such meter"),
        (Choices(meters={"power": "charger.power"}), "the meters are home.energy, home.power"),
        (Choices(scales={"power": 0.0}), "--scale power=0.0"),
        (Choices(scales={"power": float("nan")}), "--scale power=nan"),
        (Choices(units={"pwoer": "kW"}), r"No file has a column 'pwoer'\. The columns are power, solar"),
    ],
)
def test_a_choice_that_cannot_be_is_named(choices: Choices, complaint: str) -> None:
    with pytest.raises(BadInputError, match=complaint):
        choices.check(METERS, ["solar", "power"])


@pytest.mark.parametrize(
    ("columns", "choices", "kw"),
    [
        ({"power": 412.5}, Choices(), 0.4125),  # as the meter says
        ({"power": {"value": 412, "unit": "mW"}}, Choices(), 0.000412),
        ({"value": 2, "unit": "kW"}, Choices(), 2.0),
        ({"value": 2, "unit": "W"}, Choices(units={"value": "kW"}), 2.0),
        ({"power": "412.5"}, Choices(scales={"power": 10.0}), 4.125),
    ],
)
def test_a_value_is_in_the_unit_of_its_row_else_of_its_meter_unless_a_person_says_so(
    columns: dict[str, object], choices: Choices, kw: float
) -> None:
    assert values(of_list([point(**columns)], choices=choices)) == [kw]


def test_the_meters_own_scale_counts_unless_another_is_given() -> None:
    tenfold = config(home_power_factor=gauge(quantity="power_factor", unit="", scale=0.1))
    rows = [point(power_factor=9.5)]
    assert values(of_list(rows, meters=tenfold), "home.power_factor") == [0.95]
    halved = Choices(scales={"power_factor": 0.05})
    assert values(of_list(rows, meters=tenfold, choices=halved), "home.power_factor") == [0.475]


def test_a_power_factor_ten_times_too_high_is_refused_with_the_way_out() -> None:
    rows = by_minute(power_factor=[9.5, 9.9, 0.9])
    assert outcomes(of_list(rows)) == {"not_possible": 2, "taken": 1}
    assert why(of_list(rows)) == {
        f"it would be {said}, and possible is -1 to 1: see its --scale and --unit, or the meter's range"
        for said in (9.5, 9.9)
    }


@pytest.mark.parametrize("said", [None, "unavailable", "unknown", "None", " "])
def test_what_a_meter_did_not_know_is_a_reading_without_a_number_and_never_zero(said: object) -> None:
    found = of_list([point(power=said)])
    assert outcomes(found) == {"taken": 1}
    assert [repr(number) for number in values(found)] == ["nan"]


@pytest.mark.parametrize("said", ["on", "NaN", "1_000", True, [1], {"unit": "W", "value": []}])
def test_what_is_no_number_is_refused(said: object) -> None:
    assert outcomes(of_list([point(power=said)])) == {"no_number": 1}


def test_a_unit_of_something_else_is_refused() -> None:
    found = of_list([point(power={"value": 5, "unit": "°C"})])
    assert outcomes(found) == {"wrong_unit": 1}
    assert why(found) == {"'°C' does not measure power"}


def test_a_column_of_no_meter_is_refused_row_by_row_with_the_way_out() -> None:
    found = of_list([point(0, power=1, humidity=40), point(1, power=1, humidity=41)])
    assert outcomes(found) == {"taken": 2, "no_meter": 2}
    assert why(found) == {"no meter in meters.json is its: say --meter humidity=METER, or leave it out"}


def test_daily_energy_that_says_what_power_says_was_of_the_same_entity() -> None:
    power = [300.0 + number for number in range(10)]
    energy = [*power[:6], 1.0, 2.0, 3.0, 4.0]
    found = of_list(by_minute(power=power, daily_energy=energy))
    assert outcomes(found) == {"taken": 10, "equals_power": 10}
    assert why(found) == {"daily_energy equals power in 6 of 10 rows: it was of the same entity"}


def test_daily_energy_that_equals_power_only_at_zero_is_its_own() -> None:
    power = [0.0] * 8 + [300.0, 400.0]
    found = of_list(by_minute(power=power, daily_energy=[0.0] * 8 + [1.0, 2.0]))
    assert outcomes(found) == {"taken": 20}


SAWTOOTH = [number % 25 / 10 for number in range(60)]


def test_solar_that_counts_is_no_power_but_a_counter_when_told_so() -> None:
    rows = by_minute(solar=SAWTOOTH)
    found = of_list(rows)
    assert outcomes(found) == {"a_counter": 60}
    assert why(found) == {
        "solar rises 57 times and falls 2 times: this is a counter; say with --meter which, or that it is power"
    }
    assert outcomes(of_list(rows, choices=Choices(meters={"solar": "solar.power"}))) == {"taken": 60}
    assert outcomes(of_list(rows, choices=Choices(meters={"solar": "home.energy"}))) == {"taken": 60}


def test_the_means_of_a_counter_in_the_file_beside_are_refused_with_it() -> None:
    means = [point(1440 * day, solar=12.0, power=400) for day in range(-3, 0)]
    means = [{**row, "timestamp": row["timestamp"][:11] + "00:00:00"} for row in means]
    assert outcomes(of_list(means)) == {"taken": 6}
    together = planned({"monthly.json": means, "weekly.json": by_minute(solar=SAWTOOTH)})
    assert outcomes(together) == {"taken": 3, "a_counter": 63}


def test_a_counter_that_falls_as_often_as_it_rises_is_none() -> None:
    found = of_list(by_minute(daily_energy=[number % 2 + 1 for number in range(30)]))
    assert outcomes(found) == {"no_counter": 30}
    assert why(found) == {
        "daily_energy rises 15 times and falls 14 times: this is no counter; if it is, say so with --meter"
    }


def test_a_power_factor_that_is_always_far_too_low_was_in_another_unit() -> None:
    percent = config(home_power_factor=gauge(quantity="power_factor", unit="%"))
    rows = by_minute(power_factor=[9.1 + number / 100 for number in range(30)])
    found = of_list(rows, meters=percent)
    assert outcomes(found) == {"not_possible": 30}
    assert why(found) == {
        "power_factor would never be above 0.0939: say what it is in with --unit or --scale"
    }
    tenfold = of_list(rows, meters=percent, choices=Choices(scales={"power_factor": 10.0}))
    assert max(values(tenfold, "home.power_factor")) == 0.939
    assert outcomes(of_list(rows, meters=percent, choices=Choices(units={"power_factor": "%"}))) == {
        "taken": 30
    }


@pytest.mark.parametrize("meters", [config(), MeterConfig()])
def test_without_meters_nothing_is_taken(meters: MeterConfig) -> None:
    assert outcomes(of_list(by_minute(power=[1], value=[2]), meters=meters)) == {"no_meter": 2}
