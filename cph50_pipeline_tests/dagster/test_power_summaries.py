"""What the Dagster UI shows of the house's power."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cph50_pipeline.defs.power_summaries import events_metadata, readings_metadata, rollups_metadata
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.events import Event
from cph50_pipeline.power.meters import Meter
from cph50_pipeline.power.readings import Readings, collect
from cph50_pipeline.power.rollups import rollup
from cph50_pipeline.power.tables import rollups_table

BEGINS = datetime(2026, 1, 7, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
METER = Meter(
    source="home_assistant", entity="sensor.a", quantity="power", kind="gauge", unit="kW", hold_seconds=600
)


def hour() -> Readings:
    """2 kW for an hour of which twenty minutes are missing."""
    rows = [
        ("home.power", BEGINS + number * MINUTE, None if 20 <= number < 40 else 2.0) for number in range(61)
    ]
    return collect(rows)


def test_readings_are_counted_by_meter_and_state_and_the_newest_is_told() -> None:
    shown = readings_metadata(hour())
    assert (shown["readings"], shown["dagster/row_count"]) == (61, 61)
    assert shown["newest_reading"].value == (BEGINS + 60 * MINUTE).timestamp()
    assert shown["by_meter"].value.splitlines() == [
        "| meter | ok | missing | outage | frozen |",
        "| --- | --- | --- | --- | --- |",
        "| home.power | 41 | 20 | 0 | 0 |",
    ]
    assert "newest_reading" not in readings_metadata(Readings.of({}))


def test_rollups_show_energy_and_coverage_by_meter_and_those_of_the_house() -> None:
    every = edges("5min", BEGINS, BEGINS + 65 * MINUTE, ZoneInfo("UTC"))
    made = rollup(hour()["home.power"], METER, every)
    table = rollups_table({("charger.power", "5min"): made, ("home.power", "5min"): made})
    shown = rollups_metadata(table, "home.power")
    assert (shown["energy_kwh"], shown["coverage"]) == (
        1.333,
        0.6154,
    )  # the last reading stands for no time yet
    assert shown["last_bucket"].value == (BEGINS + 60 * MINUTE).timestamp()
    assert shown["by_meter"].value.splitlines()[2:] == [
        "| charger.power | 1.333 | 61.5% |",
        "| home.power | 1.333 | 61.5% |",
    ]


def test_a_month_of_which_nothing_is_known_shows_nothing() -> None:
    shown = rollups_metadata(rollups_table({}), "home.power")
    assert (shown["energy_kwh"], shown["coverage"]) == (0.0, 0.0)
    assert "last_bucket" not in shown
    assert events_metadata([])["events"] == 0


def test_events_are_counted_by_kind_with_their_minutes() -> None:
    events = [
        Event(
            meter="home.power",
            kind=kind,
            start=BEGINS,
            end=BEGINS + minutes * MINUTE,
            duration_seconds=60 * minutes,
        )
        for kind, minutes in (("gap", 20), ("gap", 15), ("outage", 30))
    ]
    shown = events_metadata(events)
    assert (shown["events"], shown["minutes"]) == (3, 65.0)
    assert shown["by_kind"].value.splitlines()[2:] == ["| gap | 2 | 35 |", "| outage | 1 | 30 |"]
