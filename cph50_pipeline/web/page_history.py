"""The pages of the past: a period's energy by car with its sessions, the same as CSV, and one session."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from cph50_pipeline.civil_time import local_date
from cph50_pipeline.defs.histories import session_history
from cph50_pipeline.defs.page_history import history_inputs, record_versions, session_inputs
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.pages.history import (
    ORDERS,
    PAGE_SIZE,
    SORTS,
    HistoryView,
    SessionRow,
    Wanted,
    history_view,
)
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.measures import SHOWS
from cph50_pipeline.pages.periods import period_asked
from cph50_pipeline.pages.session import Version, session_view
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.reports.text import Cell, csv_text
from cph50_pipeline.storage.published_source import published_of
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.forms import Form
from cph50_pipeline.web.html import html_page
from cph50_pipeline.web.parameters import VehicleId

router = APIRouter(include_in_schema=False)
_CSV = "/history.csv"
_MAX_TEXT = 100
_COLUMNS = (
    "session_id",
    "session_start_time",
    "session_end_time",
    "vehicle_id",
    "vehicle_name",
    "vehicle_confidence",
    "labeled_by",
    "energy_kwh",
    "whole_energy_kwh",
    "cost",
    "duration_seconds",
    "peak_power_kw",
    "flags",
)
NameT = TypeVar("NameT", bound=str)
_VEHICLE: TypeAdapter[str] = TypeAdapter(VehicleId)

SessionParameter = Annotated[str, Query(alias="id", pattern=r"^[0-9A-Za-z_-]{1,64}$")]
MonthParameter = Annotated[str, Query(pattern=r"^(\d{4}-(0[1-9]|1[0-2]))?$")]


@router.get("/history")
def history_page(request: Request, context: Household) -> Response:
    """A period: figures, bars, sessions."""
    now = context.clock()
    today = local_date(now, context.settings.zone)
    period = period_asked(request.query_params, today)
    # The chargers are asked while the files are read.
    look = context.hearing.look(now) if period.first <= today <= period.last else None
    view = _view(request, context, PAGE_SIZE)
    if look is not None:
        view = replace(view, silences=context.hearing.silences(look, now))
    return html_page(request, "history", "history", view=view, csv=f"{_CSV}?{urlencode(view.query)}")


@router.get(_CSV)
def history_csv(request: Request, context: Household) -> Response:
    """All sessions of the list, with their energy and cost in the period."""
    view = _view(request, context, None)
    text = csv_text(_COLUMNS, (_cells(row) for row in view.rows))
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="sessions-{view.period.at}.csv"',
    }
    return Response(text.encode(), headers=headers, media_type=Form.CSV.media_type)


@router.get("/history/session")
def session_page(
    request: Request,
    context: Household,
    session_id: SessionParameter,
    month: MonthParameter = "",
    history: bool = False,
    back: str = "",
) -> Response:
    """One session; `back` is the address of the list that somebody came from."""
    store = Store.of(context.settings)
    view = session_view(session_inputs(store, session_id, month or None), ServedLinks(), store.zone)
    versions, trouble = _versions(context, store, session_id, month) if history else (None, None)
    back = back if back.startswith("/history?") else view.month_address
    asked = ServedLinks().page("session", id=session_id, month=month, back=back, history="1")
    return html_page(
        request,
        "session",
        "history",
        view=view,
        versions=versions,
        versions_trouble=trouble,
        versions_address=asked,
        back=back,
    )


def _view(request: Request, context: Context, page_size: int | None) -> HistoryView:
    zone = context.settings.zone
    query = request.query_params
    today = local_date(context.clock(), zone)
    wanted, period = _wanted(request), period_asked(query, today)
    inputs = history_inputs(context.past, period)
    return history_view(inputs, period, ServedLinks(), zone, today, wanted, page_size)


def _wanted(request: Request) -> Wanted:
    """What the address asks for.

    Raises:
        BadInputError: a field is not what it can be; names it.
    """
    query = request.query_params
    sort, order, page = (query.get(name, "") for name in ("sort", "order", "list"))
    text = " ".join(query.get("q", "").split())
    if len(text) > _MAX_TEXT:
        raise BadInputError(f"q: a text of more than {_MAX_TEXT} characters is not looked for")
    vehicles = frozenset(_vehicles(query.getlist("vehicle")))
    return Wanted(
        # Where all cars of the form are ticked it narrows to none: new ones are to be seen, too.
        vehicles=frozenset() if vehicles == {*query.getlist("offered")} else vehicles,
        sort=_one_of("sort", sort or "start", SORTS),
        order=_one_of("order", order or "desc", ORDERS),
        text=text,
        page=_page(page or "1"),
        show=_one_of("show", query.get("show") or "energy", SHOWS),
    )


def _vehicles(given: list[str]) -> list[str]:
    """The cars of a field that is repeated, or has several with commas between."""
    named = [one for text in given for one in text.split(",") if one]
    try:
        return [_VEHICLE.validate_python(one) for one in named]
    except ValidationError:
        raise BadInputError(
            "vehicle: that is no car's id", remedy="`cph50 vehicles list` shows them"
        ) from None


def _one_of(field: str, text: str, names: tuple[NameT, ...]) -> NameT:
    for name in names:
        if name == text:
            return name
    raise BadInputError(f"{field}: there is no '{text[:20]}'", remedy=f"There are {', '.join(names)}")


def _page(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 6 and int(text)):
        raise BadInputError(f"list: '{text[:20]}' is no page of the list", remedy="Pages are counted from 1")
    return int(text)


def _cells(row: SessionRow) -> tuple[Cell, ...]:
    whole_kwh = row.energy_kwh if row.whole_kwh is None else row.whole_kwh
    return (
        row.session_id,
        row.start.isoformat(timespec="seconds"),
        None if row.end is None else row.end.isoformat(timespec="seconds"),
        row.car.vehicle_id,
        row.car.name,
        row.confidence,
        row.labeled_by,
        row.energy_kwh,
        whole_kwh,
        row.cost,
        row.duration_seconds,
        row.peak_kw,
        " ".join(flag.name for flag in row.flags),
    )


def _versions(
    context: Context, store: Store, session_id: str, month: str
) -> tuple[tuple[Version, ...], Trouble | None]:
    """What the commits say of a session, or why they say nothing."""
    try:
        with published_of(context.settings) as published:
            found = session_history(published, store, session_id, month or None)
            return record_versions(found, store.zone), None
    except Cph50Error as error:
        return (), Trouble.of(error)
