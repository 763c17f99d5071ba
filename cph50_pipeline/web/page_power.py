"""Routes of the power page: a range, what its script draws, and the five minutes of a month."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi import Path as FromPath

from cph50_pipeline.civil_time import month_bounds, month_of, parse_month, shift_month, to_epoch_ms
from cph50_pipeline.defs.month_files import ROLLUPS
from cph50_pipeline.defs.page_power import stored_power
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.pages.power import RANGES, Range, chart_json
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.web import scans
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.html import html_page, of_the_moment
from cph50_pipeline.web.problems import ProblemError

FINE = "/power/fine/"
_STEP_MS = 300_000
_DECIMALS = 4
_MONTHS_BACK = 12
_JSON = "application/json"
router = APIRouter(include_in_schema=False)


@router.get("/power")
def power(
    request: Request,
    context: Household,
    wanted: Annotated[Range, Query(alias="range")] = "daily",
) -> Response:
    """What the meters said, as far back as is wanted."""
    store = Store.of(context.settings)
    view = stored_power(store, wanted, context.settings.power_interval_seconds)
    return html_page(
        request,
        "power",
        "power",
        view=view,
        ranges=RANGES,
        data_address=f"/power/data/{wanted}.json",
        fine_address=FINE,
        months=_months(context) if wanted == "fine" else [],
    )


@router.get("/power/data/{wanted}.json")
def data(request: Request, context: Household, wanted: Annotated[Range, FromPath()]) -> Response:
    """What the script of a range draws."""
    view = stored_power(Store.of(context.settings), wanted, context.settings.power_interval_seconds)
    return of_the_moment(request, chart_json(view), _JSON)


@router.get("/power/fine/{month}.json")
def fine(request: Request, context: Household, month: str) -> Response:
    """A month's five minutes by meter: the first one's Unix second, and columns with null for what is not known."""
    parse_month(month)
    inputs = context.files.of(ROLLUPS, month, month)
    if not inputs.files:
        raise ProblemError(
            404, f"Of {month} nothing is rolled up", remedy="`cph50 power collect` rolls it up"
        )
    scan = scans.scan_parquet(scans.ROLLUPS, inputs)
    rows = context.history.table(
        f"""SELECT meter, epoch_ms("start") AS begun, mean, energy_kwh FROM {scan.sql}
        WHERE resolution = '5min' ORDER BY meter, begun""",
        scan.values,
    )
    first, end = month_bounds(month, context.settings.zone)
    return of_the_moment(request, _columns(rows, first, end, _counters(context)), _JSON)


def _columns(rows: Any, first: datetime, end: datetime, counters: frozenset[str]) -> str:
    """The month as JSON: of a gauge its means, of a counter what it counted."""
    import numpy as np

    begin = to_epoch_ms(first)
    length = -(-(to_epoch_ms(end) - begin) // _STEP_MS)
    place = (rows["begun"].to_numpy() - begin) // _STEP_MS
    meter = rows["meter"].to_numpy(zero_copy_only=False)
    columns = {}
    for name in sorted({*meter.tolist()}):
        values = np.full(length, np.nan)
        own = (meter == name) & (place >= 0) & (place < length)
        field = rows["energy_kwh" if name in counters else "mean"]
        values[place[own]] = field.to_numpy(zero_copy_only=False)[own]
        columns[name] = [None if value != value else value for value in np.round(values, _DECIMALS).tolist()]
    document = {"start": begin // 1000, "step": _STEP_MS // 1000, "meters": columns}
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def _counters(context: Context) -> frozenset[str]:
    """The meters that count; none where nobody can say."""
    try:
        config = Store.of(context.settings).meters(context.settings.power_interval_seconds)
    except Cph50Error:
        config = MeterConfig()
    return frozenset(id_ for id_, meter in config.meters.items() if meter.kind == "counter")


def _months(context: Context) -> list[str]:
    """The months of the last year that are rolled up."""
    newest = month_of(context.clock(), context.settings.zone)
    return [one.month for one in context.files.of(ROLLUPS, shift_month(newest, -_MONTHS_BACK), newest).files]
