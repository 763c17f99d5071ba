"""Making entries again, now, and following it to the end: what `cph50 cache refresh` does.

Each entry is built aside, held against its rules and swapped in by the run that makes it; until then, and when that
fails, the last good one stays and is served.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.caches.live_entries import all_statuses
from cph50_pipeline.defs.caches.records import Records
from cph50_pipeline.defs.caches.refreshing import Batch, Wanted, batches, chosen, to_refresh
from cph50_pipeline.defs.caches.registry import ALL_TYPES
from cph50_pipeline.defs.caches.status import EntryStatus
from cph50_pipeline.defs.launch import Launch, Outcome, launch
from cph50_pipeline.settings import Settings

Say = Callable[[str], None]
REFRESH_TAG = "cph50/refresh"
"""Marks a run that somebody asked for by hand."""
_ROUNDS = 3  # what one run makes, another may be made of


@dataclass
class Refreshed:
    """What a refresh came to.

    Attributes:
        skipped: Entries that were valid, and so were left alone.
        at_work: Entries that another run was at, by its id: nobody makes an entry twice at once.
        runs: What was run, and how it ended.
        left: Entries that were asked for and are not valid now.
    """

    skipped: list[EntryStatus] = field(default_factory=list)
    at_work: list[EntryStatus] = field(default_factory=list)
    runs: list[tuple[Batch, Outcome]] = field(default_factory=list)
    left: list[EntryStatus] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether everything that was asked for, and that no other run is at, is valid now."""
        return not any(entry.at_work is None for entry in self.left)


def refresh(instance: dg.DagsterInstance, settings: Settings, wanted: Wanted, say: Say) -> Refreshed:
    """Make again what is wanted and not valid, one run a job and span of months.

    A run that fails is followed by one for each half of its months, so that a month that cannot be made holds up no
    other.

    Raises:
        BadInputError: no such type or month.
    """
    done = Refreshed()
    tried: set[tuple[str, str]] = set()
    force = wanted.force
    for number in range(_ROUNDS):
        entries = chosen(all_statuses(instance, settings, datetime.now(UTC)), wanted)
        due = [e for e in to_refresh(entries, force=force) if (e.type, e.key) not in tried]
        if number == 0:
            done.at_work = [entry for entry in entries if entry.at_work is not None]
            done.skipped = [entry for entry in entries if entry.valid and entry not in due]
            for run_id, count in _counted(done.at_work).items():
                say(f"Run {run_id[:8]} is at {count} of them: they are left to it")
        if not due:
            break
        tried.update((entry.type, entry.key) for entry in due)
        force = False
        for batch in batches(due, month_of(datetime.now(UTC), settings.zone)):
            _run(instance, settings, batch, done, say)
    done.left = [
        e for e in chosen(all_statuses(instance, settings, datetime.now(UTC)), wanted) if not e.valid
    ]
    return done


def _run(instance: dg.DagsterInstance, settings: Settings, batch: Batch, done: Refreshed, say: Say) -> None:
    still_free = _still_free(instance, settings, batch)
    if not still_free.entries:
        say(f"{_named(batch)}: another run is at it")
        return
    say(_named(still_free))
    wanted = Launch(still_free.job, still_free.months, tags={REFRESH_TAG: "command"})
    outcome = launch(instance, settings, wanted, say)
    if outcome.succeeded or len(still_free.months) < 2:
        done.runs.append((still_free, outcome))
        return
    middle = len(still_free.months) // 2
    for months in (still_free.months[:middle], still_free.months[middle:]):
        own = [e for e in still_free.entries if e.month is None or e.month in months]
        _run(instance, settings, Batch(batch.job, months, own), done, say)


def _still_free(instance: dg.DagsterInstance, settings: Settings, batch: Batch) -> Batch:
    """The batch, or an empty one when a run has begun that makes one of its entries."""
    unfinished = Records(instance).unfinished
    taken = any(a.covers(ALL_TYPES[e.type], e.month) for a in unfinished for e in batch.entries)
    return Batch(batch.job, batch.months, ()) if taken else batch


def _named(batch: Batch) -> str:
    ends = dict.fromkeys([*batch.months[:1], *batch.months[-1:]])
    return f"{batch.job} {' to '.join(ends)}".strip()


def _counted(entries: Sequence[EntryStatus]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for entry in entries:
        if entry.at_work is not None:
            counts[entry.at_work] = counts.get(entry.at_work, 0) + 1
    return counts
