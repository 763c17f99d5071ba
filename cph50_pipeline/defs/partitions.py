"""The one partitions definition that every monthly asset shares, and questions about it. No assets here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from cph50_pipeline.civil_time import month_range, parse_month
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings


def monthly_partitions(settings: Settings) -> dg.MonthlyPartitionsDefinition:
    """Civil months of the household's zone from `CPH50_HISTORY_START` to the current one, keyed "2026-01"."""
    return dg.MonthlyPartitionsDefinition(
        start_date=settings.history_start, fmt="%Y-%m", end_offset=1, timezone=settings.timezone
    )


MONTH_TAG = "dagster/partition"
FIRST_MONTH_TAG = "dagster/asset_partition_range_start"
LAST_MONTH_TAG = "dagster/asset_partition_range_end"


def month_tags(months: Sequence[str]) -> dict[str, str]:
    """The tags by which a run covers no month, one, or the range from the first to the last."""
    if not months:
        return {}
    if len(months) == 1:
        return {MONTH_TAG: months[0]}
    return {FIRST_MONTH_TAG: months[0], LAST_MONTH_TAG: months[-1]}


def months_of_run(tags: Mapping[str, str]) -> list[str]:
    """The months that a run covers, by its tags; none for a run without partitions."""
    if MONTH_TAG in tags:
        return [tags[MONTH_TAG]]
    if FIRST_MONTH_TAG in tags and LAST_MONTH_TAG in tags:
        return month_range(tags[FIRST_MONTH_TAG], tags[LAST_MONTH_TAG])
    return []


def check_known_months(months: list[str], partitions: dg.PartitionsDefinition) -> None:
    """Refuse months that have no partition.

    Raises:
        BadInputError: naming the months and the range that exists.
    """
    known = partitions.get_partition_keys()
    unknown = [month for month in months if parse_month(month) not in known]
    if unknown:
        raise BadInputError(
            f"There is no partition {', '.join(unknown)}: months go from {known[0]} to {known[-1]}",
            remedy="For earlier months set CPH50_HISTORY_START",
        )
