"""The four files: their form, their days, and that nothing is lost where a day ends."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import day_bounds, day_start, from_epoch_ms, local_date, parse_instant
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.data_points import ROLLING, RollingFile, daily, empty, rolling, rolling_edges
from cph50_pipeline.power.events import events_of
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings, Series
from cph50_pipeline.power.rollups import coarsen, rollup
from cph50_pipeline.power.states import mark_states
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline_tests.unit.power.builders import (
    PACIFIC,
    START,
    config,
    counter,
    every,
    gauge,
    series,
    series_with_gaps,
    voltage,
    zones,
)

DAY = local_date(START, PACIFIC)
HOME = config(
    home_power=gauge(mains=True, outage_after_seconds=180),
    home_voltage=voltage(),
    home_energy=counter(),
)


def day_of(
    taken: dict[str, Series], day: date = DAY, config: MeterConfig = HOME, zone: ZoneInfo = PACIFIC
) -> Any:
    marked = mark_states(Readings.of(taken), config)
    return daily(marked, events_of(marked, config), config, config.main_power, day, zone)


def file_of(
    file: RollingFile,
    taken: dict[str, Series],
    last_day: date = DAY,
    config: MeterConfig = HOME,
    zone: ZoneInfo = PACIFIC,
) -> Any:
    """A rolling file, made from readings."""
    wanted = rolling_edges(file, last_day, zone)
    base = edges("5min", from_epoch_ms(int(wanted[0])), from_epoch_ms(int(wanted[-1])), zone)
    rollups = {
        id_: coarsen(rollup(one, config.meters[id_], base), wanted)
        for id_, one in Readings.of(taken).series.items()
    }
    return rolling(rollups, [], config, config.main_power, zone)


def test_a_day_has_a_point_for_each_reading_of_the_house() -> None:
    found = day_of(
        {
            "home.power": series([(0, 1.2), (600, 2.4), (1200, None), (1800, 0.6)]),
            "home.voltage": series([(0, 240.0), (900, 230.0), (1800, 235.0)]),
            "home.energy": series([(0, 100.0), (1200, 100.6)]),
        }
    )

    assert found["last_update"] == "2026-01-07T00:30:00-08:00"
    assert found["events"] == []
    assert found["data_points"][1] == {
        "timestamp": "2026-01-07T00:10:00-08:00",
        "power": 2.4,
        "energy_kwh": 0.4,
        "min": 2.4,
        "max": 2.4,
        "coverage": 1.0,
        "home.voltage": {"mean": 235.0, "min": 230.0, "max": 240.0, "coverage": 1.0},
        "home.energy": {"energy_kwh": 0.3, "coverage": 1.0},
    }
    assert [point["power"] for point in found["data_points"]] == [1.2, 2.4, None, 0.6]
    assert [point["energy_kwh"] for point in found["data_points"]] == [0.2, 0.4, None, None]
    assert [point["coverage"] for point in found["data_points"]] == [1.0, 1.0, 0.0, 0.0]


def test_the_first_point_of_a_day_holds_what_the_evening_left() -> None:
    found = day_of({"home.power": series([(-300, 6.0), (300, 3.0), (900, 1.0)])})

    assert [(point["power"], point["energy_kwh"]) for point in found["data_points"]] == [
        (3.0, 1.0),
        (1.0, None),
    ]


@given(series_with_gaps(), zones)
def test_a_days_points_hold_its_energy(taken: Series, zone: ZoneInfo) -> None:
    day = local_date(from_epoch_ms(int(taken.at[len(taken) // 2])), zone)
    marked = mark_states(Readings.of({"home.power": taken}), HOME)
    found = daily(marked, [], HOME, "home.power", day, zone)["data_points"]
    bounds = edges("day", *day_bounds(day, zone), zone)
    whole = rollup(marked["home.power"], HOME.meters["home.power"], bounds)

    if not found:
        assert whole.count_ok[0] == whole.count_missing[0] == 0
        return
    energy = sum(point["energy_kwh"] or 0.0 for point in found)
    assert energy == pytest.approx(np.nan_to_num(whole.energy_kwh[0]), abs=1e-6 * len(found))
    assert all(local_date(parse_instant(point["timestamp"]), zone) == day for point in found)


def test_a_day_carries_its_events() -> None:
    found = day_of({"home.power": every(60, [1, 0, 0, 0, 0, 2])})

    assert found["events"] == [
        {
            "meter": "home.power",
            "kind": "outage",
            "start": "2026-01-07T08:01:00+00:00",
            "end": "2026-01-07T08:05:00+00:00",
            "duration_seconds": 240.0,
        }
    ]
    assert [point["power"] for point in found["data_points"]] == [1, None, None, None, None, 2]


def test_without_home_assistant_the_charger_is_the_house() -> None:
    found = day_of({"charger.power": series([(0, 0.0), (7200, 8.5), (9000, 0.0)])}, config=MeterConfig())

    assert [(point["power"], point["energy_kwh"]) for point in found["data_points"]] == [
        (0.0, 0.0),
        (8.5, 4.25),
        (0.0, None),
    ]


def test_of_a_day_of_which_nothing_is_known_there_is_an_empty_file() -> None:
    assert day_of({"home.power": series([(-300, 6.0)])}) == empty()
    assert dump_json(empty()).startswith(b'{\n "data_points": []')


def test_a_rolling_file_without_readings_is_the_same_empty_file() -> None:
    assert file_of("weekly", {"home.power": series([(-30 * 86_400, 6.0)])}) == empty()


@pytest.mark.parametrize("file", ROLLING)
@given(day=st.dates(date(2020, 1, 1), date(2030, 1, 1)), zone=zones)
def test_a_rolling_file_ends_with_its_last_day_and_holds_as_many_as_it_says(
    file: RollingFile, day: date, zone: ZoneInfo
) -> None:
    found = rolling_edges(file, day, zone)
    resolution, days = ROLLING[file]

    assert from_epoch_ms(int(found[-1])) == day_bounds(day, zone)[1]
    assert from_epoch_ms(int(found[0])) == day_start(day - timedelta(days=days - 1), zone)
    assert resolution == "hour" or len(found) == days + 1


@pytest.mark.parametrize(
    ("last_day", "hours"), [(date(2025, 3, 15), 167), (date(2025, 11, 8), 169), (DAY, 168)]
)
def test_a_week_has_as_many_hours_as_its_days(last_day: date, hours: int) -> None:
    assert len(rolling_edges("weekly", last_day, PACIFIC)) - 1 == hours


def test_a_repeated_hour_is_two_points_told_apart_by_their_offset() -> None:
    day = date(2025, 11, 2)
    found = file_of("weekly", {"home.power": every(600, [1.0] * 145, day_start(day, PACIFIC))}, day)

    assert [point["timestamp"] for point in found["data_points"][:4]] == [
        "2025-11-02T00:00:00-07:00",
        "2025-11-02T01:00:00-07:00",
        "2025-11-02T01:00:00-08:00",
        "2025-11-02T02:00:00-08:00",
    ]


def test_a_month_has_a_point_a_day_from_the_first_that_is_known_to_the_last() -> None:
    start = day_start(DAY - timedelta(days=4), PACIFIC)
    two_days = every(600, [1.5] * 288, start)
    today = every(600, [3.0] * 61)
    found = file_of(
        "monthly",
        {
            "home.power": Series(
                *(
                    np.concatenate(pair)
                    for pair in zip(
                        (two_days.at, two_days.value, two_days.state),
                        (today.at, today.value, today.state),
                        strict=True,
                    )
                )
            )
        },
    )

    assert [
        (point["timestamp"][:10], point["power"], point["coverage"]) for point in found["data_points"]
    ] == [
        ("2026-01-03", 1.5, 1.0),
        ("2026-01-04", 1.5, 1.0),
        ("2026-01-05", 1.5, 0.0139),  # the last reading held for 20 minutes more
        ("2026-01-06", None, 0.0),
        ("2026-01-07", 3.0, 0.4167),
    ]
    assert found["data_points"][0]["energy_kwh"] == 36.0
    assert found["last_update"] == "2026-01-08T00:00:00-08:00"  # when its last day was over


def test_a_house_of_which_nothing_is_known_is_null_while_the_charger_is_known() -> None:
    found = file_of("weekly", {"charger.power": series([(0, 8.0), (3600, 0.0)])})

    assert found["data_points"] == [
        {
            "timestamp": "2026-01-07T00:00:00-08:00",
            "power": None,
            "energy_kwh": None,
            "min": None,
            "max": None,
            "coverage": 0.0,
            "charger.power": {"mean": 8.0, "min": 8.0, "max": 8.0, "energy_kwh": 8.0, "coverage": 1.0},
        },
        {
            "timestamp": "2026-01-07T01:00:00-08:00",
            "power": None,
            "energy_kwh": None,
            "min": None,
            "max": None,
            "coverage": 0.0,
            "charger.power": {"mean": None, "min": 0.0, "max": 0.0, "energy_kwh": None, "coverage": 0.0},
        },
    ]


@given(
    st.dictionaries(
        st.sampled_from(["home.power", "home.voltage", "home.energy"]), series_with_gaps(), min_size=1
    ),
    zones,
)
def test_every_file_can_be_written_as_json(taken: dict[str, Series], zone: ZoneInfo) -> None:
    day = local_date(from_epoch_ms(int(next(iter(taken.values())).at[-1])), zone)

    assert dump_json(day_of(taken, day, zone=zone))
    for file in ("weekly", "monthly"):
        assert dump_json(file_of(file, taken, day, zone=zone))  # type: ignore[arg-type]
