from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cph50_pipeline_tests.unit.power.migration.old_files import (
    EARLIEST,
    NOW,
    by_minute,
    of_list,
    outcomes,
    point,
    why,
)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (None, "no_row"),
        ([1, 2], "no_row"),
        ({}, "no_value"),
        ({"timestamp": "2026-01-07T08:00:00"}, "no_value"),
        ({"value": 3, "unit": "W"}, "no_time"),
        (point(power=1, start=datetime(2026, 3, 8, 2, 30)), "skipped_hour"),
        (point(power=1, start=datetime(2025, 11, 2, 1, 30)), "repeated_hour"),
    ],
)
def test_a_row_that_says_nothing_of_a_time_is_refused_and_the_others_are_not(row: Any, reason: str) -> None:
    assert outcomes(of_list([point(0, power=1), row, point(1, power=2)])) == {"taken": 2, reason: 1}


def test_the_future_is_refused() -> None:
    rows = [{"timestamp": (NOW + timedelta(minutes=each)).isoformat(), "power": 1} for each in (-1, 1)]
    assert outcomes(of_list(rows)) == {"taken": 1, "future": 1}


def test_a_mean_of_a_day_that_is_not_over_is_refused() -> None:
    rows = [{"timestamp": f"2026-05-{day}T00:00:00", "power": 1} for day in (29, 30, 31)]
    assert outcomes(of_list(rows)) == {"taken": 2, "not_over": 1}


def test_a_month_before_the_first_is_refused_with_what_to_set() -> None:
    rows = [{"timestamp": (EARLIEST + timedelta(minutes=each)).isoformat(), "power": 1} for each in (-1, 0)]
    found = of_list(rows)
    assert outcomes(found) == {"taken": 1, "before_history": 1}
    assert why(found) == {"it is before the first month that is kept: set CPH50_HISTORY_START=2024-12"}


def test_a_month_whose_readings_were_thinned_takes_none() -> None:
    rows = [{"timestamp": f"{day}T08:00:00", "power": 1} for day in ("2026-01-31", "2026-02-01")]
    found = of_list(rows, thinned=frozenset({"2026-01"}))
    assert outcomes(found) == {"taken": 1, "thinned": 1}
    assert why(found) == {"the readings of 2026-01 were thinned, and its sums stay as they are"}


def test_what_may_not_be_true_is_taken_and_said() -> None:
    rows = by_minute(voltage=[230, 0, 231], power_factor=[0.1, 0.05, 0.1], daily_energy=[5, 0.1, 0.2])
    assert outcomes(of_list(rows)) == {"taken": 9}
    assert of_list(rows).doubts == [
        "old.json: times without an offset are taken for those of America/Los_Angeles",
        "old.json: daily_energy began anew 1 times; what it counted is kept, whatever the hour",
        "old.json: voltage is 0 in 1 of 3 rows: "
        "an outage, or a state that could not be read, which the old monitor wrote as 0",
    ]


def test_means_are_said_to_be_means_and_times_with_an_offset_are_no_doubt() -> None:
    rows = [{"timestamp": f"2026-01-0{day}T00:00:00Z", "power": 1} for day in (1, 2)]
    assert of_list(rows).doubts == [
        "old.json: its rows are taken for means over days: least and most within them are not known"
    ]


def test_what_a_counter_showed_is_not_in_a_mean() -> None:
    rows = [{"timestamp": f"2026-01-0{day}T00:00:00", "daily_energy": 12.5, "power": None} for day in (1, 2)]
    assert outcomes(of_list(rows)) == {"mean_of_counter": 2, "no_number": 2}


def test_of_our_own_files_numbers_are_taken_and_sums_are_not() -> None:
    rows = [
        {
            **point(number, power=0.4125, energy_kwh=0.1, min=0.3, max=0.5, coverage=1.0),
            "home.energy": {"energy_kwh": 0.1, "coverage": 1.0},
            "home.voltage": {"mean": 230.5, "min": 230.0, "max": 231.0, "coverage": 1.0},
            "charger.power": {"mean": 1.0, "energy_kwh": 0.1, "min": 1.0, "max": 1.0, "coverage": 1.0},
        }
        for number in range(3)
    ]
    found = of_list({"data_points": rows, "events": [], "last_update": None})
    assert outcomes(found) == {"taken": 6, "mean_of_counter": 3, "no_meter": 3}
    assert found.readings["home.power"].value.tolist() == [0.4125] * 3
    assert found.readings["home.voltage"].value.tolist() == [230.5] * 3


def test_a_zero_of_our_own_files_is_one() -> None:
    rows = [point(number, power=0.0, coverage=1.0) for number in range(3)]
    assert "home.power" not in str(of_list({"data_points": rows, "events": []}).doubts)
    assert "power is 0 in 3 of 3 rows" in str(of_list({"data_points": rows}).doubts)


def test_verdicts_say_where_and_when() -> None:
    [verdict] = of_list([point(power="412.5")]).verdicts
    assert (verdict.file, verdict.row, verdict.column, verdict.said) == ("old.json", 1, "power", "412.5")
    assert (verdict.timestamp, verdict.meter) == ("2026-01-07T08:00:00", "home.power")
    assert verdict.at == datetime(2026, 1, 7, 16, tzinfo=UTC)
