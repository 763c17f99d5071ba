"""What is asked of the live table's database, each built once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from cph50_pipeline.live.readings import FUTURE_TOLERANCE
from cph50_pipeline.live.tables import CYCLES, DEVICES, HEARTBEATS, HISTORY, VALUES

Dialect = Literal["sqlite", "postgresql"]
_Insert = postgresql.Insert | sqlite.Insert

_TOLERANCE_US: ColumnElement[int] = literal_column(str(FUTURE_TOLERANCE // timedelta(microseconds=1)))

VALUE_COLUMNS = tuple(column.name for column in VALUES.c)
DEVICE_WIDTH = len(DEVICES.c)
"""How many columns of a row with both are the device's."""
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

ACTIVE_FEEDS = select(DEVICES.c.source).where(DEVICES.c.retired_at_us.is_(None)).distinct()

ALL_VALUES = select(VALUES)
_DEVICES_WITH_VALUES = select(DEVICES, VALUES).select_from(
    DEVICES.outerjoin(VALUES, VALUES.c.device_id == DEVICES.c.device_id)
)
DEVICE_WITH_VALUES = _DEVICES_WITH_VALUES.where(DEVICES.c.device_id == bindparam("device"))
ACTIVE_WITH_VALUES = _DEVICES_WITH_VALUES.where(
    DEVICES.c.kind.in_(bindparam("kinds", expanding=True)), DEVICES.c.retired_at_us.is_(None)
)
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
FORGET_HEARTBEATS = delete(HEARTBEATS).where(HEARTBEATS.c.feed.not_in(bindparam("kept", expanding=True)))
ANY_ANSWER = select(func.count()).select_from(HEARTBEATS)


class Upsert:
    """Rows that are written where there are none of their key, or where they replace what is there.

    Args:
        insert: Of the table.
        key: Its columns.
        replaces: Whether a row replaces the one that is there; None: always.
        instead: What to put into a column of the row that is there, other than the new value.
    """

    def __init__(
        self,
        dialect: Dialect,
        insert: _Insert,
        key: tuple[str, ...],
        replaces: ColumnElement[bool] | None = None,
        **instead: Any,
    ) -> None:
        changes = {column.name: insert.excluded[column.name] for column in insert.table.c}
        changes = {name: new for name, new in changes.items() if name not in key} | instead
        upsert = insert.on_conflict_do_update(index_elements=list(key), set_=changes, where=replaces)
        self._returning = upsert.returning(insert.table.c[key[0]])
        compiled = upsert.compile(dialect=sqlite.dialect()) if dialect == "sqlite" else None
        self._sqlite_text = None if compiled is None else str(compiled)
        self._sqlite_names = compiled.positiontup or [] if compiled is not None else []

    def write(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Write rows of different keys; gives how many were written."""
        if not rows:
            return 0
        if self._sqlite_text is None:
            return len(connection.execute(self._returning, rows).all())
        # SQLite's driver lets other threads go on at each row; SQLAlchemy, which would prepare all of them, does not,
        # and a thread that answers from the live table would wait for that.
        values = [tuple(row[name] for name in self._sqlite_names) for row in rows]
        return connection.exec_driver_sql(self._sqlite_text, values).rowcount


def upsert_devices(dialect: Dialect) -> Upsert:
    """Take devices in; one that stands as it is is not written again."""
    insert = _insert(dialect, DEVICES)
    differs = or_(
        *(
            column.is_distinct_from(insert.excluded[column.name])
            for column in DEVICES.c
            if not column.primary_key
        )
    )
    return Upsert(dialect, insert, DEVICE_KEY, differs)


def upsert_values(dialect: Dialect) -> Upsert:
    """Take values in where they are newer, or where the one that stands is of a time yet to come.

    Such a one was written before a clock was set back; it would stand, and look fresh, until that time is reached.
    """
    insert = _insert(dialect, VALUES)
    is_newer = insert.excluded.at_us > VALUES.c.at_us
    is_of_the_future = VALUES.c.at_us > insert.excluded.received_at_us + _TOLERANCE_US
    return Upsert(dialect, insert, VALUE_KEY, or_(is_newer, is_of_the_future))


def upsert_history(dialect: Dialect) -> Upsert:
    """Take values into their slots where they are newer."""
    insert = _insert(dialect, HISTORY)
    return Upsert(dialect, insert, SLOT_KEY, insert.excluded.at_us > HISTORY.c.at_us)


def upsert_cycle(dialect: Dialect) -> Upsert:
    """Note a round; one that began at the same instant is replaced."""
    return Upsert(dialect, _insert(dialect, CYCLES), ("feed", "started_at_us"))


def upsert_heartbeat(dialect: Dialect) -> Upsert:
    """Note a heartbeat unless a newer one stands that is not of a time yet to come; a known success stands."""
    insert = _insert(dialect, HEARTBEATS)
    is_newer = insert.excluded.beaten_at_us >= HEARTBEATS.c.beaten_at_us
    is_of_the_future = HEARTBEATS.c.beaten_at_us > insert.excluded.beaten_at_us + _TOLERANCE_US
    return Upsert(
        dialect,
        insert,
        ("feed",),
        or_(is_newer, is_of_the_future),
        succeeded_at_us=func.coalesce(insert.excluded.succeeded_at_us, HEARTBEATS.c.succeeded_at_us),
    )


def _insert(dialect: Dialect, table: Table) -> _Insert:
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)
