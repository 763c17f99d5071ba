"""Home power, from what the house's meters said to rollups, events and rolling windows.

The charger is a meter, too: a household without Home Assistant has power of it. Readings are stored batch by batch by
`defs.taking_in`; what the other files must satisfy is in `defs.month_files`.
"""

from datetime import UTC, datetime

import dagster as dg

from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.assets.common import GROUP_POWER, OWNERS, Materialized, per_month
from cph50_pipeline.defs.collecting import take_in_spool
from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.power_files import PowerFilesConfig, files_summary, make_files
from cph50_pipeline.defs.power_inputs import PowerInputs, attach_digests
from cph50_pipeline.defs.power_summaries import describe_events, describe_readings, describe_rollups
from cph50_pipeline.defs.reading_files import read_readings
from cph50_pipeline.defs.reference_files import ensure_meters
from cph50_pipeline.defs.resources import HomeAssistant
from cph50_pipeline.defs.rolling_up import month_events, roll_up_months, roll_windows
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.taking_in import Span, mark_months, take_in_from
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings

METERS_WERE_READ = dg.AssetCheckSpec(
    "meters_were_read",
    asset="power_readings",
    description="Home Assistant said all that it was asked for. Where it did not, the run goes on without.",
)


def were_read(failure: Cph50Error | None) -> dg.AssetCheckResult:
    """What the check says of a source that failed, or did not."""
    return dg.AssetCheckResult(
        check_name=METERS_WERE_READ.name,
        passed=failure is None,
        description=None if failure is None else str(failure),
    )


def build_power_assets(settings: Settings, partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The power assets on the shared monthly partitions."""
    monthly = per_month(partitions)
    interval_seconds = settings.power_interval_seconds

    @dg.asset(
        **monthly,
        group_name=GROUP_POWER,
        kinds={"parquet"},
        owners=OWNERS,
        code_version="1",
        description="What the house's meters said: all that is not known yet is asked for, whatever months are made.",
        check_specs=[METERS_WERE_READ],
    )
    def power_readings(
        context: dg.AssetExecutionContext, store: dg.ResourceParam[Store], home_assistant: HomeAssistant
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        with as_dagster_failure():
            store.hold_power()
            ensure_meters(store)
            config = store.meters(interval_seconds)
            span = Span(
                now=datetime.now(UTC),
                earliest=month_bounds(settings.history_start, settings.zone)[0],
                interval_seconds=interval_seconds,
            )
            taken = take_in_from(home_assistant.client, store, config, span, context.log)
            changed = {*taken.months, *take_in_spool(store, datetime.now(UTC), context.log)}
            mark_months(store, {*changed, *context.partition_keys}, config, context.log)
            describe_readings(
                context, {month: read_readings(store, month) for month in context.partition_keys}
            )
        return dg.MaterializeResult(check_results=[were_read(taken.failure)])

    @dg.asset(
        **monthly,
        group_name=GROUP_POWER,
        kinds={"parquet"},
        owners=OWNERS,
        code_version="1",
        deps=["power_readings", "chargepoint_activity", "session_samples"],
        description="Mean, least, most, energy and coverage of every meter by 5 minutes, hour and civil day.",
    )
    def power_rollups(context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]) -> Materialized:
        with as_dagster_failure():
            config = store.meters(interval_seconds)
            inputs = PowerInputs(store, config)
            digests = {month: inputs.digest(month) for month in context.partition_keys}
            tables = roll_up_months(store, context.partition_keys, config, context.log)
        attach_digests(context, digests)
        describe_rollups(context, tables, config.main_power)
        return dg.MaterializeResult(value=tables)

    @dg.asset(
        **monthly,
        group_name=GROUP_POWER,
        kinds={"json"},
        owners=OWNERS,
        code_version="1",
        deps=["power_readings"],
        description="Outages, gaps, frozen readings, and what was not normal or not possible.",
    )
    def power_events(context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]) -> Materialized:
        with as_dagster_failure():
            config = store.meters(interval_seconds)
            events = {
                month: month_events(store, month, config, context.log) for month in context.partition_keys
            }
        describe_events(context, events)
        return dg.MaterializeResult(value=events)

    @dg.asset(
        **monthly,
        group_name=GROUP_POWER,
        kinds={"parquet"},
        owners=OWNERS,
        code_version="1",
        deps=["power_rollups", "power_events"],
        description="The 7, 30 and 365 days that end with each day.",
    )
    def power_windows(context: dg.AssetExecutionContext, store: dg.ResourceParam[Store]) -> Materialized:
        with as_dagster_failure():
            config = store.meters(interval_seconds)
            inputs = PowerInputs(store, config)
            digests = {month: inputs.windows_digest(month) for month in context.partition_keys}
            tables = {month: roll_windows(store, month, config) for month in context.partition_keys}
        attach_digests(context, digests)
        return dg.MaterializeResult(value=tables)

    @dg.asset(
        group_name=GROUP_POWER,
        kinds={"json"},
        owners=OWNERS,
        code_version="1",
        deps=["power_readings", "power_rollups", "power_events"],
        description="Today as read, 7 days by hour, 30 and 365 days by day: the files that dashboards read.",
    )
    def power_files(
        context: dg.AssetExecutionContext, store: dg.ResourceParam[Store], config: PowerFilesConfig
    ) -> Materialized:
        with as_dagster_failure():
            store.hold_power()
            files = make_files(store, store.meters(interval_seconds), config.files, datetime.now(UTC))
        return dg.MaterializeResult(value=files, metadata=files_summary(files))

    return [power_readings, power_rollups, power_events, power_windows, power_files]
