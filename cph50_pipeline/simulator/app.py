"""The simulated services as one ASGI application. Imported only when a server starts, because of Starlette."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from cph50_pipeline.simulator.chargepoint import build_routes
from cph50_pipeline.simulator.control import build_control_routes
from cph50_pipeline.simulator.home_assistant import build_home_routes
from cph50_pipeline.simulator.state import SimulatorState


class SlashesMerged:
    """ASGI middleware: an endpoint ending in "/" may be joined with a path that starts with one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request at its path with single slashes."""
        if scope["type"] == "http":
            while "//" in scope["path"]:
                scope["path"] = scope["path"].replace("//", "/")
        await self._app(scope, receive, send)


def build_app(state: SimulatorState) -> ASGIApp:
    """ChargePoint, Home Assistant and the control routes of one simulator."""
    return SlashesMerged(
        Starlette(routes=[*build_routes(state), *build_home_routes(state), *build_control_routes(state)])
    )
