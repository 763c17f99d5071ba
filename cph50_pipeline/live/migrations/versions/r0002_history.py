"""The last value of each five minutes, begun with what stands; rounds are found by their time."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "0002"
down_revision = "0001"


def upgrade(op: Operations) -> None:
    """Make the history."""
    op.create_table(
        "live_history",
        sa.Column("device_id", sa.Text, primary_key=True),
        sa.Column("sensor", sa.Text, primary_key=True),
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("number_value", sa.Double),
        sa.Column("text_value", sa.Text),
        sa.Column("boolean_value", sa.Boolean),
        sa.Column("unit", sa.Text),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("received_at_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute(
        """
        INSERT INTO live_history
          (device_id, sensor, slot, number_value, text_value, boolean_value, unit, at_us, source, received_at_us)
        SELECT device_id, sensor, at_us / 300000000 * 300,
          number_value, text_value, boolean_value, unit, at_us, source, received_at_us
        FROM live_values WHERE at_us >= 0
        """
    )
    op.create_index("live_cycles_by_time", "live_cycles", ["started_at_us"])
