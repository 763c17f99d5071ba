"""Route of the energy: what was charged by quarter hour, civil day, month or year, and by car; sums of slots."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery
from pydantic import Field

from cph50_pipeline.civil_time import from_epoch_ms, local_date, month_bounds, shift_month
from cph50_pipeline.defs.month_files import SLOTS
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.web import scans, schemas
from cph50_pipeline.web.answering import Question, answer_list
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.forms import Form
from cph50_pipeline.web.parameters import API, Paged, Suffix, VehicleId
from cph50_pipeline.web.stored_files import Inputs

router = APIRouter(prefix=API, tags=["energy"])

By = Literal["slot", "day", "month", "year"]
_LENGTHS: dict[By, int] = {"day": len("2026-01-07"), "month": len("2026-01"), "year": len("2026")}
_SUMS = """
    vehicle_id, round(sum(energy_kwh), 6) AS energy_kwh, round(sum(cost), 6) AS cost,
    round(coalesce(sum(energy_kwh) FILTER (cost IS NOT NULL), 0), 6) AS cost_of_kwh,
    round(avg(coverage), 4) AS coverage, count(DISTINCT session_id) AS sessions
"""
"""Quarter hours are equally long, so that the mean of their coverages is that of their time."""


class EnergyQuery(Paged):
    """Which energy: what was drawn on the days from `from` to `to`, whenever its session began."""

    by: By = Field(
        default="day", description="What is summed: quarter hours of UTC, or days of the household's zone"
    )
    vehicle: VehicleId | None = None


@router.get("/energy", responses=schemas.listed(schemas.Energy), response_class=Response)
def energy(request: Request, context: Household, query: Annotated[EnergyQuery, FromQuery()]) -> Response:
    """What each car charged, by quarter hour, day, month or year."""
    return _answer(request, context, query, None)


@router.get("/energy.{suffix}", responses=schemas.listed(schemas.Energy), response_class=Response)
def energy_as(
    request: Request, context: Household, suffix: Suffix, query: Annotated[EnergyQuery, FromQuery()]
) -> Response:
    """The same in the form that the suffix names."""
    return _answer(request, context, query, suffix)


def _answer(request: Request, context: Context, query: EnergyQuery, suffix: Form | None) -> Response:
    return answer_list(request, context, suffix, question(context, query))


def question(context: Context, query: EnergyQuery) -> Question:
    """The energy that a query asks for.

    Raises:
        ProblemError: 422 for days that there are not.
    """
    zone = context.settings.zone
    first, end = query.instants(zone)
    inputs = context.files.of(SLOTS, *query.months(before=1))
    slots = scans.scan_parquet(scans.SLOTS, inputs)
    where, values = scans.conditions(
        {"slot_start >= $first": first, "slot_start < $end": end, "vehicle_id = $vehicle": query.vehicle}
    )
    wanted = f"(SELECT * FROM {slots.sql} WHERE {where})"
    sql, days = (_by_slot(wanted), {}) if query.by == "slot" else _by_days(wanted, query.by, inputs, zone)
    return Question(
        name="energy",
        sql=sql,
        order_by="period, vehicle_id",
        values={**slots.values, **values, **days},
        query=query,
        limit=query.limit,
        offset=query.offset,
        made_of=inputs.fingerprint,
    )


def _by_slot(slots: str) -> str:
    period = "strftime(slot_start, '%Y-%m-%dT%H:%M:%S+00:00')"
    return f"SELECT {period} AS period, {_SUMS} FROM {slots} GROUP BY slot_start, vehicle_id"


def _by_days(slots: str, by: By, inputs: Inputs, zone: ZoneInfo) -> tuple[str, dict[str, Any]]:
    """Days of the zone are found here, so that there is one rule of when a day begins."""
    if not inputs.files:
        return f"SELECT '' AS period, {_SUMS} FROM {slots} GROUP BY ALL", {}
    # A session that begins on a month's last day may last into the next month.
    starts, names = _days(inputs.files[0].month, shift_month(inputs.files[-1].month, 1), zone)
    days = "(SELECT UNNEST($day_starts) AS day_start, UNNEST($days) AS day)"
    joined = f"{slots} ASOF JOIN {days} ON epoch_ms(slot_start) >= day_start"
    sql = f"SELECT left(day, {_LENGTHS[by]}) AS period, {_SUMS} FROM {joined} GROUP BY period, vehicle_id"
    return sql, {"day_starts": starts, "days": names}


@lru_cache(maxsize=8)
def _days(first_month: str, last_month: str, zone: ZoneInfo) -> tuple[list[int], list[str]]:
    """The starts of the civil days of some months, in Unix milliseconds, and what the days are called."""
    start: datetime = month_bounds(first_month, zone)[0]
    end = month_bounds(last_month, zone)[1]
    starts = [int(edge) for edge in edges("day", start.astimezone(UTC), end.astimezone(UTC), zone)]
    return starts, [local_date(from_epoch_ms(day), zone).isoformat() for day in starts]
