"""What stands before the routes: which hosts are served, how much and how often one may ask, what browsers are told.

All of it is plain ASGI: latest values pass here too, and are meant to be quick.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from time import monotonic
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cph50_pipeline.settings import Settings
from cph50_pipeline.web.limits import RateLimiter
from cph50_pipeline.web.problems import ProblemError, answer

MAX_BODY_BYTES = 64 << 10
MAX_HEAD_BYTES = 16 << 10
_TOO_LARGE = f"The body is larger than {MAX_BODY_BYTES >> 10} kB"
_HANG_UP = {"Connection": "close"}
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def served_hosts(settings: Settings) -> frozenset[str]:
    """The names by which the server may be asked; any other may be a foreign page's that resolves to here."""
    named = {settings.api_host.strip("[]").lower(), (settings.api_url.host or "").strip("[]").lower()}
    return frozenset({*_LOOPBACK_NAMES, *named} - {"", "0.0.0.0", "::"})


class Guard:
    """Refuses what should not reach the routes, and adds the headers that all answers have.

    Args:
        hosts: The names that are served.
        requests_per_minute: Of one client.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        app: ASGIApp,
        hosts: Collection[str],
        requests_per_minute: int,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._limiter = RateLimiter(requests_per_minute, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        guarded = with_headers(send)
        try:
            self._check(scope)
        except ProblemError as problem:
            await answer(problem)(scope, receive, guarded)
            return
        if scope["method"] == "HEAD":  # what GET would say, without saying it
            scope, guarded = {**scope, "method": "GET"}, _without_body(guarded)
        await self._app(scope, _LimitedBody(receive).receive, guarded)

    def _check(self, scope: Scope) -> None:
        client = scope["client"][0] if scope.get("client") else "unknown"
        wait = self._limiter.take(client)
        if wait > 0:
            raise ProblemError(429, "Too many requests", headers={"Retry-After": str(int(wait) + 1)})
        head = sum(len(name) + len(value) for name, value in scope["headers"])
        if head + len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_HEAD_BYTES:
            raise ProblemError(431, "The address and the headers are too large")
        headers = Headers(scope=scope)
        if _host_name(headers.get("host", "")) not in self._hosts:
            raise ProblemError(
                400, "The host that is asked for is not served here", remedy="CPH50_API_URL names the host"
            )
        if _is_drawn_in_by_another_site(headers):
            raise ProblemError(403, "A page of another site asks for this")
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > MAX_BODY_BYTES:
            raise ProblemError(413, _TOO_LARGE, headers=_HANG_UP)


class _LimitedBody:
    """Counts what arrives, whatever the request said of its length."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._size_bytes = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._size_bytes += len(message.get("body", b""))
            if self._size_bytes > MAX_BODY_BYTES:
                raise HTTPException(413, _TOO_LARGE, _HANG_UP)  # the one kind that FastAPI lets pass here
        return message


def with_headers(send: Send) -> Send:
    """Add what browsers are told with every answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


def _without_body(send: Send) -> Send:
    """The answer ends where its body would begin: one that streams hears that nobody listens, and ends as well."""
    has_ended = False

    async def sending(message: Message) -> None:
        nonlocal has_ended
        if message["type"] != "http.response.body":
            await send(message)
        elif not has_ended:
            has_ended = True
            await send({"type": "http.response.body", "body": b""})

    return sending


def _is_drawn_in_by_another_site(headers: Headers) -> bool:
    """Whether a browser asks because of a foreign page, other than by a link that somebody follows.

    Such a page cannot read the answer, but what it draws in could have a source asked again and again.
    """
    is_foreign = headers.get("sec-fetch-site") == "cross-site"
    return is_foreign and headers.get("sec-fetch-dest") != "document"


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
