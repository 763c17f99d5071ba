"""What a failure of a fleet's database means: the kind of error, its one line, and nothing secret in it."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import InterfaceError, OperationalError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cph50_pipeline.errors import BadInputError, Cph50Error, PermanentError, TransientError
from cph50_pipeline.sources.sql_connection import SqlConnections, SqlLimits
from cph50_pipeline.sources.sql_failures import failure, missing_driver, refused_by_driver, without_secrets

URL = make_url("mysql+pymysql://reader:canary-1@db.example:3306/fleet?ssl_password=canary-2")
QUERY = "SELECT 1"


class StateError(Exception):
    """As psycopg2's errors are."""

    def __init__(self, state: str | None, text: str) -> None:
        super().__init__(text)
        self.pgcode = state


def found(error: SQLAlchemyError) -> tuple[type[Cph50Error], bool, str]:
    told = failure(error, URL, "devices.yaml", 10)
    return type(told.error), told.concerns_all, told.error.message


@pytest.mark.parametrize(
    ("original", "kind", "concerns_all", "said"),
    [
        (
            Exception(2006, "Server has gone away"),
            TransientError,
            True,
            "does not answer: Server has gone away",
        ),
        (Exception(1927, "Connection was killed"), TransientError, True, "does not answer"),
        (Exception(1040, "Too many connections"), TransientError, True, "is too busy"),
        (Exception(1213, "Deadlock found"), TransientError, True, "is too busy"),
        (
            Exception(3024, "maximum statement execution time"),
            TransientError,
            False,
            "had not come after 10 s",
        ),
        (
            Exception(2013, "Lost connection (The read operation timed out)"),
            TransientError,
            False,
            "after 10 s",
        ),
        (Exception(1045, "Access denied"), PermanentError, True, "refuses the login: Access denied"),
        (Exception(1142, "SELECT command denied"), PermanentError, True, "SELECT command denied"),
        (Exception(1146, "Table 'a' doesn't exist"), BadInputError, False, "Table 'a' doesn't exist"),
        (StateError("57P01", "terminating connection"), TransientError, True, "does not answer"),
        (StateError("53300", "too many clients"), TransientError, True, "is too busy"),
        (StateError("57014", "canceling statement"), TransientError, False, "had not come after 10 s"),
        (StateError("42501", "permission denied for table a"), PermanentError, True, "permission denied"),
        (StateError("42P01", 'relation "a" does not exist\nLINE 1: ...'), BadInputError, False, "not exist"),
        (sqlite3.OperationalError("no such table: a"), BadInputError, False, "no such table: a"),
    ],
)
def test_what_the_driver_says_tells_what_a_person_can_do(
    original: Exception, kind: type[Cph50Error], concerns_all: bool, said: str
) -> None:
    told = found(ProgrammingError(QUERY, None, original))

    assert told[:2] == (kind, concerns_all)
    assert said in told[2]
    assert "\n" not in told[2]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('FATAL:  password authentication failed for user "a"', PermanentError),
        ('FATAL:  database "a" does not exist', PermanentError),
        ("no pg_hba.conf entry for host", PermanentError),
        ("Connection refused", TransientError),
        ("timeout expired", TransientError),
    ],
)
def test_postgresql_gives_no_code_where_there_is_no_connection(text: str, kind: type[Cph50Error]) -> None:
    assert found(OperationalError(None, None, StateError(None, text)))[:2] == (kind, True)


def test_a_connection_that_broke_without_a_code_is_gone() -> None:
    error = InterfaceError(QUERY, None, Exception("connection already closed"), connection_invalidated=True)

    assert found(error)[:2] == (TransientError, True)


def test_connections_that_are_all_in_use_are_not_waited_for_for_ever(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "fleet.sqlite").close()
    limits = SqlLimits(connections=1, connect_seconds=0.01)
    connections = SqlConnections(f"sqlite:///{tmp_path / 'fleet.sqlite'}", limits)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(connections.connection())
        with pytest.raises(PoolTimeoutError) as caught, connections.connection():
            pass
    told = failure(caught.value, connections.url, "devices.yaml", 10)

    assert isinstance(told.error, TransientError)
    assert told.error.message.endswith("is too busy: all connections are in use")
    with connections.connection():
        connections.close()


def test_the_words_of_a_driver_are_one_short_line_without_secrets() -> None:
    words = without_secrets("canary-1 and\n\tcanary-2 " + "x" * 1000, URL)

    assert words.startswith("*** and *** xxx")
    assert len(words) < 250


def test_a_library_that_is_missing_is_named_with_how_to_install_it() -> None:
    assert 'pip install "cph50-pipeline[mysql]"' in str(missing_driver("pymysql", "mysql"))
    assert "pip install oracledb" in str(missing_driver("oracledb", "oracle"))
    lacking = refused_by_driver(
        RuntimeError("'cryptography' package is required for caching_sha2_password"), URL
    )
    assert lacking.remedy == "Install it: pip install cryptography"
