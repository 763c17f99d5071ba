"""After a fresh clone Dagster is told what the files already hold, and only that."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from cph50_pipeline.charging.watching import LastSession
from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.attribution_inputs import digest_of
from cph50_pipeline.defs.document_files import CLASSIFIER_HTML, dump_documents
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, EVENTS, MONTH_FILES, ROLLUPS, SLOTS, WINDOWS
from cph50_pipeline.defs.power_files import make_files
from cph50_pipeline.defs.reading_files import write_readings
from cph50_pipeline.defs.reconcile import Reconciled, reconcile
from cph50_pipeline.defs.rolling_up import roll_up, roll_windows
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE, STATE_FILE
from cph50_pipeline.power.data_points import FILES
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import collect
from cph50_pipeline_tests.dagster.homes import MONTHS, NOW, Home, materializations


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


def powered(home: Home) -> Home:
    """The household with its charger rolled up, beside readings of the house in two forms."""
    newyear = datetime(2026, 1, 1, 8, tzinfo=UTC)
    rows = [("home.power", newyear + number * timedelta(hours=1), 1.0) for number in range(-3, 3)]
    with home.store().open() as store:
        for month in MONTHS[1:]:
            of_month = collect(rows).between(*month_bounds(month, store.zone))
            write_readings(store, month, of_month, is_over=month == MONTHS[1])
        for month in MONTHS:
            store.write_months(ROLLUPS, {month: roll_up(store, month, MeterConfig())})
            store.write_months(EVENTS, {month: []})
            store.write_months(WINDOWS, {month: roll_windows(store, month, MeterConfig())})
        files = make_files(store, MeterConfig(), FILES, NOW)
        store.write_files(dump_documents("power_files", files))
    return home


def test_the_houses_power_is_shown_as_made_in_all_of_its_forms(collected: Home) -> None:
    result = told(powered(collected))
    assert result.damaged == []
    stored = [path for path in collected.files() if path.startswith("power/")]
    assert [path for path in result.reported if path.startswith("power/")] == sorted(stored)
    assert len(stored) == 2 + 3 * len(MONTHS) + 5
    assert known(collected, "power_readings") == set(MONTHS[1:])
    assert all(known(collected, file.asset) == set(MONTHS) for file in (ROLLUPS, EVENTS, WINDOWS))
    [readings] = materializations(collected.instance, "power_readings", MONTHS[1])
    assert readings.metadata["readings"].value == 3
    assert told(collected) == Reconciled([], [])


def test_damaged_power_is_named_and_its_month_stays_unmade(collected: Home) -> None:
    path = "power/readings/2025-12.parquet"
    (powered(collected).folder / path).write_bytes(b"PAR1")
    [line] = told(collected).damaged
    assert path in line
    assert known(collected, "power_readings") == {MONTHS[2]}


def test_labels_and_the_chargers_state_are_shown_as_sensors_show_them(collected: Home) -> None:
    state = LastSession(timestamp=NOW.isoformat(), detected_at="now", connected=True, charging=False)
    collected.store().write_document(STATE_FILE, state.model_dump())
    told(collected)
    told(collected)
    [labels] = materializations(collected.instance, "vehicle_labels")
    assert labels.metadata["content"].value == digest_of((collected.folder / LABELS_FILE).read_bytes())
    for asset in ("last_session", "last_session_id"):
        [shown] = materializations(collected.instance, asset)
        assert (shown.metadata["connected"].value, shown.metadata["charging"].value) == (True, False)
