"""Taking the files of an old power monitor into the household's readings. What can be taken is decided in `power`.

Nothing is written before all of it is decided, and then month by month: a migration that was killed goes on when it is
asked for again, because what is stored already is left as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from pathlib import Path

from cph50_pipeline.civil_time import from_epoch_ms, month_bounds, month_of, shift_month
from cph50_pipeline.defs.due_months import without_gaps
from cph50_pipeline.defs.power_inputs import PowerInputs
from cph50_pipeline.defs.reading_files import read_readings, reading_months, write_readings
from cph50_pipeline.defs.retention_record import retention_record
from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.defs.taking_in import by_month
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.migration.columns import Choices
from cph50_pipeline.power.migration.judging import Judged, Limits, judge
from cph50_pipeline.power.migration.plan import FileRead, Plan, plan
from cph50_pipeline.power.migration.shapes import Source, read_source
from cph50_pipeline.power.readings import Readings, merge
from cph50_pipeline.settings import Settings

_WINDOW_MONTHS = 12
"""The longest window that a month's days are in ends so many months later."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """What was found, and the months whose files changed; none before it is applied."""

    plan: Plan
    months: Sequence[str]


def migrate(
    store: Store, settings: Settings, path: Path, choices: Choices, now: datetime, *, apply: bool
) -> Migrated:
    """Read a file, or all JSON files of a folder, and say what can be taken; take it when asked to.

    Raises:
        BadInputError: there is no such file, no `meters.json`, or a choice that cannot be; a stored month is damaged.
    """
    config = _meters(store, settings)
    sources, unread = _sources(_files(path))
    if sources:
        choices.check(config, set().union(*(source.columns for source in sources)))
    if apply:
        store.hold_power()  # nobody adds a reading between the decision and the writing
    earliest = month_bounds(settings.history_start, settings.zone)[0]
    thinned = frozenset(retention_record(store).thinned)
    limits = Limits(earliest=earliest, now=now, zone=settings.zone, thinned=thinned)
    judged = [judge(source, config, choices, limits) for source in sources]
    stored = _stored(store, judged)
    planned = plan(judged, unread, stored, config, settings.power_interval_seconds)
    return Migrated(planned, _write(store, planned.readings, now) if apply else [])


def months_to_make(inputs: PowerInputs, changed: Sequence[str], first: str, current: str) -> list[list[str]]:
    """The months to roll up after some changed, in spans without a gap, each of which one run can make.

    Those are the changed ones, those whose windows reach back to them, and the one before, which may last into them;
    of all of these only the months of which anything is known.

    Args:
        inputs: As they are since.
        changed: At least one.
        first: Months before it are let alone.
    """
    known = [month for month in inputs.months() if first <= month <= max(current, changed[-1])]
    before = [month for month in known if month < changed[0]][-1:]
    last = shift_month(changed[-1], _WINDOW_MONTHS)
    wanted = sorted({*before, *changed, *(month for month in known if changed[0] <= month <= last)})
    return without_gaps(wanted)


def _meters(store: Store, settings: Settings) -> MeterConfig:
    if store.read_document(METERS_FILE) is None:
        raise BadInputError(
            f"There is no {METERS_FILE}: which meter a column is cannot be told",
            kept="Nothing was read",
            remedy="Copy data/meters.example.json there, name your meters in it and run again",
        )
    return store.meters(settings.power_interval_seconds)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise BadInputError(f"There is no {path}", remedy="Give a file, or the folder of the old files")
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise BadInputError(f"{path} has no JSON file", remedy="Give a file, or the folder of the old files")
    return files


def _sources(files: Iterable[Path]) -> tuple[list[Source], list[FileRead]]:
    sources, unread = [], []
    for file in files:
        try:
            sources.append(read_source(file.read_bytes(), file.name))
        except OSError as error:
            unread.append(FileRead(file.name, error=f"it cannot be read: {error.strerror}"))
        except BadInputError as error:
            unread.append(FileRead(file.name, error=error.message.removeprefix(f"{file.name} ")))
    return sources, unread


def _stored(store: Store, judged: Iterable[Judged]) -> Readings:
    """What is stored of the months that the candidates lie in, and of the nearest beside them."""
    ends = {at for file in judged for one in file.candidates for at in (one.begin, one.end)}
    wanted = {month_of(from_epoch_ms(at), store.zone) for at in ends}
    if not wanted:
        return Readings.of({})
    months = reading_months(store)
    before = [month for month in months if month < min(wanted)][-1:]
    after = [month for month in months if month > max(wanted)][:1]
    between = [month for month in months if min(wanted) <= month <= max(wanted)]
    parts = (read_readings(store, month) for month in (*before, *between, *after))
    return reduce(merge, parts, Readings.of({}))


def _write(store: Store, readings: Readings, now: datetime) -> list[str]:
    """Put the new readings with those of their months; those that are over are folded."""
    current = month_of(now, store.zone)
    return [
        month
        for month, new in by_month(store, readings)
        if len(new)
        and write_readings(store, month, merge(read_readings(store, month), new), is_over=month < current)
    ]
