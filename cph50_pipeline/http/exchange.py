"""One HTTP exchange within a deadline: send, read the whole reply or give up. What is asked, the clients know."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import httpx

from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.http.reply import Reply
from cph50_pipeline.http.retry import parse_retry_after

for _name in ("httpx", "httpcore"):
    # They log addresses with ids of people and devices (at INFO) and cookies and tokens (at DEBUG).
    logging.getLogger(_name).setLevel(logging.WARNING)

# A host with several addresses is tried one address after the other, each for so long.
LONGEST_CONNECT_SECONDS = 5.0
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
UNTRUSTED = "(its certificate is not trusted)"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class NoReplyError(Exception):
    """No whole reply came.

    Args:
        how: In what way, to stand after "did not answer for X".
        is_unreachable: Whether not even a connection came about.
    """

    def __init__(self, how: str, *, is_unreachable: bool = False) -> None:
        super().__init__(how)
        self.how = how
        self.is_unreachable = is_unreachable


def exchange(
    http: httpx.Client,
    method: Method,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_seconds: float,
    deadline: Deadline,
    now: Callable[[], float],
    body: Mapping[str, Any] | None = None,
    query: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request and read its reply, whatever its status.

    Args:
        timeout_seconds: How long any one step may take; never longer than the deadline leaves.
        now: Unix time in seconds, for waits that the server asks for by date.
        body: Sent as JSON.
        query: Added to the address.

    Raises:
        NoReplyError: no whole reply came in time.
    """
    patience_seconds = min(timeout_seconds, deadline.remaining_seconds)
    if patience_seconds <= 0:
        raise NoReplyError("in the time this call may take")
    timeout = httpx.Timeout(patience_seconds, connect=min(patience_seconds, LONGEST_CONNECT_SECONDS))
    try:
        with http.stream(
            method, url, json=body, params=query, headers=dict(headers), timeout=timeout
        ) as response:
            return _read(response, deadline, now)
    except httpx.TimeoutException:
        raise NoReplyError(f"within {patience_seconds:.0f} s") from None
    except httpx.ConnectError as error:
        is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
        raise NoReplyError(UNTRUSTED if is_untrusted else "(no connection)", is_unreachable=True) from None
    except httpx.RequestError as error:
        raise NoReplyError(f"({type(error).__name__})") from None


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own: no proxy reaches it."""
    return httpx.URL(url).host in _LOOPBACK


def _read(response: httpx.Response, deadline: Deadline, now: Callable[[], float]) -> Reply:
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if deadline.remaining_seconds <= 0:  # a read timeout alone never ends a trickle
            raise NoReplyError("in the time this call may take")
    at = datetime.fromtimestamp(now(), tz=UTC)
    return Reply(
        status=response.status_code,
        content_type=response.headers.get("content-type", "").lower(),
        body=bytes(body),
        set_cookies=tuple(response.headers.get_list("set-cookie")),
        retry_after_seconds=parse_retry_after(response.headers.get("retry-after"), at),
        headers={name: value for name, value in response.headers.items() if name != "set-cookie"},
    )
