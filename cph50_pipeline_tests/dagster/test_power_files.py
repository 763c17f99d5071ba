"""The four files from what is stored: which day is today, whose power is the house's, and that empty ones are valid."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from logging import getLogger
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import day_start, month_of, month_range
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS
from cph50_pipeline.defs.power_files import make_files, standing_of
from cph50_pipeline.defs.reading_files import write_readings
from cph50_pipeline.defs.rolling_up import month_events, roll_up
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.taking_in import mark_months
from cph50_pipeline.power.data_points import EVENT_TOTALS, FILES, PATHS, empty
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import collect
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.unit.power.builders import config, gauge, voltage

PACIFIC = ZoneInfo("America/Los_Angeles")
HOME = config(home_power=gauge(mains=True, outage_after_seconds=600), home_voltage=voltage())
TEN_MINUTES = timedelta(minutes=10)
NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(DataRoot(str(tmp_path)), Locks(tmp_path / "private"), PACIFIC)


def midnight(day: date) -> datetime:
    return day_start(day, PACIFIC)


def lived(
    store: Store,
    start: datetime,
    end: datetime,
    meter: str = "home.power",
    kilowatts: float = 1.2,
    config: MeterConfig = HOME,
) -> None:
    """Store a reading every ten minutes, the end included, and what they come to."""
    count = (end - start) // TEN_MINUTES + 1
    rows = [(meter, start + number * TEN_MINUTES, kilowatts) for number in range(count)]
    with store.open():
        for month in month_range(month_of(start, PACIFIC), month_of(end, PACIFIC)):
            of_month = collect(row for row in rows if month_of(row[1], PACIFIC) == month)
            write_readings(store, month, of_month, is_over=False)
        for month in month_range(month_of(start, PACIFIC), month_of(end, PACIFIC)):
            store.write_months(ROLLUPS, {month: roll_up(store, month, config)})
            store.write_months(EVENTS, {month: month_events(store, month, config)})


def points(store: Store, file: str, config: MeterConfig = HOME) -> list[dict[str, Any]]:
    found = make_files(store, config, FILES, NOW)[PATHS[file]]  # type: ignore[index]
    return found["data_points"]  # type: ignore[no-any-return]


def test_before_anything_is_known_all_four_are_valid_empty_files(store: Store) -> None:
    made = make_files(store, HOME, ["daily"], NOW)
    assert made.pop(EVENT_TOTALS) == {"day": [], "month": [], "year": []}
    assert made == {PATHS[file]: empty() for file in FILES}


def test_only_the_wanted_files_are_made_when_all_are_there(store: Store) -> None:
    for path, document in make_files(store, HOME, FILES, NOW).items():
        store.write_document(path, document)
    assert set(make_files(store, HOME, ["weekly"], NOW)) == {EVENT_TOTALS, PATHS["weekly"]}


def test_the_rolling_files_end_with_the_last_day_that_is_over(store: Store) -> None:
    lived(store, midnight(date(2026, 1, 5)), midnight(date(2026, 1, 7)) + timedelta(hours=9))
    assert [point["timestamp"] for point in points(store, "monthly")] == [
        "2026-01-05T00:00:00-08:00",
        "2026-01-06T00:00:00-08:00",
    ]
    assert len(points(store, "weekly")) == 48
    assert points(store, "monthly")[0]["energy_kwh"] == pytest.approx(1.2 * 24)
    today = points(store, "daily")
    assert (today[0]["timestamp"], len(today)) == ("2026-01-07T00:00:00-08:00", 9 * 6 + 1)


@pytest.mark.parametrize(
    ("newest", "last_day", "today"),
    [
        (
            timedelta(minutes=-10),
            "2025-12-30",
            "2025-12-31",
        ),  # 23:50: what stands until midnight is not known
        (timedelta(0), "2025-12-31", "2026-01-01"),
        (timedelta(minutes=10), "2025-12-31", "2026-01-01"),
    ],
)
def test_a_day_is_over_when_the_reading_of_midnight_is_there(
    store: Store, newest: timedelta, last_day: str, today: str
) -> None:
    lived(store, midnight(date(2025, 12, 29)), midnight(date(2026, 1, 1)) + newest)
    assert points(store, "yearly")[-1]["timestamp"].startswith(last_day)
    assert points(store, "daily")[0]["timestamp"].startswith(today)


def test_making_them_again_gives_the_same(store: Store) -> None:
    lived(store, midnight(date(2026, 1, 5)), midnight(date(2026, 1, 7)))
    again = Store(store.root, store.locks, store.zone)
    assert make_files(store, HOME, FILES, NOW) == make_files(again, HOME, FILES, NOW)


def test_a_year_goes_back_over_months_and_new_year(store: Store) -> None:
    lived(store, midnight(date(2025, 11, 20)), midnight(date(2026, 1, 3)))
    assert len(points(store, "yearly")) == 44
    assert len(points(store, "monthly")) == 30


def test_the_charger_is_the_house_where_no_other_meter_says_anything(store: Store) -> None:
    lived(store, midnight(date(2026, 1, 5)), midnight(date(2026, 1, 7)), meter="charger.power")
    standing = standing_of(store, HOME, NOW)
    assert standing is not None
    assert standing.main == "charger.power"
    assert len(points(store, "monthly")) == 2


def test_a_meter_that_went_silent_long_ago_is_not_the_house_any_more(store: Store) -> None:
    lived(store, midnight(date(2025, 10, 1)), midnight(date(2025, 10, 3)))
    lived(store, midnight(date(2025, 12, 30)), midnight(date(2026, 1, 2)), meter="charger.power")
    standing = standing_of(store, HOME, NOW)
    assert standing is not None
    assert (standing.main, standing.until) == ("charger.power", datetime(2026, 1, 2, 8, tzinfo=UTC))
    assert points(store, "yearly")[0]["home.power"]["energy_kwh"] == pytest.approx(1.2 * 24)


def test_an_outage_over_midnight_is_in_both_days(store: Store) -> None:
    start, end = midnight(date(2026, 1, 5)), midnight(date(2026, 1, 8))
    dark = midnight(date(2026, 1, 7))
    rows = [
        ("home.power", at, 0.0 if abs(at - dark) < timedelta(hours=1) else 1.0)
        for number in range((end - start) // TEN_MINUTES + 1)
        for at in [start + number * TEN_MINUTES]
    ]
    with store.open():
        write_readings(store, "2026-01", collect(rows), is_over=False)
        mark_months(store, ["2026-01"], HOME, getLogger("test"))
        store.write_months(ROLLUPS, {"2026-01": roll_up(store, "2026-01", HOME)})
        store.write_months(EVENTS, {"2026-01": month_events(store, "2026-01", HOME)})
    document = make_files(store, HOME, FILES, NOW)[PATHS["weekly"]]
    assert [event["kind"] for event in document["events"]] == ["outage"]
    totals = make_files(store, HOME, FILES, NOW)[EVENT_TOTALS]
    assert [(one["period"], one["count"]) for one in totals["day"]] == [("2026-01-06", 1), ("2026-01-07", 0)]
    assert [(one["period"], one["count"]) for one in totals["year"]] == [("2026", 1)]
    by_day = {point["timestamp"][:10]: point["coverage"] for point in points(store, "monthly")}
    assert by_day["2026-01-05"] == 1.0
    assert by_day["2026-01-06"] < 1.0
    assert by_day["2026-01-07"] < 1.0


def test_a_reading_of_a_time_that_is_yet_to_come_moves_no_file(store: Store) -> None:
    lived(store, midnight(date(2026, 1, 5)), midnight(date(2026, 1, 7)))
    before = [points(store, file) for file in FILES]
    for wrong in (NOW + timedelta(days=2), datetime(2035, 1, 7, 18, tzinfo=UTC)):
        lived(store, wrong, wrong)
        assert [[p["timestamp"] for p in points(store, file)] for file in FILES] == [
            [p["timestamp"] for p in known] for known in before
        ]


def test_what_was_today_is_in_the_other_files_before_it_goes(store: Store) -> None:
    made = [path for path in make_files(store, HOME, FILES, NOW) if path != EVENT_TOTALS]
    assert made[-1] == PATHS["daily"]
