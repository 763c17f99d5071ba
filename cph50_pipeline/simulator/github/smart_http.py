"""Git over HTTP: fetch and push, handed on to git's own `http-backend`, with GitHub's refusals.

Imported only when a server starts, because of Starlette.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from cph50_pipeline.simulator.github.access import NOBODY, Access, basic_password
from cph50_pipeline.simulator.github.asked import LOGIN
from cph50_pipeline.simulator.github.handling import Handling
from cph50_pipeline.simulator.github.objects import git_environment
from cph50_pipeline.simulator.github.repository import BareRepository
from cph50_pipeline.simulator.github.state import HubState

_REPOSITORY = "/{owner}/{repo}.git"
_PUSH = "git-receive-pack"


def build_git_routes(state: HubState, handling: Handling) -> list[BaseRoute]:
    """The routes of the smart HTTP protocol."""
    git = _SmartHttp(state, handling)
    return [
        Route(f"{_REPOSITORY}/info/refs", git.endpoint("git_refs"), methods=["GET"]),
        Route(f"{_REPOSITORY}/git-upload-pack", git.endpoint("git_fetch"), methods=["POST"]),
        Route(f"{_REPOSITORY}/{_PUSH}", git.endpoint("git_push"), methods=["POST"]),
    ]


class _SmartHttp:
    def __init__(self, state: HubState, handling: Handling) -> None:
        self._state = state
        self._handling = handling

    def endpoint(self, operation: str) -> Callable[[Request], object]:
        """What handles one operation's requests."""

        async def endpoint(request: Request) -> Response:
            return await self._handling.answer(request, operation, self._serve)

        return endpoint

    async def _serve(self, request: Request, body: bytes) -> Response:
        name = f"{request.path_params['owner']}/{request.path_params['repo']}"
        repository = self._state.repositories.get(name)
        token = basic_password(request.headers.get("authorization", ""))
        access = self._state.access(token)
        is_push = _PUSH in (request.query_params.get("service"), request.url.path.rpartition("/")[2])
        refusal = _refusal(repository, access, is_push=is_push)
        if refusal is not None:
            return refusal
        assert repository is not None
        assert access is not None
        return await _run_backend(self._environment(request, body, repository, access), body)

    def _environment(
        self, request: Request, body: bytes, repository: BareRepository, access: Access
    ) -> dict[str, str]:
        """What CGI tells `http-backend`, and it the hook `pre-receive`."""
        given = {
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        }
        return git_environment() | {
            **{name: value for name, value in given.items() if value},
            "GIT_PROJECT_ROOT": str(self._state.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": LOGIN,
            "REMOTE_ADDR": "127.0.0.1",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.url.path,
            "QUERY_STRING": request.url.query,
            "CONTENT_LENGTH": str(len(body)),
            "SIMULATED_PROTECTED": " ".join(sorted(repository.protected)),
            "SIMULATED_FILE_BYTES": str(self._state.limits.file_bytes),
            "SIMULATED_WORKFLOWS": "yes" if access.may_change_workflows else "",
        }


def _refusal(repository: BareRepository | None, access: Access | None, *, is_push: bool) -> Response | None:
    """What GitHub says to who may not fetch or push."""
    if access is None:
        return _unauthorized("Invalid username or token. Password authentication is not supported.")
    is_seen = repository is not None and access.may_see(repository.name, private=repository.private)
    if access == NOBODY and (is_push or not is_seen):
        return _unauthorized("Repository not found.")
    if repository is None or not is_seen:
        return PlainTextResponse("Repository not found.", 404)
    if is_push and not access.may_write(repository.name, private=repository.private):
        return PlainTextResponse("Write access to repository not granted.", 403)
    return None


def _unauthorized(message: str) -> Response:
    return PlainTextResponse(message, 401, {"www-authenticate": 'Basic realm="GitHub"'})


async def _run_backend(environment: dict[str, str], body: bytes) -> Response:
    backend = await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await backend.communicate(body)
    head, _, content = output.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode().splitlines())
    headers = {name.lower(): value for name, _, value in lines}
    status = headers.pop("status", f"{HTTPStatus.OK}").split()[0]
    return Response(content, int(status), headers)
