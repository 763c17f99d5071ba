"""How it stands with every entry: built when and by what, valid or why not, served or not. Changes nothing of them.

An entry is valid when its file is there and is what was built, its last attempt did not fail, and it is as new as it
has to be: what still changes no older than a day, what is settled made of what is stored now.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from logging import Logger, getLogger

import dagster as dg

from cph50_pipeline.civil_time import month_bounds, month_of, shift_month
from cph50_pipeline.defs.caches.present import Present
from cph50_pipeline.defs.caches.records import Attempt, Build, Records
from cph50_pipeline.defs.caches.registry import ALL_TYPES, TYPES, BuiltType
from cph50_pipeline.defs.checks import INSPECTIONS, inspect_months
from cph50_pipeline.defs.dead_runs import sweep_dead_runs
from cph50_pipeline.defs.document_files import DOCUMENT_FILES
from cph50_pipeline.defs.month_files import ACTIVITY, CLASSIFICATIONS, MONTH_FILES, POWER_FILES, ROLLUPS
from cph50_pipeline.defs.reading_files import reading_months
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings

_logger = getLogger(__name__)
_CLOSING_SECONDS = 2 * 86400.0


class Fault(StrEnum):
    """Why an entry is not valid."""

    MISSING = "missing"
    NOT_BUILT = "not built"
    FAILED = "failed"
    BROKEN = "broken"
    TOO_OLD = "too old"
    OUTDATED = "outdated"


@dataclass(frozen=True)
class EntryStatus:
    """One entry.

    Attributes:
        type: The asset.
        key: The month, the file, or the feed of the live table.
        path: Of its file, relative to the data root; of a feed the live table.
        built_at: When it was built last (UTC); None: never, as far as Dagster knows.
        valid_until: None: as long as it is made of what is stored, since the month is settled.
        fault: None: it is valid.
        why: In a sentence, when it is not valid.
        error: What the last attempt said, when it failed.
        duration_seconds: Of the run that built it.
        size_bytes: Of the file; None when there is none.
        is_there: Whether there is anything to serve.
        at_work: The run that is about to build it, or does.
    """

    type: str
    key: str
    path: str
    built_at: datetime | None
    age_seconds: float | None
    valid_until: datetime | None
    fault: Fault | None
    why: str | None
    error: str | None
    duration_seconds: float | None
    size_bytes: int | None
    next_refresh: datetime
    at_work: str | None
    is_there: bool

    @property
    def valid(self) -> bool:
        """Whether it is what it should be."""
        return self.fault is None

    @property
    def stale(self) -> bool:
        """Whether it is served though it is not valid."""
        return self.fault is not None and self.is_there

    @property
    def month(self) -> str | None:
        """Its month; None for what has none."""
        return self.key if ALL_TYPES[self.type].is_monthly else None


@dataclass(frozen=True)
class _Entry:
    type_: BuiltType
    key: str
    path: str
    build: Build | None

    @property
    def month(self) -> str | None:
        return self.key if self.type_.is_monthly else None


def statuses(
    instance: dg.DagsterInstance, settings: Settings, now: datetime, log: Logger = _logger
) -> list[EntryStatus]:
    """Every entry that is built as a file, by type and key. Runs whose process is gone are noted as failed before."""
    store = Store.of(settings)
    sweep_dead_runs(instance, store.locks, log)
    records = Records(instance)
    judge = _Judge(store, settings, records, Present(store, records, settings.power_interval_seconds), now)
    entries = [entry for type_ in TYPES.values() for entry in _entries(type_, store, settings, records, now)]
    durations = records.durations([entry.build.run_id for entry in entries if entry.build is not None])
    return [
        judge.status(entry, durations.get(entry.build.run_id) if entry.build else None) for entry in entries
    ]


def _entries(
    type_: BuiltType, store: Store, settings: Settings, records: Records, now: datetime
) -> Iterator[_Entry]:
    if type_.is_monthly:
        built = records.months(type_.asset)
        file = {**MONTH_FILES, **POWER_FILES}[type_.asset]
        for month in _months(type_, store, settings, now):
            yield _Entry(type_, month, file.path(month), built.get(month))
        return
    if not store.stored_months(ROLLUPS if type_.asset == "power_files" else CLASSIFICATIONS):
        return
    built = records.files(type_.asset)
    for document in DOCUMENT_FILES[type_.asset]:
        yield _Entry(type_, document.path, document.path, built.get(document.path))


def _months(type_: BuiltType, store: Store, settings: Settings, now: datetime) -> list[str]:
    """The months of which something is stored that the type is made of, or that it made."""
    file = {**MONTH_FILES, **POWER_FILES}[type_.asset]
    known = {*store.stored_months(ACTIVITY), *store.stored_months(file)}
    if type_.asset in POWER_FILES:
        known |= {*reading_months(store), *store.stored_months(ROLLUPS)}
    current = month_of(now, settings.zone)
    return sorted(month for month in known if settings.history_start <= month <= current)


@dataclass
class _Judge:
    """Says of entries how they stand."""

    store: Store
    settings: Settings
    records: Records
    present: Present
    now: datetime
    _next: dict[str, datetime] = field(default_factory=dict)

    def status(self, entry: _Entry, duration_seconds: float | None) -> EntryStatus:
        build, zone = entry.build, self.settings.zone
        size_bytes = self._size(entry)
        failed = self.records.failed_since(entry.type_, entry.month, build)
        valid_until = None
        if build is not None and self._still_changes(entry.month):
            valid_until = entry.type_.valid_until(build.at, zone)
        fault, why = self._fault(entry, size_bytes, failed, valid_until)
        at_work = next((a for a in self.records.unfinished if a.covers(entry.type_, entry.month)), None)
        return EntryStatus(
            type=entry.type_.asset,
            key=entry.key,
            path=entry.path,
            built_at=None if build is None else build.at,
            age_seconds=None if build is None else max(0.0, (self.now - build.at).total_seconds()),
            valid_until=valid_until,
            fault=fault,
            why=why,
            error=None if failed is None else self.records.error_of(failed, entry.type_.asset),
            duration_seconds=duration_seconds,
            size_bytes=size_bytes,
            next_refresh=self._next_refresh(entry.type_),
            at_work=None if at_work is None else at_work.run.run_id,
            is_there=size_bytes is not None,
        )

    def _next_refresh(self, type_: BuiltType) -> datetime:
        if type_.cron not in self._next:
            self._next[type_.cron] = type_.next_refresh(self.now, self.settings.zone)
        return self._next[type_.cron]

    def _fault(
        self, entry: _Entry, size_bytes: int | None, failed: Attempt | None, valid_until: datetime | None
    ) -> tuple[Fault | None, str | None]:
        build = entry.build
        if failed is not None:
            return Fault.FAILED, f"run {failed.run.run_id[:8]} should have made it and failed"
        if size_bytes is None:
            return Fault.MISSING, f"{entry.path} does not exist"
        if build is None:
            return (
                Fault.NOT_BUILT,
                "Dagster knows of no run that made it; `cph50 reconcile` tells it of files",
            )
        if broken := self._broken(entry, build, size_bytes):
            return Fault.BROKEN, broken
        if valid_until is not None:
            is_old = valid_until < self.now
            return (Fault.TOO_OLD, "it is older than a day and still changes") if is_old else (None, None)
        outdated = None if entry.month is None else self._outdated(entry.type_, entry.month, build)
        return (Fault.OUTDATED, outdated) if outdated else (None, None)

    def _broken(self, entry: _Entry, build: Build, size_bytes: int) -> str | None:
        """What is wrong with the file. One that nobody replaced since it was built was held against its rules then."""
        is_as_built = build.size_bytes in (None, size_bytes)
        if is_as_built and not self.present.is_replaced(entry.path, build, if_unknown=False):
            return None
        if entry.month is not None:
            found = inspect_months(INSPECTIONS[entry.type_.asset], [entry.month], self.store)
            return found[0].message if found else None
        [document] = [file for file in DOCUMENT_FILES[entry.type_.asset] if file.path == entry.path]
        try:
            document.parse(self.store.root.read(entry.path) or b"", entry.path)
        except Cph50Error as error:
            return str(error)
        return None

    def _outdated(self, type_: BuiltType, month: str, build: Build) -> str | None:
        try:
            return self.present.why_outdated(type_, month, build)
        except Cph50Error as error:  # what it would be made of cannot be read
            return str(error)

    def _still_changes(self, month: str | None) -> bool:
        """Whether more may come: to a file without months always, to a month until it is closed."""
        if month is None:
            return True
        current = month_of(self.now, self.settings.zone)
        if month >= current:
            return True
        is_last = month == shift_month(current, -1)
        closed = self.records.is_closed(month)
        return is_last and (closed is False or (closed is None and self._is_closing()))

    def _is_closing(self) -> bool:
        """Whether the month has begun only just, and the one before is not closed yet."""
        begins = month_bounds(month_of(self.now, self.settings.zone), self.settings.zone)[0]
        return (self.now - begins).total_seconds() < _CLOSING_SECONDS

    def _size(self, entry: _Entry) -> int | None:
        root = self.store.root
        if (
            not root.is_local
        ):  # what an object store holds it holds whole; asking for each length would take minutes
            noted = None if entry.build is None else entry.build.size_bytes
            return None if root.stamp(entry.path) is None else noted or 0
        try:
            return root.local_path(entry.path).stat().st_size
        except FileNotFoundError:
            return None


def worst_first(found: Sequence[EntryStatus]) -> list[EntryStatus]:
    """The entries that are not valid and that no run is at, the worst first."""
    order = list(Fault)
    offending = [entry for entry in found if entry.fault is not None and entry.at_work is None]
    return sorted(offending, key=lambda e: (order.index(e.fault or Fault.OUTDATED), e.type, e.key))
