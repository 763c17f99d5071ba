"""`cph50 history`: what the commits say of a session or of a file, oldest first.

Which commits there are is in `storage.history`, what is different of a session in `charging.record_history`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cph50_pipeline.charging.record_history import (
    Document,
    SessionHistory,
    Turn,
    changed_sessions,
    sessions_by_id,
)
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, CLASSIFICATIONS, MonthFile
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, NotFoundError
from cph50_pipeline.storage.documents import load_json
from cph50_pipeline.storage.history import steps
from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.storage.published import Commit, Published
from cph50_pipeline.storage.tables import row_count

_NAMED_SESSIONS = 5
UNREADABLE = "cannot be read"


@dataclass(frozen=True, slots=True)
class SessionVersion:
    """A commit that changed what is stored of a session."""

    commit: Commit
    turn: Turn


@dataclass(frozen=True, slots=True)
class FileVersion:
    """A commit that changed a file.

    Attributes:
        commit: The commit.
        bytes: The file's size; None where it was removed.
        changes: What is different in it, in words.
    """

    commit: Commit
    bytes: int | None
    changes: str


def session_history(
    published: Published, store: Store, session_id: str, month: str | None
) -> list[SessionVersion]:
    """How what is stored of a session changed, oldest first; a version that cannot be read is left out.

    Args:
        month: One that has, or had, the session; None: it is looked for in the data root, then in the newest commit.

    Raises:
        NotFoundError: no month that is stored has the session, and none was named; or it never had it.
        PermanentError, TransientError: the repository cannot be read, or does not answer.
    """
    found = month or _month_here(store, session_id) or _month_there(published, session_id)
    if found is None:
        raise NotFoundError(
            f"No stored month has the session {session_id}",
            remedy="If it is gone, say the month that had it: --month 2026-01",
        )
    near = [shift_month(found, shift) for shift in (-1, 0, 1)]  # no zone is further away
    followed = SessionHistory(session_id)
    versions = []
    for step in steps(published, [file.path(one) for file in (CACHE, CLASSIFICATIONS) for one in near]):
        turn = followed.next(_of(CACHE, step.contents), _of(CLASSIFICATIONS, step.contents))
        if turn is not None:
            versions.append(SessionVersion(step.commit, turn))
    if not versions:
        raise NotFoundError(f"{published.name} never had the session {session_id} in {near[0]} to {near[-1]}")
    return versions


def file_history(published: Published, path: str) -> list[FileVersion]:
    """The versions of a file, oldest first.

    Raises:
        BadInputError: it is no published file.
        NotFoundError: the repository never had it.
        PermanentError, TransientError: the repository cannot be read, or does not answer.
    """
    if kind_of(path) is None:
        raise BadInputError(
            f"{path} is neither a session nor a published file",
            remedy="Name a file as it is called in the data root, for example session_cache/2026-01.json",
        )
    versions = []
    before: bytes | None = None
    for step in steps(published, [path]):
        after = step.contents[path]
        size = None if after is None else len(after)
        versions.append(FileVersion(step.commit, size, _changes(path, before, after)))
        before = after
    if not versions:
        raise NotFoundError(f"{published.name} never had {path}")
    return versions


def _month_here(store: Store, session_id: str) -> str | None:
    months = ((month, store.read_month_if_whole(CACHE, month)) for month in store.stored_months(CACHE)[::-1])
    return next((month for month, records in months if _has(records or (), session_id)), None)


def _has(records: Iterable[Any], session_id: str) -> bool:
    return any(record.session_id == session_id for record in records)


def _month_there(published: Published, session_id: str) -> str | None:
    head = published.head()
    files = published.files(head) if head is not None else {}
    paths = sorted(
        (path for path in files if path.startswith(f"{CACHE.folder}/") and kind_of(path)), reverse=True
    )
    contents = published.read([files[path].id for path in paths])
    for path, data in zip(paths, contents, strict=True):
        if session_id in sessions_by_id(_records(path, data) or ()):
            return CACHE.month(path)
    return None


def _of(file: MonthFile, contents: Mapping[str, bytes | None]) -> dict[str, list[Document]]:
    """The records of those of the contents that are of one kind and can be read, by month."""
    of_kind = {path: data for path, data in contents.items() if path.startswith(f"{file.folder}/")}
    read = {file.month(path): _records(path, data) for path, data in of_kind.items()}
    return {month: records for month, records in read.items() if records is not None}


def _records(path: str, data: bytes | None) -> list[Document] | None:
    """The records of a month; none of a file that was removed, None of one that cannot be read."""
    if data is None:
        return []
    try:
        document = load_json(data, path)
    except BadInputError:
        return None
    is_list = isinstance(document, list) and all(isinstance(record, dict) for record in document)
    return document if is_list else None


def _changes(path: str, before: bytes | None, after: bytes | None) -> str:
    if after is None:
        return "removed"
    said = _described(path, before, after)
    return f"appears: {said}" if before is None else said


def _described(path: str, before: bytes | None, after: bytes) -> str:
    for file, sessions in _SESSIONS.items():
        if path.startswith(f"{file}/"):
            was, now = sessions(path, before), sessions(path, after)
            return UNREADABLE if now is None else _session_words(was or {}, now)
    if path.endswith(".parquet"):
        return _counts("row(s)", before, after, lambda data: row_count(data, path))
    return _counts("byte(s)", before, after, len)


def _session_words(before: Mapping[str, object], after: Mapping[str, object]) -> str:
    found = changed_sessions(before, after)
    parts = [f"{len(ids)} session(s) {what}: {_ids(ids)}" for what, ids in found.items()]
    return "; ".join(parts) or "no session is otherwise"


def _ids(ids: list[str]) -> str:
    rest = len(ids) - _NAMED_SESSIONS
    return ", ".join(ids[:_NAMED_SESSIONS]) + (f" and {rest} more" if rest > 0 else "")


def _counts(what: str, before: bytes | None, after: bytes, count: Callable[[bytes], int]) -> str:
    try:
        now = count(after)
        was = None if before is None else count(before)
    except BadInputError:
        return UNREADABLE
    return f"{now} {what}" if was is None else f"{was} -> {now} {what}"


def _record_sessions(path: str, data: bytes | None) -> Mapping[str, object] | None:
    records = _records(path, data)
    return None if records is None else sessions_by_id(records)


def _answered_sessions(path: str, data: bytes | None) -> Mapping[str, object] | None:
    try:
        document = {} if data is None else load_json(data, path)
    except BadInputError:
        return None
    sessions = document.get("sessions", {}) if isinstance(document, dict) else None
    return sessions if isinstance(sessions, dict) else None


_SESSIONS: Mapping[str, Callable[[str, bytes | None], Mapping[str, object] | None]] = {
    CACHE.folder: _record_sessions,
    CLASSIFICATIONS.folder: _record_sessions,
    ACTIVITY.folder: _answered_sessions,
}
"""By the folder of a month's files: its sessions, as far as they tell one version from another."""
