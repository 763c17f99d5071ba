"""After a fresh clone Dagster is told what the files already hold, and only that."""

from __future__ import annotations

import hashlib

import dagster as dg
import pytest

from cph50_pipeline.defs.document_files import CLASSIFIER_HTML
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, MONTH_FILES, SLOTS
from cph50_pipeline.defs.reconcile import Reconciled, reconcile
from cph50_pipeline.defs.store import CLASSIFIER_FILE
from cph50_pipeline_tests.dagster.homes import MONTHS, Home, materializations


def told(home: Home, first_month: str = MONTHS[0]) -> Reconciled:
    return reconcile(home.instance, home.store(), first_month)


def known(home: Home, asset: str) -> set[str]:
    return set(home.instance.get_materialized_partitions(dg.AssetKey(asset)))


def test_after_a_fresh_clone_every_month_of_every_asset_is_shown_as_made(collected: Home) -> None:
    result = told(collected)
    paths = [file.path(month) for file in MONTH_FILES.values() for month in MONTHS]
    assert result == Reconciled(sorted([*paths, CLASSIFIER_FILE, CLASSIFIER_HTML]), [])
    assert all(known(collected, asset) == set(MONTHS) for asset in MONTH_FILES)
    assert len(materializations(collected.instance, "vehicle_classifier")) == 1


def test_what_is_reported_describes_the_file(collected: Home) -> None:
    told(collected)
    data = (collected.folder / SLOTS.path(MONTHS[2])).read_bytes()
    [slots] = materializations(collected.instance, SLOTS.asset, MONTHS[2])
    assert slots.metadata["path"].value == SLOTS.path(MONTHS[2])
    assert slots.metadata["sha256"].value == hashlib.sha256(data).hexdigest()
    assert slots.metadata["size_bytes"].value == len(data)
    assert slots.metadata["dagster/row_count"].value == SLOTS.rows(SLOTS.parse(data, "the file"))
    assert {column.name for column in slots.metadata["dagster/column_schema"].schema.columns} == set(
        SLOTS.columns()
    )


def test_telling_again_tells_nothing_new(collected: Home) -> None:
    told(collected)
    assert told(collected) == Reconciled([], [])


def test_what_dagster_knows_is_not_told_again(collected: Home) -> None:
    assert collected.run([MONTHS[0]], only=["session_cache"]).success
    assert CACHE.path(MONTHS[0]) not in told(collected).reported
    assert len(materializations(collected.instance, CACHE.asset, MONTHS[0])) == 1


@pytest.mark.parametrize("data", [b"", b"PAR1"])
def test_a_damaged_file_is_named_and_its_month_stays_unmade(collected: Home, data: bytes) -> None:
    (collected.folder / SLOTS.path(MONTHS[1])).write_bytes(data)
    result = told(collected)
    [line] = result.damaged
    assert SLOTS.path(MONTHS[1]) in line
    assert known(collected, SLOTS.asset) == {MONTHS[0], MONTHS[2]}
    assert known(collected, CACHE.asset) == set(MONTHS)


def test_a_damaged_model_is_named_and_not_shown_as_made(collected: Home) -> None:
    (collected.folder / CLASSIFIER_FILE).write_text('{"version": ')
    [line] = told(collected).damaged
    assert CLASSIFIER_FILE in line
    assert materializations(collected.instance, "vehicle_classifier") == []


def test_months_before_the_history_begins_are_left_out(collected: Home) -> None:
    told(collected, first_month=MONTHS[2])
    assert known(collected, ACTIVITY.asset) == {MONTHS[2]}


def test_files_are_only_read(collected: Home) -> None:
    before = collected.files()
    told(collected)
    assert collected.files() == before


def test_an_empty_data_root_has_nothing_to_tell(home: Home) -> None:
    assert told(home) == Reconciled([], [])
