"""Labels by command: checked against what is stored, written under the lock of the files that people edit.

What a label is and how it meets another is in `vehicles.labels`. The run that puts a label into force is started
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cph50_pipeline.civil_time import from_epoch_ms, local_date
from cph50_pipeline.defs.month_files import ACTIVITY, CLASSIFICATIONS
from cph50_pipeline.defs.store import LABELS_FILE, Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.label_import import Merged, merged
from cph50_pipeline.vehicles.labels import Label, LabelMap, check_car, labelled, unlabelled, with_label


@dataclass(frozen=True, slots=True)
class StoredSession:
    """Where a session is stored: the month it belongs to, and its start (UTC)."""

    month: str
    start: datetime


@dataclass(frozen=True)
class Import:
    """What an import did; nothing when anything is refused.

    Attributes:
        added: Sessions that got a label, or another one.
        already_there: Sessions whose label said the same.
        waiting: Of both, those that no stored month has yet.
        months: The months with sessions that got a label.
        refused: A line for each label that cannot be used.
    """

    added: tuple[str, ...] = ()
    already_there: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    months: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def label_session(store: Store, first_month: str, session_id: str, label: Label, *, replace: bool) -> str:
    """Label one session; returns its month.

    Args:
        first_month: Where the household's history begins.
        replace: Also replace what another person said.

    Raises:
        BadInputError: no stored month has the session, there is no such car or not on that day, another person named
            another car, or the file is broken; it is unchanged.
    """
    return _edit_label(
        store, first_month, session_id, label, lambda it: labelled(it, session_id, label, replace=replace)
    )


def put_label_back(store: Store, first_month: str, session_id: str, label: Label) -> str:
    """Let a label stand as it did before somebody labelled the session again; returns its month.

    Args:
        first_month: Where the household's history begins.

    Raises:
        BadInputError: no stored month has the session, there is no such car or not on that day, or the file is
            broken; it is unchanged.
    """
    return _edit_label(store, first_month, session_id, label, lambda it: with_label(it, session_id, label))


def unlabel_session(store: Store, first_month: str, session_id: str) -> str | None:
    """Take a session's label back; returns its month, None while no stored month has it.

    Raises:
        BadInputError: it has no label, or the file or a month that may have the session is broken; it is unchanged.
    """
    config = store.vehicles()
    session = find_sessions(store, first_month, {session_id}).get(session_id)
    store.edit_document(LABELS_FILE, lambda document: unlabelled(_whole(document, config), session_id))
    return None if session is None else session.month


def import_labels(store: Store, first_month: str, labels: Mapping[str, Label], *, replace: bool) -> Import:
    """Take labels in, all of them or none. One of a session that no stored month has yet waits for its month.

    Raises:
        BadInputError: the labels file is broken; it is unchanged.
    """
    config = store.vehicles()
    stored = find_sessions(store, first_month, labels.keys())
    refused = _refused(labels, stored, config, store)
    outcome: Merged | None = None

    def change(document: Any) -> Mapping[str, Any]:
        nonlocal outcome
        outcome = merged(_whole(document, config), labels, replace=replace)
        return document if refused else outcome.document

    store.edit_document(LABELS_FILE, change)
    assert outcome is not None
    if refused or outcome.refused:
        return Import(refused=(*refused, *outcome.refused))
    months = {stored[session_id].month for session_id in outcome.added if session_id in stored}
    return Import(
        added=outcome.added,
        already_there=outcome.already_there,
        waiting=tuple(sorted(labels.keys() - stored.keys())),
        months=tuple(sorted(months)),
    )


def find_sessions(store: Store, first_month: str, session_ids: Collection[str]) -> dict[str, StoredSession]:
    """Where these sessions are stored, as far as they are; the newest months are looked into first.

    Raises:
        BadInputError: a month is damaged that one of the sessions may be in.
    """
    found: dict[str, StoredSession] = {}
    stored = sorted((one for one in store.stored_months(ACTIVITY) if one >= first_month), reverse=True)
    # To find an id in a file is a hundred times quicker than to read it, which tells where a session is years old.
    mentioning = [month for month in stored if _mentions(store, month, session_ids)]
    for month in dict.fromkeys([*mentioning, *stored]):
        if len(found) == len(session_ids):
            break
        sessions = store.activity(month).sessions
        for session_id in sessions.keys() & session_ids - found.keys():
            start = from_epoch_ms(sessions[session_id].answers[0].start_time)
            found[session_id] = StoredSession(month, start)
    return found


def car_now(store: Store, month: str, session_id: str) -> Classification | None:
    """What the session's car is in force as; None while it is not classified."""
    classified: list[Classification] = store.read_month_if_whole(CLASSIFICATIONS, month) or []
    return next((c for c in classified if c.session_id == session_id), None)


def _mentions(store: Store, month: str, session_ids: Collection[str]) -> bool:
    data = store.root.read(ACTIVITY.path(month)) or b""
    return any(f'"{session_id}"'.encode() in data for session_id in session_ids)


def _edit_label(
    store: Store,
    first_month: str,
    session_id: str,
    label: Label,
    change: Callable[[Mapping[str, Any]], Mapping[str, Any]],
) -> str:
    """Change the labels file where the session and its car are known; returns the session's month."""
    session = find_sessions(store, first_month, {session_id}).get(session_id)
    if session is None:
        raise BadInputError(
            f"No stored month from {first_month} on has a session {session_id}",
            kept=f"{LABELS_FILE} is unchanged",
            remedy="session_cache/YYYY-MM.json lists them; `cph50 backfill` fetches months that are not stored",
        )
    config = store.vehicles()
    check_car(label.vehicle_id, config, local_date(session.start, store.zone))
    store.edit_document(LABELS_FILE, lambda document: change(_whole(document, config)))
    return session.month


def _whole(document: Any, config: VehicleConfig) -> Mapping[str, Any]:
    """The parsed labels file, which no command touches while anything in it is wrong."""
    LabelMap.read(document, LABELS_FILE, config.vehicles)
    return document  # type: ignore[no-any-return]


def _refused(
    labels: Mapping[str, Label], stored: Mapping[str, StoredSession], config: VehicleConfig, store: Store
) -> list[str]:
    lines = []
    for session_id, session in sorted(stored.items()):
        try:
            check_car(labels[session_id].vehicle_id, config, local_date(session.start, store.zone))
        except BadInputError as error:
            lines.append(f"session {session_id}: {error.message}")
    return lines
