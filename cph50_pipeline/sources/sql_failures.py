"""What a failure of a fleet's database means, and what a person can do about it.

No password is ever quoted, nor the URL that it stands in. Import this module inside functions: it brings SQLAlchemy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cph50_pipeline.errors import BadInputError, Cph50Error, PermanentError, TransientError

KEPT = "The values read before stay, and their age shows"
SETTING = "CPH50_TELEMETRY_URL"
_LONGEST_WORDS = 200


class _Kind(Enum):
    GONE = auto()
    BUSY = auto()
    SLOW = auto()
    REFUSED = auto()
    FORBIDDEN = auto()
    QUERY = auto()


_OF_MYSQL = {
    _Kind.GONE: {
        1053,
        1077,
        1079,
        1152,
        1158,
        1159,
        1160,
        1161,
        1927,
        2002,
        2003,
        2005,
        2006,
        2013,
        2014,
        2055,
    },
    _Kind.BUSY: {1040, 1203, 1205, 1213, 1226},
    _Kind.SLOW: {1317, 1969, 3024},
    _Kind.REFUSED: {1044, 1045, 1049, 1130, 1251, 1524, 1698, 1820, 1862, 2059, 3118, 4151},
    _Kind.FORBIDDEN: {1142, 1143, 1227, 1370},
}
_OF_POSTGRESQL = {
    _Kind.SLOW: r"57014",
    _Kind.FORBIDDEN: r"42501",
    _Kind.GONE: r"08...|57P..",
    _Kind.BUSY: r"40...|53...|55P03",
    _Kind.REFUSED: r"28...|3D000",
}
_OF_SQLITE = {
    "SQLITE_CANTOPEN": _Kind.GONE,
    "SQLITE_IOERR": _Kind.GONE,
    "SQLITE_BUSY": _Kind.BUSY,
    "SQLITE_LOCKED": _Kind.BUSY,
}
_REFUSED_BY_POSTGRESQL = re.compile(
    r"authentication failed|no password supplied|does not exist|pg_hba|not permitted"
)
_TIMED_OUT = re.compile(r"timed? ?out", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SqlFailure:
    """What went wrong.

    Attributes:
        concerns_all: It is the database, not what one device was asked for.
    """

    error: Cph50Error
    concerns_all: bool


def place_of(url: URL) -> str:
    """Where a database is, for messages."""
    if url.get_backend_name() == "sqlite":
        return f"sqlite, {url.database}"
    port = "" if url.port is None else f":{url.port}"
    return f"{url.get_backend_name()} at {url.host or 'this machine'}{port}, {url.database or 'no database named'}"


def failure(error: SQLAlchemyError, url: URL, file_name: str, statement_seconds: float) -> SqlFailure:
    """What SQLAlchemy's error means.

    Args:
        url: Of the database; what of it is secret is left out of the driver's words.
        file_name: Where the query stands.
        statement_seconds: How long a query may take.
    """
    kind = _kind(error)
    where = f"The telemetry database ({place_of(url)})"
    words = without_secrets(_words(error), url)
    return SqlFailure(
        _typed(kind, where, words, file_name, statement_seconds), kind not in (_Kind.QUERY, _Kind.SLOW)
    )


def unusable_url(why: str) -> BadInputError:
    """The setting is no address that can be used."""
    return BadInputError(
        f"{SETTING}: {why}",
        kept=KEPT,
        remedy="Write it as mysql+pymysql://user:password@host:3306/database, with %40 for an @ in the password",
    )


def missing_driver(module: str, backend: str) -> PermanentError:
    """The library that speaks with this kind of database is not installed."""
    extra = {"mysql": "mysql", "mariadb": "mysql", "postgresql": "postgres"}.get(backend)
    package = f'"cph50-pipeline[{extra}]"' if extra else module
    return PermanentError(
        f"{SETTING}: {module}, which speaks with {backend}, is not installed",
        kept=KEPT,
        remedy=f"Install it: pip install {package}",
    )


def refused_by_driver(error: Exception, url: URL) -> PermanentError:
    """The driver itself cannot do what the address or the server asks for."""
    words = without_secrets(str(error), url)
    remedy = "Install it: pip install cryptography" if "cryptography" in words else f"Correct {SETTING}"
    return PermanentError(
        f"The telemetry database ({place_of(url)}) cannot be reached: {words}", kept=KEPT, remedy=remedy
    )


def too_slow(file_name: str, seconds: float) -> TransientError:
    """The rows of a query did not come in time."""
    return TransientError(
        f"{file_name}: query: its rows had not come after {seconds:g} s",
        kept=KEPT,
        remedy="Give the table an index by unit and time, or make look_back_minutes smaller",
    )


def without_secrets(words: str, url: URL) -> str:
    """A driver's words on one line, without what of the URL is secret."""
    secrets = [
        str(url.password or ""),
        *(str(value) for key, value in url.query.items() if "pass" in key.lower()),
    ]
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        words = words.replace(secret, "***")
    line = " ".join(words.split())
    return line if len(line) <= _LONGEST_WORDS else f"{line[:_LONGEST_WORDS]}…"


def _typed(kind: _Kind, where: str, words: str, file_name: str, statement_seconds: float) -> Cph50Error:
    if kind is _Kind.SLOW:
        return too_slow(file_name, statement_seconds)
    if kind is _Kind.QUERY:
        return BadInputError(
            f"{file_name}: query: the database refuses it: {words}",
            kept=KEPT,
            remedy="Correct it; the file is read again by itself",
        )
    if kind is _Kind.REFUSED:
        return PermanentError(
            f"{where} refuses the login: {words}", kept=KEPT, remedy=f"Correct user and password in {SETTING}"
        )
    if kind is _Kind.FORBIDDEN:
        return PermanentError(
            f"{where}: {words}", kept=KEPT, remedy="Grant the user SELECT on what the query reads"
        )
    what = "does not answer" if kind is _Kind.GONE else "is too busy"
    return TransientError(f"{where} {what}: {words}", kept=KEPT, remedy="It is asked again by itself")


def _kind(error: SQLAlchemyError) -> _Kind:
    if isinstance(error, PoolTimeoutError):
        return _Kind.BUSY
    if not isinstance(error, DBAPIError):
        return _Kind.QUERY
    known = _of_code(error.orig)
    if known is _Kind.GONE and error.statement and _TIMED_OUT.search(str(error.orig)):
        return _Kind.SLOW
    if known is not None:
        return known
    is_connecting = isinstance(error, OperationalError | InterfaceError) and error.statement is None
    if error.connection_invalidated or is_connecting:
        return _Kind.REFUSED if _REFUSED_BY_POSTGRESQL.search(str(error.orig)) else _Kind.GONE
    return _Kind.QUERY


def _of_code(error: BaseException | None) -> _Kind | None:
    """By the code that a driver gives: MySQL's number, PostgreSQL's SQLSTATE, SQLite's name."""
    number = error.args[0] if error is not None and error.args else None
    state = getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)
    if isinstance(number, int):
        return next((kind for kind, codes in _OF_MYSQL.items() if number in codes), None)
    if state:
        return next((kind for kind, pattern in _OF_POSTGRESQL.items() if re.fullmatch(pattern, state)), None)
    name = str(getattr(error, "sqlite_errorname", ""))
    return next((kind for prefix, kind in _OF_SQLITE.items() if name.startswith(prefix)), None)


def _words(error: SQLAlchemyError) -> str:
    if isinstance(error, PoolTimeoutError):
        return "all connections are in use"
    if not isinstance(error, DBAPIError) or error.orig is None:
        return str(error)
    of_mysql = isinstance(error.orig.args[:1], tuple) and len(error.orig.args) > 1
    words = str(error.orig.args[1] if of_mysql else error.orig).strip()
    return words.splitlines()[0] if words else type(error.orig).__name__
