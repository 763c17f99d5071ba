"""How a fault breaks an answer: statuses instead of it, halves of it, connections cut under the client's hands.

Which fault hits which request is `faults`. Imported only when a server starts, because of Starlette.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cph50_pipeline.simulator.faults import Fault


class CutConnection(Response):
    """Cuts the connection after `part` of an answer, which may be nothing at all."""

    def __init__(self, part: bytes = b"", promised_length: int = 0) -> None:
        super().__init__(media_type="application/json")
        self._part = part
        self._promised_length = promised_length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the part, if any, and close the connection under the client's hands."""
        if self._part:
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(self._promised_length).encode()),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": self._part, "more_body": True})
        cut(scope)
        await _disconnect(receive)


def cut(scope: Scope) -> None:
    """Close a connection under the client's hands."""
    transport: asyncio.Transport = scope["state"]["transport"]
    transport.close()


def delay_seconds(faults: Iterable[Fault]) -> float:
    """How long the answer waits."""
    return sum(fault.delay_seconds for fault in faults)


def breaking(faults: Iterable[Fault]) -> Fault | None:
    """The one fault that is not a delay, if any."""
    return next((fault for fault in faults if fault.kind != "delay"), None)


def failure(fault: Fault | None) -> Response | None:
    """What is answered instead of the answer; None when the answer is made nevertheless."""
    if fault is not None and fault.kind == "status":
        return Response(fault.body, fault.status_code, fault.headers)
    if fault is not None and fault.kind == "hang_up":
        return CutConnection()
    return None


def damaged(response: Response, fault: Fault | None) -> Response:
    """The answer, or what a fault leaves of it."""
    body = bytes(response.body)
    half = body[: len(body) // 2]
    if fault is not None and fault.kind == "unanswered":
        return CutConnection()
    if fault is not None and fault.kind == "truncated":
        return CutConnection(half, promised_length=len(body))
    if fault is not None and fault.kind == "broken_json":
        return Response(half, 200, fault.headers, "application/json")
    return response


async def has_left(request: Request, within_seconds: float) -> bool:
    """Wait; whether the client hung up, or the server stopped, before the time was over."""
    if within_seconds == 0:
        return False
    try:
        await asyncio.wait_for(_disconnect(request.receive), within_seconds)
    except TimeoutError:
        return False
    return True


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
