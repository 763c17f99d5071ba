"""The alternative: a code location whose assets do nothing, run and triggered as ours are."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

ASSETS = 6
MONTHLY_JOB = "empty_months"
ONE_JOB = "empty_one_job"
TRIGGER_SENSOR = "trigger_sensor"
TRIGGER_VARIABLE = "BENCH_TRIGGER"
TICK_SECONDS = 5
IDLE_SENSORS_VARIABLE = "BENCH_IDLE_SENSORS"
IDLE_TICKS_SECONDS = {"empty_charger_sensor": 30, "empty_hand_edited_sensor": 60}


def build_empty_months(history_start: str, timezone: str) -> dg.Definitions:
    """As many empty partitioned assets as `charging_job` has, each after the one before."""
    partitions = dg.MonthlyPartitionsDefinition(
        start_date=history_start, fmt="%Y-%m", end_offset=1, timezone=timezone
    )
    assets = [_empty_asset(number, partitions) for number in range(ASSETS)]
    return dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job(MONTHLY_JOB, selection=assets)],
        executor=dg.in_process_executor,
    )


def _empty_asset(number: int, partitions: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"empty_{number}",
        deps=[f"empty_{number - 1}"] if number else [],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def empty() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult()

    return empty


@dg.asset
def empty_one() -> dg.MaterializeResult[None]:
    """Nothing."""
    return dg.MaterializeResult()


def _build_triggered() -> dg.Definitions:
    job = dg.define_asset_job(ONE_JOB, selection=[empty_one])

    @dg.sensor(
        name=TRIGGER_SENSOR,
        job=job,
        minimum_interval_seconds=TICK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def trigger_sensor() -> dg.RunRequest | dg.SkipReason:
        trigger = Path(os.environ[TRIGGER_VARIABLE])
        if not trigger.exists():
            return dg.SkipReason("Nobody asked")
        trigger.unlink()
        return dg.RunRequest()

    return dg.Definitions(
        assets=[empty_one], jobs=[job], sensors=[trigger_sensor], executor=dg.in_process_executor
    )


def _build_watching() -> dg.Definitions:
    return dg.Definitions(
        assets=[empty_one],
        sensors=[_idle_sensor(name, seconds) for name, seconds in IDLE_TICKS_SECONDS.items()],
    )


def _idle_sensor(name: str, seconds: int) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        target=[empty_one],
        minimum_interval_seconds=seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def idle_sensor() -> dg.SkipReason:
        return dg.SkipReason("Nothing to do")

    return idle_sensor


@dg.definitions
def defs() -> dg.Definitions:
    """One empty asset; with a sensor that starts it, or with two that never do, where a variable asks for them."""
    if TRIGGER_VARIABLE in os.environ:
        return _build_triggered()
    if IDLE_SENSORS_VARIABLE in os.environ:
        return _build_watching()
    return dg.Definitions(assets=[empty_one])
