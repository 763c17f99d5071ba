"""The database of the latest values: SQLite or PostgreSQL, its connections, its revision and its failures.

What is in its tables is known in `store.py`. Nothing is asked of it before it is used, so that a program starts
while it is down; and each use after a failure, or after its file was moved away, looks at the revision again.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Literal
from urllib.parse import quote

from sqlalchemy import Connection, Engine, QueuePool, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.live.database_failures import database_error
from cph50_pipeline.live.revisions import bring_up_to_date
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.private import make_private_folder

SETTING = "CPH50_LIVE_DATABASE_URL"
BUSY_SECONDS = 10.0
"""How long a writer waits for another one."""
CONNECT_SECONDS = 5
STATEMENT_SECONDS = 30
_WAL_RETRY_SECONDS = 0.02
_POOL_SIZE = 5
_RECYCLE_SECONDS = 1800
_POSTGRES_NAMES = ("postgres", "postgresql", "postgresql+psycopg2")
_SQLITE_NAMES = ("sqlite", "sqlite+pysqlite")
_PRAGMAS = (f"PRAGMA busy_timeout={BUSY_SECONDS * 1000:.0f}", "PRAGMA synchronous=NORMAL")

Identity = tuple[int, int]


class Database:
    """Pooled connections to a database whose tables are up to date.

    Attributes:
        dialect: What it speaks.
        where: Its address for people, without password.
    """

    def __init__(self, url: URL, dialect: Literal["sqlite", "postgresql"]) -> None:
        self.dialect = dialect
        self.where = url.render_as_string(hide_password=True)
        self._path = Path(url.database or "").absolute() if dialect == "sqlite" else None
        self._engine = _sqlite_engine(self._path) if self._path else _postgres_engine(url)
        self._outside_transactions = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._password = str(url.password) if url.password else None
        self._up_to_date: Identity | None = None
        self._preparing = Lock()

    @classmethod
    def of(cls, url: str) -> Database:
        """The database at a URL as SQLAlchemy writes it; nothing is asked of it yet.

        Raises:
            BadInputError: no such database can be used.
        """
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError):
            raise _unusable("is no address of a database") from None
        if parsed.drivername in _POSTGRES_NAMES:
            return cls(parsed.set(drivername="postgresql+psycopg2"), "postgresql")
        if parsed.drivername not in _SQLITE_NAMES:
            raise _unusable(f"names {parsed.drivername!r}, and only SQLite and PostgreSQL are known")
        if not parsed.database or parsed.database == ":memory:" or parsed.query:
            raise _unusable("names no SQLite file; other processes could not read it")
        return cls(parsed, "sqlite")

    @property
    def is_ready(self) -> bool:
        """Whether its tables were found up to date and nothing has failed since: reading waits for nothing then."""
        return self._up_to_date is not None and self._up_to_date == self._identity()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection to read from, in no transaction: each statement for itself, without a word more to a server.

        Raises:
            TransientError: it does not answer, or is locked.
            PermanentError: somebody has to change something first.
        """
        with self._telling():
            self._prepare()
            with self._outside_transactions.connect() as connection:
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: committed as a whole, or not at all.

        Raises:
            TransientError, PermanentError: as `reading`; nothing was written.
        """
        with self._telling():
            self._prepare()
            with self._engine.begin() as connection:
                yield connection

    @contextmanager
    def tending(self) -> Iterator[Connection]:
        """A connection as `reading`, whose statements may take as long as they need, as VACUUM does.

        Raises:
            TransientError, PermanentError: as `reading`.
        """
        with self.reading() as connection:
            if self.dialect == "postgresql":
                connection.exec_driver_sql("SET statement_timeout = 0")
            try:
                yield connection
            finally:
                if self.dialect == "postgresql":
                    connection.exec_driver_sql("RESET statement_timeout")

    def close(self) -> None:
        """Close the connections that nobody uses; it can be used again."""
        self._engine.dispose()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            self._up_to_date = None
            raise database_error(error, self.where, self._password) from error

    def _prepare(self) -> None:
        if self.is_ready:
            return
        with self._preparing:
            if self._path is not None:
                # Connections to a file that was moved away would go on writing to it.
                self._engine.dispose()
                _make_file(self._path)
            with self._engine.connect() as connection:
                bring_up_to_date(connection, self.where)
            self._up_to_date = self._identity()

    def _identity(self) -> Identity | None:
        """Which file it is; None: there is none. A server's is always the same."""
        if self._path is None:
            return 0, 0
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _unusable(why: str) -> BadInputError:
    return BadInputError(
        f"{SETTING} {why}",
        remedy="Write sqlite:////folder/live.sqlite or postgresql://user:password@host/database, "
        "or leave it unset for SQLite in the private folder",
    )


def _sqlite_engine(path: Path) -> Engine:
    def connect() -> sqlite3.Connection:
        # Never made here: a file without tables would be taken for one.
        return _open_sqlite(path)

    return create_engine(
        "sqlite:///", creator=connect, poolclass=QueuePool, pool_size=_POOL_SIZE, pool_timeout=BUSY_SECONDS
    )


def _open_sqlite(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, check_same_thread=False)
    for pragma in _PRAGMAS:
        connection.execute(pragma)
    return connection


def _make_file(path: Path) -> None:
    """Make an empty database that its owner alone may read, in the mode in which readers wait for no writer."""
    try:
        if not path.parent.exists():
            make_private_folder(path.parent)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise file_error(error, "opened", str(path)) from error
    with closing(_open_sqlite(path)) as connection:
        _turn_to_write_ahead(connection)


def _turn_to_write_ahead(connection: sqlite3.Connection) -> None:
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # SQLite does not wait by itself when another process turns the same new file.
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_WAL_RETRY_SECONDS)
        else:
            return


def _postgres_engine(url: URL) -> Engine:
    limits = f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={BUSY_SECONDS:.0f}s"
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "options": limits}
    try:
        return create_engine(
            url,
            connect_args=arguments,
            pool_size=_POOL_SIZE,
            pool_timeout=BUSY_SECONDS,
            pool_pre_ping=True,
            pool_recycle=_RECYCLE_SECONDS,
        )
    except ModuleNotFoundError as error:
        raise BadInputError(
            f"{SETTING} names PostgreSQL, whose driver is not installed",
            remedy='pip install "cph50-pipeline[postgres]"',
        ) from error
