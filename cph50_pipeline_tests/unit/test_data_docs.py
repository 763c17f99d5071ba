"""docs/data.md against the schemas, models and file table that it describes."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from logging import getLogger
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from pydantic import BaseModel
from sqlalchemy import Table

from cph50_pipeline.charging import activity, answers, cache, collection, sessions, tables, watching
from cph50_pipeline.defs import retention_record
from cph50_pipeline.defs.run_log import RUNS_FILE, write_run_log
from cph50_pipeline.defs.sensors import SESSION_ID_FILE, watch_charger
from cph50_pipeline.defs.store import Store
from cph50_pipeline.live.tables import METADATA
from cph50_pipeline.power import data_points, events, meters
from cph50_pipeline.power import tables as power_tables
from cph50_pipeline.power.ndjson import dump_lines
from cph50_pipeline.power.readings import Readings, series_of
from cph50_pipeline.reports import digest, unclassified
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources import devices_file
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.layout import KINDS, FileKind, kind_of
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.vehicles import (
    classification,
    classifier,
    config,
    labels,
    levels,
    review,
    scores,
    supply,
)

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "cph50_pipeline"
PAGE = (ROOT / "docs" / "data.md").read_text()

Columns = dict[str, str]

ACTIVITY = "chargepoint_activity/YYYY-MM.json"
SAMPLED = "sessions/YYYY/MM/DD/{id}.json"
CACHE = "session_cache/YYYY-MM.json"
SUMMARY = "classifier_summary.json"
VEHICLES = "vehicle_config.json"
UNCLASSIFIED = "reports/unclassified.json"
DIGEST = "reports/vehicles.json"
READING_LINES = "power/readings/YYYY-MM-DD.ndjson"

MODELS: Mapping[tuple[str, str], type[BaseModel]] = {
    (ACTIVITY, ""): activity.ActivityMonth,
    (ACTIVITY, "sessions.*"): activity.StoredSession,
    (ACTIVITY, "activity"): answers.ActivityRow,
    (ACTIVITY, "status"): answers.ChargingStatus,
    (ACTIVITY, "update_data[]"): answers.UpdatePoint,
    (SAMPLED, ""): collection.CollectionRecord,
    (SAMPLED, "samples[]"): collection.Sample,
    ("classifications/YYYY-MM.json", ""): classification.Classification,
    (CACHE, ""): cache.CacheRecord,
    (CACHE, "vehicle"): cache.CacheVehicle,
    (CACHE, "location"): cache.CacheLocation,
    (CACHE, "charger"): cache.CacheCharger,
    (CACHE, "session"): cache.CacheSession,
    (CACHE, "utility"): cache.CacheUtility,
    (SUMMARY, "vehicles.*"): classifier.KnownVehicle,
    (SUMMARY, "regimes[]"): levels.Regime,
    (SUMMARY, "traits.*"): classifier.Trait,
    (SUMMARY, "supply"): supply.SupplyPath,
    (SUMMARY, "anchors[]"): supply.Anchor,
    (SUMMARY, "record"): classifier.TrackRecord,
    (SUMMARY, "training"): classifier.Training,
    (SUMMARY, "validated"): scores.Scores,
    (SUMMARY, "reliability[]"): scores.ReliabilityBin,
    (UNCLASSIFIED, ""): unclassified.UnclassifiedReport,
    (UNCLASSIFIED, "queue[]"): review.ReviewItem,
    (UNCLASSIFIED, "groups[]"): unclassified.SessionGroup,
    (UNCLASSIFIED, "examples[]"): unclassified.Example,
    (UNCLASSIFIED, "months[]"): unclassified.MonthCounts,
    (DIGEST, ""): digest.Digest,
    (DIGEST, "vehicles[]"): digest.VehicleSummary,
    (DIGEST, "plateau"): digest.CarPlateau,
    (DIGEST, "total"): digest.Amounts,
    (DIGEST, "weeks[]"): digest.Period,
    (DIGEST, "weeks[].vehicles[]"): digest.VehicleAmounts,
    (VEHICLES, ""): config.VehicleConfig,
    (VEHICLES, "vehicles.*"): config.Vehicle,
    (VEHICLES, "valid_periods[]"): config.ValidPeriod,
    ("session_vehicle_map.json", ""): labels.Label,
    ("last_session.json", ""): watching.LastSession,
    ("power/events/YYYY-MM.json", ""): events.Event,
    ("power/event_totals.json", "day[]"): events.EventTotal,
    ("power/retention.json", ""): retention_record.RetentionRecord,
    ("meters.json", ""): meters.MeterConfig,
    ("meters.json", "meters.*"): meters.Meter,
    ("devices.yaml", ""): devices_file.DevicesConfig,
    ("devices.yaml", "sensors.*"): devices_file.FleetSensor,
    ("devices.yaml", "devices.*"): devices_file.FleetDevice,
}
OF_ONE_MACHINE = {"devices.yaml"}
"""Files that you edit and that are not published."""
SCHEMAS = {
    "session_samples/YYYY-MM.parquet": tables.samples_schema,
    "charging_energy/YYYY-MM.parquet": tables.slots_schema,
    "power/readings/YYYY-MM.parquet": power_tables.readings_schema,
    "power/rollups/YYYY-MM.parquet": power_tables.rollups_schema,
    "power/windows/YYYY-MM.parquet": power_tables.windows_schema,
}

DAILY = "power/daily.json"
SAME_FIELDS = {
    "classifier_previous.json": SUMMARY,
    "power/weekly.json": DAILY,
    "power/monthly.json": DAILY,
    "power/yearly.json": DAILY,
}
CSV_FILES: Mapping[str, Sequence[str]] = {
    "reports/unclassified.csv": unclassified.CSV_COLUMNS,
    "reports/vehicles.csv": digest.CSV_COLUMNS,
}


@lru_cache
def documented() -> Mapping[tuple[str, str], Columns]:
    """Every table of fields: by file and part, name to type."""
    found: dict[tuple[str, str], Columns] = {}
    file = part = ""
    for line in PAGE.splitlines():
        if heading := re.fullmatch(r"### `(.+)`", line):
            file, part = heading[1], ""
        elif heading := re.fullmatch(r"#### `(.+)`", line):
            part = heading[1]
        elif line.startswith("#"):
            file = ""
        elif file and (row := re.fullmatch(r"\| `(\S+)` \| ([a-z ]+) \|.*", line)):
            found.setdefault((file, part), {})[row[1]] = row[2]
    return found


def listed(heading: str) -> dict[str, str]:
    """The first column of the table under a heading, with the second."""
    section = PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0]
    return dict(re.findall(r"^\| `(.+?)` \| (.+?) \|", section, re.MULTILINE))


def columns_of_model(model: type[BaseModel]) -> Columns:
    schema = model.model_json_schema(mode="validation")
    return {name: json_type(inlined(spec, schema)) for name, spec in schema["properties"].items()}


def inlined(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a field refers to when that is one of a few words."""
    found: Mapping[str, Any] = schema.get("$defs", {}).get(spec.get("$ref", "").rpartition("/")[2], {})
    return found if "enum" in found else spec


def json_type(spec: Mapping[str, Any]) -> str:
    """A JSON schema's type in the words of the page."""
    options = spec.get("anyOf", [spec])
    kinds = {word(option) for option in options if option.get("type") != "null"}
    kind = "number" if kinds == {"integer", "number"} else " or ".join(sorted(kinds))
    return f"{kind} or null" if {"type": "null"} in options else kind


def word(option: Mapping[str, Any]) -> str:
    if option.get("type") == "string":
        return {"date-time": "time", "date": "date"}.get(option.get("format", ""), "text")
    names = {"array": "list", "object": "object"}
    return names.get(option.get("type", "object"), option.get("type", "object"))


def columns_of_schema(schema: Any) -> Columns:
    words = {"string": "text", "double": "number", "int32": "integer", "timestamp[ms, tz=UTC]": "time"}
    return {field.name: words[str(field.type)] + (" or null" if field.nullable else "") for field in schema}


@pytest.mark.parametrize(
    ("place", "model"),
    MODELS.items(),
    ids=lambda value: value[0] if isinstance(value, tuple) else value.__name__,
)
def test_each_object_is_documented_field_by_field(place: tuple[str, str], model: type[BaseModel]) -> None:
    assert documented()[place] == columns_of_model(model)


@pytest.mark.parametrize("file", SCHEMAS)
def test_each_table_is_documented_column_by_column(file: str) -> None:
    assert documented()[file, ""] == columns_of_schema(SCHEMAS[file]())


def columns_of_live_table(table: Table) -> Columns:
    words = {
        "TEXT": "text",
        "DOUBLE": "number",
        "BIGINT": "integer",
        "INTEGER": "integer",
        "BOOLEAN": "boolean",
    }
    return {
        column.name: words[str(column.type)] + (" or null" if column.nullable else "")
        for column in table.columns
    }


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: table.name)
def test_each_table_of_the_latest_values_is_documented_column_by_column(table: Table) -> None:
    assert listed(f"#### `{table.name}`") == columns_of_live_table(table)


def test_the_lines_of_readings_are_documented_with_the_columns_of_their_table() -> None:
    readings = Readings.of({"home.power": series_of([0], [1.0])})
    [line] = dump_lines(readings).splitlines()
    columns = columns_of_schema(power_tables.readings_schema())
    assert documented()[READING_LINES, ""] == {name: columns[name] for name in json.loads(line)}


def test_the_files_of_dashboards_are_documented_as_they_are_written() -> None:
    config = meters.MeterConfig()
    hours = [number * 3_600_000 for number in range(3)]
    readings = Readings.of({meters.CHARGER: series_of(hours, [1.0, 2.0, 3.0])})
    day = data_points.daily(readings, [], config, meters.CHARGER, date(1970, 1, 1), ZoneInfo("UTC"))
    assert documented()[DAILY, ""].keys() == day.keys() == data_points.empty().keys()
    assert documented()[DAILY, "data_points[]"].keys() == day["data_points"][0].keys()
    totals = data_points.event_totals([], ZoneInfo("UTC"))
    assert documented()[data_points.EVENT_TOTALS, ""] == dict.fromkeys(totals, "list")


@pytest.mark.parametrize("file", CSV_FILES)
def test_each_csv_is_documented_column_by_column(file: str) -> None:
    assert list(documented()[file, ""]) == list(CSV_FILES[file])


def test_every_kind_of_review_is_documented_with_its_meaning() -> None:
    assert set(listed("#### Kinds")) == {kind.value for kind in review.ReviewKind}


def test_the_classifier_is_documented_as_it_is_written() -> None:
    written = classifier.VehicleModel().document()
    types = {**columns_of_model(classifier.VehicleModel), "version": "text"}
    assert documented()[SUMMARY, ""] == {name: types[name] for name in written}


def test_a_stored_answer_is_documented_with_the_keys_that_are_written() -> None:
    row = answers.ActivityRow(session_id="1", start_time=0, energy_kwh=0.0)
    stored = activity.StoredSession(activity=row, gone=True)
    month = activity.ActivityMonth(month="2026-01", sessions={"1": stored})
    assert documented()[ACTIVITY, ""].keys() == month.document().keys()
    assert documented()[ACTIVITY, "sessions.*"].keys() == stored.document().keys()


class OneSession:
    """A charger in use."""

    def user_status(self) -> answers.ActiveSession:
        return answers.ActiveSession(session_id="1")

    def chargers(self) -> list[str]:
        return []

    def session(self, session_id: str) -> answers.ChargingStatus:
        return answers.ChargingStatus(session_id=session_id, start_time=1_767_700_000_000, energy_kwh=1.0)

    def activity(self, since: datetime) -> list[answers.ActivityRow]:
        return []


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(DataRoot(str(tmp_path)), Locks(tmp_path / "private"), ZoneInfo("UTC"))


def test_the_session_last_seen_is_documented_as_it_is_written(store: Store) -> None:
    now = datetime(2026, 1, 7, tzinfo=UTC)
    watch_charger(OneSession(), store, Settings(), now, None, getLogger("test"))  # type: ignore[arg-type]
    written = store.read_document(SESSION_ID_FILE)
    assert documented()[SESSION_ID_FILE, ""] == dict.fromkeys(written, "text")


def test_the_log_of_runs_is_documented_as_it_is_written(store: Store) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_run(dg.DagsterRun(job_name="charging_job", status=dg.DagsterRunStatus.SUCCESS))
        write_run_log(store, instance)
    written = store.read_document(RUNS_FILE)
    assert documented()[RUNS_FILE, ""] == dict.fromkeys(written, "list")
    assert documented()[RUNS_FILE, "runs[]"] == dict.fromkeys(written["runs"][0], "text")


def test_every_flag_is_documented_with_its_meaning() -> None:
    assert listed("#### Flags") == dict(sessions.FLAGS)


def texts_of(source: Path) -> Iterator[str]:
    """The texts in a module's code, without its docstrings."""
    tree = ast.parse(source.read_text())
    prose = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


@lru_cache
def all_texts() -> frozenset[str]:
    # Dagster's groups of assets are no folders.
    others = {PACKAGE / "storage" / "layout.py", PACKAGE / "defs" / "assets" / "common.py"}
    return frozenset(text for path in PACKAGE.rglob("*.py") if path not in others for text in texts_of(path))


def is_written(kind: FileKind) -> bool:
    """Whether any code besides the table of kinds names the kind's file or folder; another kind's file is not it."""
    place = kind.fixed_part
    return any(
        text == place or (text.startswith(f"{place}/") and kind_of(text) in (None, kind))
        for text in all_texts()
    )


def as_documented(kind: FileKind) -> str:
    words = {
        "month": "YYYY-MM",
        "date_folders": "YYYY/MM/DD",
        "date": "YYYY-MM-DD",
        "year": "YYYY",
        "id": "{id}",
        "page": "…",
    }
    return kind.pattern.format_map(words)


def test_every_published_file_that_the_code_writes_is_documented_and_no_other() -> None:
    written = {as_documented(kind) for kind in KINDS if is_written(kind)}
    with_fields = {file for file in written if not file.endswith((".html", "…"))} - SAME_FIELDS.keys()
    assert {file for file, _ in documented()} == with_fields | OF_ONE_MACHINE
    assert {file for file in written - with_fields if f"\n### `{file}`\n" not in PAGE} == set()
    assert set(listed("# What every file holds")) - {"private/"} == written | OF_ONE_MACHINE


@pytest.mark.parametrize(("file", "other"), SAME_FIELDS.items())
def test_a_file_with_the_fields_of_another_says_so(file: str, other: str) -> None:
    section = PAGE.split(f"\n### `{file}`\n", 1)[1].split("\n#", 1)[0]
    assert f"`{other}`" in section


def test_every_table_of_fields_is_held_against_the_code() -> None:
    checked = {*MODELS, *((file, "") for file in SCHEMAS), (SUMMARY, "")}
    checked |= {(READING_LINES, ""), (SESSION_ID_FILE, ""), (RUNS_FILE, ""), (RUNS_FILE, "runs[]")}
    checked |= {(file, "") for file in CSV_FILES}
    checked |= {(DAILY, ""), (DAILY, "data_points[]"), (data_points.EVENT_TOTALS, "")}
    assert documented().keys() == checked


def test_every_private_file_that_the_code_names_is_documented() -> None:
    named = {text for text in all_texts() if re.fullmatch(r"\w[\w-]*\.json", text) and kind_of(text) is None}
    private = {name.rstrip("/") for name in listed("## `private/`")}
    assert named <= private
    assert {name for name in private if name.endswith(".json")} <= named
