"""The check by which a person sees in Dagster that something built is not valid, and the sensor that asks it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from cph50_pipeline.defs.assets.external import CACHES
from cph50_pipeline.defs.caches.status import EntryStatus, Fault, statuses, worst_first
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.settings import Settings

CHECK = "caches_are_valid"
EVERY_SECONDS = 600
_NAMED = 50
_HEAL_BY_THEMSELVES = (Fault.OUTDATED, Fault.NOT_BUILT)
"""By the sensors of what they are made of, within minutes."""


def build_cache_check(settings: Settings) -> dg.AssetChecksDefinition:
    """The check; it lists the entries that offend."""

    @dg.asset_check(
        asset=CACHES,
        name=CHECK,
        description="Every session cache, rollup, window, report and file of power is built, whole and new enough.",
    )
    def caches_are_valid(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        verdict = judge(statuses(context.instance, settings, datetime.now(UTC)))
        return dg.AssetCheckResult(
            passed=verdict.passed,
            severity=verdict.severity,
            description=verdict.description,
            metadata=verdict.metadata,
        )

    return caches_are_valid


def build_cache_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor, running by default. It starts nothing."""

    @dg.sensor(
        name="cache_sensor",
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Holds what is built against its rules, age and inputs, and says in a check what offends.",
    )
    @pauses(settings)
    def cache_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        found = statuses(context.instance, settings, datetime.now(UTC), context.log)
        offending = worst_first(found)
        cursor = json.dumps([[entry.type, entry.key, entry.fault] for entry in offending])
        said = (
            f"{len(offending)} of {len(found)} entries are not valid" if offending else "Everything is valid"
        )
        return dg.SensorResult(
            skip_reason=dg.SkipReason(said),
            cursor=cursor,
            asset_events=[] if cursor == context.cursor else [judge(found)],
        )

    return cache_sensor


def judge(found: Sequence[EntryStatus]) -> dg.AssetCheckEvaluation:
    """What the check says of entries. What a run is at does not offend; what heals by itself within minutes warns."""
    offending = worst_first(found)
    severe = any(entry.fault not in _HEAL_BY_THEMSELVES for entry in offending)
    lines = [f"{e.type} {e.key}: {e.fault}: {e.error or e.why}" for e in offending]
    return dg.AssetCheckEvaluation(
        asset_key=CACHES,
        check_name=CHECK,
        passed=not offending,
        severity=dg.AssetCheckSeverity.ERROR if severe else dg.AssetCheckSeverity.WARN,
        description="; ".join(lines[:3]) or None,
        metadata={"entries": len(found), "offending": lines[:_NAMED]} if lines else {"entries": len(found)},
    )
