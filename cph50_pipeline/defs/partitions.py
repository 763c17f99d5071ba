"""The one partitions definition that every monthly asset shares, and questions about it. No assets here."""

from __future__ import annotations

import dagster as dg

from cph50_pipeline.civil_time import parse_month
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings


def monthly_partitions(settings: Settings) -> dg.MonthlyPartitionsDefinition:
    """Civil months of the household's zone from `CPH50_HISTORY_START` to the current one, keyed "2026-01"."""
    return dg.MonthlyPartitionsDefinition(
        start_date=settings.history_start, fmt="%Y-%m", end_offset=1, timezone=settings.timezone
    )


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
