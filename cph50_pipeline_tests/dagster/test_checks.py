"""The asset checks: each finds its own kind of damage, names the month, and stays quiet when all is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest

from cph50_pipeline.defs.checks import INSPECTIONS, SESSION_QUESTIONS, inspect_months
from cph50_pipeline.defs.jobs import CHARGING_JOB, POWER_JOB, REBUILD_TAG, RETENTION_TAG
from cph50_pipeline.defs.launch import Launch
from cph50_pipeline.defs.month_files import (
    ACTIVITY,
    CACHE,
    CLASSIFICATIONS,
    EVENTS,
    ROLLUPS,
    SAMPLES,
    SLOTS,
    WINDOWS,
    MonthFile,
)
from cph50_pipeline.defs.reading_files import write_readings
from cph50_pipeline.defs.rolling_up import roll_up, roll_windows
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import collect
from cph50_pipeline.storage.tables import dump_table
from cph50_pipeline_tests.dagster.homes import MONTHS, QUIET, Home, with_house

JANUARY = "2026-01"
DECEMBER = "2025-12"


def check(home: Home, file: MonthFile, months: list[str]) -> dict[str, dg.AssetCheckEvaluation]:
    """Run the checks of one file's asset over months, as its backfill would; by name."""
    return check_asset(home, file.asset, months)


def check_asset(home: Home, asset: str, months: list[str]) -> dict[str, dg.AssetCheckEvaluation]:
    keys = [dg.AssetCheckKey(dg.AssetKey(asset), name) for name in INSPECTIONS[asset].questions]
    job = dg.define_asset_job("check", selection=dg.AssetSelection.checks(*keys))
    definitions = dg.Definitions.merge(home.defs, dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("check").execute_in_process(
        instance=home.instance,
        tags=Launch(CHARGING_JOB, months).all_tags(),
        run_config=QUIET,
        raise_on_error=False,
    )
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    found = {evaluation.check_name: evaluation for evaluation in evaluations}
    assert [*found] == [*INSPECTIONS[asset].questions]
    return found


def edit_json(
    home: Home, file: MonthFile, month: str, edit: Callable[[list[dict[str, object]]], None]
) -> None:
    path = home.folder / file.path(month)
    document = json.loads(path.read_bytes())
    edit(document)
    path.write_text(json.dumps(document))


def damage_schema(home: Home) -> MonthFile:
    edit_json(home, CACHE, DECEMBER, lambda records: records[0].pop("energy_kwh"))
    return CACHE


def damage_ids(home: Home) -> MonthFile:
    edit_json(home, CACHE, DECEMBER, lambda records: records.append(records[0]))
    return CACHE


def damage_month(home: Home) -> MonthFile:
    path = home.folder / ACTIVITY.path(DECEMBER)
    document = json.loads(path.read_bytes())
    session = next(iter(document["sessions"].values()))
    for answer in session.values():
        answer["start_time"] += 40 * 86_400_000
    path.write_text(json.dumps(document))
    return ACTIVITY


def damage_energy(home: Home) -> MonthFile:
    slots = home.store().need_month(SLOTS, DECEMBER)
    at = max(range(len(slots)), key=lambda index: slots[index].energy_kwh)
    slots[at] = replace(slots[at], energy_kwh=slots[at].energy_kwh + 0.5)
    (home.folder / SLOTS.path(DECEMBER)).write_bytes(SLOTS.dump(slots))
    return SLOTS


def damage_sessions(home: Home) -> MonthFile:
    edit_json(home, CLASSIFICATIONS, DECEMBER, lambda records: records.pop())
    return CLASSIFICATIONS


DAMAGES = {
    "schema_valid": damage_schema,
    "ids_unique": damage_ids,
    "sessions_in_their_month": damage_month,
    "energy_conserved": damage_energy,
    "no_session_lost": damage_sessions,
}


@pytest.mark.parametrize("name", SESSION_QUESTIONS)
def test_a_check_fails_on_its_damage_and_lists_the_month(collected: Home, name: str) -> None:
    file = DAMAGES[name](collected)
    found = check(collected, file, MONTHS)
    assert not found[name].passed
    assert found[name].metadata["months"].value == [DECEMBER]
    assert DECEMBER in (found[name].description or "")


def test_damage_of_one_kind_fails_no_other_check_of_the_file(collected: Home) -> None:
    found = check(collected, damage_energy(collected), MONTHS)
    assert [name for name, evaluation in found.items() if not evaluation.passed] == ["energy_conserved"]


def test_a_session_that_the_cache_lost_is_found(collected: Home) -> None:
    edit_json(collected, CACHE, JANUARY, lambda records: records.pop())
    assert not check(collected, CACHE, [JANUARY])["no_session_lost"].passed


def test_samples_of_a_session_that_is_not_the_months_are_found(collected: Home) -> None:
    readings = collected.store().need_month(SAMPLES, JANUARY)
    readings["999"] = next(iter(readings.values()))
    (collected.folder / SAMPLES.path(JANUARY)).write_bytes(SAMPLES.dump(readings))
    found = check(collected, SAMPLES, [JANUARY])
    assert not found["sessions_in_their_month"].passed
    assert "999" in (found["sessions_in_their_month"].description or "")


def test_a_month_that_counts_fewer_sessions_than_the_time_before_is_found(collected: Home) -> None:
    for count in (20, 19):
        collected.instance.report_runless_asset_event(
            dg.AssetMaterialization("session_cache", partition=JANUARY, metadata={"sessions": count})
        )
    lost = check(collected, CACHE, [JANUARY])["no_session_lost"]
    assert not lost.passed
    assert "19 sessions, 20 the time before" in (lost.description or "")


def test_a_missing_and_a_damaged_file_fail_the_schema_check_and_end_no_run(collected: Home) -> None:
    (collected.folder / SLOTS.path(DECEMBER)).unlink()
    (collected.folder / SLOTS.path(JANUARY)).write_bytes(b"PAR1")
    found = check(collected, SLOTS, MONTHS)["schema_valid"]
    assert not found.passed
    assert found.metadata["months"].value == [DECEMBER, JANUARY]


def test_a_table_with_another_schema_fails_the_schema_check(collected: Home) -> None:
    import pyarrow as pa

    schema = pa.schema([pa.field("session_id", pa.string())])
    table = pa.table({"session_id": ["1"]}, schema=schema)
    (collected.folder / SLOTS.path(JANUARY)).write_bytes(dump_table(table, schema, ["session_id"]))
    assert not check(collected, SLOTS, [JANUARY])["schema_valid"].passed


def test_a_range_run_gives_each_check_one_evaluation_and_all_pass_on_good_files(powered: Home) -> None:
    for asset in INSPECTIONS:
        found = check_asset(powered, asset, MONTHS)
        assert [name for name, evaluation in found.items() if not evaluation.passed] == [], asset


def test_every_rule_belongs_to_one_question(collected: Home) -> None:
    for inspection in INSPECTIONS.values():
        asked = [rule for _, grouped in inspection.questions.values() for rule in grouped]
        assert len(asked) == len(set(asked))
    inspection = INSPECTIONS[damage_energy(collected).asset]
    rules = {rule for _, grouped in inspection.questions.values() for rule in grouped}
    found = inspect_months(inspection, [DECEMBER], collected.store())
    assert found
    assert {violation.rule for violation in found} <= rules


def test_a_failing_check_fails_no_run_that_only_reports(collected: Home) -> None:
    """What a rule finds on disk is shown, and the next good run replaces it."""
    damage_ids(collected)
    result = collected.run([DECEMBER], job=CHARGING_JOB)
    assert result.success
    assert all(evaluation.passed for evaluation in result.get_asset_check_evaluations())


def test_a_month_that_offended_is_asked_again_by_the_next_run_of_another_month(collected: Home) -> None:
    file = damage_energy(collected)
    assert not check(collected, file, [DECEMBER])["energy_conserved"].passed
    found = check(collected, file, [JANUARY])["energy_conserved"]
    assert found.metadata["months"].value == [DECEMBER]


def test_checks_started_by_themselves_cover_every_stored_month(collected: Home) -> None:
    file = damage_energy(collected)
    found = check(collected, file, [])["energy_conserved"]
    assert found.metadata["months"].value == [DECEMBER]


@pytest.fixture
def powered(collected: Home) -> Home:
    """The household with its charger rolled up, beside an hour of readings of the house."""
    hour = [("home.power", datetime(2026, 1, 7, 8, minute, tzinfo=UTC), 1.0) for minute in range(60)]
    config = MeterConfig()
    with collected.store().open() as store:
        write_readings(store, JANUARY, collect(hour), is_over=False)
        for month in MONTHS:
            store.write_months(ROLLUPS, {month: roll_up(store, month, config)})
            store.write_months(EVENTS, {month: []})
            store.write_months(WINDOWS, {month: roll_windows(store, month, config)})
    return collected


def edit_row(home: Home, file: MonthFile, **changes: object) -> None:
    """Change one row of December: of the day, or the 30 days, with the most energy."""
    import pyarrow as pa

    table = home.store().need_month(file, DECEMBER)
    rows = table.to_pylist()
    usual = {"days": 30} if file is WINDOWS else {"resolution": "day"}
    chosen = max((row for row in rows if usual.items() <= row.items()), key=lambda row: row["energy_kwh"])
    chosen.update(changes)
    data = dump_table(pa.Table.from_pylist(rows), table.schema, table.column_names[:3])
    (home.folder / file.path(DECEMBER)).write_bytes(data)


@pytest.mark.parametrize(
    ("file", "changes", "name"),
    [
        (ROLLUPS, {"energy_kwh": 1.0}, "energy_conserved"),
        (ROLLUPS, {"coverage": 1.5}, "coverage_is_a_share"),
        (ROLLUPS, {"start": datetime(2026, 2, 2, 8, tzinfo=UTC)}, "rows_in_their_month"),
        (WINDOWS, {"energy_kwh": 1.0}, "windows_add_up"),
        (WINDOWS, {"end": datetime(2026, 2, 2, 8, tzinfo=UTC)}, "rows_in_their_month"),
        (WINDOWS, {"coverage": -0.1}, "coverage_is_a_share"),
    ],
)
def test_a_row_of_power_that_is_wrong_fails_its_check(
    powered: Home, file: MonthFile, changes: dict[str, object], name: str
) -> None:
    edit_row(powered, file, **changes)
    found = check(powered, file, MONTHS)
    assert not found[name].passed
    assert found[name].metadata["months"].value == [DECEMBER]


def test_windows_of_days_that_were_rolled_up_anew_do_not_add_up(powered: Home) -> None:
    assert all(evaluation.passed for evaluation in check(powered, WINDOWS, MONTHS).values())
    empty = powered.store().need_month(ROLLUPS, DECEMBER).slice(0, 0)
    with powered.store().open() as store:
        store.write_months(ROLLUPS, {DECEMBER: empty})
    found = check(powered, WINDOWS, MONTHS)["windows_add_up"]
    assert found.metadata["months"].value == [DECEMBER, JANUARY]  # whose first 30 days lie in December


def test_every_damaged_file_of_readings_is_named(powered: Home) -> None:
    paths = ["power/readings/2025-12.parquet", "power/readings/2026-01-09.ndjson"]
    for path in paths:
        (powered.folder / path).write_bytes(b"{")
    found = check_asset(powered, "power_readings", [])["files_readable"]
    assert found.metadata["months"].value == [DECEMBER, JANUARY]
    assert all(path in (found.description or "") for path in paths)


def test_a_reading_in_the_file_of_another_month_is_found(powered: Home) -> None:
    folder = powered.folder / "power/readings"
    (folder / "2026-01-07.ndjson").rename(folder / "2025-12-07.ndjson")
    found = check_asset(powered, "power_readings", MONTHS)["rows_in_their_month"]
    assert "2025-12-07.ndjson: 60 reading(s) of another month" in (found.description or "")


@pytest.mark.parametrize("tag", [None, REBUILD_TAG, RETENTION_TAG])
def test_a_month_may_count_fewer_readings_than_before_only_where_that_was_meant(
    powered: Home, tag: str | None
) -> None:
    powered, only = with_house(powered, is_there=False), ["power_readings"]
    assert powered.run([JANUARY], job=POWER_JOB, only=only).success
    path = powered.folder / "power/readings/2026-01-07.ndjson"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    assert powered.run([JANUARY], job=POWER_JOB, only=only, tags={tag: "1"} if tag else None).success
    lost = check_asset(powered, "power_readings", [JANUARY])["no_reading_lost"]
    assert lost.passed == (tag is not None)
