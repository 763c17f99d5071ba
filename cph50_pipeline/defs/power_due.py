"""When power is due: readings by the rhythm of the settings, months by what they are made of. Starts nothing.

The sensor and `cph50 power collect` follow the same rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.attribution_inputs import digest_of
from cph50_pipeline.defs.due_months import Due, in_hand, inputs_of, newest_made
from cph50_pipeline.defs.jobs import POWER_JOB
from cph50_pipeline.defs.month_files import ROLLUPS, WINDOWS
from cph50_pipeline.defs.power_inputs import PowerInputs
from cph50_pipeline.defs.store import METERS_FILE
from cph50_pipeline.defs.taking_in import SEEN_FILE, Seen
from cph50_pipeline.power.data_points import FILES, PowerFile
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.sources.catch_up import SETTLING
from cph50_pipeline.sources.home_readings import Grid
from cph50_pipeline.sources.state_file import StateFile

SHORTEST_RHYTHM_SECONDS = 600
HOURLY_SECONDS = 3600
_NIGHT_UNTIL = time(0, 20)
_TOLERATED = timedelta(minutes=1)


def rhythm_seconds(interval_seconds: float) -> float:
    """How often a run takes readings in: each interval, or hourly where intervals are short. Never a run a reading."""
    return interval_seconds if interval_seconds >= SHORTEST_RHYTHM_SECONDS else HOURLY_SECONDS


def is_collected(interval_seconds: float) -> bool:
    """Whether somebody asks the meters between runs, so that those which Home Assistant does not record are known."""
    return interval_seconds < SHORTEST_RHYTHM_SECONDS


def readings_due(config: MeterConfig, seen: Seen | None, now: datetime, interval_seconds: float) -> bool:
    """Whether a meter of Home Assistant was not asked for up to the last beat of the rhythm.

    Args:
        seen: Up to when each was asked for.
    """
    beat = Grid(rhythm_seconds(interval_seconds)).floor(now - SETTLING)
    known = {} if seen is None else seen.meters
    asked = [known.get(id_) for id_, meter in config.meters.items() if meter.entity is not None]
    return any(until is None or until < beat or until > now + _TOLERATED for until in asked)


def files_of_run(now: datetime, zone: ZoneInfo) -> Sequence[PowerFile]:
    """Which files a run makes that takes readings in: right after midnight those that are committed are the night's."""
    return FILES[:2] if now.astimezone(zone).time() < _NIGHT_UNTIL else FILES


def takes_in(inputs: PowerInputs, now: datetime, interval_seconds: float) -> bool:
    """Whether Home Assistant is to be asked for readings."""
    store = inputs.store
    if store.root.read(METERS_FILE) is None:
        return True  # the first run writes which meters there are
    seen = StateFile(store.locks.private_dir / SEEN_FILE, Seen).read()
    return readings_due(inputs.config, seen, now, interval_seconds)


def months_due(
    instance: dg.DagsterInstance, inputs: PowerInputs, now: datetime, first_month: str
) -> tuple[Due, set[str]]:
    """The months that were made of something else than is there now, or never, and the months that a run is at.

    Args:
        first_month: Months before it are let alone, and so are those that have not begun.
    """
    rolled_up, windowed = (newest_made(instance, file.asset) for file in (ROLLUPS, WINDOWS))
    current = month_of(now, inputs.store.zone)
    due = []
    for month in inputs.months():
        digests = inputs.digest(month), inputs.windows_digest(month)
        noted = tuple(inputs_of(made.get(month)) for made in (rolled_up, windowed))
        if first_month <= month <= current and digests != noted:
            due.append((month, digests[1]))
    return due, in_hand(instance, POWER_JOB, rolled_up) | in_hand(instance, POWER_JOB, windowed)


def fingerprint(instance: dg.DagsterInstance, inputs: PowerInputs, now: datetime) -> str:
    """Changes with what months are made of, Dagster's records of them and the month: else none comes due."""
    made = [(month, inputs.windows_digest(month)) for month in inputs.months()]
    known = [
        record.storage_id
        for file in (ROLLUPS, WINDOWS)
        for record in instance.fetch_materializations(dg.AssetKey(file.asset), limit=1).records
    ]
    return digest_of(repr([made, known, month_of(now, inputs.store.zone)]).encode())
