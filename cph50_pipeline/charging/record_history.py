"""How what is stored of a session changed from one version of its months to the next, and who named its car.

Also which sessions a month's file gained, lost and changed. Where versions come from is known elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Document = Mapping[str, Any]
Event = Literal["appeared", "changed", "moved", "vanished"]

LABELED_BY = "labeled_by"
# They say again what another field of the record says.
_REPEATED = frozenset(
    {"session_id", "session.energy_kwh", "vehicle.id", "vehicle.vehicle_id", "vehicle.confidence"}
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is otherwise than before; None where it was not, or is not any more."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class RecordState:
    """What is stored of one session.

    Attributes:
        months: The months whose cache holds its record: one, but for a rebuild that was interrupted.
        fields: The record's fields, those of its parts as "session.cost", and who named its car as `labeled_by`.
    """

    months: tuple[str, ...]
    fields: Document

    @property
    def energy_kwh(self) -> float | None:
        """Its energy."""
        return self.fields.get("energy_kwh")

    @property
    def end(self) -> str | None:
        """When it ended, None while it is open."""
        return self.fields.get("session_end_time")

    @property
    def vehicle_id(self) -> str | None:
        """Its car, or "unknown"."""
        return self.fields.get("vehicle_id")

    @property
    def vehicle_name(self) -> str | None:
        """What the household calls the car."""
        return self.fields.get("vehicle.vehicle_name")

    @property
    def vehicle_confidence(self) -> float | None:
        """How sure the car is, from 0 to 1."""
        return self.fields.get("vehicle_confidence")

    @property
    def labeled_by(self) -> str | None:
        """Who named the car: "manual", "classifier", or None."""
        return self.fields.get(LABELED_BY)


@dataclass(frozen=True, slots=True)
class Turn:
    """One change of what is stored of a session.

    Attributes:
        event: What happened to its record.
        state: What is stored now; of a record that vanished what was stored until then.
        differences: What is otherwise than before, by field; none where it appeared or vanished.
    """

    event: Event
    state: RecordState
    differences: tuple[Difference, ...] = ()


@dataclass
class SessionHistory:
    """Follows one session through versions of the stored months, given oldest first.

    Args:
        session_id: Which session.
    """

    session_id: str
    _records: dict[str, Document] = field(default_factory=dict)
    _named_by: dict[str, Any] = field(default_factory=dict)
    _state: RecordState | None = None

    def next(
        self, caches: Mapping[str, Iterable[Document]], classifications: Mapping[str, Iterable[Document]]
    ) -> Turn | None:
        """What the next version brings; None when nothing of the session is otherwise.

        Args:
            caches: The records of the session cache of each month that has another content now.
            classifications: The same of the classifications.
        """
        for month, records in caches.items():
            _replace(self._records, month, self._found(records))
        for month, records in classifications.items():
            found = self._found(records)
            _replace(self._named_by, month, found and found.get(LABELED_BY))
        before, self._state = self._state, self._stored()
        return _turn(before, self._state)

    def _found(self, records: Iterable[Document]) -> Document | None:
        return next((record for record in records if record.get("session_id") == self.session_id), None)

    def _stored(self) -> RecordState | None:
        if not self._records:
            return None
        months = tuple(sorted(self._records))
        named_by = next((self._named_by[month] for month in months if month in self._named_by), None)
        return RecordState(months, {**dict(_flat(self._records[months[-1]])), LABELED_BY: named_by})


def sessions_by_id(records: Iterable[Document]) -> dict[str, Document]:
    """The records of a month's file by the id of their session."""
    return {str(record.get("session_id")): record for record in records}


def changed_sessions(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, list[str]]:
    """The ids of the sessions that were "added", "removed" and "changed", sorted; what has none is left out."""
    found = {
        "added": sorted(after.keys() - before.keys()),
        "removed": sorted(before.keys() - after.keys()),
        "changed": sorted(id_ for id_ in after.keys() & before.keys() if after[id_] != before[id_]),
    }
    return {what: ids for what, ids in found.items() if ids}


def _replace(values: dict[str, Any], month: str, value: object | None) -> None:
    if value is None:
        values.pop(month, None)
    else:
        values[month] = value


def _turn(before: RecordState | None, after: RecordState | None) -> Turn | None:
    if after is None:
        return None if before is None else Turn("vanished", before)
    if before is None:
        return Turn("appeared", after)
    differences = tuple(_differences(before.fields, after.fields))
    if before.months != after.months:
        return Turn("moved", after, differences)
    return Turn("changed", after, differences) if differences else None


def _differences(before: Document, after: Document) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        if name not in _REPEATED and before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))


def _flat(record: Document, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
