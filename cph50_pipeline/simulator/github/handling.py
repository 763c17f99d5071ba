"""How each request is handled, to the API or to git: faults, the work, the hook, the log, common headers.

Imported only when a server starts, because of Starlette.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from email.utils import format_datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from cph50_pipeline.simulator.breaking import (
    CutConnection,
    breaking,
    damaged,
    delay_seconds,
    failure,
    has_left,
)
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github.access import bearer_token
from cph50_pipeline.simulator.github.problems import ApiProblem, usual_problem
from cph50_pipeline.simulator.github.state import AnsweredRequest, HubState

Work = Callable[[Request, bytes], Awaitable[Response]]


class Handling:
    """Handles requests on one stand-in."""

    def __init__(self, state: HubState) -> None:
        self._state = state

    async def answer(self, request: Request, operation: str, work: Work) -> Response:
        """Carry a request out and answer it, as far as faults allow."""
        body = await request.body()
        faults = self._state.take_faults(operation)
        if await has_left(request, within_seconds=delay_seconds(faults)):
            response: Response = CutConnection()
        else:
            fault = breaking(faults)
            response = _failure(fault) or damaged(await self._work(request, body, work), fault)
        self._complete(request, response)
        self._log(request, operation, response)
        return response

    async def _work(self, request: Request, body: bytes, work: Work) -> Response:
        try:
            response = await work(request, body)
        except ApiProblem as problem:
            response = problem_answer(problem)
        number = self._state.count_request()
        if self._state.on_request is not None:
            await run_in_threadpool(self._state.on_request, number)
        return response

    def _complete(self, request: Request, response: Response) -> None:
        """Add the headers that every answer has, except those that a fault set."""
        token = bearer_token(request.headers.get("authorization", ""))
        access = self._state.access(token)
        headers = self._state.rates.show(token if access is not None else None).headers()
        headers["x-github-request-id"] = secrets.token_hex(16).upper()
        headers["x-github-media-type"] = "github.v3; format=json"
        headers["date"] = format_datetime(self._state.clock.now(), usegmt=True)
        if access is not None and access.classic_scopes is not None:
            headers["x-oauth-scopes"] = access.classic_scopes
        for name, value in headers.items():
            response.headers.setdefault(name, value)

    def _log(self, request: Request, operation: str, response: Response) -> None:
        status = None if isinstance(response, CutConnection) else response.status_code
        self._state.requests.append(AnsweredRequest(request.method, request.url.path, operation, status))


def problem_answer(problem: ApiProblem) -> Response:
    """The answer to a request that is refused."""
    return JSONResponse(
        problem.body(), problem.status_code, problem.headers, "application/json; charset=utf-8"
    )


def _failure(fault: Fault | None) -> Response | None:
    if fault is None or fault.kind != "status" or fault.body:
        return failure(fault)
    problem = usual_problem(fault.status_code)
    problem.headers.update(fault.headers)
    return problem_answer(problem)
