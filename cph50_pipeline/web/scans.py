"""How SQL reads the stored files: a scan of some months, with the columns that are read and their types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cph50_pipeline.power.rollups import NUMBERS, STATE_COUNTS
from cph50_pipeline.web.stored_files import Inputs

_MAX_RECORD_BYTES = 1 << 18
"""DuckDB sets aside twice as much for each file; its own 16 MB would fill the memory with years of months."""
RECORDS = {
    "session_id": "VARCHAR",
    "session_start_time": "VARCHAR",
    "session_end_time": "VARCHAR",
    "energy_kwh": "DOUBLE",
    "vehicle_id": "VARCHAR",
    "vehicle_confidence": "DOUBLE",
    "vehicle": "STRUCT(vehicle_name VARCHAR)",
    "charger": "STRUCT(charger_label VARCHAR)",
    "session": "STRUCT(duration_seconds BIGINT, charging_seconds BIGINT, cost DOUBLE, peak_power_kw DOUBLE,"
    " status VARCHAR)",
    "plug_in_id": "VARCHAR",
    "flags": "VARCHAR[]",
}
"""Of `session_cache`; other fields are left unread."""
SLOTS = {
    "session_id": "VARCHAR",
    "vehicle_id": "VARCHAR",
    "slot_start": "TIMESTAMPTZ",
    "energy_kwh": "DOUBLE",
    "cost": "DOUBLE",
    "coverage": "DOUBLE",
}
"""Of `charging_energy`."""
SAMPLES = {
    "session_id": "VARCHAR",
    "at": "TIMESTAMPTZ",
    "power_kw": "DOUBLE",
    "energy_kwh": "DOUBLE",
    "origin": "VARCHAR",
}
"""Of `session_samples`."""
ROLLUPS = {
    "meter": "VARCHAR",
    "resolution": "VARCHAR",
    "start": "TIMESTAMPTZ",
    **dict.fromkeys(NUMBERS, "DOUBLE"),
    "coverage": "DOUBLE",
    **dict.fromkeys(STATE_COUNTS, "INTEGER"),
}
"""Of `power/rollups`."""


@dataclass(frozen=True)
class Scan:
    """What stands after FROM, and what is bound to its name."""

    sql: str
    values: Mapping[str, Any]


def scan_json(columns: Mapping[str, str], inputs: Inputs) -> Scan:
    """The records of JSON lists."""
    if not inputs.files:
        return _nothing(columns)
    shape = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
    options = f"format = 'array', maximum_object_size = {_MAX_RECORD_BYTES}, columns = {{{shape}}}"
    return Scan(f"read_json($files, {options})", {"files": inputs.paths})


def scan_parquet(columns: Mapping[str, str], inputs: Inputs) -> Scan:
    """The rows of Parquet files."""
    return Scan("read_parquet($files)", {"files": inputs.paths}) if inputs.files else _nothing(columns)


def _nothing(columns: Mapping[str, str]) -> Scan:
    """No rows, of the same columns."""
    shape = ", ".join(f'CAST(NULL AS {kind}) AS "{name}"' for name, kind in columns.items())
    return Scan(f"(SELECT {shape} WHERE false)", {})


def conditions(found: Mapping[str, object | None]) -> tuple[str, dict[str, object]]:
    """SQL's condition of those whose values are given, and the values to bind.

    Args:
        found: By condition with one `$name`, the value for it; None leaves the condition out.
    """
    given = {condition: value for condition, value in found.items() if value is not None}
    values = {condition.partition("$")[2].split()[0].rstrip(")"): value for condition, value in given.items()}
    return " AND ".join(given) or "true", values
