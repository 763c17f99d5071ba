"""What is asked of the live table's database, each built once.

Every upsert gives a row for each that it wrote: so both drivers are sent many rows at once.
"""

from __future__ import annotations

from typing import Any, Literal

from sqlalchemy import ColumnElement, Table, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from cph50_pipeline.live.tables import CYCLES, DEVICES, HEARTBEATS, HISTORY, VALUES

Dialect = Literal["sqlite", "postgresql"]
Upsert = ReturningInsert[Any]
_Insert = postgresql.Insert | sqlite.Insert

VALUE_COLUMNS = tuple(column.name for column in VALUES.c)
DEVICE_KEY = ("device_id",)
VALUE_KEY = ("device_id", "sensor")
SLOT_KEY = ("device_id", "sensor", "slot")

ALL_DEVICES = select(DEVICES)
ACTIVE_DEVICES = ALL_DEVICES.where(DEVICES.c.retired_at_us.is_(None))
ONE_DEVICE = ALL_DEVICES.where(DEVICES.c.device_id == bindparam("device"))
ACTIVE_IDS_OF_FEED = select(DEVICES.c.device_id).where(
    DEVICES.c.source == bindparam("feed"), DEVICES.c.retired_at_us.is_(None)
)
RETIRE = (
    update(DEVICES)
    .where(
        DEVICES.c.device_id == bindparam("device"),
        DEVICES.c.source == bindparam("feed"),
        DEVICES.c.retired_at_us.is_(None),
    )
    .values(retired_at_us=bindparam("retired"))
)

ALL_VALUES = select(VALUES)
VALUES_OF_DEVICE = ALL_VALUES.where(VALUES.c.device_id == bindparam("device"))
NEWEST_TIMES = (
    select(VALUES.c.device_id, func.max(VALUES.c.at_us))
    .join(DEVICES, DEVICES.c.device_id == VALUES.c.device_id)
    .where(DEVICES.c.source == bindparam("feed"))
    .group_by(VALUES.c.device_id)
)
SLOTS = (
    select(*(HISTORY.c[name] for name in VALUE_COLUMNS))
    .where(
        HISTORY.c.device_id == bindparam("device"),
        HISTORY.c.sensor == bindparam("of_sensor"),
        HISTORY.c.slot.between(bindparam("first_slot"), bindparam("last_slot")),
        HISTORY.c.at_us >= bindparam("start"),
        HISTORY.c.at_us < bindparam("end"),
    )
    .order_by(HISTORY.c.slot)
)

CYCLES_SINCE = (
    select(CYCLES)
    .where(CYCLES.c.feed == bindparam("of_feed"), CYCLES.c.started_at_us >= bindparam("since"))
    .order_by(CYCLES.c.started_at_us)
)
ALL_HEARTBEATS = select(HEARTBEATS)
ANY_ANSWER = select(func.count()).select_from(HEARTBEATS)


def upsert_devices(dialect: Dialect) -> Upsert:
    """Take devices in; one that stands as it is is not written again."""
    insert = _insert(dialect, DEVICES)
    others = [name for name in _names(DEVICES) if name not in DEVICE_KEY]
    differs = or_(*(DEVICES.c[name].is_distinct_from(insert.excluded[name]) for name in others))
    return _upsert(insert, DEVICE_KEY, others, differs)


def upsert_values(dialect: Dialect) -> Upsert:
    """Take values in where they are newer."""
    insert = _insert(dialect, VALUES)
    others = [name for name in VALUE_COLUMNS if name not in VALUE_KEY]
    return _upsert(insert, VALUE_KEY, others, insert.excluded.at_us > VALUES.c.at_us)


def upsert_history(dialect: Dialect) -> Upsert:
    """Take values into their slots where they are newer."""
    insert = _insert(dialect, HISTORY)
    others = [name for name in VALUE_COLUMNS if name not in SLOT_KEY]
    return _upsert(insert, SLOT_KEY, others, insert.excluded.at_us > HISTORY.c.at_us)


def upsert_cycle(dialect: Dialect) -> Upsert:
    """Note a round; one that began at the same instant is replaced."""
    key = ("feed", "started_at_us")
    return _upsert(_insert(dialect, CYCLES), key, [name for name in _names(CYCLES) if name not in key])


def upsert_heartbeat(dialect: Dialect) -> Upsert:
    """Note a heartbeat that is not older; a success that it does not know stands."""
    insert = _insert(dialect, HEARTBEATS)
    return _upsert(
        insert,
        ("feed",),
        [name for name in _names(HEARTBEATS) if name != "feed"],
        insert.excluded.beaten_at_us >= HEARTBEATS.c.beaten_at_us,
        succeeded_at_us=func.coalesce(insert.excluded.succeeded_at_us, HEARTBEATS.c.succeeded_at_us),
    )


def _names(table: Table) -> list[str]:
    return [column.name for column in table.c]


def _insert(dialect: Dialect, table: Table) -> _Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def _upsert(
    insert: _Insert,
    key: tuple[str, ...],
    others: list[str],
    where: ColumnElement[bool] | None = None,
    **instead: Any,
) -> Upsert:
    """An insert that replaces the other columns of the row with that key, if at all."""
    changes = {name: insert.excluded[name] for name in others} | instead
    upsert = insert.on_conflict_do_update(index_elements=list(key), set_=changes, where=where)
    return upsert.returning(insert.table.c[key[0]])
