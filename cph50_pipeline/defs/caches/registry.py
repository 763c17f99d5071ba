"""What is built: each asset that is made from what is stored, the job that makes it, how long it holds, when it is due.

The one table behind `cph50 cache`, its schedules, freshness policies, check and metrics. What is collected and not
built is not in it: answers of ChargePoint, readings, labels; nor the classifier, which a gate releases. The live table
is an entry type of its own kind: it has no nights, and its collectors note themselves how it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from cph50_pipeline.defs.jobs import (
    ATTRIBUTION_JOB,
    CACHE_JOB,
    CHARGING_JOB,
    LIVE_JOB,
    MONTHLY_CLOSURE_JOB,
    POWER_JOB,
    SESSION_JOB,
    SITE_JOB,
    VEHICLE_REPORT_JOB,
    WEEKLY_REFRESH_JOB,
)
from cph50_pipeline.errors import BadInputError

REFRESH_CRON = "0 2 * * *"  # 02:00 in the household's zone, as all crons here
REFRESH_SCHEDULES: Mapping[str, str] = {
    CACHE_JOB: "cache_refresh",
    POWER_JOB: "cache_refresh_power",
    VEHICLE_REPORT_JOB: "cache_refresh_reports",
    SITE_JOB: "cache_refresh_site",
}
"""By job the schedule that looks every night whether it has to run."""
SITE_CRON = "30 2 * * *"  # when all that it shows was made again
_POWER_NIGHT_CRON = "15 0 * * *"  # `power_yearly`, which makes all of power anyway
KEEPS_DAYS = 1
_LONGEST_DAY = timedelta(hours=25)
_FRESH_FOR = _LONGEST_DAY + timedelta(hours=1)

_WHOLE_MONTH_JOBS = frozenset({CACHE_JOB, CHARGING_JOB, SESSION_JOB, WEEKLY_REFRESH_JOB, MONTHLY_CLOSURE_JOB})
_NAMING_JOBS = _WHOLE_MONTH_JOBS | {ATTRIBUTION_JOB}


@dataclass(frozen=True)
class EntryType:
    """One kind of entries of one asset.

    Attributes:
        asset: Its key, which is also the type's name.
        job: What `cph50 cache refresh` runs.
        made_by: Every job whose runs make it.
        is_monthly: Whether each month is an entry; else each file, or each feed of the live table, is.
    """

    asset: str
    job: str
    made_by: frozenset[str]
    is_monthly: bool

    @property
    def key(self) -> dg.AssetKey:
        """The asset."""
        return dg.AssetKey(self.asset)


@dataclass(frozen=True)
class BuiltType(EntryType):
    """A kind of entries each of which is a month or a file that runs make, every night where it is due.

    Attributes:
        made_of: Monthly assets of which a later materialization by a run means that the month is to be made again.
        cron: When it is due in the household's zone.
    """

    made_of: Sequence[str] = ()
    cron: str = REFRESH_CRON

    def valid_until(self, built_at: datetime, zone: ZoneInfo) -> datetime:
        """Until when a build holds of what still changes: the same time on the next day, be it of 23 or 25 hours."""
        local = built_at.astimezone(zone).replace(tzinfo=None) + timedelta(days=KEEPS_DAYS)
        return local.replace(tzinfo=zone).astimezone(UTC)

    def next_refresh(self, now: datetime, zone: ZoneInfo) -> datetime:
        """When it is due next."""
        from cronsim import CronSim

        return next(CronSim(self.cron, now.astimezone(zone))).astimezone(UTC)


def _power(asset: str, *made_of: str) -> BuiltType:
    return BuiltType(asset, POWER_JOB, frozenset({POWER_JOB}), True, made_of, _POWER_NIGHT_CRON)


def _report(asset: str) -> BuiltType:
    return BuiltType(asset, VEHICLE_REPORT_JOB, frozenset({VEHICLE_REPORT_JOB}), is_monthly=False)


TYPES: Mapping[str, BuiltType] = {
    type_.asset: type_
    for type_ in (
        BuiltType("session_samples", CACHE_JOB, _WHOLE_MONTH_JOBS, True, ("chargepoint_activity",)),
        BuiltType(
            "vehicle_classifications",
            CACHE_JOB,
            _NAMING_JOBS,
            True,
            ("chargepoint_activity", "session_samples"),
        ),
        BuiltType(
            "charging_energy",
            CACHE_JOB,
            _NAMING_JOBS,
            True,
            ("chargepoint_activity", "session_samples", "vehicle_classifications"),
        ),
        BuiltType(
            "session_cache",
            CACHE_JOB,
            _NAMING_JOBS,
            True,
            ("chargepoint_activity", "session_samples", "vehicle_classifications", "charging_energy"),
        ),
        _power("power_rollups"),
        _power("power_events", "power_readings"),
        _power("power_windows"),
        BuiltType("power_files", POWER_JOB, frozenset({POWER_JOB}), is_monthly=False, cron=_POWER_NIGHT_CRON),
        _report("unclassified_sessions"),
        _report("vehicle_digest"),
        BuiltType("site", SITE_JOB, frozenset({SITE_JOB}), is_monthly=False, cron=SITE_CRON),
    )
}
"""What is built as files, by name, in the order in which they are made."""
LIVE = EntryType("latest_values", LIVE_JOB, frozenset({LIVE_JOB}), is_monthly=False)
"""The feeds of the live table."""
ALL_TYPES: Mapping[str, EntryType] = {**TYPES, LIVE.asset: LIVE}


def type_named(name: str) -> EntryType:
    """A type by its name.

    Raises:
        BadInputError: there is none; names those that there are.
    """
    if name not in ALL_TYPES:
        raise BadInputError(f"'{name}' is no type of cache", remedy=f"There are {', '.join(ALL_TYPES)}")
    return ALL_TYPES[name]


def with_freshness(assets: Iterable[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The assets, those of the registry with a policy by which Dagster tells whether the newest build is a day old.

    A civil day may have 25 hours, and a night's runs take their time.
    """
    policy = dg.FreshnessPolicy.time_window(fail_window=_FRESH_FOR, warn_window=_LONGEST_DAY)

    def fresh(spec: dg.AssetSpec) -> dg.AssetSpec:
        known = spec.key.to_user_string() in TYPES
        return spec.replace_attributes(freshness_policy=policy) if known else spec

    return [asset.map_asset_specs(fresh) for asset in assets]
