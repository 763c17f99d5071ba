"""Labels out of another program's map of sessions to cars, or another household's: liberal in what is read.

What a machine wrote there is left out: a label is a person's word. Every entry that cannot be used gets a line of its
own. Where the labels go is in `labels`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.labels import BY_HAND, Label, labelled, read_label

IMPORTABLE = (
    "a map of labels: a JSON object of vehicles, or of entries with `vehicle` or `vehicle_id`, by session id, "
    "alone or under `sessions` or `labels`"
)
_WRAPPERS = ("sessions", "labels")
_SURROUNDINGS = frozenset({"last_updated", "metadata", "statistics", "unknown_sessions", "version"})
_VEHICLE_FIELDS = ("vehicle_id", "vehicle")
_SESSION_ID = re.compile(r"[0-9A-Za-z_-]+")
_MACHINES = frozenset(
    {"api", "auto", "automatic", "batch", "chargepoint", "classifier", "inferred", "ml", "model", "predicted"}
)


@dataclass
class ImportedLabels:
    """What a map of labels holds.

    Attributes:
        labels: People's labels by session id.
        by_machine: Sessions whose entry a classifier or another program made.
        without_car: Sessions whose entry names no car.
        refused: A line for each entry that cannot be used.
    """

    labels: dict[str, Label] = field(default_factory=dict)
    by_machine: list[str] = field(default_factory=list)
    without_car: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def read_labels(
    document: object,
    name: str,
    vehicle_ids: Collection[str],
    aliases: Mapping[str, str],
    author: str = BY_HAND,
) -> ImportedLabels:
    """Read the parsed map, sorted by session id.

    Args:
        document: The parsed JSON.
        name: The file, for the error.
        vehicle_ids: The cars that may be named.
        aliases: The map's names of cars to ids of `vehicle_ids`, or "unknown".
        author: Whose labels they are where the map does not say.

    Raises:
        BadInputError: this is no map of labels; says what can be imported.
    """
    found = ImportedLabels()
    for session_id, entry in sorted(_entries(document, name).items()):
        try:
            _take_in(found, session_id, entry, vehicle_ids, aliases, author)
        except BadInputError as error:
            found.refused.append(error.message)
    return found


def _entries(document: object, name: str) -> dict[str, object]:
    if isinstance(document, Mapping):
        wrapped = next((document[key] for key in _WRAPPERS if isinstance(document.get(key), Mapping)), None)
        entries = wrapped if wrapped is not None else _without_surroundings(document)
        is_label_map = any(key.isdecimal() and _is_like_a_label(entry) for key, entry in entries.items())
        if is_label_map or wrapped == {}:
            return dict(entries)
    raise BadInputError(
        f"{name} holds no labels", kept="Nothing was imported", remedy=f"What can be imported is {IMPORTABLE}"
    )


def _without_surroundings(document: Mapping[str, object]) -> dict[str, object]:
    return {key: entry for key, entry in document.items() if key not in _SURROUNDINGS}


def _is_like_a_label(entry: object) -> bool:
    return isinstance(entry, str) or (
        isinstance(entry, Mapping) and any(key in entry for key in _VEHICLE_FIELDS)
    )


def _take_in(
    found: ImportedLabels,
    session_id: str,
    entry: object,
    vehicle_ids: Collection[str],
    aliases: Mapping[str, str],
    author: str,
) -> None:
    if not _SESSION_ID.fullmatch(session_id):
        raise BadInputError(f"'{session_id}' is not the id of a session")
    fields = entry if isinstance(entry, Mapping) else {"vehicle": entry}
    vehicle = next((fields[key] for key in _VEHICLE_FIELDS if key in fields), None)
    source = fields.get("labeled_by", fields.get("source"))
    if _is_of_a_machine(source, fields.get("confidence")):
        found.by_machine.append(session_id)
    elif _names_no_car(vehicle, source, aliases):
        found.without_car.append(session_id)
    else:
        label = {
            "vehicle_id": _car(vehicle, aliases),
            "labeled_by": author if source in (None, BY_HAND) else source,
            "labeled_at": _instant(fields.get("labeled_at")),
            "note": fields.get("note"),
            "confirmed": fields.get("confirmed") is True,
        }
        found.labels[session_id] = read_label(label, f"session {session_id}", vehicle_ids)


def _is_of_a_machine(source: object, confidence: object) -> bool:
    """Whether no person said so; nobody who knows the car is 87 % sure."""
    if isinstance(source, str):
        return bool(_MACHINES & set(re.findall(r"[a-z]+", source.casefold())))
    return source is None and isinstance(confidence, int | float) and confidence < 1


def _names_no_car(vehicle: object, source: object, aliases: Mapping[str, str]) -> bool:
    """A person may say that it was none of the cars; an `unknown` of nobody only was never labelled."""
    if not isinstance(vehicle, str):
        return vehicle is None
    is_unknown = vehicle not in aliases and vehicle.casefold() == UNKNOWN_VEHICLE
    return vehicle == "" or (is_unknown and source is None)


def _car(vehicle: Any, aliases: Mapping[str, str]) -> Any:
    if not isinstance(vehicle, str):
        return vehicle
    known = aliases.get(vehicle, vehicle)
    return UNKNOWN_VEHICLE if known.casefold() == UNKNOWN_VEHICLE else known


def _instant(written: object) -> object:
    """The time as written; None for one without an offset, which names no instant."""
    if isinstance(written, str):
        with suppress(ValueError):
            return written if datetime.fromisoformat(written).tzinfo is not None else None
    return written


@dataclass(frozen=True)
class Merged:
    """Imported labels among those that are there.

    Attributes:
        document: The parsed labels file with the imported ones in it; as it was when any is refused.
        added: Sessions that got a label, or another one.
        already_there: Sessions whose label said the same.
        refused: A line for each label that contradicts one that is there.
    """

    document: Mapping[str, Any]
    added: tuple[str, ...]
    already_there: tuple[str, ...]
    refused: tuple[str, ...]


def merged(document: Mapping[str, Any], labels: Mapping[str, Label], *, replace: bool) -> Merged:
    """Put imported labels into the parsed labels file, all of them or none.

    Args:
        document: As `LabelMap.read` accepts it.
        replace: Also replace labels that name another car.
    """
    after = document
    added: list[str] = []
    already_there: list[str] = []
    refused: list[str] = []
    for session_id, label in labels.items():
        try:
            labelled_too = labelled(after, session_id, label, replace=replace, is_second_thought=False)
        except BadInputError as error:
            refused.append(error.message)
            continue
        (already_there if labelled_too == after else added).append(session_id)
        after = labelled_too
    return Merged(document if refused else after, tuple(added), tuple(already_there), tuple(refused))
