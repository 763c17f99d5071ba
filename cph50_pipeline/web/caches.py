"""Routes of cache management: what is built, how it stands, and making it again. Reads open, changes by token."""

from __future__ import annotations

import logging
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.defs.caches.documents import entry_document, health_document
from cph50_pipeline.defs.caches.health import Finding as HealthFinding
from cph50_pipeline.defs.caches.health import health
from cph50_pipeline.defs.caches.live_entries import all_statuses
from cph50_pipeline.defs.caches.metrics import collect, prometheus, rows
from cph50_pipeline.defs.caches.refreshing import Wanted, chosen, to_refresh
from cph50_pipeline.defs.caches.status import EntryStatus
from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings
from cph50_pipeline.web.access import require_token
from cph50_pipeline.web.answering import json_response
from cph50_pipeline.web.context import Household
from cph50_pipeline.web.page_caches import caches_page
from cph50_pipeline.web.problems import ProblemError, documented

_KEPT_SECONDS = 5.0
_AT_WORK_SECONDS = 1.5
_TIMES_LOOK = 3.0
"""Looking at the entries takes a processor no more than a quarter of its time, however many ask."""
_FINDINGS_SECONDS = 30.0
_MONTH = r"^\d{4}-(0[1-9]|1[0-2])$"
_log = logging.getLogger(__name__)

router = APIRouter(prefix="/management/cache", tags=["caches"])
changes = APIRouter(prefix="/management/cache", tags=["caches"], dependencies=[Depends(require_token)])


class Entry(BaseModel):
    """One thing that is built. Times are UTC."""

    type: str = Field(examples=["session_cache"])
    key: str = Field(description="The month, the file, or the feed of the live table", examples=["2026-01"])
    path: str
    job: str
    valid: bool
    stale: bool = Field(description="Whether it is served though it is not valid")
    fault: Literal["missing", "not built", "failed", "broken", "too old", "outdated"] | None
    why: str | None
    error: str | None = Field(description="What its last run said, when it failed")
    built_at: datetime | None
    age_seconds: float | None
    valid_until: datetime | None
    duration_seconds: float | None
    size_bytes: int | None
    next_refresh: datetime
    at_work: str | None = Field(description="The run that is about to build it, or does")


class Entries(BaseModel):
    """All that is built, or what was asked for of it."""

    entries: list[Entry]


class Metric(BaseModel):
    """One number against its target."""

    name: str
    value: float | str
    target: str | None
    met: bool | None
    meaning: str


class Metrics(BaseModel):
    """How well what is built was kept."""

    metrics: list[Metric]


class Finding(BaseModel):
    """One thing that was looked at."""

    name: str
    ok: bool
    said: str


class Health(BaseModel):
    """Whether everything that the household lives on is there."""

    healthy: bool
    checks: list[Finding]


class RefreshOrder(BaseModel):
    """What to make again."""

    model_config = ConfigDict(extra="forbid")

    type: str | None = Field(default=None, max_length=100, examples=["session_cache"])
    month: str | None = Field(default=None, pattern=_MONTH, examples=["2026-01"])
    force: bool = Field(default=False, description="Also what is valid")


class Begun(BaseModel):
    """What is made again now; the entries say how it goes."""

    refreshing: list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Order:
    """What a refresh makes again.

    Attributes:
        entries: Type and key of each.
        begun_at: UTC.
    """

    entries: tuple[tuple[str, str], ...]
    begun_at: datetime


class Caches:
    """What the routes share: the entries, looked at every few seconds at most, and the one refresh at work."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._kept_until = 0.0
        self._found: list[EntryStatus] | None = None
        self._order_lock = Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="refresh")
        self._running: Future[None] | None = None
        self._order: Order | None = None
        self._findings: tuple[float, list[HealthFinding]] | None = None

    def entries(self, now: datetime, *, fresh: bool = False) -> list[EntryStatus]:
        """The entries as they stand.

        Args:
            fresh: Whether they are looked at anew in any case.
        """
        kept_seconds = _KEPT_SECONDS if self.order_at_work is None else _AT_WORK_SECONDS
        with self._lock:
            begun = monotonic()
            if fresh or self._found is None or begun >= self._kept_until:
                with open_instance(self._settings) as instance:
                    self._found = all_statuses(instance, self._settings, now)
                ended = monotonic()
                self._kept_until = ended + max(kept_seconds, _TIMES_LOOK * (ended - begun))
            return self._found

    def findings(self, now: datetime) -> list[HealthFinding]:
        """What is there and what is down, looked at every half minute at most."""
        kept = self._findings
        if kept is None or monotonic() - kept[0] > _FINDINGS_SECONDS:
            with open_instance(self._settings) as instance:
                kept = monotonic(), health(instance, self._settings, now)
            self._findings = kept
        return kept[1]

    @property
    def order_at_work(self) -> Order | None:
        """What this server makes again just now; None when it does not."""
        with self._order_lock:
            is_at_work = self._running is not None and not self._running.done()
            return self._order if is_at_work else None

    def refresh(self, wanted: Wanted, now: datetime) -> list[EntryStatus]:
        """Begin to make again what is wanted; gives what that is now.

        Raises:
            BadInputError: there is no such type or month.
            ProblemError: 409 while another refresh of this server is at work.
        """
        due = to_refresh(chosen(self.entries(now, fresh=True), wanted), force=wanted.force)
        with self._order_lock:
            if self._running is not None and not self._running.done():
                raise ProblemError(409, "A refresh is at work", remedy="Ask again when it is done")
            if due:
                self._order = Order(tuple((entry.type, entry.key) for entry in due), now)
                self._running = self._pool.submit(self._make_again, wanted)
        self._look_anew()
        return due

    def _make_again(self, wanted: Wanted) -> None:
        from cph50_pipeline.defs.caches.refresh import refresh

        try:
            with open_instance(self._settings) as instance:
                done = refresh(instance, self._settings, wanted, _log.info)
        except Exception as error:
            is_foreseen = isinstance(error, Cph50Error)
            _log.error("Nothing was refreshed: %s", error, exc_info=not is_foreseen)
            return
        finally:
            self._look_anew()
        for entry in done.left:
            _log.error("%s %s is not valid: %s", entry.type, entry.key, entry.error or entry.why)

    def _look_anew(self) -> None:
        with self._lock:
            self._kept_until = 0.0

    def close(self) -> None:
        """Wait for the refresh at work."""
        self._pool.shutdown(wait=True)


class EntriesQuery(BaseModel):
    """Which entries."""

    type: str | None = Field(default=None, max_length=100)
    month: str | None = Field(default=None, pattern=_MONTH)


@router.get("/api/entries", responses={200: {"model": Entries}, **documented()}, response_class=Response)
def entries(request: Request, context: Household, query: Annotated[EntriesQuery, Query()]) -> Response:
    """Everything that is built: when, how large, valid or why not, due when."""
    wanted = Wanted(query.type, query.month)
    found = chosen(_caches(request).entries(context.clock()), wanted)
    return json_response({"entries": [entry_document(entry) for entry in found]})


@router.get("/api/metrics", responses={200: {"model": Metrics}, **documented()}, response_class=Response)
def metrics(context: Household) -> Response:
    """How well what is built was kept, against targets."""
    measured = collect(context.settings, context.answers.counts().hit_rate)
    return json_response({"metrics": rows(measured)})


@router.get(
    "/api/metrics.prom",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented()},
    response_class=Response,
)
def metrics_for_prometheus(context: Household) -> Response:
    """The same as Prometheus reads it."""
    measured = collect(context.settings, context.answers.counts().hit_rate)
    return Response(prometheus(measured), media_type="text/plain; version=0.0.4; charset=utf-8")


@router.get("/api/health", responses={200: {"model": Health}, **documented()}, response_class=Response)
def sources_and_more(context: Household) -> Response:
    """What is there and what is down. Asks no source."""
    with open_instance(context.settings) as instance:
        found = health(instance, context.settings, context.clock())
    return json_response(health_document(found))


@router.get(
    "/status",
    responses={
        200: {
            "model": Entries,
            "content": {"text/html": {"schema": {"type": "string"}}},
            "description": "A page where the client asks for HTML, else the entries as JSON",
        },
        **documented(),
    },
    response_class=Response,
)
def status(request: Request, context: Household) -> Response:
    """How everything that is built stands."""
    if "text/html" in request.headers.get("accept", ""):
        return caches_page(request, context)
    found = _caches(request).entries(context.clock())
    return json_response({"entries": [entry_document(entry) for entry in found]})


@changes.post(
    "/refresh",
    status_code=202,
    responses={202: {"model": Begun, "description": "It has begun"}, **documented(409)},
    response_class=Response,
)
def refresh(request: Request, context: Household, order: RefreshOrder) -> Response:
    """Make again what is not valid, in the background; the last good ones are served until then."""
    due = _caches(request).refresh(Wanted(order.type, order.month, order.force), context.clock())
    return json_response({"refreshing": [{"type": e.type, "key": e.key} for e in due]}, 202)


def _caches(request: Request) -> Caches:
    caches: Caches = request.app.state.caches
    return caches
