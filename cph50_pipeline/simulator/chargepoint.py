"""ChargePoint's protocol over HTTP: routes, login and tokens, faults, and a log of what was asked.

What is answered comes from `answers` or `replay`. Imported only when a server starts, because of Starlette.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cph50_pipeline.simulator import answers as shapes
from cph50_pipeline.simulator.breaking import (
    CutConnection,
    breaking,
    damaged,
    delay_seconds,
    failure,
    has_left,
)
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.sessions import SESSION_IDS
from cph50_pipeline.simulator.state import RecordedRequest, SimulatorState

JsonObject = dict[str, Any]
Handler = Callable[[Request, JsonObject], JsonObject | Response]

TOKEN_COOKIE = "coulomb_sess"
_COOKIE_SECONDS = 7200
_OPEN_OPERATIONS = frozenset({"discovery", "login"})


def build_routes(state: SimulatorState) -> list[BaseRoute]:
    """The routes of ChargePoint's protocol on one simulator."""
    protocol = _Protocol(state)
    home = "/hcm/api/v1/configuration/users/{user_id}/chargers"
    return [
        protocol.route("/discovery/v3/globalconfig", "POST", "discovery", protocol.discovery),
        protocol.route("/sso/v1/user/login", "POST", "login", protocol.login),
        protocol.route("/accounts/v1/driver/profile/user", "GET", "profile", protocol.profile),
        protocol.route(home, "GET", "chargers", protocol.chargers),
        protocol.route(home + "/{charger_id}/status", "GET", "charger_status", protocol.charger_status),
        protocol.route(
            home + "/{charger_id}/technical-info", "GET", "technical_info", protocol.technical_info
        ),
        protocol.route(home + "/{charger_id}/configurations", "GET", "configuration", protocol.configuration),
        protocol.route("/map-prod/v2", "POST", None, protocol.mapcache),
        protocol.route(
            "/gateway/driver-bff/v1/sessions/{session_id:int}", "POST", "charging_status", protocol.session
        ),
    ]


class _Protocol:
    def __init__(self, state: SimulatorState) -> None:
        self._state = state

    def route(self, path: str, method: str, operation: str | None, handler: Handler) -> Route:
        """A route that logs, fails on demand and asks for a token before its handler answers."""

        async def endpoint(request: Request) -> Response:
            body = await _body(request)
            named = operation or next(iter(body), "unknown")
            self._record(request, body, named)
            return await self._answer(request, body, named, handler)

        return Route(path, endpoint, methods=[method])

    async def _answer(self, request: Request, body: JsonObject, operation: str, handler: Handler) -> Response:
        faults = self._state.faults.take(operation)
        if await has_left(request, within_seconds=delay_seconds(faults)):
            return CutConnection()
        fault = breaking(faults)
        instead = failure(fault) or self._refusal(fault)
        if instead is not None:
            return instead
        if not self._is_authorised(request, operation):
            return _error(401, "Session token has expired")
        answer = handler(request, body)
        response = answer if isinstance(answer, Response) else JSONResponse(answer)
        self._refresh_token(request, response, operation)
        return damaged(response, fault)

    def _refusal(self, fault: Fault | None) -> Response | None:
        """ChargePoint's own ways to refuse."""
        if fault is None:
            return None
        if fault.kind == "bot_json":
            return JSONResponse(
                {"url": "https://geo.captcha.example/captcha/?cid=simulated"}, 403, fault.headers
            )
        if fault.kind == "bot_html":
            return HTMLResponse(_BOT_PAGE, 403, fault.headers)
        if fault.kind == "expired_token":
            self._state.tokens.expire_all()
        return None

    def _is_authorised(self, request: Request, operation: str) -> bool:
        """Whether the request may be answered.

        The profile is answered without any credential: python-chargepoint ties its cookie to ChargePoint's
        own domain, so that its first call after the login, which is this one, carries none on loopback.
        """
        if operation in _OPEN_OPERATIONS:
            return True
        tokens = [request.headers.get("cp-session-token"), request.cookies.get(TOKEN_COOKIE)]
        given = [token for token in tokens if token]
        if not given:
            return operation == "profile"
        return any(self._state.tokens.accepts(token, self._state.clock.now()) for token in given)

    def _refresh_token(self, request: Request, response: Response, operation: str) -> None:
        has_token = "cp-session-token" in request.headers or TOKEN_COOKIE in request.cookies
        if operation not in _OPEN_OPERATIONS and has_token and response.status_code == 200:
            _set_token(response, self._state.tokens.issue(self._state.clock.now()))

    def _record(self, request: Request, body: JsonObject, operation: str) -> None:
        shown = {**body, "password": "***"} if "password" in body else body
        self._state.requests.append(
            RecordedRequest(
                method=request.method,
                path=request.url.path,
                operation=operation,
                body=shown,
                had_token="cp-session-token" in request.headers or TOKEN_COOKIE in request.cookies,
            )
        )

    def discovery(self, request: Request, body: JsonObject) -> JsonObject | Response:
        return shapes.discovery(str(request.base_url))

    def login(self, request: Request, body: JsonObject) -> JsonObject | Response:
        account = self._state.account
        if (body.get("username"), body.get("password")) != (account.username, account.password):
            return _error(401, "Invalid username or password")
        response = JSONResponse({"user": {"userId": shapes.profile("")["user"]["userId"]}})
        _set_token(response, self._state.tokens.login(self._state.clock.now()))
        return response

    def profile(self, request: Request, body: JsonObject) -> JsonObject | Response:
        return shapes.profile(self._state.account.username)

    def chargers(self, request: Request, body: JsonObject) -> JsonObject | Response:
        if not _is_own_user(request):
            return _error(403, "Not your account")
        return {"data": [{"id": str(self._state.answers.charger_id())}]}

    def charger_status(self, request: Request, body: JsonObject) -> JsonObject | Response:
        return self._of_charger(request, self._state.answers.charger_status(self._state.clock.now()))

    def technical_info(self, request: Request, body: JsonObject) -> JsonObject | Response:
        return self._of_charger(request, shapes.technical_info(self._state.clock.now()))

    def configuration(self, request: Request, body: JsonObject) -> JsonObject | Response:
        return self._of_charger(request, shapes.configuration())

    def mapcache(self, request: Request, body: JsonObject) -> JsonObject | Response:
        if "user_status" in body:
            return {"user_status": self._state.answers.user_status(self._state.clock.now())}
        query = next((part for part in body.values() if isinstance(part, dict)), {})
        if "charging_status" in body:
            return self._charging_status(query.get("session_id"))
        if "charging_activity_monthly" in body:
            return self._activity(query)
        return _error(400, "Unknown request")

    def session(self, request: Request, body: JsonObject) -> JsonObject | Response:
        return self._charging_status(request.path_params["session_id"])

    def _charging_status(self, session_id: object) -> JsonObject | Response:
        number = _number(session_id)
        if number is None:
            return _error(400, "session_id is not a number")
        status = self._state.answers.charging_status(number, self._state.clock.now())
        return _error(404, "No such session") if status is None else {"charging_status": status}

    def _activity(self, query: JsonObject) -> JsonObject | Response:
        size, offset = _number(query.get("page_size", shapes.USUAL_PAGE)), query.get("page_offset")
        place = None if offset is None else _number(offset)
        is_place = place is not None and place in SESSION_IDS
        if not size or (offset is not None and not is_place):
            return _error(400, "page_size or page_offset is wrong")
        page = self._state.answers.activity(size, place, self._state.clock.now())
        return {"charging_activity_monthly": page}

    def _of_charger(self, request: Request, answer: JsonObject) -> JsonObject | Response:
        is_known = request.path_params["charger_id"] == str(self._state.answers.charger_id())
        return answer if is_known and _is_own_user(request) else _error(404, "No such charger")


def _is_own_user(request: Request) -> bool:
    return bool(request.path_params["user_id"] == str(shapes.profile("")["user"]["userId"]))


def _set_token(response: Response, token: str) -> None:
    response.headers.append(
        "set-cookie", f"{TOKEN_COOKIE}={token}; Path=/; Max-Age={_COOKIE_SECONDS}; HttpOnly"
    )


def _error(status_code: int, message: str) -> JSONResponse:
    return JSONResponse({"errorCode": status_code, "errorMessage": message}, status_code)


def _number(value: object) -> int | None:
    """A whole number that came as one or as text; None for anything else."""
    return int(str(value)) if str(value).isdecimal() else None


async def _body(request: Request) -> JsonObject:
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


_BOT_PAGE = (
    "<html><head><title>chargepoint.com</title></head><body><p>Please enable JS</p>"
    "<script src='https://ct.captcha.example/c.js'></script></body></html>"
)
