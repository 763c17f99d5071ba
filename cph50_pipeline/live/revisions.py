"""Which revision the tables of the latest values are at, and bringing them up to date; see `migrations/`."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Text, column, inspect, select, table

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.live.tables import REVISION, REVISION_TABLE

MIGRATIONS = Path(__file__).with_name("migrations")
# Any number that nobody else uses for a lock in the same database.
_POSTGRES_LOCK = 0x6370683530
_STORED = select(column("version_num", Text)).select_from(table(REVISION_TABLE))


def bring_up_to_date(connection: Connection, where: str, revision: str = REVISION) -> None:
    """Make the tables what this program expects, all revisions at once or none; processes wait for each other.

    Args:
        connection: In no transaction.
        where: The database, for people.
        revision: The one wanted.

    Raises:
        PermanentError: they are of a newer program.
        SQLAlchemyError: it could not be done; nothing was changed.
    """
    if stored_revision(connection) == revision:
        return
    connection.rollback()
    with connection.begin():
        _lock(connection)
        stored = stored_revision(connection)
        if stored != revision:
            _check_known(stored, where)
            _migrate(connection, stored, revision)


def stored_revision(connection: Connection) -> str | None:
    """The revision of the tables; None: there are none yet."""
    if not inspect(connection).has_table(REVISION_TABLE):
        return None
    found: str | None = connection.execute(_STORED).scalar()
    return found


def _lock(connection: Connection) -> None:
    """Let no other process migrate until the transaction ends; SQLite's driver would begin it later by itself."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_POSTGRES_LOCK})")


def _check_known(stored: str | None, where: str) -> None:
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if stored is not None and stored not in known:
        raise PermanentError(
            f"The live table at {where} is of a newer program: its revision is {stored}, this one knows {REVISION}",
            kept="It was not changed",
            remedy="Update this program, or let CPH50_LIVE_DATABASE_URL name another database",
        )


def _migrate(connection: Connection, stored: str | None, revision: str) -> None:
    """Run the revisions in between.

    Not by Alembic's commands: these keep the connection in variables of its modules, and Dagster, in another thread,
    makes its own tables by them.
    """
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(MIGRATIONS))
    context = MigrationContext.configure(connection, opts={"version_table": REVISION_TABLE})
    for script in reversed([*scripts.iterate_revisions(revision, stored or "base")]):
        script.module.upgrade(Operations(context))
    context.stamp(scripts, revision)
