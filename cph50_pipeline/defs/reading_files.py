"""How a month's readings lie in files: lines of JSON by civil day while the month is open, one Parquet when it is over.

A reading more then changes the file of its day alone, and a month that is over takes little room. Each file is in place
before what it stands for is removed; in between a reading stands in both, and is read once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import reduce
from itertools import chain
from logging import Logger

from cph50_pipeline.civil_time import day_bounds, local_date, month_bounds, parse_month
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.ndjson import dump_lines, load_lines
from cph50_pipeline.power.readings import Readings, State, merge
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
_REACH_MONTHS = 12
_logger = logging.getLogger(__name__)


def reading_months(store: Store) -> list[str]:
    """The months of which readings are stored, sorted."""
    found = ((kind_of(path), path) for path in store.root.list(f"{_FOLDER}/"))
    return sorted({month for kind, path in found if kind and (month := kind.month_of(path))})


def is_folded(store: Store, month: str) -> bool:
    """Whether the month is one table."""
    return store.root.read(_month_path(month)) is not None


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
    if not path.endswith(".parquet"):
        return store.read_file(path, load_lines) or Readings.of({})
    data = store.root.read(path)  # not kept: a month by the second takes much room
    return Readings.of({}) if data is None else _read_month(data, path)


def readings_around(store: Store, month: str, meters: Iterable[str] = (), log: Logger = _logger) -> Readings:
    """The readings of a month, of the nearest stored month on either side, and the nearest that count of each meter.

    A month beside it that is damaged is named in the log, and the next one stands for it: the month itself can be told.

    Args:
        meters: Of which a reading that counts is looked for on either side, up to a year away: a counter says over
            whatever gap what was drawn in it.

    Raises:
        BadInputError: a file of the month itself is damaged; names it.
    """
    months = reading_months(store)
    own = read_readings(store, month)
    before = reversed([of for of in months if of < month][-_REACH_MONTHS:])
    after = [of for of in months if of > month][:_REACH_MONTHS]
    beside = (_nearest(store, near, frozenset(meters), log) for near in (before, after))
    return reduce(merge, chain.from_iterable(beside), own)


def _nearest(store: Store, months: Iterable[str], meters: frozenset[str], log: Logger) -> Iterator[Readings]:
    """The first of the months that can be read, whole, and of those after it the meters that said nothing before."""
    is_first, missing = True, meters
    for month in months:
        if not (is_first or missing):
            return
        try:
            readings = read_readings(store, month)
        except BadInputError as error:
            log.warning("%s: left out, as if nothing had been read then", error)
            continue
        told = {id_: series for id_, series in readings.series.items() if is_first or id_ in missing}
        yield Readings.of(told)
        missing -= {id_ for id_, series in told.items() if (series.state == State.OK).any()}
        is_first = False


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
