from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import isnan
from typing import Any

import pytest

from cph50_pipeline.civil_time import day_bounds, to_epoch_ms
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.readings import Readings, State, collect, merge
from cph50_pipeline.power.rollups import rollup
from cph50_pipeline.power.states import mark_states
from cph50_pipeline_tests.unit.power.builders import PACIFIC, config, gauge
from cph50_pipeline_tests.unit.power.migration.old_files import (
    METERS,
    MORNING,
    by_minute,
    of_list,
    outcome,
    outcomes,
    planned,
    point,
    values,
    why,
)

EIGHT = datetime(2026, 1, 7, 16, tzinfo=UTC)  # eight in the morning in California
MIDNIGHT = datetime(2026, 1, 7)


def stored(*points: tuple[float, float | None], meter: str = "home.power") -> Readings:
    """Readings given as minutes after eight, and a number."""
    return collect((meter, EIGHT + timedelta(minutes=minutes), number) for minutes, number in points)


def test_the_same_twice_is_taken_once_and_counted() -> None:
    found = of_list([point(0, power=400), point(1, power=400), point(0, power=400)])
    assert outcomes(found) == {"taken": 2, "duplicate": 1}
    assert why(found) == {"row 1 of old.json says the same"}
    assert values(found) == [0.4, 0.4]


def test_rows_that_disagree_are_refused_all_unless_the_others_say_nothing_or_zero() -> None:
    found = of_list([point(0, power=400), point(0, power=500)])
    assert outcomes(found) == {"contradiction": 2}
    assert why(found) == {"rows of the same time say 0.4, 0.5"}
    found = of_list([point(0, power=0), point(0, power=400), point(0, power=None), point(0, power=400)])
    assert [outcome(verdict) for verdict in found.verdicts] == [
        "contradiction",
        "taken",
        "contradiction",
        "duplicate",
    ]
    assert values(found) == [0.4]


def test_the_columns_of_one_meter_agree_across_files() -> None:
    found = planned({"daily.json": [point(0, power=400)], "data.json": [point(0, value=400, unit="W")]})
    assert outcomes(found) == {"taken": 1, "duplicate": 1}


def test_what_is_stored_stays_and_the_conflict_is_reported() -> None:
    there = stored((0, 0.4), (1, 0.5), (2, None), (3, 0.7))
    rows = by_minute(power=[400, 501, 600, None, 800])
    found = of_list(rows, stored=there)
    assert [outcome(verdict) for verdict in found.verdicts] == [
        "already_stored",
        "stored_stays",
        "taken",
        "stored_stays",
        "taken",
    ]
    assert why(found) == {"it would be 0.501, and 0.5 is stored", "0.7 is stored"}
    assert merge(there, found.readings)["home.power"].value.tolist() == [0.4, 0.5, 0.6, 0.7, 0.8]


def means(*numbers: float, hours: float = 24, start: datetime = MIDNIGHT) -> list[dict[str, Any]]:
    return [point(60 * hours * place, start, power=number) for place, number in enumerate(numbers)]


@pytest.mark.parametrize("day", [datetime(2026, 1, 7), datetime(2026, 3, 8), datetime(2025, 11, 2)])
def test_a_days_mean_comes_to_its_energy_covers_its_day_and_is_not_frozen(day: datetime) -> None:
    found = of_list(means(400, 400, start=day - timedelta(days=1)))
    begin, end = day_bounds(day.date(), PACIFIC)
    bucket = edges("day", begin, end + timedelta(days=1), PACIFIC)
    marked = mark_states(found.readings, METERS)
    days = rollup(marked["home.power"], METERS.meters["home.power"], bucket)
    hours = (end - begin) / timedelta(hours=1)
    assert days.energy_kwh.tolist()[0] == pytest.approx(0.4 * hours, abs=1e-6)
    assert days.coverage.tolist() == [1.0, 0.0]  # nothing stands into the next
    assert days.mean[0] == pytest.approx(0.4, abs=1e-9)
    assert days.count_frozen.tolist() == [0, 0]


def test_a_mean_of_nothing_at_all_stays_zero_and_within_what_is_possible() -> None:
    assert set(values(of_list(means(0, 0)))[:-1]) <= {0.0}
    numbers = [number for number in values(of_list(means(100_000, 100_000))) if not isnan(number)]
    assert set(numbers) == {100.0}


def test_a_mean_of_a_part_of_its_hour_comes_to_the_energy_of_that_part() -> None:
    rows = [
        {**point(60 * number, power=0.6, energy_kwh=0.15, min=0.6, max=0.6, coverage=0.25)}
        for number in range(2)
    ]
    found = of_list({"data_points": rows, "events": [], "last_update": None})
    bucket = edges("hour", EIGHT, EIGHT + timedelta(hours=2), PACIFIC)
    assert rollup(
        found.readings["home.power"], METERS.meters["home.power"], bucket
    ).energy_kwh.tolist() == pytest.approx([0.15, 0.15], abs=1e-6)


def test_a_mean_is_refused_where_finer_readings_come_with_it() -> None:
    hours = means(300, 300, hours=1, start=MORNING)
    readings = [point(5, power=450), point(17, power=451)]
    found = planned({"weekly.json": hours, "monthly.json": means(400, 400), "data.json": readings})
    kept = [(verdict.file, verdict.row) for verdict in found.verdicts if verdict.outcome == "taken"]
    assert kept == [("data.json", 1), ("data.json", 2), ("monthly.json", 2), ("weekly.json", 2)]
    assert why(found) == {"finer readings of its time are migrated with it"}


def test_a_mean_is_refused_where_readings_are_stored_but_not_where_stored_ones_have_no_number() -> None:
    hours = means(300, 300, hours=1, start=MORNING)
    found = of_list(hours, stored=stored((5, None), (65, 0.3)))
    assert [outcome(verdict) for verdict in found.verdicts] == ["taken", "finer_readings"]
    assert why(found) == {"readings of its time are stored"}


@pytest.mark.parametrize("number", [0, 300])
def test_a_mean_does_not_fill_its_day_once_finer_ones_that_say_the_same_are_stored(number: float) -> None:
    files = {"weekly.json": means(number, number, hours=1, start=MORNING), "monthly.json": means(number)}
    first = planned(files)
    second = planned(files, stored=first.readings)
    assert outcomes(first) == {"taken": 2, "finer_readings": 1}
    assert outcomes(second) == {"already_stored": 2, "finer_readings": 1}


def test_days_that_overlap_are_not_both_taken() -> None:
    universal = [{"timestamp": f"2026-01-0{day}T00:00:00Z", "power": 300} for day in (7, 8)]
    found = planned({"monthly.json": means(400), "yearly.json": universal})
    assert outcomes(found) == {"taken": 2, "finer_readings": 1}


def test_a_mean_that_was_written_in_part_is_written_whole() -> None:
    rows = means(300, 300, hours=1, start=MORNING)
    series = of_list(rows).readings["home.power"]
    for length in range(len(series)):
        part = Readings.of({"home.power": series.take(slice(0, length))})
        again = merge(part, of_list(rows, stored=part).readings)["home.power"]
        assert again.at.tolist() == series.at.tolist()


COUNTED = [5.0, 5.2, 0.0, 0.0, 5.3, 0.0, 0.1, 0.2]


def test_a_counter_does_not_fall_to_zero_and_go_on() -> None:
    found = of_list(by_minute(daily_energy=COUNTED))
    assert [outcome(verdict) for verdict in found.verdicts] == [
        *["taken"] * 2,
        *["unread_zero"] * 2,
        *["taken"] * 4,
    ]
    assert why(found) == {"the counter stood at 5.2 before and at 5.3 after it: it was not read"}
    bucket = edges("hour", EIGHT, EIGHT + timedelta(hours=1), PACIFIC)
    counted = rollup(found.readings["home.energy"], METERS.meters["home.energy"], bucket)
    assert counted.energy_kwh.tolist() == pytest.approx([0.5])  # 5 to 5.3, and 0 to 0.2


def test_a_counter_that_is_not_the_stored_one_is_refused_and_one_that_goes_on_is_taken() -> None:
    rows = by_minute(daily_energy=[5.0, 5.1])
    other = stored((60, 45_678.0), meter="home.energy")
    found = of_list(rows, stored=other)
    assert outcomes(found) == {"other_counter": 2}
    assert why(found) == {
        "the stored readings are of another counter (5.1 at 2026-01-07T16:01:00+00:00, "
        "45678 at 2026-01-07T17:00:00+00:00): give it a meter of its own"
    }
    assert outcomes(of_list(rows, stored=stored((60, 6.0), meter="home.energy"))) == {"taken": 2}


def test_what_is_counted_over_a_long_gap_to_what_is_stored_is_said() -> None:
    found = of_list(by_minute(daily_energy=[5.0]), stored=stored((3 * 1440, 105.0), meter="home.energy"))
    assert outcomes(found) == {"taken": 1}
    assert found.doubts[-1] == (
        "home.energy: 100 kWh are counted between migrated and stored "
        "(5 at 2026-01-07T16:00:00+00:00, 105 at 2026-01-10T16:00:00+00:00)"
    )


def test_the_end_of_a_mean_takes_no_number_from_a_stored_reading_even_from_one_that_is_not_possible() -> None:
    at = EIGHT + timedelta(hours=2)
    there = mark_states(collect([("home.power", at, 1e9)]), METERS)
    assert there["home.power"].state.tolist() == [State.MISSING]
    found = of_list(means(300, 300, hours=1, start=MORNING), stored=there)
    assert outcomes(found) == {"taken": 2}
    assert merge(there, found.readings)["home.power"].value[-1] == 1e9


def test_readings_further_apart_than_they_stand_are_a_doubt() -> None:
    brief = config(home_power=gauge(unit="W", hold_seconds=90))
    rows = by_minute(power=[400, 401, 402])
    assert "stands" not in " ".join(of_list(rows, meters=brief).doubts)
    assert of_list([rows[0], rows[2]], meters=brief).doubts[-1] == (
        "home.power: there is a reading every 120 s and each stands for 90 s: "
        "the time between counts for nothing, unless hold_seconds of the meter is longer"
    )


def test_readings_lie_where_the_rows_say() -> None:
    found = of_list([point(2, power=3), point(0, power=1), point(1.5, power=2)])
    at = [to_epoch_ms(EIGHT + timedelta(minutes=minutes)) for minutes in (0, 1.5, 2)]
    assert found.readings["home.power"].at.tolist() == at
