"""Readings after a change of the zone: each goes to the file of its civil day, and a kill in between loses none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.reading_files import bounds_of, read_readings, reading_months, write_readings
from cph50_pipeline.defs.reading_moves import misplaced, move_readings, moves_of
from cph50_pipeline.defs.store import Store
from cph50_pipeline.power.ndjson import dump_lines
from cph50_pipeline.power.readings import Readings, collect, merge
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.dagster.homes import Killed, die_before

HOME, EAST, WEST = (
    ZoneInfo(f"{key}") for key in ("America/Los_Angeles", "Pacific/Auckland", "Pacific/Honolulu")
)
BEGINS = datetime(2026, 2, 27, 8, tzinfo=UTC)  # local midnight
HOUR = timedelta(hours=1)


def store_in(folder: Path, zone: ZoneInfo) -> Store:
    return Store(DataRoot(str(folder)), Locks(folder / "private"), zone)


def write_house(folder: Path) -> Store:
    """Two days of a folded February, and five of an open March."""
    store = store_in(folder, HOME)
    rows = [("home.power", BEGINS + number * HOUR, float(number)) for number in range(24 * 7)]
    for month in ("2026-02", "2026-03"):
        of_month = collect(rows).between(*month_bounds(month, HOME))
        write_readings(store, month, of_month, is_over=month == "2026-02")
    return store


def everything(store: Store) -> bytes:
    """All readings, wherever they stand."""
    whole = Readings.of({})
    for month in reading_months(store):
        whole = merge(whole, read_readings(store, month))
    return dump_lines(whole)


def files(store: Store) -> dict[str, bytes | None]:
    return {path: store.root.read(path) for path in store.root.list("power/")}


def test_in_the_zone_of_the_files_nothing_moves(tmp_path: Path) -> None:
    assert misplaced(write_house(tmp_path)) == {}


def test_what_moves_is_told_by_file_and_counted(tmp_path: Path) -> None:
    write_house(tmp_path)
    first, *_, last = moves_of(misplaced(store_in(tmp_path, EAST)))
    assert (first.source, first.target) == (
        "power/readings/2026-02.parquet",
        "power/readings/2026-03-01.ndjson",
    )
    assert first.readings == 21  # Auckland's midnight is at 11:00 UTC
    assert (last.source, last.target) == (
        "power/readings/2026-03-05.ndjson",
        "power/readings/2026-03-06.ndjson",
    )


@pytest.mark.parametrize("zone", [EAST, WEST], ids=["east", "west"])
def test_every_reading_comes_into_the_file_of_its_day_and_nothing_is_left_to_move(
    tmp_path: Path, zone: ZoneInfo
) -> None:
    before = everything(write_house(tmp_path))
    with store_in(tmp_path, zone).open() as store:
        move_readings(store, misplaced(store))
    assert misplaced(store) == {}
    assert everything(store) == before
    for month in reading_months(store):
        readings = read_readings(store, month)
        assert len(readings.between(*month_bounds(month, zone))) == len(readings)
    assert len(store.root.list("power/readings/", ".parquet")) == 1  # a month that was folded stays so


def test_there_and_back_again_is_where_it_was(tmp_path: Path) -> None:
    before = files(write_house(tmp_path))
    for zone in (EAST, WEST, HOME):
        with store_in(tmp_path, zone).open() as store:
            move_readings(store, misplaced(store))
    assert files(store) == before


@pytest.mark.parametrize("zone", [EAST, WEST], ids=["east", "west"])
def test_killed_before_any_file_it_loses_nothing_and_goes_on_the_next_time(
    tmp_path: Path, zone: ZoneInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(write_house(tmp_path / "undisturbed"))
    with store_in(tmp_path / "undisturbed", zone).open() as store:
        move_readings(store, misplaced(store))
    wanted, kills = files(store), 0
    while True:
        folder = tmp_path / str(kills)
        write_house(folder)
        with monkeypatch.context() as patch, store_in(folder, zone).open() as killed:
            die_before(kills + 1, patch)
            try:
                move_readings(killed, misplaced(killed))
                break
            except Killed:
                kills += 1
        with store_in(folder, zone).open() as again:
            assert everything(again) == before
            move_readings(again, misplaced(again))
            assert files(again) == wanted
    assert kills >= 10


def test_a_file_is_of_a_day_or_of_a_month(tmp_path: Path) -> None:
    store = store_in(tmp_path, EAST)
    assert bounds_of(store, "power/readings/2026-02.parquet") == month_bounds("2026-02", EAST)
    begins, ends = bounds_of(store, "power/readings/2026-04-05.ndjson")
    assert ends - begins == timedelta(hours=25)  # the clocks go back
