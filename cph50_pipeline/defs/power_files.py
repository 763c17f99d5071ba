"""The four files of power, from what is stored: which day is today, and what the days before it come to.

The newest reading says which day is today, not a clock, and the rolling files end with the day before it, the last that
is over. So they change once a night, and the same data gives the same files whenever they are made. A clock is asked
only to leave out what is yet to come: it was read when a clock was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from cph50_pipeline.civil_time import day_bounds, day_start, from_epoch_ms, local_date, month_of, month_range
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS
from cph50_pipeline.defs.rolling_up import readings_of_month
from cph50_pipeline.defs.store import Store
from cph50_pipeline.power.data_points import (
    EVENT_TOTALS,
    FILES,
    PATHS,
    ROLLING,
    PowerFile,
    RollingFile,
    daily,
    empty,
    event_totals,
    rolling,
    rolling_edges,
)
from cph50_pipeline.power.events import Event
from cph50_pipeline.power.meters import CHARGER, MeterConfig
from cph50_pipeline.power.tables import rollup_of_table

if TYPE_CHECKING:
    import pyarrow as pa

_BUCKET = timedelta(minutes=5)
_RECENT_MONTHS = 2
"""A meter that said nothing in the newest two months is not the house's power any more."""
_WHOLE = 1 - 1e-9


class PowerFilesConfig(dg.Config):
    """What a run makes of the four files.

    Attributes:
        files: Which of them; one that does not exist is made, too, and empty while nothing is known.
    """

    files: list[str] = list(FILES)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the house's power is known.

    Attributes:
        main: The meter that tells.
        until: Up to when.
    """

    main: str
    until: datetime

    def today(self, store: Store) -> date:
        """The civil day that the newest reading belongs to."""
        return local_date(self.until, store.zone)


def make_files(
    store: Store, config: MeterConfig, wanted: Iterable[str], now: datetime
) -> dict[str, dict[str, Any]]:
    """The wanted files by path, and those that do not exist yet; with them what the events of each day come to.

    Today's comes last: what was today until now is in the others before it goes.

    Raises:
        BadInputError: a month that they are made of is damaged.
    """
    standing = standing_of(store, config, now)
    missing = {file for file in FILES if store.root.read(PATHS[file]) is None}
    files = {
        PATHS[file]: empty() if standing is None else _make(store, config, standing, file)
        for file in reversed(FILES)
        if file in {*wanted, *missing}
    }
    return {EVENT_TOTALS: event_totals(_every_event(store), store.zone), **files}


def files_summary(files: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a run made, for the Dagster UI: of each file its points, their energy, its events, and how far it goes."""
    records = [
        dg.TableRecord(
            {
                "file": name,
                "points": len(document["data_points"]),
                "energy_kwh": round(sum(p["energy_kwh"] or 0.0 for p in document["data_points"]), 3),
                "events": len(document["events"]),
                "last_update": document["last_update"] or "nothing is known yet",
            }
        )
        for name, document in files.items()
        if "data_points" in document
    ]
    return {"data_points": dg.MetadataValue.table(records)} if records else {}


def standing_of(store: Store, config: MeterConfig, now: datetime) -> Standing | None:
    """Which meter is the house's power, and up to when it is known; None while nothing is."""
    months = [month for month in store.stored_months(ROLLUPS) if month <= month_of(now, store.zone)]
    recent = _tables(store, months[-_RECENT_MONTHS:])
    for main in (config.main_power, CHARGER):
        until = None if recent is None else _known_until(recent, main, now)
        if until is not None:
            return Standing(main, until)
    return None


def _make(store: Store, config: MeterConfig, standing: Standing, file: PowerFile) -> dict[str, Any]:
    today = standing.today(store)
    if file == "daily":
        return _daily(store, config, standing.main, today)
    return _rolling(store, config, standing.main, file, today - timedelta(days=1))


def _daily(store: Store, config: MeterConfig, main: str, day: date) -> dict[str, Any]:
    begins, ends = day_bounds(day, store.zone)
    readings = readings_of_month(store, month_of(begins, store.zone), config)
    events = _events(store, begins, ends)
    return daily(readings, events, config, main, day, store.zone)


def _rolling(
    store: Store, config: MeterConfig, main: str, file: RollingFile, last_day: date
) -> dict[str, Any]:
    bucket_edges = rolling_edges(file, last_day, store.zone)
    begins, ends = from_epoch_ms(int(bucket_edges[0])), from_epoch_ms(int(bucket_edges[-1]))
    last_month = month_of(day_start(last_day, store.zone), store.zone)
    table = _tables(store, month_range(month_of(begins, store.zone), last_month))
    if table is None:
        return empty()
    resolution, _ = ROLLING[file]
    rollups = {
        id_: found
        for id_ in config.meters
        if (found := rollup_of_table(table, id_, resolution, bucket_edges)).is_known.any()
    }
    if not rollups:
        return empty()
    return rolling(rollups, _events(store, begins, ends), config, main, store.zone)


def _tables(store: Store, months: Sequence[str]) -> pa.Table | None:
    import pyarrow as pa

    tables = [table for month in months if (table := store.read_month(ROLLUPS, month)) is not None]
    return pa.concat_tables(tables) if tables else None


def _known_until(table: pa.Table, meter: str, now: datetime) -> datetime | None:
    """The end of the meter's newest bucket, or its start when it is not over yet."""
    import pyarrow as pa
    import pyarrow.compute as pc

    of_meter = (pc.field("meter") == meter) & (pc.field("resolution") == "5min")
    rows = table.filter(of_meter & (pc.field("start") <= pa.scalar(now, table.schema.field("start").type)))
    if not len(rows):
        return None
    [newest] = rows.sort_by([("start", "descending")]).slice(0, 1).to_pylist()
    start: datetime = newest["start"]
    return start + _BUCKET if newest["coverage"] >= _WHOLE else start


def _events(store: Store, begins: datetime, ends: datetime) -> list[Event]:
    """The stored events that reach into an interval, however long ago they began."""
    return [event for event in _every_event(store) if event.start < ends and event.end > begins]


def _every_event(store: Store) -> list[Event]:
    return [event for month in store.stored_months(EVENTS) for event in store.read_month(EVENTS, month) or []]
