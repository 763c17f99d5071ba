"""Removing what is over from the live table, and putting its database in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, delete

from cph50_pipeline.live import statements
from cph50_pipeline.live.database import Database
from cph50_pipeline.live.rows import slot_of
from cph50_pipeline.live.tables import CYCLES, DEVICES, HISTORY, METADATA, VALUES
from cph50_pipeline.live.times import microseconds

KEPT_DAYS = 7
"""How long a retired device stays with its values, and how long the rounds are told."""
# So few that nobody who writes waits long for a transaction that removes.
_DEVICES_AT_ONCE = 20

_REMOVE_DEVICES = (
    delete(DEVICES)
    .where(
        DEVICES.c.device_id.in_(bindparam("ids", expanding=True)),
        DEVICES.c.retired_at_us < bindparam("until"),
    )
    .returning(DEVICES.c.device_id)
)
_REMOVE_VALUES = delete(VALUES).where(VALUES.c.device_id.in_(bindparam("ids", expanding=True)))
_REMOVE_HISTORY = delete(HISTORY).where(
    HISTORY.c.device_id.in_(bindparam("ids", expanding=True)), HISTORY.c.slot < bindparam("before_slot")
)
_REMOVE_CYCLES = delete(CYCLES).where(CYCLES.c.started_at_us < bindparam("until"))
_EVER_SLOT = 2**62


@dataclass(frozen=True, slots=True)
class Removed:
    """What maintenance took out of the live table.

    Attributes:
        devices: Retired ones, with all that was known of them.
        values: Latest values of those.
        slots: Values of the history.
        cycles: Rounds.
    """

    devices: int = 0
    values: int = 0
    slots: int = 0
    cycles: int = 0

    def __add__(self, other: Removed) -> Removed:
        """Both together."""
        return Removed(
            self.devices + other.devices,
            self.values + other.values,
            self.slots + other.slots,
            self.cycles + other.cycles,
        )


def maintain(database: Database, now: datetime, history_days: int) -> Removed:
    """Remove what is over, in short transactions, and give its room back.

    Args:
        now: UTC.
        history_days: How long the history is kept.

    Raises:
        TransientError, PermanentError: the database cannot be used; what was removed by then is removed.
    """
    kept_us = microseconds(now - timedelta(days=KEPT_DAYS))
    before_slot = slot_of(microseconds(now - timedelta(days=history_days)))
    with database.reading() as connection:
        ids = sorted(row.device_id for row in connection.execute(statements.ALL_DEVICES))
    removed = Removed()
    for start in range(0, len(ids), _DEVICES_AT_ONCE):
        removed += _remove_of_devices(database, ids[start : start + _DEVICES_AT_ONCE], kept_us, before_slot)
    with database.writing() as connection:
        removed += Removed(cycles=connection.execute(_REMOVE_CYCLES, {"until": kept_us}).rowcount)
    _put_in_order(database)
    return removed


def _remove_of_devices(database: Database, ids: list[str], kept_us: int, before_slot: int) -> Removed:
    with database.writing() as connection:
        gone = connection.execute(_REMOVE_DEVICES, {"ids": ids, "until": kept_us}).scalars().all()
        values = connection.execute(_REMOVE_VALUES, {"ids": gone}).rowcount
        slots = connection.execute(_REMOVE_HISTORY, {"ids": gone, "before_slot": _EVER_SLOT}).rowcount
        slots += connection.execute(_REMOVE_HISTORY, {"ids": ids, "before_slot": before_slot}).rowcount
    return Removed(len(gone), values, slots)


def _put_in_order(database: Database) -> None:
    """Order the indexes anew, count for the planner, and give back the room of what was removed."""
    if database.dialect == "sqlite":
        commands = ["REINDEX", "ANALYZE", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"]
    else:
        tables = sorted(METADATA.tables)
        commands = [f"REINDEX TABLE CONCURRENTLY {name}" for name in tables]
        commands += [f"VACUUM (ANALYZE) {name}" for name in tables]
    with database.tending() as connection:
        for command in commands:
            connection.exec_driver_sql(command)
