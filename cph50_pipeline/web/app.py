"""The application: its routes, what stands before them, and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI
from starlette.concurrency import run_in_threadpool

from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.page_label import LabelMemory
from cph50_pipeline.defs.page_now import Dashboard
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings
from cph50_pipeline.web import (
    caches,
    devices,
    docs,
    energy,
    health,
    html,
    metrics,
    page_caches,
    page_cars,
    page_history,
    page_label,
    page_now,
    page_power,
    people,
    power,
    sessions,
    vehicles,
)
from cph50_pipeline.web.access import Access, require_reader
from cph50_pipeline.web.context import Context
from cph50_pipeline.web.guard import Guard, served_hosts
from cph50_pipeline.web.logs import Logged
from cph50_pipeline.web.metrics import BuiltNumbers, Metrics
from cph50_pipeline.web.own_runs import OwnRuns
from cph50_pipeline.web.problems import Problem, answer_with_problems

_SUMMARY = "Home charging of a ChargePoint Home Flex: sessions, energy, power, and how things stand now."


def build_app(settings: Settings) -> FastAPI:
    """The read API of the household that the settings name.

    Raises:
        BadInputError: the data root cannot be opened.
    """
    context = Context.of(settings)
    runs = OwnRuns(settings, context.answers.expire)
    managed = caches.Caches(settings)
    label_memory = LabelMemory(settings)
    counted, built = Metrics(context), BuiltNumbers(context)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(_warm, settings)
        yield
        await run_in_threadpool(runs.close)
        await run_in_threadpool(managed.close)
        await run_in_threadpool(label_memory.close)
        await run_in_threadpool(built.close)
        context.close()

    app = FastAPI(
        title="cph50_pipeline",
        summary=_SUMMARY,
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.context, app.state.access = context, Access.of(settings)
    app.state.metrics, app.state.built_numbers = counted, built
    app.state.own_runs, app.state.caches = runs, managed
    app.state.label_memory = label_memory
    app.state.power_files = power.PublishedFiles()
    app.state.dashboard = Dashboard.of(settings)
    app.state.live_part = page_now.live_part(context, app.state.dashboard)
    _add_routes(app)
    answer_with_problems(app)
    _describe_problems(app)
    # The last that is added is the first that a request meets.
    app.add_middleware(
        Guard, hosts=served_hosts(settings), requests_per_minute=settings.api_requests_per_minute
    )
    app.add_middleware(Logged, metrics=counted)
    return app


def _add_routes(app: FastAPI) -> None:
    for module in (
        devices,
        sessions,
        energy,
        power,
        vehicles,
        metrics,
        caches,
        page_label,
        page_history,
        page_now,
        page_power,
    ):
        app.include_router(module.router, dependencies=[Depends(require_reader)])
    app.include_router(vehicles.changes)
    app.include_router(caches.changes)
    app.include_router(page_caches.changes)
    app.include_router(page_label.changes)
    app.include_router(page_cars.changes)
    app.include_router(health.router)
    for shown in (docs, html, people):
        app.include_router(shown.router)


def _warm(settings: Settings) -> None:
    """Open the live table before the first request has to wait for that; one that is down is told by its routes."""
    try:
        live_store(settings).check()
    except Cph50Error:
        return


def _describe_problems(app: FastAPI) -> None:
    """Give the OpenAPI the one shape of all errors, which no route names as its model."""
    described = app.openapi

    def with_problem() -> dict[str, Any]:
        document = described()
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document

    app.openapi = with_problem  # type: ignore[method-assign]
