"""The application: its routes, what stands before them, and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, Depends, FastAPI

from cph50_pipeline.settings import Settings
from cph50_pipeline.web import health, sessions
from cph50_pipeline.web.access import Access, require_reader
from cph50_pipeline.web.context import Context
from cph50_pipeline.web.guard import Guard, served_hosts
from cph50_pipeline.web.problems import answer_with_problems

API = "/api/v1"


def build_app(settings: Settings) -> FastAPI:
    """The read API of the household that the settings name.

    Raises:
        BadInputError: the data root cannot be opened.
    """
    context = Context.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        context.close()

    app = FastAPI(
        title="cph50_pipeline",
        summary="Home charging of a ChargePoint Home Flex: sessions, energy, power, and how things stand now.",
        version="1",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.context = context
    app.state.access = Access.of(settings)
    api = APIRouter(prefix=API, dependencies=[Depends(require_reader)])
    api.include_router(sessions.router)
    app.include_router(api)
    app.include_router(health.router)
    answer_with_problems(app)
    app.add_middleware(
        Guard, hosts=served_hosts(settings), requests_per_minute=settings.api_requests_per_minute
    )
    return app
