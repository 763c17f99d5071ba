"""Asking ChargePoint: addresses, login, headers, deadlines, retries. What is asked, `chargepoint.py` knows.

Every request passes one gate: no pause is on, the budget has room, the deadline leaves time. Nothing that
identifies the household or lets one in appears in an error or a log line: no address, no header, no body.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cph50_pipeline.charging.answers import Discovery, read_answer, unusable_answer
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.http.deadline import Clock, Deadline, DeadlineScope
from cph50_pipeline.http.exchange import NoReplyError, exchange, is_loopback
from cph50_pipeline.http.reply import UNAUTHORIZED, Reply
from cph50_pipeline.http.retry import RetryPolicy, retrying
from cph50_pipeline.sources.account_memory import AccountMemory
from cph50_pipeline.sources.chargepoint_failures import failure, is_bot_protection, no_answer, read_json
from cph50_pipeline.sources.pause import Pause, Refusal
from cph50_pipeline.sources.request_budget import RequestBudget
from cph50_pipeline.sources.session_token import TOKEN_COOKIE, SessionToken, clean_token

logger = logging.getLogger(__name__)
# The first may bring a token that another process saved and that has expired as well; the second logs in.
_RENEWALS = 2


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the household gave to be let in. Secrets are kept out of its text form."""

    username: str
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    def as_text(self) -> str:
        """All of it as one text, to tell whether any of it has changed."""
        return "\n".join((self.username, self.password or "", self.token or ""))


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, how often, and on which clocks. The clocks are replaced in tests only."""

    timeout_seconds: float = 10.0
    total_seconds: float = 60.0
    requests_per_minute: float = 6.0
    burst: int = 24
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    now: Callable[[], float] = time.time
    monotonic: Clock = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask for.

    Attributes:
        asked: What it is, as a person would say it: it stands in errors.
        service: The endpoint's name in discovery's answer.
        path: Below the endpoint.
        body: Posted as JSON; None for a GET.
    """

    asked: str
    service: str
    path: str
    body: Mapping[str, Any] | None = None


class _Budgeting(threading.local):
    """What `unmetered` sets, for the thread that entered it: sensors share one client."""

    metered: bool = True


class Connection:
    """The way to ChargePoint for one account; safe to share between threads.

    Raises:
        BadInputError: when the pasted token cannot be one.
    """

    def __init__(self, discovery_url: str, credentials: Credentials, state_dir: Path, limits: Limits) -> None:
        account = hashlib.sha256(f"{discovery_url}\n{credentials.username}".encode()).hexdigest()[:16]
        self._discovery_url = discovery_url
        self._credentials = credentials
        self._limits = limits
        self._token = SessionToken(state_dir, account=account, pasted=credentials.token)
        self.memory = AccountMemory(state_dir, account=account, now=limits.now)
        self._pause = Pause(state_dir, credentials=credentials.as_text(), now=limits.now)
        self._budget = RequestBudget(
            state_dir,
            per_minute=limits.requests_per_minute,
            burst=limits.burst,
            now=limits.now,
            sleep=limits.sleep,
        )
        self._scope = DeadlineScope(limits.monotonic)
        self._budgeting = _Budgeting()
        self._cookies: dict[str, str] = {}
        self.requests_made = 0
        self._counting = threading.Lock()
        self._http = httpx.Client(
            follow_redirects=False,  # a redirect could carry the token to another host
            trust_env=not is_loopback(discovery_url),  # no proxy reaches this machine's own loopback
            headers={"user-agent": "cph50-pipeline", "accept": "application/json"},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound all that this thread asks inside by one deadline; an outer, earlier one still holds."""
        return self._scope.within(seconds)

    @contextmanager
    def unmetered(self) -> Iterator[None]:
        """Lift the polite budget for what this thread asks inside."""
        outer = self._budgeting.metered
        self._budgeting.metered = False
        try:
            yield
        finally:
            self._budgeting.metered = outer

    def ask(self, question: Question) -> Any:
        """The answer as JSON; what is transient is tried again within the deadline.

        Raises:
            TransientError, PermanentError, NotFoundError, BadInputError: see `ChargerSource`.
        """
        deadline = self._scope.at_most(self._limits.total_seconds)
        return retrying(
            lambda: self._ask_once(question, deadline), policy=self._limits.retry, deadline=deadline
        )

    def _ask_once(self, question: Question, deadline: Deadline) -> Any:
        discovery = self._discovery(deadline)
        token = self._token.current(deadline) or self._renew(None, deadline)
        reply = self._send_signed(question, discovery, token, deadline)
        for _ in range(_RENEWALS):
            if reply.status != UNAUTHORIZED:
                break
            token = self._renew(token, deadline)
            reply = self._send_signed(question, discovery, token, deadline)
        if reply.status == UNAUTHORIZED:
            raise self._pause.begin(Refusal.LOGIN, deadline)
        self._raise_for_failure(reply, question.asked, deadline)
        self._take_cookies(reply, deadline)
        return read_json(reply, question.asked)

    def _discovery(self, deadline: Deadline) -> Discovery:
        known = self.memory.discovery
        if known is not None:
            return known
        if not self._credentials.username:
            raise BadInputError(
                "CPH50_CHARGEPOINT_USERNAME is not set", remedy="Set it to the ChargePoint account"
            )
        asked = "the addresses of its services"
        reply = self._send(self._discovery_url, {"username": self._credentials.username}, {}, asked, deadline)
        self._raise_for_failure(reply, asked, deadline)
        discovery = read_answer(Discovery, read_json(reply, asked), asked)
        self.memory.learn_discovery(discovery)
        return discovery

    def _renew(self, expired: str | None, deadline: Deadline) -> str:
        login = (lambda: self._login(deadline)) if self._credentials.password else None
        return self._token.renew(expired, login, deadline)

    def _login(self, deadline: Deadline) -> str:
        asked = "a login"
        url = self._address(self._discovery(deadline), "sso_endpoint") + "v1/user/login"
        body = {"username": self._credentials.username, "password": self._credentials.password}
        reply = self._send(url, body, {"cookie": self._cookie_header(None)}, asked, deadline)
        if reply.status in (400, UNAUTHORIZED, 422):
            raise self._pause.begin(Refusal.LOGIN, deadline)
        self._raise_for_failure(reply, asked, deadline)
        token = clean_token(reply.cookies().get(TOKEN_COOKIE, ""))
        if token is None:
            read_json(reply, asked)  # an answer that was cut short is no refusal
            raise self._pause.begin(Refusal.LOGIN, deadline)
        logger.info("Logged in to ChargePoint")
        return token

    def _send_signed(self, question: Question, discovery: Discovery, token: str, deadline: Deadline) -> Reply:
        headers = {
            "cp-session-type": "CP_SESSION_TOKEN",
            "cp-session-token": token,
            "cp-region": discovery.region,
            "cookie": self._cookie_header(token),
        }
        url = self._address(discovery, question.service) + question.path
        return self._send(url, question.body, headers, question.asked, deadline)

    def _send(
        self,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        asked: str,
        deadline: Deadline,
    ) -> Reply:
        """One request through the gate.

        Raises:
            PermanentError: a pause is on.
            TransientError: no whole reply came in time.
        """
        self._pause.check()
        self._budget.wait_for_turn(deadline, metered=self._budgeting.metered)
        if deadline.remaining_seconds <= 0:
            raise no_answer(asked, "in the time this call may take")
        with self._counting:
            self.requests_made += 1
        try:
            return exchange(
                self._http,
                "GET" if body is None else "POST",
                url,
                headers={name: value for name, value in headers.items() if value},
                timeout_seconds=self._limits.timeout_seconds,
                deadline=deadline,
                now=self._limits.now,
                body=body,
            )
        except NoReplyError as error:
            if error.is_unreachable:
                self.memory.forget()  # the service may have moved: the next try asks discovery again
            raise no_answer(asked, error.how) from None
        finally:
            self._http.cookies.clear()  # cookies are ours to keep: the library's jar refuses loopback

    def _raise_for_failure(self, reply: Reply, asked: str, deadline: Deadline) -> None:
        if reply.is_success:
            self._pause.forget()
            return
        if is_bot_protection(reply):
            raise self._pause.begin(Refusal.BOT_PROTECTION, deadline)
        if reply.retry_after_seconds:
            self._budget.hold(reply.retry_after_seconds, deadline)
        raise failure(reply, asked)

    def _take_cookies(self, reply: Reply, deadline: Deadline) -> None:
        for name, value in reply.cookies().items():
            if name == TOKEN_COOKIE:
                token = clean_token(value)
                if token is not None:
                    self._token.refreshed(token, deadline)
            elif value:
                self._cookies[name] = value
            else:
                self._cookies.pop(name, None)

    def _cookie_header(self, token: str | None) -> str:
        cookies = {**self._cookies, **({TOKEN_COOKIE: token} if token else {})}
        return "; ".join(f"{name}={value}" for name, value in cookies.items())

    def _address(self, discovery: Discovery, service: str) -> str:
        """The address of a service, ending in "/"; never a plain one where discovery itself is encrypted."""
        address = discovery.address(service)
        schemes = ("https",) if self._discovery_url.startswith("https:") else ("https", "http")
        if address is None or not _is_usable(address, schemes):
            self.memory.forget()
            raise unusable_answer("the addresses of its services", f"{service}: is no {schemes[0]} address")
        return address


def _is_usable(address: str, schemes: tuple[str, ...]) -> bool:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    return url.scheme in schemes and bool(url.host)
