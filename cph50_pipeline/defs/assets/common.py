"""What all assets share: owners, group names, the monthly partitions with their backfill policy."""

from typing import Any, TypeAlias, TypedDict

import dagster as dg

GROUP_CHARGING = "charging"
GROUP_VEHICLES = "vehicles"
GROUP_STATE = "state"
GROUP_REPORTS = "reports"
GROUP_POWER = "power"
GROUP_SITE = "site"
OWNERS = ["team:household"]
Materialized: TypeAlias = dg.MaterializeResult[Any]


class Monthly(TypedDict):
    """Arguments of `dg.asset` for an asset with a file a month."""

    partitions_def: dg.PartitionsDefinition
    backfill_policy: dg.BackfillPolicy


def per_month(partitions: dg.PartitionsDefinition) -> Monthly:
    """Monthly partitions, many of them in one run: a run is a process, and twelve would cost twelve times more."""
    return Monthly(partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
