"""GitHub's REST API over bare repositories: who may ask, and the routes.

What is answered is shaped in `answers`. Imported only when a server starts, because of Starlette.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from cph50_pipeline.simulator.breaking import CutConnection
from cph50_pipeline.simulator.github import answers as shapes
from cph50_pipeline.simulator.github.access import bearer_token
from cph50_pipeline.simulator.github.answers import Answers
from cph50_pipeline.simulator.github.asked import Asked
from cph50_pipeline.simulator.github.contents import get_contents, put_contents
from cph50_pipeline.simulator.github.git_data import (
    create_blob,
    create_commit,
    create_ref,
    create_tree,
    get_blob,
    get_git_commit,
    get_ref,
    get_tree,
    match_refs,
    update_ref,
)
from cph50_pipeline.simulator.github.handling import Handling
from cph50_pipeline.simulator.github.history import get_commit, list_commits
from cph50_pipeline.simulator.github.problems import (
    NO_PERMISSION,
    NO_USER_AGENT,
    RATE_LIMITED,
    ApiProblem,
    not_found,
)
from cph50_pipeline.simulator.github.repository_answer import repository_answer
from cph50_pipeline.simulator.github.state import Exchange, HubState

API_PATH = "/api/v3"
_VERSIONS = frozenset({"2022-11-28", "2026-03-10"})

Handler = Callable[[Asked], Response]
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def build_api_routes(state: HubState, handling: Handling) -> list[BaseRoute]:
    """The routes of the REST API."""
    api = _Api(state, handling)
    return [
        Route(f"{API_PATH}/rate_limit", api.endpoint("rate_limit", api.rate_limit), methods=["GET"]),
        api.route("", "GET", "get_repository", repository_answer),
        api.route("/git/ref/{ref:path}", "GET", "get_ref", get_ref),
        api.route("/git/matching-refs/{ref:path}", "GET", "match_refs", match_refs),
        api.route("/git/refs", "POST", "create_ref", create_ref),
        api.route("/git/refs/{ref:path}", "PATCH", "update_ref", update_ref),
        api.route("/git/commits/{sha}", "GET", "get_git_commit", get_git_commit),
        api.route("/git/commits", "POST", "create_commit", create_commit),
        api.route("/git/trees/{sha:path}", "GET", "get_tree", get_tree),
        api.route("/git/trees", "POST", "create_tree", create_tree),
        api.route("/git/blobs/{sha}", "GET", "get_blob", get_blob),
        api.route("/git/blobs", "POST", "create_blob", create_blob),
        api.route("/contents/{path:path}", "GET", "get_contents", get_contents),
        api.route("/contents/{path:path}", "PUT", "put_contents", put_contents),
        api.route("/commits", "GET", "list_commits", list_commits),
        api.route("/commits/{ref:path}", "GET", "get_commit", get_commit),
        Route(f"{API_PATH}/{{rest:path}}", api.endpoint("unknown", _unknown)),
    ]


class _Api:
    def __init__(self, state: HubState, handling: Handling) -> None:
        self._state = state
        self._handling = handling

    def route(self, path: str, method: str, operation: str, handler: Handler) -> Route:
        """A route on one repository."""

        def work(request: Request, body: bytes) -> Response:
            return handler(self._asked(request, body))

        where = f"{API_PATH}/repos/{{owner}}/{{repo}}{path}"
        return Route(where, self.endpoint(operation, work), methods=[method])

    def endpoint(
        self, operation: str, work: Callable[[Request, bytes], Response]
    ) -> Callable[[Request], object]:
        """What handles one operation's requests."""

        async def guarded(request: Request, body: bytes) -> Response:
            self._admit(request, counted=operation != "rate_limit")
            return await run_in_threadpool(work, request, body)

        async def endpoint(request: Request) -> Response:
            response = await self._handling.answer(request, operation, guarded)
            if self._state.on_exchange is not None:
                body = await request.body()
                await run_in_threadpool(self._state.on_exchange, _exchange(request, body, response))
            return response

        return endpoint

    def rate_limit(self, request: Request, body: bytes) -> Response:
        token = bearer_token(request.headers.get("authorization", ""))
        return JSONResponse(shapes.rate_limit(self._state.rates.show(token)))

    def _admit(self, request: Request, *, counted: bool) -> None:
        """Raises ApiProblem for who may ask nothing at all."""
        if not request.headers.get("user-agent"):
            raise ApiProblem(403, NO_USER_AGENT)
        version = request.headers.get("x-github-api-version", "2022-11-28")
        if version not in _VERSIONS:
            raise ApiProblem(400, f'"{version}" is not a supported version.')
        token = bearer_token(request.headers.get("authorization", ""))
        if self._state.access(token) is None:
            raise ApiProblem(401, "Bad credentials")
        if counted and self._state.rates.count(token).is_exceeded:
            raise ApiProblem(403, RATE_LIMITED)

    def _asked(self, request: Request, body: bytes) -> Asked:
        """Raises ApiProblem when the repository cannot be seen, or not be written."""
        name = f"{request.path_params['owner']}/{request.path_params['repo']}"
        repository = self._state.repositories.get(name)
        token = bearer_token(request.headers.get("authorization", ""))
        access = self._state.access(token)
        if repository is None or access is None:
            raise not_found()
        if not access.may_see(name, private=repository.private):
            raise not_found()
        is_writing = request.method in _WRITING
        if is_writing and token is None:
            raise ApiProblem(401, "Requires authentication")
        if is_writing and not access.may_write(name, private=repository.private):
            raise ApiProblem(403, NO_PERMISSION)
        root = str(request.base_url)
        return Asked(
            repository=repository,
            access=access,
            limits=self._state.limits,
            answers=Answers(repository, f"{root.rstrip('/')}{API_PATH}/", root),
            now=self._state.clock.now(),
            request=request,
            body=body,
        )


def _exchange(request: Request, body: bytes, response: Response) -> Exchange:
    is_cut = isinstance(response, CutConnection)
    return Exchange(
        method=request.method,
        path=request.scope["raw_path"].decode().removeprefix(API_PATH),
        query=request.url.query,
        request_body=body,
        status=None if is_cut else response.status_code,
        content_type=response.headers.get("content-type", ""),
        answer_body=bytes(response.body),
    )


def _unknown(request: Request, body: bytes) -> Response:
    raise not_found()
