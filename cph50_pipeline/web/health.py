"""Whether the server is alive, and whether what it serves is fresh: two questions, two routes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from fastapi import APIRouter, Depends, Response

from cph50_pipeline.defs.live import device_snapshots, live_store
from cph50_pipeline.defs.maintenance import mode
from cph50_pipeline.defs.month_files import CACHE
from cph50_pipeline.defs.store import STATE_FILE, Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import Freshness
from cph50_pipeline.web import schemas
from cph50_pipeline.web.access import require_reader
from cph50_pipeline.web.answering import json_response
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.problems import documented

STATE_SECONDS = 1200.0
"""How old the state file may be where no charger is in the live table: it is rewritten every ten minutes."""
_SHOWN = 5

router = APIRouter(tags=["health"])


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is as it should be, and one line on that."""

    name: str
    ok: bool
    detail: str


@router.get("/healthz", responses={200: {"model": schemas.Alive}, **documented()}, response_class=Response)
async def healthz() -> Response:
    """Alive: whoever asks gets this answer, whatever else is down."""
    return json_response({"status": "alive"})


@router.get(
    "/readyz",
    responses={
        **documented(),
        200: {"model": schemas.Ready},
        503: {"model": schemas.Ready, "description": "Something is down or not fresh; says what"},
    },
    response_class=Response,
    dependencies=[Depends(require_reader)],
)
def readyz(context: Household) -> Response:
    """Fresh: the files are there, the live table answers, its collectors work, and no device is silent."""
    found = [*findings(context)]
    is_ready = all(finding.ok for finding in found)
    document = {"status": "fresh" if is_ready else "not fresh", "checks": [asdict(one) for one in found]}
    return json_response(document, 200 if is_ready else 503)


def findings(context: Context) -> Iterator[Finding]:
    """What there is to say of the household's data, without asking any source."""
    pause = mode(context.settings, context.clock())
    if pause is not None:
        yield Finding("maintenance", False, pause.sentence(context.settings.zone))
    try:
        months = context.files.of(CACHE).files
        yield Finding("files", bool(months), f"{len(months)} months of sessions")
    except Cph50Error as error:
        yield Finding("files", False, str(error))
    try:
        yield from _live(context)
    except Cph50Error as error:
        yield Finding("live table", False, str(error))


def _live(context: Context) -> Iterator[Finding]:
    now = context.clock()
    snapshots = device_snapshots(context.settings, now)
    beats = live_store(context.settings).heartbeats()
    if not snapshots:
        yield _state_file(context)
        return
    for beat in beats:
        is_alive = beat.is_alive(now)
        trouble = beat.trouble or "nothing is wrong"
        yield Finding(f"feed {beat.feed}", is_alive, trouble if is_alive else "its collector is not at work")
    silent = [one for one in snapshots if one.freshness in (Freshness.SILENT, Freshness.NEVER)]
    names = ", ".join(one.device.device_id for one in silent[:_SHOWN])
    more = f" and {len(silent) - _SHOWN} more" if len(silent) > _SHOWN else ""
    yield Finding(
        "devices", not silent, f"silent: {names}{more}" if silent else f"{len(snapshots)} are heard"
    )


def _state_file(context: Context) -> Finding:
    state = Store.of(context.settings).last_session()
    at = None if state is None else state.looked_at
    if at is None:
        return Finding("charger", False, "it was never looked at")
    age = (context.clock() - at).total_seconds()
    return Finding("charger", age <= STATE_SECONDS, f"{STATE_FILE} is {age:.0f} s old")
