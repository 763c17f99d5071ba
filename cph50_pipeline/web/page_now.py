"""Routes of the dashboard: the page, and its live part as a stream."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from cph50_pipeline.defs.page_now import Dashboard
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.rendering import render
from cph50_pipeline.web.access import client_of
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.html import html_page
from cph50_pipeline.web.live_part import LivePart
from cph50_pipeline.web.logs import EVENT_STREAM
from cph50_pipeline.web.problems import RETRY_SECONDS, ProblemError

STREAM = "/live"
router = APIRouter(include_in_schema=False)
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def live_part(context: Context, dashboard: Dashboard) -> LivePart:
    """The dashboard's live part, for all of a server's listeners."""

    def made() -> str:
        view = dashboard.view(context.clock())
        return render("now_parts", links=ServedLinks(), zone=context.settings.timezone, live=view)

    return LivePart(lambda: run_in_threadpool(made))


@router.get("/")
def now(request: Request, context: Household) -> Response:
    """How things stand now."""
    at, dashboard = context.clock(), request.app.state.dashboard
    return html_page(
        request,
        "now",
        "now",
        live=dashboard.view(at),
        now=at.astimezone(context.settings.zone),
        stream=STREAM,
    )


@router.get(STREAM)
async def live(request: Request) -> Response:
    """The live part whenever it changed, as server-sent events."""
    part: LivePart = request.app.state.live_part
    client = client_of(request)
    if not part.has_room(client):
        raise ProblemError(
            503, "Too many dashboards are open at once", headers={"Retry-After": str(RETRY_SECONDS)}
        )
    events = part.listen(client, request.headers.get("last-event-id"))
    return StreamingResponse(events, headers=_HEADERS, media_type=EVENT_STREAM)
