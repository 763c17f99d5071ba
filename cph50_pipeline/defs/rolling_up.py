"""What a month's readings come to: its rollups, its events, and the windows that end with its days.

Reads what is stored of the month and of its neighbours and calls the rules in `power`; writes nothing. A month depends
on the next one stored, too: for how long its last reading stands, what comes next decides.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import reduce
from logging import Logger
from typing import TYPE_CHECKING

from cph50_pipeline.charging.counter import EnergyCounter
from cph50_pipeline.charging.model import Session
from cph50_pipeline.civil_time import (
    day_start,
    from_epoch_ms,
    local_date,
    month_bounds,
    month_of,
    shift_month,
)
from cph50_pipeline.defs.month_files import ACTIVITY, EVENTS, ROLLUPS, SAMPLES
from cph50_pipeline.defs.reading_files import readings_around, readings_with_edges
from cph50_pipeline.defs.retention_record import is_thinned
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.buckets import Resolution, edges
from cph50_pipeline.power.charger import charger_series
from cph50_pipeline.power.events import Event, events_of
from cph50_pipeline.power.meters import CHARGER, MeterConfig
from cph50_pipeline.power.readings import Readings, merge
from cph50_pipeline.power.rollups import Rollup, coarsen, rollup
from cph50_pipeline.power.tables import rollup_of_table, rollups_table, windows_table
from cph50_pipeline.power.windows import WINDOW_DAYS, Windows, windows

if TYPE_CHECKING:
    import pyarrow as pa

_logger = logging.getLogger(__name__)
_WIDER: tuple[Resolution, ...] = ("hour", "day")
_AT_A_TIME = 2  # more would take more memory
MONTHS_BEFORE = 13
"""In which the days of the longest window lie, whatever day of its month it ends with."""


def roll_up_months(
    store: Store, months: Iterable[str], config: MeterConfig, log: Logger = _logger
) -> dict[str, pa.Table]:
    """The rollups of months, several at a time: what takes time is done outside of Python's lock.

    Raises:
        BadInputError: as `roll_up`, of the first such month.
    """
    wanted = [*months]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        return dict(
            zip(wanted, pool.map(lambda month: roll_up(store, month, config, log), wanted), strict=True)
        )


def roll_up(store: Store, month: str, config: MeterConfig, log: Logger = _logger) -> pa.Table:
    """The rollups of a month, of the charger, too.

    Meters that are no longer configured are left out: what they measured is not known any more.

    Of a month whose readings were thinned they are those that are stored, by the days of the zone.

    Raises:
        BadInputError: a file of the month is damaged; one of the months beside it is left out and named in the log.
    """
    if is_thinned(store, month):
        return _stored_rollups(store, month, config)
    begins, ends = month_bounds(month, store.zone)
    bucket_edges = edges("5min", begins, ends, store.zone)
    pieces = readings_with_edges(store, month, config.meters.keys() - {CHARGER}, log)
    bases = {
        id_: rollup([piece[id_] for piece in pieces], meter, bucket_edges)
        for id_, meter in config.meters.items()
        if any(id_ in piece.series for piece in pieces)
    }
    return _widened(store, month, {**bases, **_charger_base(store, month, config, _newest(pieces[1]))})


def _stored_rollups(store: Store, month: str, config: MeterConfig) -> pa.Table:
    """The rollups of a month from its stored 5 minutes, and those beside it: by another zone it begins elsewhere.

    What the charger drew stays known by its sessions.
    """
    import pyarrow as pa

    own = store.read_month(ROLLUPS, month)
    if own is None:
        raise BadInputError(
            f"{ROLLUPS.path(month)} does not exist, and the month's readings were thinned: they cannot make it again",
            kept="Nothing was written",
            remedy=f"`git checkout -- {ROLLUPS.path(month)}` in the data root brings it back",
        )
    beside = (store.read_month(ROLLUPS, shift_month(month, shift)) for shift in (-1, 1))
    stored = [own, *(table for table in beside if table is not None)]
    begins, ends = month_bounds(month, store.zone)
    bucket_edges = edges("5min", begins, ends, store.zone)
    table = pa.concat_tables(stored)
    meters = table["meter"].unique().to_pylist()
    bases = {id_: rollup_of_table(table, id_, "5min", bucket_edges) for id_ in meters}
    return _widened(store, month, {**bases, **_charger_base(store, month, config, None)})


def _charger_base(
    store: Store, month: str, config: MeterConfig, newest: datetime | None
) -> dict[str, Rollup]:
    """The 5 minutes of the charger, where anything is known of it; `newest` as for `_charger`."""
    bucket_edges = edges("5min", *month_bounds(month, store.zone), store.zone)
    known = _charger(store, month, newest)
    return {id_: rollup(series, config.meters[id_], bucket_edges) for id_, series in known.series.items()}


def _widened(store: Store, month: str, bases: Mapping[str, Rollup]) -> pa.Table:
    """The table of rollups of a month, from its 5 minutes."""
    begins, ends = month_bounds(month, store.zone)
    made: dict[tuple[str, Resolution], Rollup] = {}
    for id_, base in bases.items():
        made[id_, "5min"] = base
        for wider in _WIDER:
            made[id_, wider] = coarsen(base, edges(wider, begins, ends, store.zone))
    return rollups_table(made)


def readings_of_month(store: Store, month: str, config: MeterConfig, log: Logger = _logger) -> Readings:
    """The readings of a month, the last before it and the first after it, and the charger as a meter.

    Raises:
        BadInputError: a file of the month is damaged; one of the months beside it is left out and named in the log.
    """
    before, own, after = readings_with_edges(store, month, config.meters.keys() - {CHARGER}, log)
    return reduce(merge, (before, own, after, _charger(store, month, _newest(own))))


def month_events(store: Store, month: str, config: MeterConfig, log: Logger = _logger) -> list[Event]:
    """The events that begin in a month. Of one whose readings were thinned they are those that are stored.

    Raises:
        BadInputError: a file of the month is damaged; one of the months beside it is left out and named in the log.
    """
    if is_thinned(store, month):
        months = (shift_month(month, shift) for shift in (-1, 0, 1))
        found = [event for of in months for event in store.read_month(EVENTS, of) or []]
    else:
        before, _, after = readings_with_edges(store, month, config.meters.keys() - {CHARGER}, log)
        found = events_of(reduce(merge, (before, after), readings_around(store, month, log)), config)
    return [event for event in found if month_of(event.start, store.zone) == month]


def roll_windows(store: Store, month: str, config: MeterConfig) -> pa.Table:
    """The windows that end with the days of a month, up to the last day of which anything is known.

    Raises:
        BadInputError: the rollups or events of one of the months are damaged, or were made for another zone.
    """
    import pyarrow as pa

    months = [shift_month(month, -back) for back in range(MONTHS_BEFORE, -1, -1)]
    stored = {of: _day_rows(table) for of in months if (table := store.read_month(ROLLUPS, of)) is not None}
    last_day = _last_day(stored[month], store) if month in stored else None
    if last_day is None:
        return windows_table({})
    first_end = local_date(month_bounds(month, store.zone)[0], store.zone)
    first_day = first_end - timedelta(days=max(WINDOW_DAYS) - 1)
    bucket_edges = edges("day", day_start(first_day, store.zone), _following(last_day, store), store.zone)
    table = pa.concat_tables(stored.values())
    events = [event for of in months for event in store.read_month(EVENTS, of) or []]
    found: dict[tuple[str, int], Windows] = {}
    for id_ in config.meters:
        days = rollup_of_table(table, id_, "day", bucket_edges)
        if not days.is_known.any():
            continue
        own = [event for event in events if event.meter == id_]
        ends = len(days) - max(WINDOW_DAYS) + 1
        found |= {(id_, length): windows(days, length, ends, own) for length in WINDOW_DAYS}
    return windows_table(found)


def _day_rows(table: pa.Table) -> pa.Table:
    """A month's days, which are few of its rows: the 5 minutes need not be searched for each meter."""
    import pyarrow.compute as pc

    return table.filter(pc.field("resolution") == "day")


def _last_day(table: pa.Table, store: Store) -> date | None:
    import pyarrow.compute as pc

    newest = pc.max(table["start"]).as_py()
    return None if newest is None else local_date(newest, store.zone)


def _following(day: date, store: Store) -> datetime:
    return day_start(day + timedelta(days=1), store.zone)


def _newest(readings: Readings) -> datetime | None:
    at = max((int(series.at[-1]) for series in readings.series.values()), default=None)
    return None if at is None else from_epoch_ms(at)


def _charger(store: Store, month: str, newest: datetime | None) -> Readings:
    """The charger as a meter, as far as the answers of a month tell; nothing where there are none.

    Args:
        newest: The month's newest reading of another meter.
    """
    if store.read_month(ACTIVITY, month) is None:
        return Readings.of({})
    begins, ends = month_bounds(month, store.zone)
    sessions = [
        (session, counter)
        for of in (shift_month(month, -1), month)
        for session, counter in _counters(store, of)
        if counter.end > begins
    ]
    is_over = store.activity(month).closed or any(m > month for m in store.stored_months(ACTIVITY))
    told = max([begins, *(counter.end for _, counter in sessions)])
    quiet_until = ends if is_over else max(told, _looked_at(store, newest) or told)
    # What a session in progress draws is not known beyond its last point, and is not nothing.
    known_until = min([ends, quiet_until, *(counter.end for session, counter in sessions if session.is_open)])
    if known_until <= begins:
        return Readings.of({})
    return Readings.of({CHARGER: charger_series([counter for _, counter in sessions], begins, known_until)})


def _looked_at(store: Store, newest: datetime | None) -> datetime | None:
    """Up to when a charger that says nothing is known to draw nothing, in an open month.

    That is as long as the other meters tell, where somebody looked at the charger since, and else to the beginning of
    the day of the last look: its files then change once a day, not with every look.
    """
    state = store.last_session()
    looked = None if state is None else state.looked_at
    if looked is None:
        return newest
    midnight = day_start(local_date(looked, store.zone), store.zone)
    return midnight if newest is None else max(midnight, min(newest, looked))


def _counters(store: Store, month: str) -> Iterator[tuple[Session, EnergyCounter]]:
    """The counters of a month's sessions at the household's own charger."""
    samples = store.read_month(SAMPLES, month) or {}
    for session in store.sessions(month):
        if session.is_home:
            readings = samples.get(session.session_id, session.curve)
            yield session, EnergyCounter.of(session, readings)
