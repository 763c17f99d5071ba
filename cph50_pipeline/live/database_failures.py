"""What a failure of the live table's database means to the person who reads it. Nothing is asked of it here."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from cph50_pipeline.errors import LockedError, PermanentError, TransientError

KEPT = "What it holds is asked of the sources again; nothing else was lost"
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_NEEDS_A_PERSON = {
    sqlite3.SQLITE_FULL: "Make room on the disk",
    sqlite3.SQLITE_READONLY: "Give this user the right to write it",
    sqlite3.SQLITE_PERM: "Give this user the right to use it",
    sqlite3.SQLITE_AUTH: "Give this user the right to use it",
}
_REFUSALS = ("authentication failed", "no pg_hba.conf entry", " does not exist", "permission denied")
_LOCK_STATES = ("55P03", "40P01", "40001")


def database_error(
    error: SQLAlchemyError | sqlite3.Error, where: str, password: str | None
) -> TransientError | PermanentError:
    """The typed error of a failed statement, one line that holds no password.

    Args:
        error: What the driver said.
        where: The database, as the reader knows it.
        password: Shown nowhere.
    """
    original = error.orig if isinstance(error, DBAPIError) else error
    said = _first_line(original, password)
    if isinstance(original, sqlite3.Error):
        return _sqlite_error(original, where, said)
    if getattr(original, "pgcode", None) in _LOCK_STATES:
        return _locked(where, said)
    if any(words in said for words in _REFUSALS):
        return PermanentError(
            f"The live table at {where} cannot be used: {said}",
            kept=KEPT,
            remedy="Put user, password and database into CPH50_LIVE_DATABASE_URL, and give that user the right "
            "to make tables",
        )
    return _unanswered(where, said)


def _sqlite_error(error: sqlite3.Error, where: str, said: str) -> TransientError | PermanentError:
    # What is more precise about it stands in the upper bits.
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return PermanentError(
            f"The live table at {where} is damaged: {said}",
            kept=KEPT,
            remedy="Move the file away, with its -wal and -shm; a new one is made and filled by the next round",
        )
    if code in _LOCKED:
        return _locked(where, said)
    if code in _NEEDS_A_PERSON:
        return PermanentError(
            f"The live table at {where} cannot be used: {said}", kept=KEPT, remedy=_NEEDS_A_PERSON[code]
        )
    return _unanswered(where, said)


def _locked(where: str, said: str) -> LockedError:
    return LockedError(
        f"The live table at {where} is locked by another process: {said}",
        kept=KEPT,
        remedy="It is tried again with the next round",
    )


def _unanswered(where: str, said: str) -> TransientError:
    return TransientError(
        f"The live table at {where} does not answer: {said}",
        kept=KEPT,
        remedy="It is tried again with the next round",
    )


def _first_line(error: BaseException | None, password: str | None) -> str:
    text = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return text.replace(password, "***") if password else text
