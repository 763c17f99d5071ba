"""Retention: what becomes of the readings of months that are long over. By default nothing: they are kept whole.

A household may have them compressed, or thinned. What they came to is kept as it was: a month that is thinned is noted
in `power/retention.json` before its readings go, and from then on its rollups are made of its own 5 minutes and of no
reading again. Which readings go, `power.thinning` says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import dagster as dg

from cph50_pipeline.civil_time import month_bounds, month_of, shift_month
from cph50_pipeline.defs.month_files import EVENTS, ROLLUPS
from cph50_pipeline.defs.reading_files import (
    is_folded,
    read_readings,
    reading_months,
    reading_paths,
    write_readings,
)
from cph50_pipeline.defs.retention_record import RETENTION_FILE, RetentionRecord, Thinned, retention_record
from cph50_pipeline.defs.rolling_up import month_events, roll_up
from cph50_pipeline.defs.store import Store
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings
from cph50_pipeline.power.tables import READINGS_SORT_KEYS, readings_schema, readings_table
from cph50_pipeline.power.thinning import thin
from cph50_pipeline.settings import PowerRetention, Settings
from cph50_pipeline.storage.tables import dump_table, is_compressed

WHOLE_EDGE = timedelta(days=1)
"""At the ends of a month all readings stay: those beside them, in another month, are judged by them."""


class RetentionConfig(dg.Config):
    """What the household wants of old readings; the defaults change nothing.

    Attributes:
        policy: As `CPH50_POWER_RETENTION`.
        months: After how many months readings are old.
        thin_seconds: Between two readings of a meter, where they are thinned.
    """

    policy: str = PowerRetention.KEEP.value
    months: int = 24
    thin_seconds: int = 300

    @classmethod
    def of(cls, settings: Settings) -> "RetentionConfig":
        """What the settings say."""
        return cls(
            policy=settings.power_retention.value,
            months=settings.power_retention_months,
            thin_seconds=settings.power_thin_seconds,
        )


@dataclass(frozen=True, slots=True)
class Retained:
    """What was done, or would be, with the readings of a month.

    Attributes:
        readings: How many stay.
        gone: How many go.
        bytes_before: Of the month's table.
        bytes_after: The same once it is done; None in a plan.
    """

    month: str
    readings: int
    gone: int
    bytes_before: int
    bytes_after: int | None = None


def months_to_retain(store: Store, policy: RetentionConfig, now: datetime) -> list[str]:
    """The months that are over for as long as the household says, and whose readings are one table."""
    last = shift_month(month_of(now, store.zone), -policy.months)
    return [month for month in reading_months(store) if month < last and is_folded(store, month)]


def plan_retention(
    store: Store, policy: RetentionConfig, config: MeterConfig, now: datetime
) -> list[Retained]:
    """What a run would do now, without what is done already. Only reads.

    Raises:
        BadInputError: a month's table is damaged.
    """
    if policy.policy == PowerRetention.KEEP:
        return []
    plans = (_plan(store, policy, config, month) for month in months_to_retain(store, policy, now))
    return [plan for plan in plans if plan is not None]


def _plan(store: Store, policy: RetentionConfig, config: MeterConfig, month: str) -> Retained | None:
    data = _table(store, month)
    if policy.policy == PowerRetention.COMPRESS:
        is_done, readings, gone = is_compressed(data, month), len(read_readings(store, month)), 0
    else:
        readings = len(_thinned(store, policy, config, month))
        gone = len(read_readings(store, month)) - readings
        is_done = gone == 0
    return None if is_done else Retained(month, readings, gone, len(data))


def retain(
    store: Store, policy: RetentionConfig, config: MeterConfig, planned: Sequence[Retained]
) -> list[Retained]:
    """Do what is planned, month by month; twice, or after a kill, it ends the same.

    Raises:
        BadInputError: a month is damaged; those before it are done.
    """
    store.hold_power()
    done = []
    for plan in planned:
        if policy.policy == PowerRetention.THIN:
            _note(store, config, plan.month, policy.thin_seconds)
            write_readings(store, plan.month, _thinned(store, policy, config, plan.month), is_over=True)
        else:
            _compress(store, plan.month)
        done.append(replace(plan, bytes_after=len(_table(store, plan.month))))
    return done


def _compress(store: Store, month: str) -> None:
    """Write a month's table again, compressed: the same rows in less room."""
    table = readings_table(read_readings(store, month))
    data = dump_table(table, readings_schema(), READINGS_SORT_KEYS, compressed=True)
    store.write_files({reading_paths(store, month)[0]: data})


def _table(store: Store, month: str) -> bytes:
    return store.root.read(reading_paths(store, month)[0]) or b""


def _note(store: Store, config: MeterConfig, month: str, seconds: int) -> None:
    """Make the month's rollups and events of all readings a last time, and note that they stand from now on."""
    record = retention_record(store)
    if month not in record.thinned:
        store.write_months(ROLLUPS, {month: roll_up(store, month, config)})
        store.write_months(EVENTS, {month: month_events(store, month, config)})
    thinned = {**record.thinned, month: Thinned(seconds=seconds)}
    store.write_document(RETENTION_FILE, RetentionRecord(thinned=thinned).model_dump(mode="json"))


def _thinned(store: Store, policy: RetentionConfig, config: MeterConfig, month: str) -> Readings:
    begins, ends = month_bounds(month, store.zone)
    return thin(
        read_readings(store, month),
        config,
        policy.thin_seconds,
        begins + WHOLE_EDGE,
        ends - WHOLE_EDGE,
    )
