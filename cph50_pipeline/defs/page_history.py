"""What the history page and a session's page are made of, read from a store: for the server and for the static site.

A file that cannot be read is told, and the rest is given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.charging.tables import slots_schema
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.month_files import CACHE, CLASSIFICATIONS, SAMPLES, SLOTS, MonthFile
from cph50_pipeline.defs.store import VEHICLES_FILE, Store
from cph50_pipeline.errors import Cph50Error, NotFoundError
from cph50_pipeline.pages.history import UNIT, Draw, HistoryInputs
from cph50_pipeline.pages.periods import Period, edges_ms, months_to_read
from cph50_pipeline.pages.session import SessionInputs, Version, shown
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.storage.tables import load_table
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.config import VehicleConfig

if TYPE_CHECKING:
    import pyarrow as pa

    from cph50_pipeline.defs.histories import SessionVersion
    from cph50_pipeline.storage.published import Commit

ValueT = TypeVar("ValueT")


def history_inputs(store: Store, period: Period, *, with_curves: bool = False) -> HistoryInputs:
    """What is stored of a period; no other month's files are read than its own and those of the month before.

    Args:
        with_curves: Whether the sessions' readings are wanted, too.
    """
    reading = _Reading(store)
    months = months_to_read(period)
    stored = reading.stored_months()
    there = [month for month in months if month in stored]
    records = [one for month in there for one in reading.month(CACHE, month) or ()]
    slots = [one for month in there if (one := reading.slots(month)) is not None]
    named = [one for month in there for one in reading.month(CLASSIFICATIONS, month) or ()]
    readings = [reading.month(SAMPLES, month) or {} for month in there] if with_curves else []
    return HistoryInputs(
        config=reading.vehicles(),
        records=tuple(records),
        draws=_draws(slots, period, store.zone),
        classifications={one.session_id: one for one in named},
        readings={session_id: rows for by_session in readings for session_id, rows in by_session.items()},
        stored_months=stored,
        troubles=tuple(reading.troubles),
    )


def session_inputs(store: Store, session_id: str, month: str | None = None) -> SessionInputs:
    """What is stored of a session.

    Args:
        month: Where it is likely to be; wherever it is not, all months are looked through.

    Raises:
        NotFoundError: no month that can be read has it.
    """
    reading = _Reading(store)
    found = _found(store, reading, session_id, month)
    if found is None:
        said = f"There is no session {session_id}"
        raise NotFoundError(said, kept="; ".join(trouble.said for trouble in reading.troubles))
    its_month, record = found
    slots: list[ChargingSlot] = reading.month(SLOTS, its_month) or []
    named: list[Classification] = reading.month(CLASSIFICATIONS, its_month) or []
    by_session: dict[str, list[Reading]] = reading.month(SAMPLES, its_month) or {}
    return SessionInputs(
        record=record,
        config=reading.vehicles(),
        slots=tuple(slot for slot in slots if slot.session_id == session_id),
        readings=tuple(by_session.get(session_id, ())),
        classification=next((one for one in named if one.session_id == session_id), None),
        together=tuple(_plug_in(reading, its_month, record)),
        troubles=tuple(reading.troubles),
    )


def record_versions(versions: Iterable[SessionVersion], zone: ZoneInfo) -> tuple[Version, ...]:
    """How what is stored of a session changed, the newest first, as its page tells it."""
    return tuple(
        Version(
            at=one.commit.at.astimezone(zone),
            commit=one.commit.id[:10],
            by=_committed_by(one.commit),
            event=one.turn.event,
            changes=tuple(
                (change.name, shown(change.before, zone), shown(change.after, zone))
                for change in one.turn.differences
            ),
        )
        for one in reversed([*versions])
    )


class _Reading:
    """Reads what can be read, and remembers what cannot."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.troubles: list[Trouble] = []

    def tried(self, read: Callable[[], ValueT], otherwise: ValueT) -> ValueT:
        """What is read, or something else where that fails, which is told once."""
        try:
            return read()
        except Cph50Error as error:
            trouble = Trouble.of(error)
            if trouble not in self.troubles:
                self.troubles.append(trouble)
            return otherwise

    def stored_months(self) -> tuple[str, ...]:
        """The months that have sessions or energy, by the names of the files alone."""
        return self.tried(lambda: _stored_months(self._store), tuple[str, ...]())

    def slots(self, month: str) -> pa.Table | None:
        """A month's quarter hours; None where there are none, or they cannot be read."""
        return self.tried(lambda: _slots(self._store, month), None)

    def month(self, file: MonthFile, month: str) -> Any:
        """A month's file; None where there is none, or it cannot be read."""
        return self.tried(lambda: self._store.read_month(file, month), None)

    def vehicles(self) -> VehicleConfig:
        """The cars; none where their file cannot be read: they go by their ids."""
        told = len(self.troubles)
        config = self.tried(self._store.vehicles, VehicleConfig())
        self.troubles[told:] = [
            replace(one, kept=one.kept or f"Without {VEHICLES_FILE} cars are called by their ids")
            for one in self.troubles[told:]
        ]
        return config


def _stored_months(store: Store) -> tuple[str, ...]:
    return tuple(sorted({*store.stored_months(CACHE), *store.stored_months(SLOTS)}))


def _slots(store: Store, month: str) -> pa.Table | None:
    """A month's quarter hours as columns; None where there are none."""
    path = SLOTS.path(month)
    data = store.root.read(path)
    return None if data is None else load_table(data, slots_schema(), path)


def _draws(months: Sequence[pa.Table], period: Period, zone: ZoneInfo) -> tuple[Draw, ...]:
    """What sessions drew by part of a period, of its quarter hours: ten years of these are a hundred thousand.

    Each is rounded to whole millionths before they are added up: so the sums are exact, however they are cut.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if not months:
        return ()
    slots = pa.concat_tables(months)
    starts = slots.column("slot_start").cast(pa.int64())
    cost = pc.fill_null(slots.column("cost"), 0.0)
    amounts = [np.rint(one.to_numpy() * UNIT).astype(np.int64) for one in (slots.column("energy_kwh"), cost)]
    sums = (
        pa.table(
            {
                "session_id": slots.column("session_id"),
                "vehicle_id": slots.column("vehicle_id"),
                "part": np.searchsorted(edges_ms(period, zone), starts.to_numpy(), side="right"),
                "is_costed": slots.column("cost").is_valid(),
                "start": starts,
                "energy": amounts[0],
                "cost": amounts[1],
            }
        )
        .group_by(["session_id", "vehicle_id", "part", "is_costed"], use_threads=False)
        .aggregate([("start", "min"), ("energy", "sum"), ("cost", "sum")])
    )
    names = ("session_id", "vehicle_id", "start_min", "energy_sum", "cost_sum", "is_costed")
    return tuple(
        Draw(session_id, vehicle_id, start, energy, cost if is_costed else None)
        for session_id, vehicle_id, start, energy, cost, is_costed in zip(
            *(sums.column(name).to_pylist() for name in names), strict=True
        )
    )


def _found(
    store: Store, reading: _Reading, session_id: str, month: str | None
) -> tuple[str, CacheRecord] | None:
    stored = reading.stored_months()
    likely = [month] if month in stored else []
    others = (one for one in reversed(stored) if one != month and _names(store, reading, one, session_id))
    for one in chain(likely, others):
        for record in reading.month(CACHE, one) or ():
            if record.session_id == session_id:
                return one, record
    return None


def _names(store: Store, reading: _Reading, month: str, session_id: str) -> bool:
    """Whether a month's file names a session at all: looking into years of months parses one of them."""
    data = reading.tried(lambda: store.root.read(CACHE.path(month)), None)
    return data is not None and json.dumps(session_id).encode() in data


def _plug_in(reading: _Reading, month: str, record: CacheRecord) -> Iterator[CacheRecord]:
    """The sessions of one plug-in event, which may reach over a month's end; none where it is the session alone."""
    near = [one for shift in (-1, 0, 1) for one in reading.month(CACHE, shift_month(month, shift)) or ()]
    plug_in_id = record.plug_in_id or record.session_id
    together = [one for one in near if (one.plug_in_id or one.session_id) == plug_in_id]
    return iter(sorted(together, key=lambda one: one.session_start_time) if len(together) > 1 else [])


def _committed_by(commit: Commit) -> str:
    from cph50_pipeline.storage.messages import read_message

    told = read_message(commit.message)
    return f"{told.job_name} {told.run_id[:8]}" if told.run_id else f"by hand: {told.subject}"
