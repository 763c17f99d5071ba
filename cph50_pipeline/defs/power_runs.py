"""Bringing power up to date by runs, at once, and what they came to: for whoever has no daemon to do it.

Which runs are due is `power_due`'s; a run that fails is not tried again here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import dagster as dg

from cph50_pipeline.civil_time import from_epoch_ms, month_of, to_epoch_ms
from cph50_pipeline.defs.due_months import Due, spans
from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.defs.launch import Launch, Outcome, launch
from cph50_pipeline.defs.power_due import months_due
from cph50_pipeline.defs.power_inputs import Digests, PowerInputs
from cph50_pipeline.defs.reading_files import read_readings, reading_months
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.taking_in import NOT_READ, SEEN_FILE, Seen
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.state_file import StateFile

_POWER = "power/"
_ROUNDS = 4  # what is taken in concerns months beside it, and these the windows of others

Say = Callable[[str], None]


@dataclass
class Brought:
    """What runs came to.

    Attributes:
        readings: How many of each meter are newer than what was known before.
        until: The newest of them.
        files: Of power, that were made, changed or removed.
        notices: What a person should know.
        outcomes: How each run ended.
    """

    readings: Mapping[str, int] = field(default_factory=dict)
    until: datetime | None = None
    files: Sequence[str] = ()
    notices: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def succeeded(self) -> bool:
        """Whether every run went well, and had all that the meters said."""
        went_well = all(outcome.succeeded for outcome in self.outcomes)
        return went_well and not any(line.startswith(NOT_READ) for o in self.outcomes for line in o.failures)


@dataclass(frozen=True)
class _Before:
    """What there was before the runs: the files of power, and up to when each meter was asked for."""

    files: Mapping[str, str | None]
    seen: Mapping[str, datetime]

    @classmethod
    def of(cls, store: Store) -> _Before:
        seen = StateFile(store.locks.private_dir / SEEN_FILE, Seen).read()
        return cls(_files(store), {} if seen is None else dict(seen.meters))


def bring_up_to_date(
    instance: dg.DagsterInstance, settings: Settings, now: datetime, say: Say, *, has_source: bool
) -> Brought:
    """Take in what the meters said, then make every month that is due by what it is made of.

    Args:
        has_source: Whether the household has a Home Assistant.

    Raises:
        BadInputError: the meters cannot be used.
    """
    store, digests, brought = Store.of(settings), Digests(), Brought()
    before = _Before.of(store)
    current = month_of(now, settings.zone)
    if has_source:
        _run(instance, settings, Launch(POWER_JOB, [current]), brought, say)
    tried: set[tuple[str, str]] = set()
    for _ in range(_ROUNDS):
        due = [one for one in _due(instance, settings, store, digests, now) if one not in tried]
        tried.update(due)
        for span in spans(due):
            _run_all(instance, settings, [month for month, _ in span], brought, say)
    return _told(brought, store, before)


def run_request(instance: dg.DagsterInstance, settings: Settings, wanted: Launch, say: Say) -> Brought:
    """Run something that is due; what it came to."""
    store, brought = Store.of(settings), Brought()
    before = _Before.of(store)
    _run(instance, settings, wanted, brought, say)
    return _told(brought, store, before)


def _due(
    instance: dg.DagsterInstance, settings: Settings, store: Store, digests: Digests, now: datetime
) -> Due:
    inputs = PowerInputs(store, store.meters(settings.power_interval_seconds), digests)
    due, at_work = months_due(instance, inputs, now, settings.history_start)
    return [one for one in due if one[0] not in at_work]


def _run_all(
    instance: dg.DagsterInstance, settings: Settings, months: Sequence[str], brought: Brought, say: Say
) -> None:
    """A run for the months; for each half of them when it failed, so that one that cannot be made holds up no other."""
    say(f"{months[0]} to {months[-1]}" if len(months) > 1 else months[0])
    if _run(instance, settings, Launch(POWER_JOB, months), brought, say) or len(months) == 1:
        return
    brought.outcomes.pop()
    middle = len(months) // 2
    for half in (months[:middle], months[middle:]):
        _run_all(instance, settings, half, brought, say)


def _run(
    instance: dg.DagsterInstance, settings: Settings, wanted: Launch, brought: Brought, say: Say
) -> bool:
    outcome = launch(instance, settings, wanted, say)
    brought.outcomes.append(outcome)
    brought.notices += [line for line in _warnings(instance, outcome.run_id) if line not in brought.notices]
    return outcome.succeeded


def _warnings(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    for entry in instance.all_logs(run_id):
        if entry.dagster_event is None and int(entry.level) == logging.WARNING:
            yield entry.user_message


def _told(brought: Brought, store: Store, before: _Before) -> Brought:
    """The same with what there is now that was not there before."""
    after = _files(store)
    brought.files = sorted(
        path for path in {*before.files, *after} if before.files.get(path) != after.get(path)
    )
    brought.readings, brought.until = _newer(store, before.seen)
    return brought


def _files(store: Store) -> dict[str, str | None]:
    digests = Digests()
    return {path: digests.of_file(store.root, path) for path in store.root.list(_POWER)}


def _newer(store: Store, seen: Mapping[str, datetime]) -> tuple[dict[str, int], datetime | None]:
    """How many readings of each meter are newer than it was known, and the newest of them."""
    since = {meter: to_epoch_ms(until) for meter, until in seen.items()}
    first = month_of(min(seen.values()), store.zone) if seen else ""
    counts: dict[str, int] = {}
    newest = 0
    for month in reading_months(store):
        if month < first:
            continue
        for meter, series in read_readings(store, month).series.items():
            new = series.at[series.at > since.get(meter, 0)]
            if len(new):
                counts[meter] = counts.get(meter, 0) + len(new)
                newest = max(newest, int(new[-1]))
    return counts, from_epoch_ms(newest) if newest else None
