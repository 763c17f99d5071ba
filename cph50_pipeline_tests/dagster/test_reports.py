"""The reports: made of all that is stored, the same for the same data, and never in the place of a good one."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import dagster as dg
import pytest

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.defs.document_files import (
    DIGEST_CSV,
    DIGEST_HTML,
    DIGEST_JSON,
    DOCUMENT_FILES,
    UNCLASSIFIED_JSON,
)
from cph50_pipeline.defs.io_manager import build_io_manager
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, VEHICLE_REPORT_JOB
from cph50_pipeline.defs.month_files import CACHE, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.publishing import build_store_resource
from cph50_pipeline.defs.reconcile import reconcile
from cph50_pipeline.defs.reviewing import digest_vehicles, report_unclassified
from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE
from cph50_pipeline.simulator.household import Household
from cph50_pipeline_tests.dagster.homes import (
    EMBER,
    MONTHS,
    QUIET,
    TIDE,
    Home,
    failure_texts,
    materializations,
)

REPORTS = ["unclassified_sessions", "vehicle_digest"]
FILES = {file.path for asset in REPORTS for file in DOCUMENT_FILES[asset]}


def report(home: Home) -> dg.ExecuteInProcessResult:
    return home.run([], job=VEHICLE_REPORT_JOB)


def records(home: Home) -> list[CacheRecord]:
    return [record for month in MONTHS for record in home.store().need_month(CACHE, month)]


def label(home: Home, labels: dict[str, str]) -> None:
    entries = {id_: {"vehicle_id": car, "labeled_by": "ann"} for id_, car in labels.items()}
    (home.folder / LABELS_FILE).write_text(json.dumps(entries))
    assert home.run(MONTHS, job=ATTRIBUTION_JOB).success


def test_without_any_label_the_sessions_of_the_two_cars_come_out_as_groups(
    collected: Home, household: Household
) -> None:
    (collected.folder / LABELS_FILE).write_text("{}")
    assert report(collected).success
    found = collected.json(UNCLASSIFIED_JSON)
    first, second = found["groups"][:2]
    named = [
        Counter(household.true_vehicle(example["session_id"]) for example in group["examples"])
        for group in (first, second)
    ]
    assert sorted(car for counted in named for car in counted) == [EMBER, TIDE]
    assert [month["month"] for month in found["months"]] == MONTHS[1:]  # the first month has no session
    assert sum(month["sessions"] for month in found["months"]) == len(records(collected))


def test_the_cars_of_the_digest_add_up_to_the_session_cache(collected: Home) -> None:
    cache = records(collected)
    label(collected, {cache[0].session_id: EMBER, cache[1].session_id: TIDE})
    assert report(collected).success
    found = collected.json(DIGEST_JSON)
    of_cache = sum(round(record.energy_kwh * 10**6) for record in cache)
    assert round(found["total"]["energy_kwh"] * 10**6) == of_cache
    assert sum(round(car["energy_kwh"] * 10**6) for car in found["vehicles"]) == of_cache
    assert {car["vehicle_id"]: car["labels"] for car in found["vehicles"]} == {
        EMBER: 1,
        TIDE: 1,
        "unknown": 0,
    }
    assert [month["period"] for month in found["months"]] == MONTHS[1:]


def test_a_report_is_committed_and_the_same_data_changes_no_file_and_no_commit(collected: Home) -> None:
    assert report(collected).success
    commits, files = collected.commit_count(), collected.files()
    assert files.keys() >= FILES
    assert set(collected.git("show", "--name-only", "--format=", "HEAD").split()) >= FILES
    assert report(collected).success
    assert collected.commit_count() == commits
    assert {p: d for p, d in collected.files().items() if p != "runs.json"} == {
        p: d for p, d in files.items() if p != "runs.json"
    }


def test_dagster_shows_the_queue_the_digest_and_the_files(collected: Home) -> None:
    cache = records(collected)
    label(collected, {cache[0].session_id: EMBER})
    assert report(collected).success
    unclassified = materializations(collected.instance, "unclassified_sessions")[0].metadata
    digest = materializations(collected.instance, "vehicle_digest")[0].metadata
    assert unclassified["queue"].value.startswith("| why | session |")
    assert "which car?" in unclassified["groups"].value
    assert "2025-12" in unclassified["by_month"].value
    assert digest["sessions"].value == len(cache)
    assert "Ember" in digest["vehicles"].value
    for metadata, asset in ((unclassified, REPORTS[0]), (digest, REPORTS[1])):
        shown = [record.data for record in metadata["files"].records]
        assert [row["path"] for row in shown] == [file.path for file in DOCUMENT_FILES[asset]]
        assert all(row["changed"] is True for row in shown)


@pytest.mark.parametrize("file", [CLASSIFICATIONS, CACHE, SAMPLES], ids=lambda file: file.asset)
def test_a_damaged_month_is_named_and_the_last_reports_stay(collected: Home, file: object) -> None:
    assert report(collected).success
    before = collected.files()
    path = collected.folder / file.path("2025-12")  # type: ignore[attr-defined]
    path.write_bytes(b"[")
    texts = failure_texts(report(collected))
    assert any(file.path("2025-12") in text for text in texts)  # type: ignore[attr-defined]
    after = collected.files()
    assert after[DIGEST_JSON] == before[DIGEST_JSON]
    if file is not CACHE:
        assert after[UNCLASSIFIED_JSON] == before[UNCLASSIFIED_JSON]


def test_an_invalid_car_stops_the_report_with_its_reason(collected: Home) -> None:
    (collected.folder / VEHICLES_FILE).write_text('{"vehicles": {"ember": {"year": "soon"}}}')
    assert all(VEHICLES_FILE in text for text in failure_texts(report(collected)))
    assert not (collected.folder / DIGEST_JSON).exists()


def materialize(home: Home, asset: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    """Make one asset of a test on the household's files."""
    return dg.materialize(
        [asset, *(dg.AssetSpec(key) for key in asset.asset_deps[asset.key])],
        selection=[asset],
        resources={"store": build_store_resource(home.settings), "io_manager": build_io_manager()},
        instance=home.instance,
        raise_on_error=False,
        run_config=QUIET,
    )


def test_of_a_report_with_one_bad_file_none_is_written(collected: Home) -> None:
    assert report(collected).success
    before = collected.files()

    @dg.asset
    def vehicle_digest() -> Any:
        return {DIGEST_JSON: {"timezone": "UTC"}, DIGEST_CSV: "changed\n", DIGEST_HTML: "page\n"}

    [text] = failure_texts(materialize(collected, vehicle_digest))
    assert DIGEST_JSON in text
    assert "last good file stays" in text
    assert {path: collected.files()[path] for path in FILES} == {path: before[path] for path in FILES}


def test_an_asset_that_asks_for_a_report_gets_its_files_by_path(collected: Home) -> None:
    assert report(collected).success
    seen: list[dict[str, Any]] = []

    @dg.asset
    def probe(vehicle_digest: Any) -> None:
        seen.append(vehicle_digest)

    assert materialize(collected, probe).success
    [found] = seen
    assert found[DIGEST_JSON] == digest_vehicles(collected.store())
    assert found[DIGEST_HTML].endswith("</html>\n")


def test_a_household_without_sessions_is_told_what_to_do(home: Home) -> None:
    texts = failure_texts(report(home))
    assert len(texts) == len(REPORTS)
    assert all("cph50 backfill" in text for text in texts)
    assert not any((home.folder / path).exists() for path in FILES)


def test_hostile_names_reach_the_page_as_text(collected: Home) -> None:
    hostile = "<script>alert(1)</script>"
    cars = collected.json(VEHICLES_FILE)
    cars["vehicles"][EMBER]["nickname"] = hostile
    (collected.folder / VEHICLES_FILE).write_text(json.dumps(cars))
    assert report(collected).success
    page = (collected.folder / DIGEST_HTML).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert (
        "<script" not in materializations(collected.instance, "vehicle_digest")[0].metadata["vehicles"].value
    )


def test_a_session_that_its_month_did_not_name_yet_waits(collected: Home) -> None:
    path = collected.folder / CLASSIFICATIONS.path("2026-01")
    path.write_bytes(CLASSIFICATIONS.dump(collected.store().need_month(CLASSIFICATIONS, "2026-01")[1:]))
    known = sum(month.sessions for month in report_unclassified(collected.store()).months)
    assert known == len(records(collected)) - 1
    assert digest_vehicles(collected.store()).total.sessions == known + 1


def test_after_a_fresh_clone_the_reports_are_shown_as_made_and_a_cut_one_is_named(collected: Home) -> None:
    assert report(collected).success
    with dg.DagsterInstance.ephemeral() as instance:
        told = reconcile(instance, collected.store(), MONTHS[0])
        assert set(told.reported) >= FILES
        assert len(materializations(instance, "vehicle_digest")) == 1
    (collected.folder / DIGEST_HTML).write_text("<!doctype html><p>cut")
    with dg.DagsterInstance.ephemeral() as instance:
        told = reconcile(instance, collected.store(), MONTHS[0])
        assert any(DIGEST_HTML in line for line in told.damaged)
        assert materializations(instance, "vehicle_digest") == []
