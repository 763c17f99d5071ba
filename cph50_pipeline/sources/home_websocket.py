"""Home Assistant's websocket: the token, then commands and their results. What they mean is known elsewhere."""

from __future__ import annotations

import json
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.http.exchange import LONGEST_CONNECT_SECONDS, UNTRUSTED
from cph50_pipeline.http.reply import UNAUTHORIZED, Reply, parse_json
from cph50_pipeline.sources.home_failures import KEPT, broken_answer, failure, no_answer, unusable_answer

# It logs every message, the token among them, at DEBUG.
logging.getLogger("websockets.client").setLevel(logging.WARNING)

Command = Mapping[str, Any]
_LARGEST_ANSWER_BYTES = 64 * 2**20
_CLOSING_SECONDS = 1.0
_PORTS = {"ws": 80, "wss": 443}


class RefusedError(Exception):
    """The token was refused."""


def converse(
    url: httpx.URL,
    token: str,
    commands: Sequence[Command],
    *,
    tls: ssl.SSLContext | None,
    asked: str,
    deadline: Deadline,
) -> list[Any]:
    """The results of commands, in order, over a connection of their own.

    Raises:
        RefusedError: the token was refused.
        TransientError: no whole answer came in time.
        PermanentError, BadInputError: Home Assistant knows no such command, or answers something else.
    """
    try:
        with (
            _connected(url, deadline) as raw,
            connect(
                str(url),
                sock=raw,  # and so no redirect is followed: it could carry the token to another host
                ssl=tls,
                open_timeout=deadline.remaining_seconds,
                close_timeout=_CLOSING_SECONDS,
                ping_interval=None,
                max_size=_LARGEST_ANSWER_BYTES,
                user_agent_header="cph50-pipeline",
            ) as connection,
        ):
            conversation = _Conversation(connection, asked, deadline)
            conversation.log_in(token)
            return [conversation.result(number, command) for number, command in enumerate(commands, 1)]
    except TimeoutError:
        raise no_answer(asked, "in the time this call may take") from None
    except ssl.SSLCertVerificationError:
        raise no_answer(asked, UNTRUSTED) from None
    except (OSError, WebSocketException, ValueError) as error:
        # A redirect is refused with a ValueError or SecurityError that was caused by the reply.
        refusal = next((one for one in (error, error.__cause__) if isinstance(one, InvalidStatus)), None)
        if refusal is None:
            raise no_answer(asked, f"({type(error).__name__})") from None
        if refusal.response.status_code == UNAUTHORIZED:
            raise RefusedError from None
        raise failure(Reply(refusal.response.status_code, "", b""), asked) from None


def _connected(url: httpx.URL, deadline: Deadline) -> socket.socket:
    if deadline.remaining_seconds <= 0:
        raise TimeoutError
    address = (url.host, url.port or _PORTS[url.scheme])
    raw = socket.create_connection(address, min(LONGEST_CONNECT_SECONDS, deadline.remaining_seconds))
    raw.settimeout(None)  # the library has its own deadlines, and takes a timeout for a lost connection
    return raw


class _Conversation:
    def __init__(self, connection: ClientConnection, asked: str, deadline: Deadline) -> None:
        self._connection = connection
        self._asked = asked
        self._deadline = deadline

    def log_in(self, token: str) -> None:
        if self._hear().get("type") != "auth_required":
            raise unusable_answer(self._asked, "it does not begin by asking for the token")
        self._connection.send(json.dumps({"type": "auth", "access_token": token}))
        answer = self._hear().get("type")
        if answer == "auth_invalid":
            raise RefusedError
        if answer != "auth_ok":
            raise unusable_answer(self._asked, "it does not answer to the token")

    def result(self, number: int, command: Command) -> Any:
        self._connection.send(json.dumps({"id": number, **command}))
        answer = self._hear()
        while answer.get("id") != number or answer.get("type") != "result":
            answer = self._hear()
        if answer.get("success") is True:
            return answer.get("result")
        error = answer.get("error")
        raise self._failed(error.get("code") if isinstance(error, Mapping) else None)

    def _failed(self, code: object) -> Exception:
        if code == "unknown_command":
            return PermanentError(
                f"Home Assistant cannot be asked for {self._asked}",
                kept=KEPT,
                remedy="Update Home Assistant to 2023.1 or later, with its recorder switched on",
            )
        if code in ("invalid_format", "unauthorized"):
            return PermanentError(
                f"Home Assistant refuses to be asked for {self._asked} ({code})",
                kept=KEPT,
                remedy="Use the token of a user who may read everything",
            )
        return TransientError(
            f"Home Assistant failed on {self._asked}", kept=KEPT, remedy="It is tried again; see its log"
        )

    def _hear(self) -> Mapping[str, Any]:
        text = self._connection.recv(timeout=self._deadline.remaining_seconds)
        try:
            message = parse_json(text)
        except ValueError:
            raise broken_answer(self._asked) from None
        if not isinstance(message, Mapping):
            raise unusable_answer(self._asked, "a message is no object")
        return message
