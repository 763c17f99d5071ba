"""The simulator's own routes under `/_simulator/`, so that other processes can break, move and watch it.

Not part of ChargePoint's protocol; no token is asked for. Imported only when a server starts.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.house.orders import ORDERS
from cph50_pipeline.simulator.plug_ins import LiveHousehold
from cph50_pipeline.simulator.state import SimulatorState

_FAULTS = TypeAdapter(list[Fault])


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _PlugInOrder(_Order):
    car: str
    minutes: float = Field(default=45, ge=1, le=24 * 60)
    at: AwareDatetime | None = None


class _LimitOrder(_Order):
    amperes: int
    at: AwareDatetime | None = None


class _ClockOrder(_Order):
    now: AwareDatetime | None = None
    advance_seconds: float | None = None
    speed: float | None = Field(default=None, ge=0)


def build_control_routes(state: SimulatorState) -> list[BaseRoute]:
    """`/_simulator/` `faults`, `plug-in`, `amperage-limit`, `clock`, `home` and `requests`."""
    return [
        _route(
            "/_simulator/faults", "GET", lambda body: [fault.model_dump() for fault in state.faults.waiting()]
        ),
        _route("/_simulator/faults", "POST", lambda body: _add_faults(state, body)),
        _route("/_simulator/faults", "DELETE", lambda body: state.faults.clear()),
        _route("/_simulator/plug-in", "POST", lambda body: _plug_in(state, body)),
        _route("/_simulator/amperage-limit", "POST", lambda body: _set_amperage_limit(state, body)),
        _route("/_simulator/clock", "GET", lambda body: _shown(state)),
        _route("/_simulator/clock", "POST", lambda body: _set_clock(state, body)),
        _route("/_simulator/home", "GET", lambda body: _shown_orders(state)),
        _route("/_simulator/home", "POST", lambda body: _give_orders(state, body)),
        _route("/_simulator/home", "DELETE", lambda body: state.recorder.orders.clear()),
        _route("/_simulator/requests", "GET", lambda body: [asdict(one) for one in state.requests]),
    ]


def _route(path: str, method: str, handle: Callable[[Any], object]) -> Route:
    async def endpoint(request: Request) -> Response:
        try:
            return JSONResponse(handle(json.loads(await request.body() or b"null")))
        except (ValidationError, BadInputError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return Route(path, endpoint, methods=[method])


def _add_faults(state: SimulatorState, body: object) -> dict[str, int]:
    state.faults.add(*_FAULTS.validate_python(body if isinstance(body, list) else [body]))
    return {"waiting": len(state.faults.waiting())}


def _plug_in(state: SimulatorState, body: object) -> dict[str, Any]:
    order = _PlugInOrder.model_validate(body)
    session = _household(state).plug_in(order.at or state.clock.now(), order.car, order.minutes)
    return {
        "session_id": str(session.session_id),
        "vehicle_id": session.car.vehicle_id,
        "start": format_instant(session.start),
        "end": format_instant(session.end),
    }


def _set_amperage_limit(state: SimulatorState, body: object) -> dict[str, Any]:
    order = _LimitOrder.model_validate(body)
    change = _household(state).set_amperage_limit(order.at or state.clock.now(), order.amperes)
    return {"at": format_instant(change.at), "amperage_limit": change.amperage_limit}


def _give_orders(state: SimulatorState, body: object) -> list[dict[str, Any]]:
    state.recorder.order(*ORDERS.validate_python(body if isinstance(body, list) else [body]))
    return _shown_orders(state)


def _shown_orders(state: SimulatorState) -> list[dict[str, Any]]:
    return [order.model_dump(mode="json") for order in state.recorder.orders.in_force()]


def _household(state: SimulatorState) -> LiveHousehold:
    if state.household is None:
        raise BadInputError("Recorded answers are replayed: nothing can be done by hand")
    return state.household


def _set_clock(state: SimulatorState, body: object) -> dict[str, Any]:
    order = _ClockOrder.model_validate(body)
    if order.now is not None:
        state.clock.move_to(order.now)
    if order.advance_seconds is not None:
        state.clock.advance(timedelta(seconds=order.advance_seconds))
    if order.speed is not None:
        state.clock.run_at(order.speed)
    return _shown(state)


def _shown(state: SimulatorState) -> dict[str, Any]:
    return {"now": format_instant(state.clock.now()), "speed": state.clock.speed}
