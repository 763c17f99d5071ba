"""Which file each asset writes: its form, what it holds and what must be true before it replaces the last good one.

The registry behind the IO manager, the asset checks, `reconcile` and the command. No Dagster and no disk here:
bytes in, values out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from cph50_pipeline.charging import rules, tables
from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.fields import read_document
from cph50_pipeline.charging.rules import Violation
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power import rules as power_rules
from cph50_pipeline.power import tables as power_tables
from cph50_pipeline.power.events import Event
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.storage.tables import dump_table, load_table
from cph50_pipeline.vehicles.classification import Classification

if TYPE_CHECKING:
    from cph50_pipeline.charging.model import Reading, Session
    from cph50_pipeline.charging.slots import ChargingSlot

RecordT = TypeVar("RecordT", bound=BaseModel)
Form = Literal["json", "parquet"]


class Months(Protocol):
    """What a rule may ask about a month besides the value it judges."""

    @property
    def zone(self) -> ZoneInfo:
        """The household's zone."""

    def sessions(self, month: str) -> list[Session]:
        """The month's sessions with their ends set right."""


@dataclass(frozen=True)
class MonthFile:
    """One asset's file of a month.

    Attributes:
        asset: The asset's key.
        folder: Its folder in the data root.
        form: How the file is written.
        parse: Bytes and a name for messages to the value; raises BadInputError.
        dump: The value to bytes, the same for the same value.
        violations: The rules that the value breaks, given the month's previous value.
        rows: How many records the value holds.
        columns: Name to type, as docs/data.md and the UI show them.
    """

    asset: str
    folder: str
    form: Form
    parse: Callable[[bytes, str], Any]
    dump: Callable[[Any], bytes]
    violations: Callable[[str, Any, Any | None, Months], list[Violation]]
    rows: Callable[[Any], int]
    columns: Callable[[], Mapping[str, str]]

    def path(self, month: str) -> str:
        """The file of a month, relative to the data root."""
        return f"{self.folder}/{month}.{self.form}"

    def month(self, path: str) -> str:
        """The month of a file that `path` made."""
        return path.removeprefix(f"{self.folder}/").removesuffix(f".{self.form}")


def _activity() -> MonthFile:
    return MonthFile(
        asset="chargepoint_activity",
        folder="chargepoint_activity",
        form="json",
        parse=lambda data, name: ActivityMonth.read(load_json(data, name), name),
        dump=lambda activity: dump_json(activity.document()),
        violations=lambda month, value, previous, months: rules.activity_violations(
            value, previous, months.zone
        ),
        rows=lambda activity: len(activity.sessions),
        columns=lambda: {"month": "string", "closed": "boolean", "sessions": "object by session id"},
    )


def _samples() -> MonthFile:
    schema = tables.samples_schema
    return MonthFile(
        asset="session_samples",
        folder="session_samples",
        form="parquet",
        parse=lambda data, name: tables.readings_by_session(load_table(data, schema(), name)),
        dump=lambda readings: dump_table(
            tables.samples_table(_pairs(readings)), schema(), tables.SAMPLES_SORT_KEYS
        ),
        violations=lambda month, value, previous, months: rules.sample_violations(
            month, value, months.sessions(month)
        ),
        rows=lambda readings: sum(map(len, readings.values())),
        columns=lambda: _parquet_columns(schema()),
    )


def _classifications() -> MonthFile:
    return MonthFile(
        asset="vehicle_classifications",
        folder="classifications",
        form="json",
        parse=lambda data, name: _read_records(Classification, data, name),
        dump=lambda classified: dump_json([c.model_dump(mode="json") for c in classified]),
        violations=lambda month, value, previous, months: rules.attribution_violations(
            [c.session_id for c in value], months.sessions(month), month=month
        ),
        rows=len,
        columns=lambda: _model_columns(Classification),
    )


def _slots() -> MonthFile:
    schema = tables.slots_schema
    return MonthFile(
        asset="charging_energy",
        folder="charging_energy",
        form="parquet",
        parse=lambda data, name: _in_order(tables.slots_by_session(load_table(data, schema(), name))),
        dump=lambda slots: dump_table(tables.slots_table(slots), schema(), tables.SLOTS_SORT_KEYS),
        violations=lambda month, value, previous, months: rules.slot_violations(
            value, months.sessions(month), month=month
        ),
        rows=len,
        columns=lambda: _parquet_columns(schema()),
    )


def _cache() -> MonthFile:
    return MonthFile(
        asset="session_cache",
        folder="session_cache",
        form="json",
        parse=lambda data, name: _read_records(CacheRecord, data, name),
        dump=lambda records: dump_json([record.model_dump(mode="json") for record in records]),
        violations=lambda month, value, previous, months: rules.cache_violations(
            value, months.sessions(month), previous or [], months.zone, month=month
        ),
        rows=len,
        columns=lambda: _model_columns(CacheRecord),
    )


def _rollups() -> MonthFile:
    return _power_table(
        "power/rollups",
        power_tables.rollups_schema,
        power_tables.ROLLUPS_SORT_KEYS,
        power_rules.rollup_violations,
    )


def _windows() -> MonthFile:
    return _power_table(
        "power/windows",
        power_tables.windows_schema,
        power_tables.WINDOWS_SORT_KEYS,
        power_rules.window_violations,
    )


def _power_table(
    folder: str,
    schema: Callable[[], Any],
    sort_by: Sequence[str],
    violations: Callable[[str, Any, ZoneInfo], list[Violation]],
) -> MonthFile:
    """A table of power; its value is the Arrow table, whose buckets only the household's zone can tell."""
    return MonthFile(
        asset=folder.replace("/", "_"),
        folder=folder,
        form="parquet",
        parse=lambda data, name: load_table(data, schema(), name),
        dump=lambda table: dump_table(table, schema(), sort_by),
        violations=lambda month, value, previous, months: violations(month, value, months.zone),
        rows=lambda table: int(table.num_rows),
        columns=lambda: _parquet_columns(schema()),
    )


def _events() -> MonthFile:
    return MonthFile(
        asset="power_events",
        folder="power/events",
        form="json",
        parse=lambda data, name: _read_records(Event, data, name),
        dump=lambda events: dump_json([event.model_dump(mode="json") for event in events]),
        violations=lambda month, value, previous, months: power_rules.event_violations(
            month, value, months.zone
        ),
        rows=len,
        columns=lambda: _model_columns(Event),
    )


def _pairs(readings: Mapping[str, list[Reading]]) -> Iterable[tuple[str, Reading]]:
    return ((session_id, reading) for session_id, rows in readings.items() for reading in rows)


def _in_order(slots: Mapping[str, list[ChargingSlot]]) -> list[ChargingSlot]:
    return [slot for session_id in sorted(slots) for slot in slots[session_id]]


def _read_records(kind: type[RecordT], data: bytes, name: str) -> list[RecordT]:
    document = load_json(data, name)
    if not isinstance(document, list):
        raise BadInputError(
            f"{name} is not a list of records", remedy="Restore it from git or run the month again"
        )
    return [read_document(kind, record, f"{name}: record {number}") for number, record in enumerate(document)]


def _parquet_columns(schema: Any) -> dict[str, str]:
    return {field.name: str(field.type) for field in schema}


def _model_columns(model: type[Any]) -> dict[str, str]:
    properties = model.model_json_schema(mode="serialization")["properties"]
    return {name: _json_type(spec) for name, spec in properties.items()}


def _json_type(spec: Mapping[str, Any]) -> str:
    kinds = [option.get("type", "object") for option in spec.get("anyOf", [spec])]
    return " or ".join(sorted(set(kinds)))


ACTIVITY = _activity()
SAMPLES = _samples()
CLASSIFICATIONS = _classifications()
SLOTS = _slots()
CACHE = _cache()
ROLLUPS = _rollups()
WINDOWS = _windows()
EVENTS = _events()
MONTH_FILES: Mapping[str, MonthFile] = {
    file.asset: file for file in (ACTIVITY, SAMPLES, CLASSIFICATIONS, SLOTS, CACHE)
}
POWER_FILES: Mapping[str, MonthFile] = {file.asset: file for file in (ROLLUPS, WINDOWS, EVENTS)}
"""Power's, which tell of meters and not of sessions. Its readings are in `reading_files`."""
