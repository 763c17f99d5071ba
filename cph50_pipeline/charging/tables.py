"""The tables of charging as Arrow: samples and slots, with their fixed schemas and orders.

Only the shape lives here; Parquet, hashes and files are storage's. pyarrow is imported where it is used,
because the import of the code location is budgeted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cph50_pipeline.charging.model import Origin, Reading
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLES_SORT_KEYS = ("session_id", "at", "origin", "energy_kwh", "power_kw")
SLOTS_SORT_KEYS = ("slot_start", "session_id")

_ORIGINS: dict[str, Origin] = {"window": "window", "curve": "curve"}


def samples_schema() -> pa.Schema:
    """Columns of `session_samples`: one row per distinct reading."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("session_id", pa.string(), nullable=False),
            pa.field("at", pa.timestamp("ms", tz="UTC"), nullable=False),
            pa.field("power_kw", pa.float64()),
            pa.field("energy_kwh", pa.float64()),
            pa.field("origin", pa.string(), nullable=False),
        ]
    )


def slots_schema() -> pa.Schema:
    """Columns of `charging_energy`: one row per session and 15 minutes."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("session_id", pa.string(), nullable=False),
            pa.field("vehicle_id", pa.string(), nullable=False),
            pa.field("slot_start", pa.timestamp("ms", tz="UTC"), nullable=False),
            pa.field("energy_kwh", pa.float64(), nullable=False),
            pa.field("cost", pa.float64()),
            pa.field("coverage", pa.float64(), nullable=False),
        ]
    )


def samples_table(rows: Iterable[tuple[str, Reading]]) -> pa.Table:
    """The table of (session id, reading) pairs, sorted by `SAMPLES_SORT_KEYS`."""
    import pyarrow as pa

    pairs = list(rows)
    columns = {
        "session_id": [session_id for session_id, _ in pairs],
        "at": [reading.at for _, reading in pairs],
        "power_kw": [reading.power_kw for _, reading in pairs],
        "energy_kwh": [reading.energy_kwh for _, reading in pairs],
        "origin": [reading.origin for _, reading in pairs],
    }
    return _sorted(pa.table(columns, schema=samples_schema()), SAMPLES_SORT_KEYS)


def readings_by_session(table: pa.Table) -> dict[str, list[Reading]]:
    """The readings of each session in order of time; the reverse of `samples_table`.

    Raises:
        BadInputError: when a reading's origin is not one that we write.
    """
    readings: dict[str, list[Reading]] = defaultdict(list)
    for row in _sorted(table, SAMPLES_SORT_KEYS).to_pylist():
        readings[row["session_id"]].append(
            Reading(
                at=row["at"],
                energy_kwh=row["energy_kwh"],
                power_kw=row["power_kw"],
                origin=_origin(row["session_id"], row["origin"]),
            )
        )
    return dict(readings)


def slots_table(slots: Iterable[ChargingSlot]) -> pa.Table:
    """The table of slots, sorted by `SLOTS_SORT_KEYS`."""
    import pyarrow as pa

    rows = list(slots)
    columns = {name: [getattr(slot, name) for slot in rows] for name in slots_schema().names}
    return _sorted(pa.table(columns, schema=slots_schema()), SLOTS_SORT_KEYS)


def slots_by_session(table: pa.Table) -> dict[str, list[ChargingSlot]]:
    """The slots of each session in order of time; the reverse of `slots_table`."""
    slots: dict[str, list[ChargingSlot]] = defaultdict(list)
    for row in _sorted(table, SLOTS_SORT_KEYS).to_pylist():
        slots[row["session_id"]].append(ChargingSlot(**row))
    return dict(slots)


def _origin(session_id: str, text: str) -> Origin:
    if text not in _ORIGINS:
        raise BadInputError(
            f"Session {session_id}: '{text}' is no origin of a reading", remedy="Run its month again"
        )
    return _ORIGINS[text]


def _sorted(table: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    return table.sort_by([(key, "ascending") for key in keys])
