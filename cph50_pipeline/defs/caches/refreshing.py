"""What a refresh has to run: entries that are not valid, in as few runs as possible. Starts nothing.

The command, the web and the nightly schedules go by the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cph50_pipeline.civil_time import parse_month
from cph50_pipeline.defs.caches.registry import ALL_TYPES, type_named
from cph50_pipeline.defs.caches.status import EntryStatus
from cph50_pipeline.defs.due_months import without_gaps
from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.errors import BadInputError


@dataclass(frozen=True)
class Wanted:
    """What a person asked to refresh.

    Attributes:
        type: One type alone.
        month: One month alone.
        force: Also what is valid.
    """

    type: str | None = None
    month: str | None = None
    force: bool = False


@dataclass(frozen=True)
class Batch:
    """Entries that one run makes.

    Attributes:
        months: Without a gap; none for files that have no months.
    """

    job: str
    months: Sequence[str]
    entries: Sequence[EntryStatus]


def chosen(found: Sequence[EntryStatus], wanted: Wanted) -> list[EntryStatus]:
    """The entries that a person means.

    Raises:
        BadInputError: there is no such type or month, or nothing is stored of it.
    """
    if wanted.type is not None:
        type_named(wanted.type)
    if wanted.month is not None:
        parse_month(wanted.month)
    entries = [
        entry for entry in found if wanted.type in (None, entry.type) and wanted.month in (None, entry.month)
    ]
    if not entries and wanted.month is not None:
        what = "Nothing" if wanted.type is None else f"No {wanted.type}"
        raise BadInputError(
            f"{what} is built of {wanted.month}: of that month nothing is stored",
            remedy=f"`cph50 backfill --from {wanted.month} --to {wanted.month}` asks ChargePoint for it",
        )
    return entries


def to_refresh(entries: Sequence[EntryStatus], *, force: bool) -> list[EntryStatus]:
    """Those to make again now: not what is valid, unless that is wanted, nor what a run is at."""
    return [entry for entry in entries if entry.at_work is None and (force or not entry.valid)]


def due_at_its_time(entries: Sequence[EntryStatus]) -> list[EntryStatus]:
    """Those to make again at a time of the schedule: what is not valid, and what would not last until its next time.

    Without the latter an entry that is a minute short of a day old tonight would be stale all of tomorrow.
    """
    return [entry for entry in entries if entry.at_work is None and not _lasts(entry)]


def _lasts(entry: EntryStatus) -> bool:
    return entry.valid and (entry.valid_until is None or entry.valid_until >= entry.next_refresh)


def batches(entries: Sequence[EntryStatus], current_month: str) -> list[Batch]:
    """A batch for each job and each span of months without a gap, in the order in which they depend on each other.

    Args:
        current_month: That the files of power are made with, when no other month is.
    """
    return [
        batch
        for job in dict.fromkeys(type_.job for type_ in ALL_TYPES.values())
        for batch in _of_job(job, [e for e in entries if ALL_TYPES[e.type].job == job], current_month)
    ]


def _of_job(job: str, entries: Sequence[EntryStatus], current_month: str) -> Iterator[Batch]:
    months = sorted({entry.month for entry in entries if entry.month is not None})
    files = [entry for entry in entries if entry.month is None]
    if files and not months and job == POWER_JOB:
        months = [current_month]  # a run of power has months, and makes the files whatever months it has
    spans = without_gaps(months)
    for span in spans:
        own = [entry for entry in entries if entry.month in span]
        yield Batch(job, span, [*own, *(files if span is spans[-1] else ())])
    if files and not spans:
        yield Batch(job, (), files)
