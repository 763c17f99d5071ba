"""The IO manager: what it refuses, what it leaves alone, what it says of what it wrote."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq
import pytest

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.defs.io_manager import build_io_manager
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, MONTH_FILES, SLOTS, MonthFile
from cph50_pipeline.defs.partitions import monthly_partitions
from cph50_pipeline.defs.publishing import build_store_resource
from cph50_pipeline_tests.dagster.homes import MONTHS, Home, MakeHome, failure_texts, materializations

JANUARY = "2026-01"
DERIVED = ["session_samples", "vehicle_classifications", "charging_energy", "session_cache"]


def run_asset(home: Home, asset: dg.AssetsDefinition, months: list[str]) -> dg.ExecuteInProcessResult:
    """Materialize one asset of a test on the household's files, which serve as its upstream."""
    partitions = monthly_partitions(home.settings)
    upstream = [dg.AssetSpec(key, partitions_def=partitions) for key in asset.asset_deps[asset.key]]
    resources = {"store": build_store_resource(home.settings), "io_manager": build_io_manager()}
    tags = {
        "dagster/asset_partition_range_start": months[0],
        "dagster/asset_partition_range_end": months[-1],
    }
    return dg.materialize(
        [asset, *upstream],
        selection=[asset],
        resources=resources,
        instance=home.instance,
        tags=tags,
        raise_on_error=False,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )


def returning(home: Home, file: MonthFile, values: Mapping[str, Any]) -> dg.AssetsDefinition:
    """An asset in the place of a real one that returns what it is told."""

    @dg.asset(
        name=file.asset,
        partitions_def=monthly_partitions(home.settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def made_up() -> Any:
        return values

    return made_up


def test_a_month_alone_and_a_range_in_one_run_give_the_same_files(collected: Home) -> None:
    of_the_range = collected.files()
    for month in MONTHS:
        for file in MONTH_FILES.values():
            if file.asset in DERIVED:
                (collected.folder / file.path(month)).unlink()
        assert collected.run([month], only=DERIVED).success
    made = collected.files()
    assert {p: d for p, d in made.items() if p != "runs.json"} == {
        p: d for p, d in of_the_range.items() if p != "runs.json"
    }


def test_metadata_tells_path_hash_size_and_rows_of_each_month(collected: Home) -> None:
    assert collected.run(MONTHS[1:], only=["charging_energy", "session_cache"]).success
    for file in (SLOTS, CACHE):
        for month in MONTHS[1:]:
            data = (collected.folder / file.path(month)).read_bytes()
            metadata = materializations(collected.instance, file.asset, month)[0].metadata
            assert metadata["path"].value == file.path(month)
            assert metadata["sha256"].value == hashlib.sha256(data).hexdigest()
            assert metadata["size_bytes"].value == len(data)
            assert metadata["dagster/row_count"].value == file.rows(file.parse(data, "the file"))
            columns = {c.name: c.type for c in metadata["dagster/column_schema"].schema.columns}
            assert columns == dict(file.columns())


def test_a_table_has_the_columns_that_its_schema_promises(collected: Home) -> None:
    table = pq.read_table(io.BytesIO((collected.folder / SLOTS.path(JANUARY)).read_bytes()))
    assert {field.name: str(field.type) for field in table.schema} == dict(SLOTS.columns())


def test_an_asset_that_asks_for_a_frame_gets_its_months_as_one(collected: Home) -> None:
    seen: list[pd.DataFrame] = []

    @dg.asset(
        partitions_def=monthly_partitions(collected.settings),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def probe(charging_energy: pd.DataFrame) -> None:
        seen.append(charging_energy)

    assert run_asset(collected, probe, MONTHS).success
    [frame] = seen
    wanted = sum(SLOTS.rows(collected.store().need_month(SLOTS, month)) for month in MONTHS)
    assert len(frame) == wanted > 100
    assert set(frame.columns) == set(SLOTS.columns())


def test_an_asset_that_asks_for_a_frame_of_documents_is_told_that_they_are_none(collected: Home) -> None:
    @dg.asset(partitions_def=monthly_partitions(collected.settings))
    def probe(session_cache: pd.DataFrame) -> None:
        raise AssertionError("must not run")

    [text] = failure_texts(run_asset(collected, probe, [JANUARY]))
    assert "session_cache is JSON" in text


def test_a_missing_upstream_file_is_one_failure_that_names_the_month_and_the_command(collected: Home) -> None:
    (collected.folder / SLOTS.path("2025-12")).unlink()
    result = collected.run(MONTHS, only=["session_cache"])
    [text] = failure_texts(result)
    assert SLOTS.path("2025-12") in text
    assert "cph50 backfill --from 2025-12 --to 2025-12" in text
    assert not any(event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY for event in result.all_events)


@pytest.mark.parametrize(
    "damage", [b"", b"PAR1 and then nothing", b"\x00" * 64], ids=["empty", "cut", "zeros"]
)
def test_a_damaged_table_is_named_and_left_as_it_is(collected: Home, damage: bytes) -> None:
    path = collected.folder / SLOTS.path(JANUARY)
    path.write_bytes(damage)
    [text] = failure_texts(collected.run([JANUARY], only=["session_cache"]))
    assert SLOTS.path(JANUARY) in text
    assert path.read_bytes() == damage


def test_a_damaged_document_is_named_with_the_place_of_the_damage(collected: Home) -> None:
    path = collected.folder / ACTIVITY.path(JANUARY)
    path.write_bytes(path.read_bytes()[:-200])
    [text] = failure_texts(collected.run([JANUARY], only=["session_samples"]))
    assert ACTIVITY.path(JANUARY) in text
    assert "line" in text


def test_a_damaged_file_is_replaced_when_its_asset_is_made_again(collected: Home) -> None:
    path = collected.folder / SLOTS.path(JANUARY)
    good = path.read_bytes()
    path.write_bytes(good[:-9])
    assert collected.run([JANUARY], only=["charging_energy"]).success
    assert path.read_bytes() == good


def test_output_that_loses_a_session_never_replaces_the_good_file(collected: Home) -> None:
    stored = collected.store().activity(JANUARY)
    lost = min(stored.sessions)
    poorer = stored.model_copy(update={"sessions": {k: v for k, v in stored.sessions.items() if k != lost}})
    before = collected.files()
    [text] = failure_texts(run_asset(collected, returning(collected, ACTIVITY, {JANUARY: poorer}), [JANUARY]))
    assert lost in text
    assert JANUARY in text
    assert "last good files stay" in text
    assert collected.files() == before


def test_one_bad_month_of_a_range_keeps_the_whole_range_from_being_written(collected: Home) -> None:
    values = {month: collected.store().need_month(SLOTS, month) for month in MONTHS}
    values[JANUARY].remove(max(values[JANUARY], key=lambda slot: slot.energy_kwh))
    (collected.folder / SLOTS.path(MONTHS[0])).unlink()
    [text] = failure_texts(run_asset(collected, returning(collected, SLOTS, values), MONTHS))
    assert "charging_energy breaks" in text
    assert not (collected.folder / SLOTS.path(MONTHS[0])).exists()


def test_an_asset_must_return_every_month_of_its_run_and_no_other(collected: Home) -> None:
    values = {JANUARY: ActivityMonth(month=JANUARY)}
    result = run_asset(collected, returning(collected, ACTIVITY, values), MONTHS[1:])
    assert any(
        "must return a value for each of ['2025-12', '2026-01']" in text for text in failure_texts(result)
    )


def test_nothing_is_rewritten_when_nothing_changed(collected: Home) -> None:
    before = {path: (collected.folder / path).stat().st_mtime_ns for path in collected.files()}
    assert collected.run(MONTHS).success
    assert {path: (collected.folder / path).stat().st_mtime_ns for path in collected.files()} == before
    for file in MONTH_FILES.values():
        for month in MONTHS:
            newest = materializations(collected.instance, file.asset, month)[0]
            assert newest.metadata["changed"].value is False


def test_a_table_of_another_parquet_writer_that_says_the_same_is_left_alone(collected: Home) -> None:
    path = collected.folder / SLOTS.path(JANUARY)
    table = pq.read_table(io.BytesIO(path.read_bytes()))
    pq.write_table(table, path, compression="gzip")
    of_the_other_writer = path.read_bytes()
    assert collected.run([JANUARY], only=["charging_energy"]).success
    assert path.read_bytes() == of_the_other_writer


def test_an_object_store_can_be_the_data_root(make_home: MakeHome, tmp_path: Any) -> None:
    home = make_home(data_dir=f"memory://{tmp_path.name}", state_dir=tmp_path / "state", publish="off")
    assert home.run([JANUARY]).success
    assert home.run([JANUARY]).success
    assert home.store().stored_months(CACHE) == [JANUARY]
    assert len(home.store().need_month(CACHE, JANUARY)) > 10
    assert (tmp_path / "state" / "locks").is_dir()
    assert not (tmp_path / "data").exists()
