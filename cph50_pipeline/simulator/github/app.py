"""The stand-in as one ASGI application. Imported only when a server starts, because of Starlette."""

from __future__ import annotations

from starlette.applications import Starlette

from cph50_pipeline.simulator.github.api import build_api_routes
from cph50_pipeline.simulator.github.handling import Handling
from cph50_pipeline.simulator.github.smart_http import build_git_routes
from cph50_pipeline.simulator.github.state import HubState


def build_app(state: HubState) -> Starlette:
    """The REST API and git over HTTP on one port."""
    handling = Handling(state)
    return Starlette(routes=[*build_api_routes(state, handling), *build_git_routes(state, handling)])
