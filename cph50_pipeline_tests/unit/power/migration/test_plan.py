"""What holds of every migration: no row is lost without a reason, twice is as once, order is no matter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.power.migration.plan import FileRead, Plan, plan
from cph50_pipeline.power.ndjson import dump_lines
from cph50_pipeline.power.readings import Readings, merge
from cph50_pipeline_tests.unit.power.builders import zones
from cph50_pipeline_tests.unit.power.migration.old_files import METERS, NOTHING, of_list, outcome, planned

junk = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 300),
    st.floats(-10, 500, allow_nan=False).map(lambda number: round(number, 2)),
    st.sampled_from(["412.5", "unavailable", "on", "", "1e400"]),
    st.just([]),
)
cells = junk | st.builds(
    lambda said, unit: {"value": said, "unit": unit}, junk, st.sampled_from(["W", "kW", "V", "x"])
)
columns = st.dictionaries(
    st.sampled_from(["power", "voltage", "power_factor", "daily_energy", "solar", "value", "humidity"]), cells
)
# Close together, so that rows often are of one instant, and around the clocks' going forward and the end of a month.
turns = st.sampled_from(
    [datetime(2026, 3, 8, 1), datetime(2026, 1, 31, 23), datetime(2025, 1, 1), datetime(2026, 6, 1)]
)
stamps = st.one_of(
    st.builds(
        lambda turn, minutes, ending: (turn + timedelta(minutes=minutes)).isoformat() + ending,
        turns,
        st.integers(-30, 90),
        st.sampled_from(["", "Z", "-08:00"]),
    ),
    st.sampled_from([None, "soon", 1767774600, 1767774600000, 3]),
)
hours = st.builds(
    lambda turn, number: (turn + timedelta(hours=number)).isoformat(), turns, st.integers(-4, 4)
)
days = st.builds(lambda day: (datetime(2026, 3, 6) + timedelta(days=day)).isoformat(), st.integers(0, 6))


def lists_of(stamp: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    row = st.builds(lambda at, more: {"timestamp": at, **more}, stamp, columns)
    return st.lists(st.one_of(row, row, row, junk), max_size=25)


files = st.fixed_dictionaries(
    {"data.json": lists_of(stamps)}, optional={"weekly.json": lists_of(hours), "yearly.json": lists_of(days)}
)


def told(found: Plan) -> Counter[tuple[datetime | None, str | None, str]]:
    return Counter((verdict.at, verdict.meter, outcome(verdict)) for verdict in found.verdicts)


def put_together(stored: Readings, found: Plan) -> bytes:
    return dump_lines(merge(stored, found.readings))


@given(documents=files, zone=zones)
def test_every_value_of_every_row_has_one_verdict_and_a_reason_when_it_is_refused(
    documents: dict[str, list[Any]], zone: Any
) -> None:
    found = planned(documents, zone=zone)
    expected = Counter(
        (name, number, column)
        for name, rows in documents.items()
        for number, row in enumerate(rows, start=1)
        for column in ((row.keys() - {"timestamp"}) or {""} if isinstance(row, dict) else {""})
    )
    assert Counter((verdict.file, verdict.row, verdict.column) for verdict in found.verdicts) == expected
    assert all((verdict.refusal is None) == (verdict.outcome != "refused") for verdict in found.verdicts)
    assert [(file.name, file.row_count) for file in found.files] == sorted(
        (name, len(rows)) for name, rows in documents.items()
    )


@given(documents=files)
def test_applying_twice_changes_nothing_and_takes_nothing(documents: dict[str, list[Any]]) -> None:
    first = planned(documents)
    once = merge(NOTHING, first.readings)
    second = planned(documents, stored=once)
    assert put_together(once, second) == dump_lines(once)
    numbers = [verdict for verdict in second.verdicts if verdict.outcome == "taken"]
    assert numbers == []


@given(rows=lists_of(stamps), random=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_is_no_matter(rows: list[Any], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    one, other = of_list(rows), of_list(shuffled)
    assert put_together(NOTHING, one) == put_together(NOTHING, other)
    assert told(one) == told(other)


@given(documents=files, cut=st.integers(0, 25))
def test_nothing_stored_is_changed(documents: dict[str, list[Any]], cut: int) -> None:
    stored = planned({name: rows[:cut] for name, rows in documents.items()}).readings
    found = planned(documents, stored=stored)
    together = merge(stored, found.readings)
    for meter, series in stored.series.items():
        kept = dict(zip(together[meter].at.tolist(), together[meter].value.tolist(), strict=True))
        for at, value in zip(series.at.tolist(), series.value.tolist(), strict=True):
            assert kept[at] == value or value != value


def counts(found: Plan) -> Sequence[bool | int]:
    return found.taken_count, found.is_in_vain


def test_a_migration_is_in_vain_when_nothing_of_it_can_be_taken_or_was() -> None:
    rows = [{"timestamp": "2026-01-07T08:00:00", "power": 400}]
    first = of_list(rows)
    assert counts(first) == (1, False)
    assert counts(of_list(rows, stored=first.readings)) == (0, False)
    assert counts(of_list([{"timestamp": "soon", "power": 400}])) == (0, True)
    assert counts(of_list([])) == (0, True)
    unread = plan([], [FileRead("old.json", error="it was cut short")], NOTHING, METERS, 600.0)
    assert counts(unread) == (0, True)
