"""The page of the caches, and the form that has them made again. Its JSON for programs is in `caches`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from cph50_pipeline.defs.caches.metrics import collect
from cph50_pipeline.defs.caches.refreshing import Wanted
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.pages.caches import EntryRow, attention, groups, measure, progress, state_of, title_of
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.dagster_pages import run_address
from cph50_pipeline.web.html import html_page
from cph50_pipeline.web.people import SignedForm

if TYPE_CHECKING:
    from cph50_pipeline.defs.caches.status import EntryStatus
    from cph50_pipeline.web.caches import Caches

changes = APIRouter(prefix="/forms", include_in_schema=False)
_COUNT = re.compile(r"(?a:\d{1,6})")


def caches_page(request: Request, context: Context) -> Response:
    """How everything that is built stands; with `part` only the entries, as a script asks for them again and again."""
    asked = request.query_params
    only_type, only_bad, began = asked.get("type") or None, asked.get("bad") == "yes", asked.get("began", "")
    entries = _entries(request, context, only_type, only_bad=only_bad)
    entries["began"] = int(began) if _COUNT.fullmatch(began) else None
    entries["asked_type"] = asked.get("asked", "")
    if asked.get("part"):
        return html_page(request, "caches_part", **entries)
    return html_page(
        request,
        "caches",
        "caches",
        **entries,
        **_measures(context),
    )


@changes.post("/refresh")
def refresh(request: Request, context: Household, form: SignedForm) -> Response:
    """Make again what is not valid, or all of it, in the background."""
    wanted = Wanted(form.get("type") or None, form.get("month") or None, form.get("force") == "yes")
    due = _caches(request).refresh(wanted, context.clock())
    shown = {"type": form.get("shown_type", ""), "bad": form.get("shown_bad", "")}
    address = ServedLinks().page("caches", began=str(len(due)), asked=wanted.type or "", **shown)
    place = f"#type-{wanted.type}" if wanted.type and not due else ""
    return RedirectResponse(f"{address}{place}", 303)


def _entries(request: Request, context: Context, only_type: str | None, *, only_bad: bool) -> dict[str, Any]:
    """The part that changes while something is at work."""
    caches, troubles, rows = _caches(request), [], []
    # Asked before the entries: should it end meanwhile, the page looks once more rather than show what was before.
    order = caches.order_at_work
    try:
        rows = [_row(entry, context.settings.zone) for entry in caches.entries(context.clock())]
    except Cph50Error as error:
        troubles.append(Trouble.of(error))
    try:
        findings, around_trouble = caches.findings(context.clock()), None
    except Cph50Error as error:
        findings, around_trouble = [], Trouble.of(error)
    at_work = None if order is None else progress(rows, order.entries, order.begun_at)
    return {
        "groups": groups(rows, only_type=only_type, only_bad=only_bad),
        "types": {row.type: title_of(row.type) for row in rows},
        "only_type": only_type,
        "only_bad": only_bad,
        "progress": at_work,
        "busy": sum(row.run is not None for row in rows),
        "troubles": troubles,
        "findings": findings,
        "around_trouble": around_trouble,
        "attention": attention(groups(rows), ((one.name, one.is_ok, one.said) for one in findings)),
        "run_links": {
            row.run: run_address(request, context.settings, row.run) for row in rows if row.run is not None
        },
    }


def _measures(context: Context) -> dict[str, Any]:
    """The numbers against their targets, reckoned once a page."""
    try:
        found = collect(context.settings, context.answers.counts().hit_rate)
    except Cph50Error as error:
        return {"measures": [], "measures_trouble": Trouble.of(error)}
    measures = [measure(one.name, one.value, one.target, one.met, one.meaning) for one in found]
    return {"measures": measures, "measures_trouble": None}


def _row(entry: EntryStatus, zone: ZoneInfo) -> EntryRow:
    return EntryRow(
        type=entry.type,
        key=entry.key,
        month=entry.month,
        state=state_of(is_valid=entry.valid, is_there=entry.is_there, run=entry.at_work),
        why=entry.why,
        error=entry.error,
        built_at=None if entry.built_at is None else entry.built_at.astimezone(zone),
        valid_until=None if entry.valid_until is None else entry.valid_until.astimezone(zone),
        next_refresh=entry.next_refresh.astimezone(zone),
        size_bytes=entry.size_bytes,
        duration_seconds=entry.duration_seconds,
        run=entry.at_work,
    )


def _caches(request: Request) -> Caches:
    caches: Caches = request.app.state.caches
    return caches
