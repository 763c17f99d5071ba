"""Forgetting runs of long ago in Dagster's records, so that what Dagster shows and what is decided by it stays.

A run is its record, its events, its check results, what its steps printed and, on SQLite, a database of its own. All
of that goes, the record last: what a kill leaves is still a run of long ago, and the next maintenance goes on with it.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable, SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
from sqlalchemy import Connection, delete, func, select
from sqlalchemy.exc import SQLAlchemyError

from cph50_pipeline.defs.due_months import NOT_FINISHED
from cph50_pipeline.defs.run_log import KEPT_RUNS, is_routine
from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.storage.failures import file_error

ROUTINE_DAYS = 7
"""How long a run is kept that took the house's readings in and went well: there are hundreds a day."""
_FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_ASSET_EVENTS = [
    DagsterEventType.ASSET_MATERIALIZATION.value,
    DagsterEventType.ASSET_OBSERVATION.value,
    DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
]
# Of each month of each asset. Checks compare the newest with the one before.
_NEWEST_EVENTS = 2
_BUSY_SECONDS = 30.0
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What became of the runs of long ago.

    Attributes:
        forgotten: Runs that are gone.
        kept: Runs of long ago that something still needs.
    """

    forgotten: int
    kept: int


def forget_runs(
    instance: dg.DagsterInstance, now: datetime, kept_days: int, newest: int = KEPT_RUNS
) -> Forgotten:
    """Forget the finished runs that are older than `kept_days`, or than a week where they are routine.

    Kept are those by which Dagster knows what an asset, a month of it or a check is, the newest of all, by which
    `runs.json` could be made anew, and whatever has not finished.

    Args:
        newest: How many of the newest are kept.

    Raises:
        TransientError, PermanentError: the records do not answer; what was forgotten by then is forgotten.
    """
    with _typed():
        old = [*_old_runs(instance, now, kept_days)]
        needed = needed_runs(instance, newest) if old else set()
        gone = [run_id for run_id in old if run_id not in needed]
        for run_id in gone:
            _forget(instance, run_id)
    return Forgotten(len(gone), len(old) - len(gone))


def needed_runs(instance: dg.DagsterInstance, newest: int) -> set[str]:
    """The runs that are kept however old they are: the newest, and those that assets and checks are known by."""
    recent = instance.get_runs(filters=RunsFilter(statuses=_FINISHED), limit=newest)
    with _events(instance).index_connection() as connection:
        return {run.run_id for run in recent} | {*_shown_by_assets(connection), *_shown_by_checks(connection)}


def is_any_at_work(instance: dg.DagsterInstance, but: str) -> bool:
    """Whether another run than one is queued or at work."""
    unfinished = instance.get_runs(filters=RunsFilter(statuses=NOT_FINISHED), limit=2)
    return any(run.run_id != but for run in unfinished)


def sqlite_files(instance: dg.DagsterInstance) -> list[Path]:
    """The databases of Dagster's records that are not a single run's; none where they are in PostgreSQL."""
    storages = [instance.run_storage, instance.event_log_storage, instance.schedule_storage]
    paths = [_sqlite_file(storage) for storage in storages]
    return sorted({path for path in paths if path is not None})


def give_room_back(path: Path, patience_seconds: float = _BUSY_SECONDS) -> int:
    """Put a SQLite database in order and make its file as small as it can be; others wait meanwhile.

    Args:
        patience_seconds: How long it waits for others.

    Returns:
        The bytes it became smaller by.

    Raises:
        TransientError, PermanentError: it could not be done; the database is as it was.
    """
    try:
        before = path.stat().st_size
        with closing(sqlite3.connect(path, timeout=patience_seconds, isolation_level=None)) as connection:
            for command in ("VACUUM", "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"):
                connection.execute(command).fetchall()
        return max(0, before - path.stat().st_size)
    except sqlite3.Error as error:
        raise TransientError(
            f"{path.name} of Dagster's records was not put in order: {error}",
            kept="Nothing of it is lost",
            remedy="The next maintenance tries again; it needs as much free disk as the file is large",
        ) from error
    except OSError as error:
        raise file_error(error, "read", str(path)) from error


def _old_runs(instance: dg.DagsterInstance, now: datetime, kept_days: int) -> Iterator[str]:
    """The ids of runs that are finished and old, oldest first."""
    before = now - timedelta(days=kept_days)
    newest_routine = now - timedelta(days=min(kept_days, ROUTINE_DAYS))
    finished = RunsFilter(statuses=_FINISHED, created_before=newest_routine)
    last = None
    while records := instance.get_run_records(finished, limit=_AT_ONCE, cursor=last, ascending=True):
        for record in records:
            run = record.dagster_run
            if record.create_timestamp.timestamp() < before.timestamp() or is_routine(run):
                yield run.run_id
        last = records[-1].dagster_run.run_id


def _shown_by_assets(connection: Connection) -> Iterator[str]:
    """The runs of what was last made, observed and tried of each month of each asset."""
    events = SqlEventLogStorageTable.c
    place = func.row_number().over(
        partition_by=[events.asset_key, events.dagster_event_type, events.partition],
        order_by=events.id.desc(),
    )
    ranked = (
        select(events.run_id, place.label("place"))
        .where(events.asset_key.is_not(None), events.dagster_event_type.in_(_ASSET_EVENTS))
        .subquery()
    )
    newest = select(ranked.c.run_id).where(ranked.c.place <= _NEWEST_EVENTS).distinct()
    yield from connection.execute(newest).scalars()


def _shown_by_checks(connection: Connection) -> Iterator[str]:
    """The runs of each check's newest result, and of its newest beginning."""
    checks = AssetCheckExecutionsTable.c
    one = [checks.asset_key, checks.check_name, checks.partition]
    newest = select(func.max(checks.id)).group_by(*one)
    for ids in (newest, newest.where(checks.evaluation_event_storage_id.is_not(None))):
        yield from connection.execute(select(checks.run_id).where(checks.id.in_(ids))).scalars()


def _forget(instance: dg.DagsterInstance, run_id: str) -> None:
    events = _events(instance)
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    events.delete_events(run_id)
    with events.index_connection() as connection:
        table = AssetCheckExecutionsTable
        connection.execute(delete(table).where(table.c.run_id == run_id))
    if isinstance(events, SqliteEventLogStorage):
        database = Path(events.path_for_shard(run_id))
        for name in (f"{database.name}-wal", f"{database.name}-shm", database.name):
            database.with_name(name).unlink(missing_ok=True)
    instance.run_storage.delete_run(run_id)


def _events(instance: dg.DagsterInstance) -> SqlEventLogStorage:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        raise PermanentError(
            f"Dagster's records are kept by {type(storage).__name__}, whose runs are not known to be forgettable",
            kept="Every run is kept",
        )
    return storage


def _sqlite_file(storage: object) -> Path | None:
    match storage:
        case SqlEventLogStorage():
            connecting = storage.index_connection()
        case SqlRunStorage() | SqlScheduleStorage():
            connecting = storage.connect()
        case _:
            return None
    with connecting as connection:
        url = connection.engine.url
        path = Path(url.database or "")
        return path if url.get_backend_name() == "sqlite" and path.is_file() else None


@contextmanager
def _typed() -> Iterator[None]:
    """What Dagster's records raise, as an error of ours."""
    try:
        yield
    except SQLAlchemyError as error:
        raise TransientError(
            f"Dagster's records do not answer: {str(error).splitlines()[0]}",
            kept="What was forgotten by then is forgotten whole, all else is kept",
            remedy="The next maintenance goes on with it",
        ) from error
    except OSError as error:
        raise file_error(error, "removed", str(error.filename or "Dagster's records")) from error
