"""After a change of the zone: which readings stand in the file of another civil day or month, and moving them.

Every file gains before one loses, so that a kill at any moment leaves each reading in one file at least, and moving
again goes on. What stands in two files meanwhile is read once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from cph50_pipeline.civil_time import day_bounds, from_epoch_ms, local_date, to_epoch_ms
from cph50_pipeline.defs.reading_files import (
    bounds_of,
    path_of_day,
    read_file,
    reading_months,
    reading_paths,
    write_file,
)
from cph50_pipeline.defs.store import Store
from cph50_pipeline.power.readings import Readings, merge

Misplaced = Mapping[tuple[str, str], Readings]
"""Readings by the file in which they stand and the one to which they belong, sorted."""


@dataclass(frozen=True, slots=True)
class ReadingMove:
    """Readings that belong to another file by the zone: both paths in the data root, and how many they are."""

    source: str
    target: str
    readings: int


def misplaced(store: Store) -> Misplaced:
    """The readings that stand in the wrong file.

    Raises:
        BadInputError: a file of readings is damaged; names it.
    """
    paths = [path for month in reading_months(store) for path in reading_paths(store, month)]
    found: dict[tuple[str, str], Readings] = {}
    for path in paths:
        for target, readings in _outside(store, path):
            found[path, target] = merge(found.get((path, target), Readings.of({})), readings)
    return dict(sorted(found.items()))


def moves_of(wrong: Misplaced) -> tuple[ReadingMove, ...]:
    """What moves, for people to read."""
    return tuple(ReadingMove(source, target, len(readings)) for (source, target), readings in wrong.items())


def move_readings(store: Store, wrong: Misplaced) -> None:
    """Put the readings into their files, then take them out of the others; holds the lock of power.

    Args:
        wrong: As `misplaced` tells, under the same lock.
    """
    store.hold_power()
    gaining: dict[str, Readings] = defaultdict(lambda: Readings.of({}))
    for (_, target), readings in wrong.items():
        gaining[target] = merge(gaining[target], readings)
    for path, readings in sorted(gaining.items()):
        write_file(store, path, merge(read_file(store, path), readings))
    for path in sorted({source for source, _ in wrong}):
        kept = read_file(store, path).between(*bounds_of(store, path))
        if len(kept):
            write_file(store, path, kept)
        else:
            store.root.remove(path)


def _outside(store: Store, path: str) -> Iterator[tuple[str, Readings]]:
    """A file's readings that belong to others, each with its file; a file may come more than once."""
    begins, ends = map(to_epoch_ms, bounds_of(store, path))
    others = Readings.of(
        {
            meter: series.take((series.at < begins) | (series.at >= ends))
            for meter, series in read_file(store, path).series.items()
        }
    )
    for day in _days(store, others):
        of_day = others.between(*day_bounds(day, store.zone))
        if len(of_day):
            yield path_of_day(store, day), of_day


def _days(store: Store, readings: Readings) -> Iterator[date]:
    """The civil days from the first reading to the last."""
    if not len(readings):
        return
    first = min(int(series.at[0]) for series in readings.series.values())
    last = max(int(series.at[-1]) for series in readings.series.values())
    day, end = (local_date(from_epoch_ms(at), store.zone) for at in (first, last))
    while day <= end:
        yield day
        day += timedelta(days=1)
