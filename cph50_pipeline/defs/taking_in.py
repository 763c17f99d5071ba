"""Taking readings in: what Home Assistant said since the meters were last seen, put with what is stored.

Each batch is stored before the next is asked for, so that a source that fails in between loses nothing. Taking in
twice, late or in another order gives the same files. What to ask for is decided in `sources.catch_up`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from logging import Logger

from pydantic import BaseModel

from cph50_pipeline.charging.fields import Instant
from cph50_pipeline.civil_time import from_epoch_ms, month_bounds, month_of, month_range, shift_month
from cph50_pipeline.defs.reading_files import (
    is_folded,
    read_readings,
    reading_months,
    readings_around,
    write_readings,
)
from cph50_pipeline.defs.retention_record import retention_record
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.power.meters import MeterConfig, canonical
from cph50_pipeline.power.readings import Readings, collect, merge
from cph50_pipeline.power.states import mark_states
from cph50_pipeline.sources.catch_up import Batch, catch_up
from cph50_pipeline.sources.home_source import HomeSource, StateRow
from cph50_pipeline.sources.state_file import StateFile

SEEN_FILE = "power_seen.json"
NOT_READ = "Home Assistant was not read to the end. "
"""How a run says that it went on without."""


class Seen(BaseModel):
    """Up to when each meter was asked for. Without it, that is its newest stored reading."""

    meters: dict[str, Instant] = {}


@dataclass(frozen=True)
class Span:
    """What may be asked for.

    Attributes:
        now: By our clock.
        earliest: From when a meter is asked for that was never seen.
        interval_seconds: Between two readings.
    """

    now: datetime
    earliest: datetime
    interval_seconds: float


@dataclass(frozen=True)
class Taken:
    """What was taken in.

    Attributes:
        months: Whose files changed, sorted.
        failure: Why the source could not be read to the end; None when it was.
    """

    months: list[str]
    failure: Cph50Error | None


def take_in_from(
    client: Callable[[], HomeSource | None], store: Store, config: MeterConfig, span: Span, log: Logger
) -> Taken:
    """Take in what the household's source says, if it has one and that can be used; what fails is said.

    Then the months that are over are folded.

    Args:
        client: Gives the source; None where the charger is the only meter.

    Raises:
        BadInputError: a stored month is damaged; what was taken in so far is stored.
    """
    try:
        source = client()
    except Cph50Error as error:
        taken = Taken([], error)
    else:
        taken = Taken([], None) if source is None else take_in(store, source, config, span, log)
    if taken.failure is not None:
        log.error(f"{NOT_READ}{taken.failure}")
    return replace(taken, months=sorted({*taken.months, *_fold(store, span.now, log)}))


def take_in(store: Store, source: HomeSource, config: MeterConfig, span: Span, log: Logger) -> Taken:
    """Ask for what is not known yet and store it.

    Where the source fails, what it said so far is stored, and the next time goes on from there.

    Raises:
        BadInputError: a stored month is damaged; what was taken in so far is stored.
    """
    seen = StateFile(store.locks.private_dir / SEEN_FILE, Seen)
    changed: set[str] = set()
    heard = _Heard(
        catch_up(
            source,
            config.meters,
            _last_seen(store, config, seen.read(), log),
            span.now,
            interval_seconds=span.interval_seconds,
            earliest=span.earliest,
        )
    )
    for batch in heard:
        for notice in batch.notices:
            log.warning(notice.message)
        for month, readings in by_month(store, readings_of(batch.rows, config)):
            changed |= _add(store, month, readings)
        seen.write(Seen(meters=dict(batch.last_seen)))
    return Taken(sorted(changed), heard.failure)


@dataclass
class _Heard:
    """Batches up to where the source fails: what fails in storing them is another matter."""

    batches: Iterator[Batch]
    failure: Cph50Error | None = None

    def __iter__(self) -> Iterator[Batch]:
        try:
            yield from self.batches
        except Cph50Error as error:
            self.failure = error


def mark_months(store: Store, months: Collection[str], config: MeterConfig, log: Logger) -> None:
    """Store the readings of months, and of those beside them, with the states that all of them together tell.

    An outage is known to be one when it has lasted, and a limit in `meters.json` may have been corrected.

    Raises:
        BadInputError: one of the months is damaged; those before it are done.
    """
    stored = reading_months(store)
    beside = {shift_month(month, shift) for month in months for shift in (-1, 0, 1)}
    for month in sorted(beside.intersection(stored) - retention_record(store).thinned.keys()):
        begins, ends = month_bounds(month, store.zone)
        try:
            marked = mark_states(readings_around(store, month, log), config).between(begins, ends)
        except BadInputError as error:
            if month in months:
                raise
            log.warning("%s: its states stay as they are", error)
            continue
        if not _says_the_same(read_readings(store, month), marked):
            write_readings(store, month, marked, is_over=False)


def _says_the_same(stored: Readings, marked: Readings) -> bool:
    """Whether marking changed no state: a month is then not even made into bytes again."""
    import numpy as np

    return all(np.array_equal(series.state, marked[id_].state) for id_, series in stored.series.items())


def _last_seen(store: Store, config: MeterConfig, seen: Seen | None, log: Logger) -> dict[str, datetime]:
    """Up to when the meters are known: as was noted, else their newest reading in the newest months that has one.

    Where nothing is stored of so long ago, files were restored: the note speaks of what is gone.
    """
    known = dict(seen.meters) if seen is not None else {}
    unknown = {id_ for id_, meter in config.meters.items() if meter.entity is not None} - known.keys()
    newest: datetime | None = None
    for month in reversed(reading_months(store)):
        if newest is not None and not unknown:
            break
        stored = _readable(store, month, log).series
        ends = {id_: from_epoch_ms(int(series.at[-1])) for id_, series in stored.items()}
        newest = newest or max(ends.values(), default=None)
        known |= {id_: ends[id_] for id_ in unknown & ends.keys()}
        unknown -= ends.keys()
    if newest is None:
        return {}
    return {id_: min(until, newest) for id_, until in known.items()}


def _readable(store: Store, month: str, log: Logger) -> Readings:
    try:
        return read_readings(store, month)
    except BadInputError as error:
        log.warning("%s: passed over", error)
        return Readings.of({})


def readings_of(rows: Iterable[StateRow], config: MeterConfig) -> Readings:
    """The rows as readings of every meter that is of their entity."""
    meters = defaultdict(list)
    for id_, meter in config.meters.items():
        meters[meter.entity].append((id_, meter))
    return collect(
        (id_, row.at, canonical(meter, row.state, row.unit))
        for row in rows
        for id_, meter in meters[row.entity]
    )


def by_month(store: Store, readings: Readings) -> Iterator[tuple[str, Readings]]:
    """The readings month by month."""
    ends = [int(at) for series in readings.series.values() for at in (series.at[0], series.at[-1])]
    if not ends:
        return
    first, last = (month_of(from_epoch_ms(at), store.zone) for at in (min(ends), max(ends)))
    for month in month_range(first, last):
        yield month, readings.between(*month_bounds(month, store.zone))


def _add(store: Store, month: str, readings: Readings) -> set[str]:
    store.hold_power()
    together = merge(read_readings(store, month), readings)
    return {month} if write_readings(store, month, together, is_over=False) else set()


def _fold(store: Store, now: datetime, log: Logger) -> set[str]:
    """Fold the months that are over; returns those. One that is damaged waits."""
    current = month_of(now, store.zone)
    over = [month for month in reading_months(store) if month < current and not is_folded(store, month)]
    folded: set[str] = set()
    for month in over:
        store.hold_power()
        try:
            write_readings(store, month, read_readings(store, month), is_over=True)
        except BadInputError as error:
            log.warning("%s: it is folded when it can be read", error)
            continue
        folded.add(month)
    return folded
