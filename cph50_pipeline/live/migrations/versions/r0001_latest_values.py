"""Devices, what their sensors said last, and how the rounds of the feeds went."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0001"
down_revision = None


def upgrade(op: Operations) -> None:
    """Make the tables."""
    op.create_table(
        "live_devices",
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("poll_seconds", sa.Double, nullable=False),
        sa.Column("retired_at_us", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "live_values",
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("sensor", sa.Text, primary_key=True),
        sa.Column("number_value", sa.Double),
        sa.Column("text_value", sa.Text),
        sa.Column("boolean_value", sa.Boolean),
        sa.Column("unit", sa.Text),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("received_at_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "live_cycles",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("started_at_us", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("duration_seconds", sa.Double, nullable=False),
        sa.Column("devices", sa.Integer, nullable=False),
        sa.Column("updated", sa.Integer, nullable=False),
        sa.Column("errors", sa.Integer, nullable=False),
        sa.Column("average_age_seconds", sa.Double),
        sa.Column("maximum_age_seconds", sa.Double),
        sa.Column("fresh", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "live_heartbeats",
        sa.Column("feed", sa.Text, primary_key=True),
        sa.Column("beaten_at_us", sa.BigInteger, nullable=False),
        sa.Column("succeeded_at_us", sa.BigInteger),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("trouble", sa.Text),
        sa.Column("interval_seconds", sa.Double, nullable=False),
        sqlite_with_rowid=False,
    )
