"""How a month's readings lie in files: lines of JSON by civil day while the month is open, one Parquet when it is over.

A reading more then changes the file of its day alone, and a month that is over takes little room. Each file is in place
before what it stands for is removed; in between a reading stands in both, and is read once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import reduce
from logging import Logger

from cph50_pipeline.civil_time import day_bounds, local_date, month_bounds, parse_month
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.ndjson import dump_lines, load_lines
from cph50_pipeline.power.readings import Readings, Series, State, merge
from cph50_pipeline.power.tables import (
    READINGS_FEW_VALUED,
    READINGS_SORT_KEYS,
    readings_of_table,
    readings_schema,
    readings_table,
)
from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.storage.tables import dump_table, load_table, prefer_stored

_FOLDER = "power/readings"
REACH_MONTHS = 12
"""Among so many stored months on either side the nearest reading that counts is looked for."""
_logger = logging.getLogger(__name__)


def reading_months(store: Store) -> list[str]:
    """The months of which readings are stored, sorted."""
    found = ((kind_of(path), path) for path in store.root.list(f"{_FOLDER}/"))
    return sorted({month for kind, path in found if kind and (month := kind.month_of(path))})


def is_folded(store: Store, month: str) -> bool:
    """Whether the month is one table."""
    return store.root.stamp(_month_path(month)) is not None


def read_readings(store: Store, month: str) -> Readings:
    """The readings of a month; none when none is stored.

    Raises:
        BadInputError: one of its files is damaged; names it.
    """
    return reduce(merge, (read_file(store, path) for path in reading_paths(store, month)), Readings.of({}))


def reading_paths(store: Store, month: str) -> list[str]:
    """The files of a month's readings: the table, then the days."""
    return [*([_month_path(month)] if is_folded(store, month) else []), *_day_paths(store, month)]


def read_file(store: Store, path: str) -> Readings:
    """The readings in one of these files; none when it is gone.

    Raises:
        BadInputError: it is damaged; names it.
    """
    if path.endswith(".parquet"):
        return store.read_large(path, _read_month) or Readings.of({})
    return store.read_file(path, load_lines) or Readings.of({})


def readings_around(store: Store, month: str, log: Logger = _logger) -> Readings:
    """The readings of a month, and of the nearest stored month on either side that can be read.

    Raises:
        BadInputError: a file of the month itself is damaged; names it. Those of others are named in the log.
    """
    before, after = _months_beside(store, month)
    own = read_readings(store, month)
    beside = (next(_readable(store, near, log), Readings.of({})) for near in (before, after))
    return reduce(merge, beside, own)


def readings_with_edges(
    store: Store, month: str, meters: Iterable[str], log: Logger = _logger
) -> tuple[Readings, Readings, Readings]:
    """The last readings before a month, its own, and the first after it: all that its rollups depend on.

    Args:
        meters: Of which a reading that counts is looked for on either side, up to a year away: a counter says over
            whatever gap what was drawn in it.

    Raises:
        BadInputError: a file of the month itself is damaged; names it. Those of others are named in the log, and the
            next month stands for them: the month itself can be told.
    """
    before, after = _months_beside(store, month)
    wanted = frozenset(meters)
    earlier = _nearest(store, before, wanted, log, last=True)
    later = _nearest(store, after, wanted, log, last=False)
    nothing = Readings.of({})
    return reduce(merge, earlier, nothing), read_readings(store, month), reduce(merge, later, nothing)


def _months_beside(store: Store, month: str) -> tuple[list[str], list[str]]:
    """The stored months before a month and after it, the nearest first, up to a year away."""
    months = reading_months(store)
    before = [of for of in months if of < month][-REACH_MONTHS:]
    return before[::-1], [of for of in months if of > month][:REACH_MONTHS]


def _ends(readings: Readings, *, last: bool) -> Readings:
    """Of each meter the last readings, from the last that counts on; or the first ones, up to the first."""
    return Readings.of({id_: _end(series, last=last) for id_, series in readings.series.items()})


def _end(series: Series, *, last: bool) -> Series:
    import numpy as np

    outermost = slice(-1, None) if last else slice(0, 1)
    if series.state[outermost] == State.OK:  # as nearly always: a month by the second need not be searched
        return series.take(outermost)
    counts = np.flatnonzero(series.state == State.OK)
    if not len(counts):
        return series.take(outermost)
    return series.take(slice(int(counts[-1]), None) if last else slice(0, int(counts[0]) + 1))


def _nearest(
    store: Store, months: Iterable[str], meters: frozenset[str], log: Logger, *, last: bool
) -> Iterator[Readings]:
    """The ends of the first of the months that can be read, and of those after it, of meters not heard of so far."""
    is_first, missing = True, meters
    for readings in _readable(store, months, log):
        ends = _ends(readings, last=last)
        told = {id_: series for id_, series in ends.series.items() if is_first or id_ in missing}
        yield Readings.of(told)
        missing -= {id_ for id_, series in told.items() if (series.state == State.OK).any()}
        is_first = False
        if not missing:
            return


def _readable(store: Store, months: Iterable[str], log: Logger) -> Iterator[Readings]:
    for month in months:
        try:
            yield read_readings(store, month)
        except BadInputError as error:
            log.warning("%s: left out, as if nothing had been read then", error)


def write_readings(store: Store, month: str, readings: Readings, *, is_over: bool) -> list[str]:
    """Put all readings of a month in place.

    Args:
        readings: What is stored among them.
        is_over: Whether the month is over: its days are then folded into one table. A folded month stays folded.

    Returns:
        The files whose content changed, or that were removed.

    Raises:
        BadInputError: a reading lies outside the month; nothing was written.
    """
    _check_inside(store, month, readings)
    store.hold_power()
    if not (is_over or is_folded(store, month)):
        return _changed(store, _days(store, month, readings))
    changed = write_file(store, _month_path(month), readings)
    return [*changed, *(day for day in _day_paths(store, month) if store.root.remove(day))]


def write_file(store: Store, path: str, readings: Readings) -> list[str]:
    """Put readings in place as one of these files; returns it when it changed."""
    if not path.endswith(".parquet"):
        return _changed(store, {path: dump_lines(readings)})
    data = dump_table(readings_table(readings), readings_schema(), READINGS_SORT_KEYS)
    return _changed(store, {path: prefer_stored(store.root.read(path), data)})


def path_of_day(store: Store, day: date) -> str:
    """Where readings of a civil day stand: in the month's table where there is one, else in the day's own file."""
    month = f"{day:%Y-%m}"
    return _month_path(month) if is_folded(store, month) else _day_path(day)


def bounds_of(store: Store, path: str) -> tuple[datetime, datetime]:
    """The half-open interval of the civil day or month that one of these files is of."""
    name = path.removeprefix(f"{_FOLDER}/").partition(".")[0]
    if path.endswith(".parquet"):
        return month_bounds(name, store.zone)
    return day_bounds(date.fromisoformat(name), store.zone)


def _changed(store: Store, files: dict[str, bytes]) -> list[str]:
    return [written.path for written in store.write_files(files) if written.changed]


def _days(store: Store, month: str, readings: Readings) -> dict[str, bytes]:
    """The files of the days that have readings."""
    begins, ends = month_bounds(month, store.zone)
    day, last = local_date(begins, store.zone), local_date(ends, store.zone)
    files = {}
    while day < last:
        of_day = readings.between(*day_bounds(day, store.zone))
        if len(of_day):
            files[_day_path(day)] = dump_lines(of_day)
        day += timedelta(days=1)
    return files


def _check_inside(store: Store, month: str, readings: Readings) -> None:
    inside = readings.between(*month_bounds(parse_month(month), store.zone))
    if len(inside) < len(readings):
        raise BadInputError(
            f"{len(readings) - len(inside)} reading(s) lie outside {month}",
            kept="Nothing was written",
            remedy="If CPH50_TIMEZONE was changed, `cph50 rebuild` says which readings move to which file",
        )


def _read_month(data: bytes, path: str) -> Readings:
    return readings_of_table(load_table(data, readings_schema(), path, READINGS_FEW_VALUED))


def _month_path(month: str) -> str:
    return f"{_FOLDER}/{month}.parquet"


def _day_path(day: date) -> str:
    return f"{_FOLDER}/{day.isoformat()}.ndjson"


def _day_paths(store: Store, month: str) -> list[str]:
    found = store.root.list(f"{_FOLDER}/{month}-", ".ndjson")
    return [path for path in found if kind_of(path) is not None]
