"""The way to Home Assistant: its REST interface with the bearer token, deadlines, retries. What is asked for,
`home_assistant.py` knows; the websocket is `home_websocket.py`.

The token travels in the Authorization header and, because Home Assistant's websocket knows no other way, in its
first message; never in an address, an error or a log line.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.http.bearer import clean_token
from cph50_pipeline.http.deadline import Clock, Deadline, DeadlineScope
from cph50_pipeline.http.exchange import NoReplyError, exchange
from cph50_pipeline.http.reply import UNAUTHORIZED, Reply, parse_json
from cph50_pipeline.http.retry import RetryPolicy, retrying
from cph50_pipeline.sources.home_failures import (
    broken_answer,
    failure,
    no_answer,
    refused_token,
    unusable_answer,
)
from cph50_pipeline.sources.home_websocket import Command, RefusedError, converse

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HomeLimits:
    """How long, how often, and on which clocks. The clocks are replaced in tests only.

    Attributes:
        timeout_seconds: For one step of one request: a small computer reads a day of history for seconds.
        refusal_seconds: How long nothing is asked after a refused token. Each time Home Assistant warns its people,
            and it may ban this machine.
    """

    timeout_seconds: float = 30.0
    total_seconds: float = 60.0
    refusal_seconds: float = 900.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    now: Callable[[], float] = time.time
    monotonic: Clock = time.monotonic


class HomeConnection:
    """The way to one Home Assistant; safe to share between threads.

    Args:
        url: Its address, with a path where it is behind one.
        token: A long-lived access token.

    Raises:
        BadInputError: when the token cannot be one.
    """

    def __init__(self, url: str, token: str, limits: HomeLimits) -> None:
        self._url = httpx.URL(url if url.endswith("/") else f"{url}/")
        self._token = clean_token(
            token,
            setting="CPH50_HOME_ASSISTANT_TOKEN",
            remedy="Copy the long-lived access token from Home Assistant again",
        )
        self._limits = limits
        self._scope = DeadlineScope(limits.monotonic)
        self._tls = ssl.create_default_context()  # honours SSL_CERT_FILE, for certificates of one's own
        self._http = httpx.Client(
            follow_redirects=False,  # a redirect could carry the token to another host
            trust_env=False,  # Home Assistant is at home: no proxy, and no .netrc in place of the token
            verify=self._tls,
            headers={"user-agent": "cph50-pipeline", "accept": "application/json"},
        )
        self._refused_until = 0.0
        self._counting = threading.Lock()
        self.requests_made = 0
        self.clock_offset = timedelta(0)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound all that this thread asks inside by one deadline; an outer, earlier one still holds."""
        return self._scope.within(seconds)

    def get(self, path: str, asked: str, query: Mapping[str, str] | None = None) -> Any:
        """An answer of the REST interface as JSON; what is transient is tried again within the deadline.

        Raises:
            TransientError, PermanentError, NotFoundError, BadInputError: see `HomeSource`.
        """
        return self._trying(lambda deadline: self._get(path, asked, query, deadline))

    def command(self, commands: Sequence[Command], asked: str) -> list[Any]:
        """The results of commands over one websocket, in order.

        Raises:
            TransientError, PermanentError, BadInputError: see `HomeSource`.
        """
        return self._trying(lambda deadline: self._command(commands, asked, deadline))

    def _trying(self, call: Callable[[Deadline], T]) -> T:
        if self._limits.monotonic() < self._refused_until:
            raise refused_token()
        deadline = self._scope.at_most(self._limits.total_seconds)
        return retrying(lambda: call(deadline), policy=self._limits.retry, deadline=deadline)

    def _get(self, path: str, asked: str, query: Mapping[str, str] | None, deadline: Deadline) -> Any:
        self._count()
        try:
            reply = exchange(
                self._http,
                "GET",
                str(self._url.join(path)),
                headers={"authorization": f"Bearer {self._token}"},
                timeout_seconds=self._limits.timeout_seconds,
                deadline=deadline,
                now=self._limits.now,
                query=query,
            )
        except NoReplyError as error:
            raise no_answer(asked, error.how) from None
        return self._read(reply, asked)

    def _read(self, reply: Reply, asked: str) -> Any:
        if reply.status == UNAUTHORIZED:
            raise self._refusal()
        if not reply.is_success:
            raise failure(reply, asked)
        if "html" in reply.content_type:
            raise unusable_answer(asked, "it is a web page")
        self._learn_clock(reply)
        try:
            return parse_json(reply.body)
        except ValueError:
            raise broken_answer(asked) from None

    def _command(self, commands: Sequence[Command], asked: str, deadline: Deadline) -> list[Any]:
        self._count()
        url = self._url.join("api/websocket")
        secure = url.scheme == "https"
        try:
            return converse(
                url.copy_with(scheme="wss" if secure else "ws"),
                self._token,
                commands,
                tls=self._tls if secure else None,
                asked=asked,
                deadline=deadline,
            )
        except RefusedError:
            raise self._refusal() from None

    def _refusal(self) -> PermanentError:
        self._refused_until = self._limits.monotonic() + self._limits.refusal_seconds
        return refused_token()

    def _learn_clock(self, reply: Reply) -> None:
        """Home Assistant's clock, to the second; a reply without a date says nothing of it."""
        try:
            theirs = parsedate_to_datetime(reply.headers.get("date", ""))
        except ValueError:
            return
        if theirs.tzinfo is not None:
            self.clock_offset = theirs - datetime.fromtimestamp(self._limits.now(), tz=UTC)

    def _count(self) -> None:
        with self._counting:
            self.requests_made += 1
