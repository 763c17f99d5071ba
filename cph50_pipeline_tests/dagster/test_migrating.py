"""Taking old files into a household's readings: nothing before it is asked for, each month as the others lie."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.migrating import Migrated, migrate, months_to_make
from cph50_pipeline.defs.power_inputs import PowerInputs
from cph50_pipeline.defs.reading_files import read_readings, write_readings
from cph50_pipeline.defs.reference_files import ensure_meters
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.migration.columns import Choices
from cph50_pipeline.power.readings import collect
from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.dagster.homes import NOW

OCTOBER = datetime(2025, 10, 31, 12, tzinfo=UTC)
NO_CHOICES = Choices()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=str(tmp_path / "data"), history_start="2025-01")


@pytest.fixture
def store(settings: Settings) -> Store:
    store = Store.of(settings)
    ensure_meters(store)
    return store


def hourly(count: int, begin: datetime = OCTOBER) -> list[dict[str, Any]]:
    """Readings an hour and a bit apart, so that they are no means."""
    step = timedelta(minutes=61)
    return [
        {"timestamp": (begin + number * step).isoformat(), "power": 400 + number % 7}
        for number in range(count)
    ]


def old(folder: Path, files: Mapping[str, Any]) -> Path:
    path = folder / "old"
    path.mkdir(exist_ok=True)
    for name, document in files.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (path / name).write_text(text)
    return path


def migrated(
    store: Store, settings: Settings, path: Path, choices: Choices = NO_CHOICES, *, apply: bool = True
) -> Migrated:
    with store.open():
        return migrate(store, settings, path, choices, NOW, apply=apply)


def files(store: Store) -> dict[str, bytes | None]:
    return {path: store.root.read(path) for path in store.root.list()}


def test_nothing_is_written_before_it_is_asked_for(store: Store, settings: Settings, tmp_path: Path) -> None:
    before = files(store)
    done = migrated(store, settings, old(tmp_path, {"data.json": hourly(5)}), apply=False)
    assert (done.plan.taken_count, done.months) == (5, [])
    assert files(store) == before
    assert not store.holds_power


def test_months_that_are_over_are_folded_the_open_one_lies_by_day_and_twice_changes_nothing(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    path = old(tmp_path, {"data.json": hourly(60), "weekly.json": hourly(3, NOW - timedelta(hours=5))})
    done = migrated(store, settings, path)
    assert done.months == ["2025-10", "2025-11", "2026-01"]
    assert store.holds_power
    after = files(store)
    assert [name for name in after if name.startswith("power/")] == [
        "power/readings/2025-10.parquet",
        "power/readings/2025-11.parquet",
        "power/readings/2026-01-20.ndjson",
    ]
    assert sum(len(read_readings(store, month)) for month in done.months) == 63
    again = migrated(Store.of(settings), settings, path)
    assert (again.months, again.plan.taken_count, again.plan.is_in_vain) == ([], 0, False)
    assert files(store) == after


def test_a_folded_month_gets_what_it_lacks_and_keeps_what_it_has(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    rows = hourly(5)
    there = collect([("home.power", OCTOBER, 9.0), ("home.voltage", OCTOBER, 240.0)])
    write_readings(store, "2025-10", there, is_over=True)
    done = migrated(store, settings, old(tmp_path, {"data.json": rows}))
    together = read_readings(store, "2025-10")
    assert together["home.power"].value.tolist() == [9.0, 0.401, 0.402, 0.403, 0.404]
    assert together["home.voltage"].value.tolist() == [240.0]
    assert [verdict.outcome for verdict in done.plan.verdicts] == ["refused", *["taken"] * 4]


def test_a_counter_is_held_against_the_nearest_stored_month(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    later = OCTOBER + timedelta(days=60)
    write_readings(store, "2025-12", collect([("home.energy", later, 900_000.0)]), is_over=True)
    path = old(tmp_path, {"data.json": [{"timestamp": OCTOBER.isoformat(), "daily_energy": 5.0}]})
    [verdict] = migrated(store, settings, path).plan.verdicts
    assert verdict.refusal is not None
    assert "the stored readings are of another counter" in verdict.refusal.why


def test_a_folder_is_read_whole_and_what_is_no_file_of_readings_hinders_nothing(
    store: Store, settings: Settings, tmp_path: Path
) -> None:
    path = old(tmp_path, {"config.json": {"token": "x"}, "cut.json": '[{"timest', "data.json": hourly(2)})
    (path / "folder.json").mkdir()
    done = migrated(store, settings, path)
    assert {file.name: file.error for file in done.plan.files} == {
        "config.json": "has no list of points",
        "cut.json": "is not a readable JSON file: it was cut short",
        "data.json": None,
        "folder.json": "it cannot be read: Is a directory",
    }
    assert done.plan.taken_count == 2


def test_what_cannot_be_asked_for_is_one_clear_line(store: Store, settings: Settings, tmp_path: Path) -> None:
    path = old(tmp_path, {"data.json": hourly(2)})
    with pytest.raises(BadInputError, match=r"No file has a column 'pwoer'\. The columns are power"):
        migrated(store, settings, path, Choices(meters={"pwoer": "home.power"}))
    with pytest.raises(BadInputError, match=r"There is no .*elsewhere"):
        migrated(store, settings, tmp_path / "elsewhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInputError, match="empty has no JSON file"):
        migrated(store, settings, tmp_path / "empty")
    store.root.write("power/readings/2025-10.parquet", b"{")
    with pytest.raises(BadInputError, match=r"power/readings/2025-10\.parquet"):
        migrated(store, settings, path)
    store.root.remove("meters.json")
    with pytest.raises(BadInputError, match=r"There is no meters\.json"):
        migrated(store, settings, path)


def test_the_months_made_again_are_those_that_there_are_and_whose_windows_reach_back(store: Store) -> None:
    for month in ("2023-06", "2024-11", "2025-01", "2025-02", "2025-05", "2026-01"):
        begins = month_bounds(month, store.zone)[0]
        write_readings(store, month, collect([("home.power", begins, 1.0)]), is_over=True)
    inputs = PowerInputs(store, store.meters(600.0))
    assert months_to_make(inputs, ["2024-11"], "2023-06", "2025-04") == [
        ["2023-06"],
        ["2024-11"],
        ["2025-01", "2025-02"],
    ]
    assert months_to_make(inputs, ["2025-02"], "2023-06", "2026-01") == [
        ["2025-01", "2025-02"],
        ["2025-05"],
        ["2026-01"],
    ]
    assert months_to_make(inputs, ["2023-06"], "2023-06", "2026-01") == [["2023-06"]]
    assert months_to_make(inputs, ["2024-11"], "2024-01", "2024-12") == [["2024-11"]]


def test_a_month_without_a_reading_is_made_where_a_counter_counted_over_it(store: Store) -> None:
    for month, counted in (("2025-01", 10.0), ("2025-04", 40.0)):
        begins = month_bounds(month, store.zone)[0]
        write_readings(store, month, collect([("home.energy", begins, counted)]), is_over=True)
    inputs = PowerInputs(store, store.meters(600.0))
    assert months_to_make(inputs, ["2025-04"], "2023-06", "2026-01") == [["2025-03", "2025-04"]]
    assert months_to_make(inputs, ["2025-01"], "2023-06", "2026-01") == [
        ["2025-01", "2025-02", "2025-03", "2025-04"]
    ]
