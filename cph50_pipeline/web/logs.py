"""A line for each request, with an id that also stands in the answer; and what happens when a route fails."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cph50_pipeline.storage.logs import logged_with
from cph50_pipeline.web.guard import with_headers
from cph50_pipeline.web.metrics import Metrics
from cph50_pipeline.web.problems import ProblemError, answer

REQUEST_ID = "X-Request-ID"
EVENT_STREAM = "text/event-stream"
_ID = re.compile(rb"[0-9A-Za-z._-]{1,64}")
_SECRET = re.compile(r"token|key|secret|password|passwd|auth|signature", re.IGNORECASE)
_HIDDEN = "***"
_LONGEST = 300
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_log = logging.getLogger("cph50_pipeline.web.access")


class Logged:
    """Counts and logs what an application answers.

    Args:
        metrics: Where it is counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, sent = _request_id(scope), _Sent()
        begun = time.perf_counter()
        self._metrics.begin()
        with logged_with(request_id=request_id):
            try:
                await self._app(scope, receive, sent.counting(send, request_id))
            except Exception:
                _log.exception("A route failed")
                if sent.status == 0:
                    told = _fault(request_id, Request(scope))
                    await told(scope, receive, with_headers(sent.counting(send, request_id)))
            finally:
                seconds = time.perf_counter() - begun
                method = scope["method"] if scope["method"] in _KNOWN_METHODS else "other"
                # A stream lasts for as long as somebody listens, which says nothing of the server.
                self._metrics.end(method, _route(scope), sent.status, None if sent.is_stream else seconds)
                _log.info("%s %s %d", method, _route(scope), sent.status, extra=_fields(scope, sent, seconds))


def _fault(request_id: str, request: Request) -> Response:
    """What is told of a fault; where not even the page for it can be made, the document that programs get."""
    fault = ProblemError(
        500, "A fault of this program", remedy=f"The server's log says more, under {request_id}"
    )
    try:
        return answer(fault, request)
    except Exception:
        _log.exception("The page that tells of it failed as well")
        return answer(fault)


class _Sent:
    """What was sent so far."""

    def __init__(self) -> None:
        self.status = 0
        self.size_bytes = 0
        self.is_stream = False

    def counting(self, send: Send, request_id: str) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                self.is_stream = headers.get("content-type", "").startswith(EVENT_STREAM)
            elif message["type"] == "http.response.body":
                self.size_bytes += len(message.get("body", b""))
            await send(message)

        return counted


def shown_query(query: bytes) -> str:
    """A query as it may be logged: what could be a secret is hidden, what is long is cut."""
    text = query.decode("ascii", "replace")[:_LONGEST]
    pairs = [(name, _HIDDEN if _SECRET.search(name) else value) for name, value in parse_qsl(text, True)]
    return urlencode(pairs, safe=_HIDDEN + ":/+,")


def _fields(scope: Scope, sent: _Sent, seconds: float) -> Mapping[str, object]:
    fields: dict[str, object] = {
        "path": str(scope["path"])[:_LONGEST],
        "ms": round(seconds * 1000, 2),
        "bytes": sent.size_bytes,
        "client": scope["client"][0] if scope.get("client") else "unknown",
    }
    query = shown_query(scope["query_string"])
    return {**fields, "query": query} if query else fields


def _route(scope: Scope) -> str:
    """The route that answered, with its names for what varies: of paths there are too many."""
    route = scope.get("route")
    return str(getattr(route, "path", "none"))


def _request_id(scope: Scope) -> str:
    """The client's id where it is one, else a new one."""
    wanted = REQUEST_ID.lower().encode()
    given: bytes = next((value for name, value in scope["headers"] if name == wanted), b"")
    return given.decode() if _ID.fullmatch(given) else uuid4().hex
