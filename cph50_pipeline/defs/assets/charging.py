"""Charging, from what ChargePoint answers to the month that people read.

Each asset reads, calls the rules in `charging` and returns a value a month. Files and locks are the IO manager's;
what an asset's file must satisfy is in `defs.month_files`.
"""

from collections import defaultdict
from logging import Logger

import dagster as dg

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.charging.cache import CacheRecord, cache_record
from cph50_pipeline.charging.chains import PlugIn, by_session, plug_ins
from cph50_pipeline.charging.model import Attribution, Reading, Session
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.charging.slots import ChargingSlot, charging_slots
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs import summaries
from cph50_pipeline.defs.assets.common import GROUP_CHARGING, OWNERS, Materialized, per_month
from cph50_pipeline.defs.failures import as_dagster_failure
from cph50_pipeline.defs.month_files import CLASSIFICATIONS
from cph50_pipeline.defs.resources import ChargePoint
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.updating import UpdateConfig, update_months
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.classification import Classification


def build_charging_assets(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """The charging assets on the shared monthly partitions."""
    monthly = per_month(partitions)

    @dg.asset(
        **monthly,
        group_name=GROUP_CHARGING,
        kinds={"chargepoint", "json"},
        owners=OWNERS,
        code_version="1",
        description="The month's sessions and curves as ChargePoint answered, scrubbed. All else is derived from it.",
    )
    def chargepoint_activity(
        context: dg.AssetExecutionContext,
        config: UpdateConfig,
        store: dg.ResourceParam[Store],
        chargepoint: ChargePoint,
    ) -> Materialized:
        with as_dagster_failure():
            months = update_months(config, context.partition_keys, store, chargepoint, context.log)
        summaries.describe_activity(context, months)
        return dg.MaterializeResult(value=months)

    @dg.asset(
        **monthly,
        group_name=GROUP_CHARGING,
        kinds={"parquet"},
        owners=OWNERS,
        code_version="1",
        description="One row per distinct reading of the charger's meter: the live window's and the curve's.",
    )
    def session_samples(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        chargepoint_activity: dict[str, ActivityMonth],
    ) -> Materialized:
        with as_dagster_failure():
            samples = {
                month: {
                    session.session_id: distinct_readings(session, store.collection(session))
                    for session in store.sessions(month)
                }
                for month in chargepoint_activity
            }
        summaries.describe_samples(context, samples)
        return dg.MaterializeResult(value=samples)

    @dg.asset(
        **monthly,
        group_name=GROUP_CHARGING,
        kinds={"parquet"},
        owners=OWNERS,
        code_version="1",
        description="Energy and cost in 15-minute slots of UTC, split by the session's cumulative counter.",
    )
    def charging_energy(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        chargepoint_activity: dict[str, ActivityMonth],
        session_samples: dict[str, dict[str, list[Reading]]],
        vehicle_classifications: dict[str, list[Classification]],
    ) -> Materialized:
        with as_dagster_failure():
            slots = {
                month: _slots_of_month(store, month, session_samples[month], vehicle_classifications[month])
                for month in chargepoint_activity
            }
        summaries.describe_slots(context, slots)
        return dg.MaterializeResult(value=slots)

    @dg.asset(
        **monthly,
        group_name=GROUP_CHARGING,
        kinds={"json"},
        owners=OWNERS,
        code_version="2",
        description="One object a session, complete: times, energy, cost, vehicle. What people and pages read.",
    )
    def session_cache(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        chargepoint_activity: dict[str, ActivityMonth],
        session_samples: dict[str, dict[str, list[Reading]]],
        vehicle_classifications: dict[str, list[Classification]],
        charging_energy: dict[str, list[ChargingSlot]],
    ) -> Materialized:
        with as_dagster_failure():
            caches = {
                month: _cache_of_month(
                    store,
                    activity,
                    session_samples[month],
                    vehicle_classifications[month],
                    charging_energy[month],
                    context.log,
                )
                for month, activity in chargepoint_activity.items()
            }
        summaries.describe_cache(context, caches)
        return dg.MaterializeResult(value=caches)

    return [chargepoint_activity, session_samples, charging_energy, session_cache]


def _slots_of_month(
    store: Store,
    month: str,
    readings: dict[str, list[Reading]],
    classifications: list[Classification],
) -> list[ChargingSlot]:
    vehicle = {c.session_id: c.vehicle_id for c in classifications}
    return [
        slot
        for session in store.sessions(month)
        for slot in charging_slots(
            session, readings.get(session.session_id, []), vehicle.get(session.session_id, "unknown")
        )
    ]


def _cache_of_month(
    store: Store,
    activity: ActivityMonth,
    readings: dict[str, list[Reading]],
    classifications: list[Classification],
    slots: list[ChargingSlot],
    log: Logger,
) -> list[CacheRecord]:
    sessions = store.sessions(activity.month)
    events = _plug_ins_of_month(store, activity.month, sessions, classifications, log)
    attribution = {c.session_id: Attribution(c.vehicle_id, c.confidence) for c in classifications}
    cards = store.vehicles().cards()
    slots_of = defaultdict(list)
    for slot in slots:
        slots_of[slot.session_id].append(slot)
    return [
        cache_record(
            session,
            activity.sessions[session.session_id],
            attribution.get(session.session_id, Attribution()),
            slots_of[session.session_id],
            cards,
            readings.get(session.session_id, []),
            events[session.session_id],
        )
        for session in sessions
    ]


def _plug_ins_of_month(
    store: Store,
    month: str,
    sessions: list[Session],
    classifications: list[Classification],
    log: Logger,
) -> dict[str, PlugIn]:
    """The plug-in event of each session, also where it began in the month before."""
    earlier_sessions, earlier_classifications = _month_before(store, month, log)
    cars = {c.session_id: c.vehicle_id for c in (*earlier_classifications, *classifications)}
    return by_session(plug_ins([*earlier_sessions, *sessions], cars))


def _month_before(store: Store, month: str, log: Logger) -> tuple[list[Session], list[Classification]]:
    """What is stored of the month before; nothing when it is damaged, which is no reason to stop this month."""
    earlier = shift_month(month, -1)
    try:
        return store.sessions(earlier), store.read_month(CLASSIFICATIONS, earlier) or []
    except BadInputError as error:
        log.error(f"{error} The plug-in events of {month} begin with its own sessions.")
        return [], []
