"""What a month of power must satisfy before its files are swapped in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from cph50_pipeline.civil_time import from_epoch_ms, month_bounds
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.events import Event
from cph50_pipeline.power.rollups import Rollup, coarsen, rollup
from cph50_pipeline.power.rules import (
    event_violations,
    rollup_violations,
    window_sum_violations,
    window_violations,
)
from cph50_pipeline.power.tables import rollups_table, windows_table
from cph50_pipeline.power.windows import windows
from cph50_pipeline_tests.unit.power.builders import PACIFIC, every, gauge

JANUARY = "2026-01"
BEGINS, ENDS = month_bounds(JANUARY, PACIFIC)


def resolutions() -> dict[tuple[str, Any], Rollup]:
    """January of a meter that drew 2 kW for a week."""
    base = rollup(
        every(600, [2.0] * 1000, BEGINS + timedelta(days=3)), gauge(), edges("5min", BEGINS, ENDS, PACIFIC)
    )
    wide = {name: coarsen(base, edges(name, BEGINS, ENDS, PACIFIC)) for name in ("hour", "day")}
    return {("home.power", name): one for name, one in {"5min": base, **wide}.items()}


def rows(table: pa.Table, **changes: Any) -> pa.Table:
    """The table with other values in its first row."""
    first: Mapping[str, Any] = {**table.slice(0, 1).to_pylist()[0], **changes}
    return pa.concat_tables([pa.Table.from_pylist([first], schema=table.schema), table.slice(1)])


def test_rollups_as_they_are_made_break_no_rule() -> None:
    table = rollups_table(resolutions())
    assert table.num_rows > 2000
    assert rollup_violations(JANUARY, table, PACIFIC) == []
    assert rollup_violations(JANUARY, rollups_table({}), PACIFIC) == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"energy_kwh": 0.2}, "energy_conserved"),
        ({"energy_kwh": None}, "energy_conserved"),
        ({"coverage": 1.01}, "coverage_is_a_share"),
        ({"coverage": -0.01}, "coverage_is_a_share"),
        ({"start": ENDS}, "inside_month"),
        ({"start": BEGINS - timedelta(minutes=5)}, "inside_month"),
    ],
)
def test_a_bucket_that_is_wrong_is_found(changes: dict[str, Any], rule: str) -> None:
    table = rows(rollups_table(resolutions()), **changes)
    [found] = rollup_violations(JANUARY, table, PACIFIC)
    assert (found.rule, found.subject, found.month) == (rule, "home.power", JANUARY)
    assert "2026-01: meter home.power" in found.message


def test_a_bucket_that_stands_twice_is_found() -> None:
    table = rollups_table(resolutions())
    twice = pa.concat_tables([table, table.slice(0, 1)])
    assert {violation.rule for violation in rollup_violations(JANUARY, twice, PACIFIC)} == {
        "unique_buckets",
        "energy_conserved",
    }


def test_windows_end_in_their_month_and_stand_once() -> None:
    days = resolutions()["home.power", "day"]
    made = windows(days, 7, 20)
    table = windows_table({("home.power", 7): made})
    assert window_violations(JANUARY, table, PACIFIC) == []
    [doubled] = window_violations(JANUARY, pa.concat_tables([table, table.slice(3, 1)]), PACIFIC)
    assert doubled.rule == "unique_buckets"
    [outside] = window_violations("2026-02", table.slice(0, 1), PACIFIC)
    assert outside.rule == "inside_month"
    assert from_epoch_ms(int(made.end[-1])) == ENDS  # the last window ends with the month


def test_windows_of_30_days_hold_the_energy_of_their_days() -> None:
    days = resolutions()["home.power", "day"]
    table = windows_table({("home.power", 30): windows(days, 30, 2)})
    rollups = rollups_table(resolutions())
    halves = [rollups.slice(0, 100), rollups.slice(100)]
    assert window_sum_violations(JANUARY, table, halves) == []
    wrong = rows(rollups_table({("home.power", "day"): days}), energy_kwh=1.0)
    [found] = window_sum_violations(JANUARY, table, [wrong])
    assert (found.rule, found.subject) == ("windows_add_up", "home.power")
    assert "the 30 days until 2026-01-31 08:00 UTC" in found.message


def event(start: datetime, seconds: float = 60.0) -> Event:
    return Event(
        meter="home.power",
        kind="gap",
        start=start,
        end=start + timedelta(seconds=seconds),
        duration_seconds=seconds,
    )


def test_an_event_begins_in_its_month_and_may_end_in_the_next() -> None:
    assert event_violations(JANUARY, [event(BEGINS), event(ENDS - timedelta(seconds=1))], PACIFIC) == []
    [found] = event_violations(JANUARY, [event(ENDS)], PACIFIC)
    assert found.rule == "inside_month"


def test_an_event_that_ends_before_it_begins_or_stands_twice_is_found() -> None:
    at = datetime(2026, 1, 7, tzinfo=UTC)
    found = event_violations(JANUARY, [event(at, -1), event(at)], PACIFIC)
    assert [violation.rule for violation in found] == ["in_order", "unique_buckets"]
