"""The asset checks: each finds its own kind of damage, names the month, and stays quiet when all is well."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import dagster as dg
import pytest

from cph50_pipeline.defs.checks import CHECKS, inspect_months
from cph50_pipeline.defs.jobs import CHARGING_JOB
from cph50_pipeline.defs.launch import Launch
from cph50_pipeline.defs.month_files import (
    ACTIVITY,
    CACHE,
    CLASSIFICATIONS,
    MONTH_FILES,
    SAMPLES,
    SLOTS,
    MonthFile,
)
from cph50_pipeline.storage.tables import dump_table
from cph50_pipeline_tests.dagster.homes import MONTHS, QUIET, Home

JANUARY = "2026-01"
DECEMBER = "2025-12"


def check(home: Home, file: MonthFile, months: list[str]) -> dict[str, dg.AssetCheckEvaluation]:
    """Run the checks of one asset over months, as its backfill would; by name."""
    job = dg.define_asset_job("check", selection=dg.AssetSelection.checks_for_assets(file.asset))
    definitions = dg.Definitions.merge(home.defs, dg.Definitions(jobs=[job]))
    result = definitions.resolve_job_def("check").execute_in_process(
        instance=home.instance,
        tags=Launch(CHARGING_JOB, months).all_tags(),
        run_config=QUIET,
        raise_on_error=False,
    )
    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == len(CHECKS)
    return {evaluation.check_name: evaluation for evaluation in evaluations}


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


@pytest.mark.parametrize("name", CHECKS)
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


def test_a_range_run_gives_each_check_one_evaluation_and_all_pass_on_good_files(collected: Home) -> None:
    for file in MONTH_FILES.values():
        found = check(collected, file, MONTHS)
        assert all(evaluation.passed for evaluation in found.values()), file.asset


def test_every_rule_belongs_to_one_question(collected: Home) -> None:
    rules = [rule for _, grouped in CHECKS.values() for rule in grouped]
    assert len(rules) == len(set(rules))
    damaged = damage_energy(collected)
    found = inspect_months(damaged, [DECEMBER], collected.store())
    assert found
    assert {violation.rule for violation in found} <= set(rules)


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
