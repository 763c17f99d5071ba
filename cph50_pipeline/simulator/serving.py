"""An ASGI application on loopback, in a thread of this process, whose connections can be cut.

HTTP libraries are imported when a server starts, not when this module is.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cph50_pipeline.errors import BadInputError, TransientError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

LOOPBACK = "127.0.0.1"
_PATIENCE_SECONDS = 10.0


class Running:
    """Something that is served from `start()`, or the beginning of a `with` block, until `stop()`."""

    _server: LoopbackServer

    def start(self) -> Self:
        """Bind the port and answer from a thread of this process.

        Raises:
            BadInputError: when the port is taken.
            TransientError: when the server does not come up.
        """
        self._server.start()
        return self

    def stop(self) -> None:
        """Cut what is running and free the port."""
        self._server.stop()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


class LoopbackServer:
    """One application behind one port, from `start` until `stop`.

    Args:
        build_app: Makes the application; called at the start, so that its libraries are loaded only then.
        name: What the thread and errors call the server.
        port: 0 picks a free one.
    """

    def __init__(
        self, build_app: Callable[[], ASGIApp], name: str, host: str = LOOPBACK, port: int = 0
    ) -> None:
        self._build_app = build_app
        self._name = name
        self._address = (host, port)
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        """The server's root, ending in "/"."""
        host, port = self._address
        return f"http://{host}:{port}/"

    def start(self) -> None:
        """Bind the port and answer from a thread of this process.

        Raises:
            BadInputError: when the port is taken.
            TransientError: when the server does not come up.
        """
        listener = self._listen()
        # Connections inherit it. Without it each body waits 40 ms for the acknowledgement of its head.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._address = listener.getsockname()[:2]
        ready = threading.Event()
        self._server = _build_server(self._build_app(), ready.set)
        run = self._server.run
        self._thread = threading.Thread(target=lambda: run([listener]), name=self._name, daemon=True)
        self._thread.start()
        if not ready.wait(_PATIENCE_SECONDS):
            raise TransientError(f"The {self._name} did not start to answer", remedy="Try again")

    def stop(self) -> None:
        """Cut what is running and free the port."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(_PATIENCE_SECONDS)
        self._server = self._thread = None

    def wait(self) -> None:
        """Block until the server stops."""
        if self._thread is not None:
            self._thread.join()

    def _listen(self) -> socket.socket:
        try:
            return socket.create_server(self._address)
        except OSError as error:
            port = self._address[1]
            raise BadInputError(
                f"Port {port} for the {self._name} is taken: {error.strerror}", remedy="Choose another one"
            ) from error


def _build_server(app: ASGIApp, when_ready: Callable[[], None]) -> uvicorn.Server:
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class CuttableProtocol(H11Protocol):
        """Hands each request its connection's transport, so that a fault can cut it."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app_state = {**self.app_state, "transport": transport}
            self.access_log = False

    class QuietConfig(uvicorn.Config):
        """Leaves the logging of the process that embeds the simulator alone."""

        def configure_logging(self) -> None:
            return

    class AnnouncedServer(uvicorn.Server):
        """Tells when it answers, and hangs up on whoever still waits when it stops."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            when_ready()

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            for connection in list(self.server_state.connections):
                if connection.transport is not None:
                    connection.transport.close()
            await super().shutdown(sockets)

    config = QuietConfig(
        app,
        http=CuttableProtocol,
        ws="websockets-sansio",
        loop="asyncio",
        lifespan="off",
        date_header=False,  # dates are the simulated clock's
    )
    return AnnouncedServer(config)
