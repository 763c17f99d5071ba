"""What Dagster's own records say of entries: when each was built, by which run, and which attempts failed since.

Asked in bulk, an asset at a time: a household of ten years has a thousand entries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.defs.caches.registry import EntryType
from cph50_pipeline.defs.due_months import NOT_FINISHED, Made, inputs_of, newest_made
from cph50_pipeline.defs.failures import failure_text
from cph50_pipeline.defs.partitions import months_of_run

FAILED = [DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_LOOKED_THROUGH = 300
"""Builds of an asset of files, each of which says which files it made: the nights of power are among as many."""
_FAILED_RUNS = 300
_STEP_FAILED = {dg.DagsterEventType.STEP_FAILURE}
_RUN_ENDED = {dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED}


@dataclass(frozen=True)
class Build:
    """The newest materialization of an entry.

    Attributes:
        storage_id: Its place in Dagster's log: what was built later has a higher one.
        run_id: Empty where no run made it: `cph50 reconcile` found the file.
        inputs: The digest of what it was made of; None where none was noted.
        size_bytes: Of the file as it was built; None where that was not noted.
    """

    storage_id: int
    at: datetime
    run_id: str
    inputs: str | None
    size_bytes: int | None

    @property
    def is_by_run(self) -> bool:
        """Whether a run made it."""
        return bool(self.run_id)


@dataclass(frozen=True)
class Attempt:
    """A run that failed, or that is not over.

    Attributes:
        ended_at: None while it goes on.
        months: That it covers; none for what has no months.
    """

    run: dg.DagsterRun
    ended_at: datetime | None
    months: frozenset[str]

    @classmethod
    def of(cls, record: dg.RunRecord) -> Attempt:
        """The attempt that a run's record tells of."""
        run = record.dagster_run
        ended = None if record.end_time is None else datetime.fromtimestamp(record.end_time, tz=UTC)
        if ended is None and run.is_finished:
            ended = record.update_timestamp.astimezone(UTC)
        return cls(run, ended, frozenset(months_of_run(run.tags)))

    def covers(self, type_: EntryType, month: str | None) -> bool:
        """Whether the run makes an entry.

        Args:
            month: None for a file.
        """
        selected = self.run.asset_selection
        makes = type_.key in selected if selected else self.run.job_name in type_.made_by
        return makes and (month is None or month in self.months)


class Records:
    """Dagster's records as they are at one moment; each question is asked once."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self._made: dict[str, Made] = {}
        self._months: dict[str, Mapping[str, Build]] = {}
        self._errors: dict[str, str] = {}

    def months(self, asset: str) -> Mapping[str, Build]:
        """The newest build of each month of an asset."""
        if asset not in self._months:
            self._months[asset] = {month: _build(record) for month, record in self._newest(asset).items()}
        return self._months[asset]

    def files(self, asset: str) -> Mapping[str, Build]:
        """The newest build of each file of an asset without months."""
        records = self.instance.fetch_materializations(dg.AssetKey(asset), limit=_LOOKED_THROUGH).records
        found: dict[str, Build] = {}
        for record in records:
            for path, size_bytes in _files_of(record).items():
                found.setdefault(path, _build(record, size_bytes))
        return found

    def is_closed(self, month: str) -> bool | None:
        """Whether the newest materialization of a month's answers called it final; None where it did not say."""
        return self._closed.get(month)

    def _newest(self, asset: str) -> Made:
        if asset not in self._made:
            self._made[asset] = newest_made(self.instance, asset)
        return self._made[asset]

    @cached_property
    def _closed(self) -> Mapping[str, bool]:
        answers = self._newest("chargepoint_activity")
        noted = {month: _metadata(record).get("closed") for month, record in answers.items()}
        return {month: bool(closed.value) for month, closed in noted.items() if closed is not None}

    @cached_property
    def failed(self) -> Sequence[Attempt]:
        """The newest runs that failed or were ended by somebody, newest first."""
        records = self.instance.get_run_records(RunsFilter(statuses=FAILED), limit=_FAILED_RUNS)
        return [Attempt.of(record) for record in records]

    @cached_property
    def unfinished(self) -> Sequence[Attempt]:
        """The runs that wait or go on."""
        records = self.instance.get_run_records(RunsFilter(statuses=NOT_FINISHED))
        return [Attempt.of(record) for record in records]

    def failed_since(self, type_: EntryType, month: str | None, build: Build | None) -> Attempt | None:
        """The newest failed run that should have made an entry, and did not, since it was built."""
        for attempt in self.failed:
            if not attempt.covers(type_, month):
                continue
            built_since = build is not None and (
                build.run_id == attempt.run.run_id
                or (attempt.ended_at is not None and build.at > attempt.ended_at)
            )
            return None if built_since else attempt
        return None

    def error_of(self, attempt: Attempt, asset: str) -> str:
        """Why a run failed, in one line: what the asset's own step said, else the first step that failed."""
        key = f"{attempt.run.run_id}/{asset}"
        if key not in self._errors:
            self._errors[key] = _error(self.instance, attempt, asset)
        return self._errors[key]

    def durations(self, run_ids: Collection[str]) -> Mapping[str, float]:
        """How many seconds each run took, of those that Dagster still knows."""
        wanted = sorted({run_id for run_id in run_ids if run_id})
        found = {}
        for begin in range(0, len(wanted), _FAILED_RUNS):
            chosen = RunsFilter(run_ids=wanted[begin : begin + _FAILED_RUNS])
            for record in self.instance.get_run_records(chosen):
                if record.start_time is not None and record.end_time is not None:
                    found[record.dagster_run.run_id] = record.end_time - record.start_time
        return found


def _build(record: dg.EventLogRecord, size_bytes: int | None = None) -> Build:
    noted = _metadata(record).get("size_bytes")
    size = noted.value if isinstance(noted, dg.IntMetadataValue) else None
    return Build(
        storage_id=record.storage_id,
        at=datetime.fromtimestamp(record.timestamp, tz=UTC),
        run_id=record.run_id,
        inputs=inputs_of(record),
        size_bytes=size if size_bytes is None else size_bytes,
    )


def _metadata(record: dg.EventLogRecord) -> Mapping[str, dg.MetadataValue[Any]]:
    made = record.asset_materialization
    return {} if made is None else made.metadata


def _files_of(record: dg.EventLogRecord) -> dict[str, int]:
    """The files that a build of an asset without months made, and the length of each."""
    noted = _metadata(record).get("files")
    rows = noted.records if isinstance(noted, dg.TableMetadataValue) else []
    return {str(row.data["path"]): int(row.data["size_bytes"] or 0) for row in rows}


def _error(instance: dg.DagsterInstance, attempt: Attempt, asset: str) -> str:
    said: dict[str, str] = {}
    for record in instance.get_records_for_run(attempt.run.run_id, of_type=_STEP_FAILED).records:
        entry = record.event_log_entry
        if entry.dagster_event is not None and entry.step_key is not None:
            said.setdefault(entry.step_key, failure_text(entry.dagster_event))
    if said:
        step = asset if asset in said else next(iter(said))
        return _one_line(f"{step}: {said[step]}")
    for record in instance.get_records_for_run(attempt.run.run_id, of_type=_RUN_ENDED).records:
        if record.event_log_entry.dagster_event is not None:
            return _one_line(failure_text(record.event_log_entry.dagster_event))
    return f"Run {attempt.run.run_id[:8]} ended without saying why"


def _one_line(text: str) -> str:
    return " ".join(text.split())
