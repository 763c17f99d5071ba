"""Connections to a fleet's database: pooled, read-only, with timeouts; its failures as typed errors.

Import this module inside functions: it brings SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from cph50_pipeline.sources.sql_failures import missing_driver, refused_by_driver, unusable_url

_RECYCLE_SECONDS = 1800
_MORE_CONNECTIONS = 2
_DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgresql": "postgresql+psycopg2"}
_WAIT_LONGER_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class SqlLimits:
    """How long is waited, and how much is asked at once.

    Attributes:
        connect_seconds: For a connection, from the database or from those that are open.
        statement_seconds: For the answer to one query.
        round_seconds: For all of a round.
        connections: Devices that are asked at once, where each is asked by itself.
    """

    connect_seconds: float = 5.0
    statement_seconds: float = 10.0
    round_seconds: float = 20.0
    connections: int = 4


class SqlConnections:
    """The connections to one database; they are opened as they are needed and used again.

    Args:
        url: As SQLAlchemy writes it.

    Raises:
        BadInputError: the URL cannot be used; it is not quoted.
        PermanentError: its driver is not installed.
    """

    def __init__(self, url: str, limits: SqlLimits) -> None:
        self.url = _parsed(url)
        self._engine = _engine(self.url, limits)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in a transaction that is rolled back at the end.

        Raises:
            SQLAlchemyError: there is none, or what is done inside fails.
            PermanentError: the driver cannot do what the URL or the server asks for.
        """
        try:
            connection = self._engine.connect()
        except (
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:  # what drivers raise for options that they lack
            raise refused_by_driver(error, self.url) from None
        with connection:
            yield connection

    def close(self) -> None:
        """Close those that are not in use."""
        self._engine.dispose()


def _parsed(text: str) -> URL:
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):
        raise unusable_url("it is no address of a database") from None
    if "@" in (url.host or ""):
        raise unusable_url("its password holds an @")
    if backend == "sqlite":
        return _read_only_file(url)
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _read_only_file(url: URL) -> URL:
    """SQLite's own way to open a file that is not made where it is absent."""
    if not url.database or url.database == ":memory:":
        raise unusable_url("it names no file")
    if url.database.startswith("file:"):
        return url
    return URL.create(
        url.drivername, database=Path(url.database).absolute().as_uri(), query={"mode": "ro", "uri": "true"}
    )


def _engine(url: URL, limits: SqlLimits) -> Engine:
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_recycle=_RECYCLE_SECONDS,
            pool_size=limits.connections,
            max_overflow=_MORE_CONNECTIONS,
            pool_timeout=limits.connect_seconds,
            hide_parameters=True,
            connect_args=_connect_args(url, limits),
        )
    except NoSuchModuleError:
        raise unusable_url(f"{url.drivername} is no kind of database that SQLAlchemy knows") from None
    except ModuleNotFoundError as error:
        raise missing_driver(str(error.name), url.get_backend_name()) from None
    if engine.dialect.name in ("mysql", "mariadb"):
        _prepare(engine, _statements_of_mysql(limits))
    return engine


def _connect_args(url: URL, limits: SqlLimits) -> dict[str, Any]:
    patience = limits.statement_seconds + _WAIT_LONGER_SECONDS  # the server's own end of a query comes first
    driver = url.drivername.partition("+")[2]
    if driver in ("pymysql", "mysqldb"):
        return {
            "connect_timeout": round(limits.connect_seconds),
            "read_timeout": round(patience),
            "write_timeout": round(patience),
        }
    if driver in ("psycopg2", "psycopg"):
        settings = {
            "default_transaction_read_only": "on",
            "statement_timeout": round(limits.statement_seconds * 1000),
            "timezone": "UTC",
        }
        return {
            "connect_timeout": round(limits.connect_seconds),
            "tcp_user_timeout": round(patience * 1000),
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
        }
    return {"timeout": limits.connect_seconds} if url.get_backend_name() == "sqlite" else {}


def _statements_of_mysql(limits: SqlLimits) -> list[str]:
    # A comment of /*! is read by MySQL of that version on, one of /*M! by MariaDB: their limits have two names.
    of_mysql = f"/*!50708 , max_execution_time = {round(limits.statement_seconds * 1000)} */"
    of_mariadb = f"/*M!100101 , max_statement_time = {limits.statement_seconds:g} */"
    return ["SET SESSION TRANSACTION READ ONLY", f"SET SESSION time_zone = '+00:00' {of_mysql} {of_mariadb}"]


def _prepare(engine: Engine, statements: list[str]) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        cursor.close()
