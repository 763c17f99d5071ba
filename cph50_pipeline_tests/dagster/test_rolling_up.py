"""A month rolled up from what is stored of it and of its neighbours, with the charger and without a house."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from logging import getLogger
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.civil_time import month_bounds, to_epoch_ms
from cph50_pipeline.defs.month_files import ACTIVITY, EVENTS, ROLLUPS, WINDOWS
from cph50_pipeline.defs.reading_files import read_readings, write_readings
from cph50_pipeline.defs.retention_record import RETENTION_FILE
from cph50_pipeline.defs.rolling_up import month_events, roll_up, roll_windows
from cph50_pipeline.defs.store import STATE_FILE, Store
from cph50_pipeline.defs.taking_in import mark_months
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import CHARGER, MeterConfig
from cph50_pipeline.power.readings import collect, merge
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.dagster.homes import MONTHS, Home
from cph50_pipeline_tests.unit.charging.builders import month_of_answers, status

PACIFIC = ZoneInfo("America/Los_Angeles")
HOUSE = MeterConfig.model_validate(
    {
        "meters": {
            "home.power": {
                "source": "home_assistant", "entity": "sensor.a", "quantity": "power", "kind": "gauge", "unit": "kW",
                "mains": True, "outage_after_seconds": 1200,
            },
            "home.energy": {
                "source": "home_assistant", "entity": "sensor.b", "quantity": "energy", "kind": "counter",
                "unit": "kWh",
            },
        }
    }
)  # fmt: skip
TEN_MINUTES = timedelta(minutes=10)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(DataRoot(str(tmp_path)), Locks(tmp_path / "private"), PACIFIC)


def write_house(store: Store, month: str, dark: tuple[datetime, datetime] | None = None) -> None:
    """A month of a house that draws 1.2 kW: a gauge and a counter every ten minutes; no power while it is dark."""
    begins, ends = month_bounds(month, store.zone)
    rows: list[tuple[str, datetime, float | None]] = []
    for number in range((ends - begins) // TEN_MINUTES):
        at = begins + number * TEN_MINUTES
        is_dark = dark is not None and dark[0] <= at < dark[1]
        rows.append(("home.power", at, 0.0 if is_dark else 1.2))
        rows.append(("home.energy", at, (at - datetime(2026, 1, 1, tzinfo=UTC)) / TEN_MINUTES * 0.2))
    write_readings(store, month, collect(rows), is_over=True)
    mark_months(store, [month], HOUSE, getLogger("test"))


def energy(table: pa.Table, meter: str, resolution: str) -> float:
    rows = table.to_pylist()
    return sum(
        row["energy_kwh"] or 0.0 for row in rows if (row["meter"], row["resolution"]) == (meter, resolution)
    )


def test_every_resolution_of_a_month_has_the_same_energy_and_its_ends_are_its_neighbours(
    store: Store,
) -> None:
    for month in ("2026-02", "2026-03", "2026-04"):
        write_house(store, month)
    march = roll_up(store, "2026-03", HOUSE)
    hours = 31 * 24 - 1  # the clocks went forward
    for meter in ("home.power", "home.energy"):
        for resolution in ("5min", "hour", "day"):
            assert energy(march, meter, resolution) == pytest.approx(1.2 * hours, abs=1e-6)
    assert ROLLUPS.violations("2026-03", march, None, store) == []
    assert month_events(store, "2026-03", HOUSE) == []


def test_an_outage_over_the_end_of_a_month_is_one_event_of_the_month_in_which_it_begins(store: Store) -> None:
    _, ends = month_bounds("2026-03", PACIFIC)
    dark = (ends - timedelta(minutes=10), ends + timedelta(minutes=40))  # too short in either month
    for month in ("2026-03", "2026-04"):
        write_house(store, month, dark)
    [outage] = month_events(store, "2026-03", HOUSE)
    assert (outage.kind, outage.start, outage.end) == ("outage", *dark)
    april = roll_up(store, "2026-04", HOUSE)
    assert month_events(store, "2026-04", HOUSE) == []
    days = [row for row in april.to_pylist() if row["resolution"] == "day"]
    assert sum(row["count_outage"] for row in days) == 4


def test_a_meter_that_is_not_configured_any_more_is_left_out(store: Store) -> None:
    write_house(store, "2026-03")
    made = roll_up(store, "2026-03", MeterConfig())
    assert made.num_rows == 0
    assert month_events(store, "2026-03", MeterConfig()) == []


def test_a_household_with_a_charger_alone_has_the_energy_of_its_sessions(collected: Home) -> None:
    store = collected.store()
    with store.open():
        tables = [roll_up(store, month, MeterConfig()) for month in MONTHS]
    wanted = sum(s.energy_kwh for month in MONTHS for s in store.sessions(month) if s.is_home)
    assert wanted > 100
    for resolution in ("5min", "hour", "day"):
        assert sum(energy(table, CHARGER, resolution) for table in tables) == pytest.approx(wanted, abs=1e-6)
    for month, table in zip(MONTHS, tables, strict=True):
        assert ROLLUPS.violations(month, table, None, store) == []
    # A month that is over is known whole, between its sessions, too.
    days = [row for row in tables[1].to_pylist() if row["resolution"] == "day"]
    assert [row["coverage"] for row in days] == [1.0] * 31


def test_the_charger_is_known_until_the_newest_reading_of_the_house(collected: Home) -> None:
    store = collected.store()
    with store.open():
        alone = roll_up(store, MONTHS[-1], HOUSE)
        newest = datetime(2026, 1, 20, 17, 50, tzinfo=UTC)
        write_readings(store, MONTHS[-1], collect([("home.power", newest, 1.0)]), is_over=False)
        both = roll_up(store, MONTHS[-1], HOUSE)
    charger = [row for row in both.to_pylist() if row["meter"] == CHARGER and row["resolution"] == "5min"]
    assert charger[-1]["start"] == newest
    assert charger[-2]["coverage"] == 1.0
    assert energy(both, CHARGER, "day") == pytest.approx(energy(alone, CHARGER, "day"), abs=1e-6)


def test_windows_reach_into_the_months_before_and_count_their_events(store: Store) -> None:
    dark = (datetime(2026, 2, 27, 12, tzinfo=UTC), datetime(2026, 2, 27, 13, tzinfo=UTC))
    with store.open():
        for month in ("2026-02", "2026-03"):
            write_house(store, month, dark)
        for month in ("2026-02", "2026-03"):
            made = roll_up(store, month, HOUSE)
            store.write_months(ROLLUPS, {month: made})
            store.write_months(EVENTS, {month: month_events(store, month, HOUSE)})
        table = roll_windows(store, "2026-03", HOUSE)
        assert WINDOWS.violations("2026-03", table, None, store) == []
        store.write_months(WINDOWS, {"2026-03": table})
    weeks = [row for row in table.to_pylist() if (row["meter"], row["days"]) == ("home.power", 7)]
    assert len(weeks) == 31
    assert weeks[0]["energy_kwh"] == pytest.approx(1.2 * (7 * 24 - 1), abs=1e-6)  # an hour of it was dark
    assert [row["outage_count"] for row in weeks] == [1] * 5 + [0] * 26
    assert weeks[6]["energy_kwh"] == pytest.approx(1.2 * 7 * 24, abs=1e-6)
    years = [row for row in table.to_pylist() if (row["meter"], row["days"]) == ("home.power", 365)]
    assert years[-1]["coverage"] == pytest.approx((28 + 31) / 365, abs=1e-3)


def test_there_are_no_windows_of_a_month_of_which_nothing_is_known(store: Store) -> None:
    assert roll_windows(store, "2026-03", HOUSE).num_rows == 0


def write_rows(store: Store, month: str, rows: Iterable[tuple[str, datetime, float | None]]) -> None:
    write_readings(store, month, collect(rows).between(*month_bounds(month, store.zone)), is_over=True)


def test_a_counters_gap_over_whole_stored_months_is_spread_over_all_of_them(store: Store) -> None:
    counted: list[tuple[str, datetime, float | None]] = [
        ("home.energy", datetime(2026, 2, 10, tzinfo=UTC), 100.0),
        ("home.energy", datetime(2026, 5, 20, tzinfo=UTC), 397.0),
    ]
    months = ["2026-02", "2026-03", "2026-04", "2026-05"]
    for month in months:
        begins, _ = month_bounds(month, PACIFIC)
        write_rows(store, month, [*counted, ("home.power", begins, 1.0), ("home.energy", begins, None)])
    by_month = [energy(roll_up(store, month, HOUSE), "home.energy", "day") for month in months]
    assert sum(by_month) == pytest.approx(297.0, abs=1e-6)  # 3 kWh a day
    assert by_month[1] == pytest.approx(3 * (31 - 1 / 24), abs=1e-6)
    [gap] = [event for event in month_events(store, "2026-02", HOUSE) if event.meter == "home.energy"]
    assert (gap.start, gap.end) == (counted[0][1], counted[1][1])


@pytest.mark.parametrize("damaged", ["2026-02", "2026-04"])
def test_a_damaged_month_is_named_and_does_not_stop_the_one_beside_it(
    store: Store, damaged: str, caplog: pytest.LogCaptureFixture
) -> None:
    for month in ("2026-02", "2026-03", "2026-04"):
        write_house(store, month)
    path = f"power/readings/{damaged}.parquet"
    store.root.write(path, b"PAR1")
    march = roll_up(store, "2026-03", HOUSE)
    assert path in caplog.text
    assert energy(march, "home.power", "day") == pytest.approx(
        1.2 * (31 * 24 - 1), abs=0.21
    )  # but for its end
    assert month_events(store, "2026-03", HOUSE) == []
    with pytest.raises(BadInputError, match=path):
        roll_up(store, damaged, HOUSE)


def test_a_late_reading_changes_its_5_minutes_hour_day_and_windows_and_no_other_row_by_a_bit(
    store: Store,
) -> None:
    month, late = "2026-03", datetime(2026, 3, 17, 12, 3, tzinfo=UTC)
    with store.open():
        tables = []
        for rows in ([], [("home.power", late, 9.0)]):
            write_house(store, month)
            readings = merge(read_readings(store, month), collect(rows))
            write_readings(store, month, readings, is_over=True)
            rollups = roll_up(store, month, HOUSE)
            store.write_months(ROLLUPS, {month: rollups})
            tables.append((rollups, roll_windows(store, month, HOUSE)))
    (before, windows_before), (after, windows_after) = tables
    changed = [row for row, old in zip(after.to_pylist(), before.to_pylist(), strict=True) if row != old]
    assert [(row["meter"], row["resolution"], row["start"]) for row in changed] == [
        ("home.power", "5min", datetime(2026, 3, 17, 12, 0, tzinfo=UTC)),
        ("home.power", "5min", datetime(2026, 3, 17, 12, 5, tzinfo=UTC)),
        ("home.power", "day", datetime(2026, 3, 17, 7, tzinfo=UTC)),
        ("home.power", "hour", datetime(2026, 3, 17, 12, tzinfo=UTC)),
    ]
    rolled = zip(windows_after.to_pylist(), windows_before.to_pylist(), strict=True)
    ends = [(row["days"], row["end"]) for row, old in rolled if row != old]
    assert ends
    assert all(late < end <= late + timedelta(days=days) for days, end in ends)


def test_what_a_session_in_progress_draws_is_not_known_beyond_its_last_point(store: Store) -> None:
    start = datetime(2026, 3, 10, 5, tzinfo=UTC)
    running = status(
        [(0, 0.0, 8.5), (150, 0.35, 8.5), (300, 0.71, 8.5)],
        start=start,
        end_time=None,
        current_charging="in_use",
        energy_kwh=0.71,
        last_update_data_timestamp=to_epoch_ms(start + timedelta(minutes=5)),
    )
    store.write_months(ACTIVITY, {"2026-03": month_of_answers(statuses=[running], zone=PACIFIC)})
    store.write_document(
        STATE_FILE,
        {
            "timestamp": "2026-03-10T09:55:00+00:00",
            "detected_at": "",
            "connected": True,
            "charging": True,
        },
    )
    write_rows(store, "2026-03", [("home.power", start + timedelta(hours=4), 9.0)])
    for is_later in (False, True):
        if is_later:  # also when the next month has begun
            store.write_months(ACTIVITY, {"2026-04": ActivityMonth(month="2026-04")})
        rows = [row for row in roll_up(store, "2026-03", HOUSE).to_pylist() if row["meter"] == CHARGER]
        assert max(row["start"] for row in rows if row["resolution"] == "5min") == start + timedelta(
            minutes=5
        )
        assert sum(row["energy_kwh"] for row in rows if row["resolution"] == "day") == pytest.approx(0.71)


def test_a_thinned_month_that_lost_its_rollups_is_not_made_of_what_is_left(store: Store) -> None:
    write_house(store, "2026-03")
    store.write_document(RETENTION_FILE, {"thinned": {"2026-03": {"seconds": 300}}})
    with pytest.raises(BadInputError, match=r"power/rollups/2026-03\.parquet"):
        roll_up(store, "2026-03", HOUSE)
