"""The tables of the latest values, as they are at the newest revision; `migrations/` says how they came about.

Times are whole microseconds since 1970 (UTC), so that both databases compare them alike and none is rounded. A value
stands in the one of three columns that is of its kind. The names begin with `live_`, for the database may be shared.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, MetaData, Table, Text

REVISION = "0002"
"""The newest revision of `migrations/versions`."""
REVISION_TABLE = "live_revision"
SLOT_SECONDS = 300
"""The history keeps the last value of each such slot."""

METADATA = MetaData()


def _said() -> list[Column[Any]]:
    """The columns of what a sensor said: one of the three kinds of values, its time and where it came from."""
    return [
        Column("number_value", Double),
        Column("text_value", Text),
        Column("boolean_value", Boolean),
        Column("unit", Text),
        Column("at_us", BigInteger, nullable=False),
        Column("source", Text, nullable=False),
        Column("received_at_us", BigInteger, nullable=False),
    ]


DEVICES = Table(
    "live_devices",
    METADATA,
    Column("device_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("poll_seconds", Double, nullable=False),
    Column("retired_at_us", BigInteger),
    sqlite_with_rowid=False,
)
VALUES = Table(
    "live_values",
    METADATA,
    Column("device_id", Text, primary_key=True),
    Column("sensor", Text, primary_key=True),
    *_said(),
    sqlite_with_rowid=False,
)
HISTORY = Table(
    "live_history",
    METADATA,
    Column("device_id", Text, primary_key=True),
    Column("sensor", Text, primary_key=True),
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    *_said(),
    sqlite_with_rowid=False,
)
CYCLES = Table(
    "live_cycles",
    METADATA,
    Column("feed", Text, primary_key=True),
    Column("started_at_us", BigInteger, primary_key=True, autoincrement=False),
    Column("duration_seconds", Double, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("average_age_seconds", Double),
    Column("maximum_age_seconds", Double),
    Column("fresh", Integer, nullable=False),
    Index("live_cycles_by_time", "started_at_us"),
    sqlite_with_rowid=False,
)
HEARTBEATS = Table(
    "live_heartbeats",
    METADATA,
    Column("feed", Text, primary_key=True),
    Column("beaten_at_us", BigInteger, nullable=False),
    Column("succeeded_at_us", BigInteger),
    Column("failures", Integer, nullable=False),
    Column("trouble", Text),
    Column("interval_seconds", Double, nullable=False),
    sqlite_with_rowid=False,
)
