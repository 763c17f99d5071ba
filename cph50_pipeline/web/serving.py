"""Serving an application by uvicorn: one process, heads of requests bounded, a stop that lets answers end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from cph50_pipeline.errors import BadInputError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

MAX_HEAD_BYTES = 64 << 10
MAX_CONNECTIONS = 512
STOP_SECONDS = 10
KEEP_ALIVE_SECONDS = 30
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 picks a free one.

    Raises:
        BadInputError: the port is taken, or there is no such host here.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=MAX_CONNECTIONS)
    except OSError as error:
        raise BadInputError(
            f"Port {port} of {host} cannot be listened on: {error.strerror}",
            remedy="Choose another one with --port or CPH50_API_PORT",
        ) from error
    # Connections inherit it. Without it each body waits 40 ms for the acknowledgement of its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def address_of(listener: socket.socket) -> str:
    """Where a socket listens, as a browser shows it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def server_of(app: FastAPI, when_ready: Callable[[], None] = lambda: None) -> uvicorn.Server:
    """A server of an application, to be run on a socket; it stops by itself on SIGINT and SIGTERM."""
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class BoundedProtocol(HttpToolsProtocol):
        """Hangs up on a request whose head does not end: it would be collected without bounds."""

        _head_bytes = 0
        _is_in_head = True

        def on_message_begin(self) -> None:
            self._head_bytes, self._is_in_head = 0, True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._is_in_head = False
            super().on_headers_complete()

        def data_received(self, data: bytes) -> None:
            self._head_bytes += len(data)
            super().data_received(data)
            if self._is_in_head and self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    class AnnouncedServer(uvicorn.Server):
        """Tells when it answers, and lets streams end when it is to stop: they would go on for as long as it waits."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            when_ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            app.state.live_part.end()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    return AnnouncedServer(config)
