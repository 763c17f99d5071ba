"""Home Assistant over HTTP and its websocket: routes, bearer token, faults, and a log of what was asked.

As much of it as an energy monitor needs, by Home Assistant's own source; other commands are refused as Home
Assistant refuses unknown ones. What is answered comes from `home_states`. Imported only when a server starts,
because of Starlette.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.utils import ClientDisconnected

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.breaking import (
    CutConnection,
    breaking,
    cut,
    damaged,
    delay_seconds,
    failure,
    has_left,
)
from cph50_pipeline.simulator.home_states import (
    ALL_TYPES,
    HistoryQuery,
    HomeStates,
    JsonObject,
    StatisticsQuery,
    parse_time,
)
from cph50_pipeline.simulator.house.statistics import PERIODS
from cph50_pipeline.simulator.state import RecordedRequest, SimulatorState

VERSION = "2026.10.3"
_DAY = timedelta(days=1)
_ENTITY_ID = re.compile(r"(?!.+__)(?!_)[\da-z_]+(?<!_)\.(?!_)[\da-z_]+(?<!_)")
_INVALID_TOKEN = "Invalid access token or password"

_CUTS = ("hang_up", "unanswered")  # the same to who only reads

Handler = Callable[[Request], Response]


def build_home_routes(state: SimulatorState) -> list[BaseRoute]:
    """The routes of Home Assistant on one simulator."""
    home = _HomeAssistant(state)
    return [
        home.route("/api/", "ha_status", home.status),
        home.route("/api/states", "ha_states", home.states),
        home.route("/api/states/{entity_id}", "ha_state", home.state),
        home.route("/api/history/period", "ha_history", home.history),
        home.route("/api/history/period/{start}", "ha_history", home.history),
        WebSocketRoute("/api/websocket", home.websocket),
    ]


class _HomeAssistant:
    def __init__(self, state: SimulatorState) -> None:
        self._simulator = state
        self._states = HomeStates(state.recorder)

    def route(self, path: str, operation: str, handler: Handler) -> Route:
        """A route that logs, fails on demand and asks for a token before its handler answers."""

        async def endpoint(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            self._record("GET", request.url.path, operation, dict(request.query_params), bool(given))
            response = await self._answer(request, operation, handler)
            now = self._simulator.recorder.clock(self._simulator.clock.now())
            response.headers["date"] = format_datetime(now, usegmt=True)
            return response

        return Route(path, endpoint, methods=["GET"])

    async def _answer(self, request: Request, operation: str, handler: Handler) -> Response:
        faults = self._simulator.faults.take(operation)
        fault = breaking(faults)
        if await has_left(request, within_seconds=delay_seconds(faults)) or self._is_down():
            return CutConnection()
        instead = failure(fault)
        if instead is not None:
            return instead
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        is_refused = fault is not None and fault.kind == "expired_token"
        if kind != "Bearer" or not self._accepts(token) or is_refused:
            return PlainTextResponse("401: Unauthorized", 401)
        return damaged(await run_in_threadpool(handler, request), fault)

    def status(self, request: Request) -> Response:
        return _message("API running.")

    def states(self, request: Request) -> Response:
        return JSONResponse(self._states.states(self._simulator.clock.now()))

    def state(self, request: Request) -> Response:
        state = self._states.state(request.path_params["entity_id"].lower(), self._simulator.clock.now())
        return _message("Entity not found.", 404) if state is None else JSONResponse(state)

    def history(self, request: Request) -> Response:
        try:
            query = self._history_query(request.path_params.get("start"), request.query_params)
        except BadInputError as error:
            return _message(error.message, 400)
        return JSONResponse(self._states.history(query, self._simulator.clock.now()))

    def _history_query(self, start: str | None, given: QueryParams) -> HistoryQuery:
        """Raises BadInputError with Home Assistant's own words."""
        recorder = self._simulator.recorder
        begin = recorder.clock(self._simulator.clock.now()) - _DAY if start is None else None
        begin = begin or parse_time(start or "", recorder)
        if begin is None:
            raise BadInputError("Invalid datetime")
        entity_ids = tuple(given.get("filter_entity_id", "").strip().lower().split(","))
        if entity_ids == ("",):
            raise BadInputError("filter_entity_id is missing")
        if not all(_ENTITY_ID.fullmatch(one) for one in entity_ids):
            raise BadInputError("Invalid filter_entity_id")
        end_text = given.get("end_time")
        end = parse_time(end_text, recorder) if end_text else begin + _DAY
        if end is None:
            raise BadInputError("Invalid end_time")
        return HistoryQuery(
            entity_ids=entity_ids,
            start=begin,
            end=end,
            with_start_state="skip_initial_state" not in given,
            significant_only=given.get("significant_changes_only", "1") != "0",
            minimal="minimal_response" in given,
            with_attributes="no_attributes" not in given,
        )

    async def websocket(self, socket: WebSocket) -> None:
        """One conversation: the token first, then commands."""
        self._record("GET", socket.url.path, "ha_websocket", {}, "authorization" in socket.headers)
        faults = self._simulator.faults.take("ha_websocket")
        await asyncio.sleep(delay_seconds(faults))
        fault = breaking(faults)
        if fault is not None and fault.kind == "status":
            await socket.send_denial_response(Response(fault.body, fault.status_code, fault.headers))
            raise ClientDisconnected  # or uvicorn takes the refused handshake for a forgotten one, and logs it
        if self._is_down() or (fault is not None and fault.kind in _CUTS):
            await _hang_up(socket)
        else:
            await socket.accept()
            try:
                is_refused = fault is not None and fault.kind == "expired_token"
                await self._converse(socket, is_refused=is_refused)
            except WebSocketDisconnect:
                return

    async def _converse(self, socket: WebSocket, *, is_refused: bool) -> None:
        await socket.send_json({"type": "auth_required", "ha_version": VERSION})
        words = await _heard(socket)
        token = str(words.get("access_token", ""))
        if words.get("type") != "auth" or not self._accepts(token) or is_refused:
            await socket.send_json({"type": "auth_invalid", "message": _INVALID_TOKEN})
            await socket.close()
            return
        await socket.send_json({"type": "auth_ok", "ha_version": VERSION})
        last_id = 0
        while True:
            command = await _heard(socket)
            id_ = command.get("id")
            if not isinstance(id_, int):
                await socket.send_json(_refused(None, "invalid_format", "Message incorrectly formatted."))
            elif id_ <= last_id:
                await socket.send_json(_refused(id_, "id_reuse", "Identifier values have to increase."))
            else:
                last_id = id_
                await self._obey(socket, id_, command)

    async def _obey(self, socket: WebSocket, id_: int, command: Mapping[str, Any]) -> None:
        kind = str(command.get("type"))
        operation = _OPERATIONS.get(kind, "ha_command")
        body = {name: value for name, value in command.items() if name != "id"}
        self._record("WEBSOCKET", "/api/websocket", operation, body, had_token=True)
        faults = self._simulator.faults.take(operation)
        await asyncio.sleep(delay_seconds(faults))
        fault = breaking(faults)
        if self._is_down() or (fault is not None and fault.kind in _CUTS):
            await _hang_up(socket)
            raise WebSocketDisconnect
        answer = await run_in_threadpool(self._result, id_, kind, command)
        if fault is not None and fault.kind == "status":
            answer = _refused(id_, "unknown_error", "Unknown error")
        text = json.dumps(answer)
        is_damaged = fault is not None and fault.kind in ("truncated", "broken_json")
        await socket.send_text(text[: len(text) // 2] if is_damaged else text)

    def _result(self, id_: int, kind: str, command: Mapping[str, Any]) -> JsonObject:
        now = self._simulator.clock.now()
        try:
            if kind == "ping":
                return {"id": id_, "type": "pong"}
            if kind == "recorder/list_statistic_ids":
                wanted = _ListCommand.model_validate(command).statistic_type
                return _succeeded(id_, self._states.statistic_ids(now, wanted))
            if kind == "recorder/statistics_during_period":
                query = self._statistics_query(_StatisticsCommand.model_validate(command))
                return _succeeded(id_, self._states.statistics(query, now))
        except ValidationError as error:
            wrong = error.errors()[0]
            place = "".join(f"['{part}']" for part in wrong["loc"])
            return _refused(
                id_, "invalid_format", f"Message incorrectly formatted: {wrong['msg']} @ data{place}"
            )
        except BadInputError as error:
            return _refused(id_, "invalid_format", error.message)
        return _refused(id_, "unknown_command", "Unknown command.")

    def _statistics_query(self, command: _StatisticsCommand) -> StatisticsQuery:
        start = parse_time(command.start_time, self._simulator.recorder)
        end = parse_time(command.end_time, self._simulator.recorder) if command.end_time else None
        if start is None:
            raise BadInputError("Invalid start_time")
        if command.end_time and end is None:
            raise BadInputError("Invalid end_time")
        if command.period not in PERIODS:
            raise BadInputError(f"The simulated Home Assistant has no statistics by {command.period}")
        return StatisticsQuery(
            tuple(command.statistic_ids), start, end, command.period, command.units, command.types
        )

    def _is_down(self) -> bool:
        return self._simulator.recorder.is_down(self._simulator.clock.now())

    def _accepts(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._simulator.home_token.encode())

    def _record(self, method: str, path: str, operation: str, body: dict[str, Any], had_token: bool) -> None:
        self._simulator.requests.append(RecordedRequest(method, path, operation, body, had_token))


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: int
    type: str


class _ListCommand(_Command):
    statistic_type: str | None = Field(default=None, pattern="^(sum|mean)$")


class _StatisticsCommand(_Command):
    start_time: str
    end_time: str | None = None
    statistic_ids: list[str] = Field(min_length=1)
    period: str = Field(pattern="^(5minute|hour|day|week|month|year)$")
    units: dict[str, str] = {}
    types: list[str] = list(ALL_TYPES)


_OPERATIONS = {
    "recorder/statistics_during_period": "ha_statistics",
    "recorder/list_statistic_ids": "ha_statistic_ids",
}


async def _hang_up(socket: WebSocket) -> None:
    """Close the connection under the client's hands; what is said afterwards is heard by the server alone."""
    cut(socket.scope)
    await socket.close()


async def _heard(socket: WebSocket) -> dict[str, Any]:
    """The next message; what is no JSON object is an empty one."""
    try:
        message = json.loads(await socket.receive_text())
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _message(text: str, status_code: int = 200) -> JSONResponse:
    return JSONResponse({"message": text}, status_code)


def _succeeded(id_: int, result: object) -> JsonObject:
    return {"id": id_, "type": "result", "success": True, "result": result}


def _refused(id_: int | None, code: str, message: str) -> JsonObject:
    return {"id": id_, "type": "result", "success": False, "error": {"code": code, "message": message}}
