"""The code location: everything Dagster knows of this household, as a table of contents.

`build_defs` takes overrides for tests and other homes; `defs` is the entry that Dagster loads.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from cph50_pipeline.defs.assets.charging import build_charging_assets
from cph50_pipeline.defs.assets.external import build_external_assets
from cph50_pipeline.defs.assets.power import build_power_assets
from cph50_pipeline.defs.assets.reports import build_report_assets
from cph50_pipeline.defs.assets.site import build_site_assets
from cph50_pipeline.defs.assets.vehicles import build_release_gate, build_vehicle_assets
from cph50_pipeline.defs.caches.check import build_cache_check, build_cache_sensor
from cph50_pipeline.defs.caches.registry import with_freshness
from cph50_pipeline.defs.checks import build_checks
from cph50_pipeline.defs.hand_edited import build_hand_edited_sensor
from cph50_pipeline.defs.io_manager import build_io_manager
from cph50_pipeline.defs.jobs import PUBLISH_JOB, build_jobs
from cph50_pipeline.defs.live_job import build_live_job
from cph50_pipeline.defs.live_sensor import build_live_check, build_live_sensor
from cph50_pipeline.defs.maintenance.job import build_maintenance_job
from cph50_pipeline.defs.partitions import monthly_partitions
from cph50_pipeline.defs.power_sensor import build_power_sensor
from cph50_pipeline.defs.publication_sensor import build_publication_check, build_publication_sensor
from cph50_pipeline.defs.publish_job import build_publish_job
from cph50_pipeline.defs.publishing import build_store_resource
from cph50_pipeline.defs.resources import ChargePoint, HomeAssistant
from cph50_pipeline.defs.retention_job import build_retention_job
from cph50_pipeline.defs.schedules import build_schedules
from cph50_pipeline.defs.sensors import build_charger_sensor
from cph50_pipeline.defs.training_sensor import build_training_sensor
from cph50_pipeline.settings import Settings, load_settings

# In use on purpose, and Dagster is pinned to one minor version: docs/decisions.md. The last is Dagster's own use.
warnings.filterwarnings("ignore", message=r"(?s).*`backfill_policy`", category=dg.BetaWarning)
warnings.filterwarnings("ignore", message=r"(?s).*`owners` of initializer", category=dg.BetaWarning)


def build_defs(settings: Settings, resources: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions of the household that the settings describe.

    Args:
        settings: Zone, history start and data root are taken from here when the location loads.
        resources: Replaces resources by key: `chargepoint`, `home_assistant`, `store`, `io_manager`.
    """
    partitions = monthly_partitions(settings)
    jobs = {**build_jobs(), PUBLISH_JOB: build_publish_job(settings)}
    return dg.Definitions(
        assets=[
            *with_freshness(
                [
                    *build_charging_assets(partitions),
                    *build_vehicle_assets(partitions),
                    *build_power_assets(settings, partitions),
                    *build_report_assets(),
                    *build_site_assets(settings),
                ]
            ),
            *build_external_assets(settings),
        ],
        asset_checks=[
            *build_checks(),
            build_release_gate(),
            build_publication_check(settings),
            build_cache_check(settings),
            build_live_check(settings),
        ],
        jobs=[
            *jobs.values(),
            build_retention_job(settings),
            build_maintenance_job(settings),
            build_live_job(settings),
        ],
        schedules=build_schedules(settings),
        sensors=[
            build_charger_sensor(settings, jobs),
            build_hand_edited_sensor(settings, jobs),
            build_training_sensor(settings, jobs),
            build_power_sensor(settings, jobs),
            build_publication_sensor(settings, jobs[PUBLISH_JOB]),
            build_cache_sensor(settings),
            build_live_sensor(settings),
        ],
        resources={
            "chargepoint": ChargePoint.of(settings),
            "home_assistant": HomeAssistant.of(settings),
            "store": build_store_resource(settings),
            "io_manager": build_io_manager(),
            **(resources or {}),
        },
        # A run is one process: another process a step costs 3 s each and gains nothing here.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions of this process's settings."""
    return build_defs(load_settings())
