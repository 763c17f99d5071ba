"""The files of a month's readings: by day while it is open, one table when it is over, and nothing lost between."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.defs.reading_files import is_folded, read_readings, reading_months, write_readings
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.ndjson import dump_lines
from cph50_pipeline.power.readings import Readings, collect, merge
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks

MARCH = "2026-03"
BEGINS = datetime(
    2026, 3, 1, 8, tzinfo=UTC
)  # local midnight in California, which moves its clocks on the 8th
HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(DataRoot(str(tmp_path)), Locks(tmp_path / "private"), ZoneInfo("America/Los_Angeles"))


def hours(first: int, count: int) -> Readings:
    """A reading an hour of two meters, one of them with holes."""
    rows = [("home.power", BEGINS + number * HOUR, float(number)) for number in range(first, first + count)]
    holes = [("home.voltage", at, None if value % 3 else 230.0) for _, at, value in rows]
    return collect([*rows, *holes])


def test_an_open_month_has_a_file_for_each_civil_day_that_has_readings(store: Store) -> None:
    changed = write_readings(store, MARCH, hours(0, 24 * 9), is_over=False)
    assert changed == [f"power/readings/2026-03-{day:02d}.ndjson" for day in range(1, 11)]
    lines = [len((store.root.read(path) or b"").splitlines()) for path in changed]
    assert lines == [48] * 7 + [46, 48, 2]  # the clocks went forward on the 8th
    assert reading_months(store) == [MARCH]


def test_what_was_written_is_read_whether_by_day_or_folded(store: Store) -> None:
    readings = hours(0, 24 * 31 - 1)
    for is_over in (False, True):
        write_readings(store, MARCH, readings, is_over=is_over)
        assert is_folded(store, MARCH) == is_over
        assert dump_lines(read_readings(store, MARCH)) == dump_lines(readings)
        assert reading_months(store) == [MARCH]


def test_a_reading_more_changes_the_file_of_its_day_alone(store: Store) -> None:
    write_readings(store, MARCH, hours(0, 72), is_over=False)
    late = collect([("home.power", BEGINS + 30 * HOUR + timedelta(minutes=1), 7.0)])
    more = merge(read_readings(store, MARCH), late)
    assert write_readings(store, MARCH, more, is_over=False) == ["power/readings/2026-03-02.ndjson"]
    assert write_readings(store, MARCH, more, is_over=False) == []


def test_a_month_that_is_over_is_one_table_and_stays_one_when_a_late_reading_comes(store: Store) -> None:
    write_readings(store, MARCH, hours(0, 48), is_over=False)
    changed = write_readings(store, MARCH, read_readings(store, MARCH), is_over=True)
    days = ["power/readings/2026-03-01.ndjson", "power/readings/2026-03-02.ndjson"]
    assert changed == ["power/readings/2026-03.parquet", *days]
    late = merge(read_readings(store, MARCH), hours(48, 1))
    assert write_readings(store, MARCH, late, is_over=False) == ["power/readings/2026-03.parquet"]
    assert store.root.list("power/") == ["power/readings/2026-03.parquet"]


def test_a_fold_that_was_killed_before_the_days_were_removed_reads_each_once_and_goes_on(
    store: Store,
) -> None:
    readings = hours(0, 48)
    write_readings(store, MARCH, readings, is_over=False)
    days = {path: store.root.read(path) or b"" for path in store.root.list("power/readings/")}
    write_readings(store, MARCH, readings, is_over=True)
    store.write_files(days)  # as the kill would have left them
    assert dump_lines(read_readings(store, MARCH)) == dump_lines(readings)
    assert write_readings(store, MARCH, read_readings(store, MARCH), is_over=True) == sorted(days)
    assert store.root.list("power/") == ["power/readings/2026-03.parquet"]


def test_the_same_readings_in_pieces_give_the_same_bytes(store: Store, tmp_path: Path) -> None:
    other = Store(DataRoot(str(tmp_path / "other")), Locks(tmp_path / "other-private"), store.zone)
    write_readings(store, MARCH, hours(0, 60), is_over=False)
    for first in (40, 0, 20):
        so_far = merge(read_readings(other, MARCH), hours(first, 20))
        write_readings(other, MARCH, so_far, is_over=False)
    paths = store.root.list("power/")
    assert {path: store.root.read(path) for path in paths} == {path: other.root.read(path) for path in paths}


def test_a_reading_of_another_month_is_refused_and_nothing_is_written(store: Store) -> None:
    with pytest.raises(BadInputError, match=r"1 reading\(s\) lie outside 2026-03"):
        write_readings(store, MARCH, collect([("home.power", BEGINS - HOUR, 1.0)]), is_over=False)
    assert reading_months(store) == []


@pytest.mark.parametrize("path", ["power/readings/2026-03-02.ndjson", "power/readings/2026-03.parquet"])
def test_a_damaged_file_is_named_and_left_as_it_is(store: Store, path: str) -> None:
    write_readings(store, MARCH, hours(0, 48), is_over=path.endswith("parquet"))
    store.root.write(path, b"{")
    with pytest.raises(BadInputError, match=path):
        read_readings(store, MARCH)
    assert store.root.read(path) == b"{"


def test_a_persons_own_file_beside_them_is_neither_read_nor_removed(store: Store) -> None:
    store.root.write("power/readings/2026-03-notes.ndjson", b"mine\n")
    write_readings(store, MARCH, hours(0, 24), is_over=True)
    assert len(read_readings(store, MARCH)) == 48
    assert store.root.read("power/readings/2026-03-notes.ndjson") == b"mine\n"
