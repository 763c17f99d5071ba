"""The way to GitHub's API: token, headers, deadlines, pace, retries. What is asked for, `api.py` knows.

The token travels in the Authorization header alone; never in an address, an error or a log line.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter, ValidationError

from cph50_pipeline.errors import TransientError
from cph50_pipeline.http.bearer import clean_token
from cph50_pipeline.http.deadline import Clock, Deadline, DeadlineScope
from cph50_pipeline.http.exchange import Method, NoReplyError, exchange, is_loopback
from cph50_pipeline.http.reply import Reply, parse_json
from cph50_pipeline.http.retry import RetryPolicy, retrying
from cph50_pipeline.storage.github.answers import RepositoryInfo
from cph50_pipeline.storage.github.failures import (
    broken_answer,
    failure,
    is_limit,
    limited,
    moved,
    no_answer,
    unusable_answer,
)
from cph50_pipeline.storage.github.model import Place
from cph50_pipeline.storage.github.pace import Pace, WritingLimits

T = TypeVar("T")

API_VERSION = "2022-11-28"


@dataclass(frozen=True, slots=True)
class GitHubLimits:
    """How long, how often, and on which clocks. The clocks are replaced in tests only.

    Attributes:
        timeout_seconds: For one step of one request.
        total_seconds: For all that one commit takes, waits and retries included; or for one read.
        retry: For requests that fail for a while.
        conflict: For commits that others were quicker than; how often is decided by the time there is.
        writing: How often content may be created.
    """

    timeout_seconds: float = 30.0
    total_seconds: float = 120.0
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    conflict: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(
            attempts=1000, first_wait_seconds=0.25, longest_wait_seconds=8.0, jitter=1.0
        )
    )
    writing: WritingLimits = field(default_factory=WritingLimits)
    now: Callable[[], float] = time.time
    monotonic: Clock = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to ask for.

    Attributes:
        asked: What it is, as a person would say it: it stands in errors.
        path: Below the repository, such as "git/blobs".
        method: As HTTP calls it.
        body: Sent as JSON.
        query: Added to the address.
        is_repeatable: Whether asking twice does no more than asking once. Objects are named by their content,
            so making one again makes nothing.
    """

    asked: str
    path: str
    method: Method = "GET"
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    query: Mapping[str, str] | None = None
    is_repeatable: bool = True


class GitHubConnection:
    """The way to one repository on GitHub; safe to share between threads.

    Nothing is open before the first request, nor after `close` until the next one.

    Args:
        api_url: Where the API answers.
        place: The repository and branch.
        token: A personal access token.
        limits: Timeouts, retries and pace.

    Raises:
        BadInputError: when the token cannot be one.
    """

    def __init__(self, api_url: str, place: Place, token: str, limits: GitHubLimits) -> None:
        self._api_url = httpx.URL(api_url if api_url.endswith("/") else f"{api_url}/")
        self._token = clean_token(
            token, setting="CPH50_GITHUB_TOKEN", remedy="Copy the personal access token from GitHub again"
        )
        self._limits = limits
        self._scope = DeadlineScope(limits.monotonic)
        self._pace = Pace(place, limits.writing, limits.now, limits.monotonic, limits.sleep)
        self._http: httpx.Client | None = None
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        self.place = place
        self.requests_made = 0

    def close(self) -> None:
        """Close the connections."""
        with self._counting:
            http, self._http = self._http, None
        if http is not None:
            http.close()

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound all that this thread asks inside by one deadline; an outer, earlier one still holds."""
        return self._scope.within(seconds)

    def deadline(self) -> Deadline:
        """By when this thread's work is to be done."""
        return self._scope.at_most(self._limits.total_seconds)

    def ask(self, question: Question, kind: TypeAdapter[T]) -> T:
        """The answer; what is transient is tried again within the deadline, where that is safe.

        Raises:
            TransientError: it did not answer, or limits us; `UnclearError` when it may have been carried out.
            RedoError: the branch has moved or an object is gone.
            PermanentError: access is refused, or something is not there.
            BadInputError: the answer is not GitHub's.
        """
        return self._trying(question, lambda reply: self._read(reply, question.asked, kind))

    def ask_page(self, question: Question, kind: TypeAdapter[T]) -> tuple[T, bool]:
        """A page of a list, and whether there is a next one; errors as of `ask`."""
        return self._trying(
            question,
            lambda reply: (
                self._read(reply, question.asked, kind),
                'rel="next"' in reply.headers.get("link", ""),
            ),
        )

    def _trying(self, question: Question, read: Callable[[Reply], T]) -> T:
        deadline = self.deadline()
        if not question.is_repeatable:
            return read(self._send(question, deadline))
        return retrying(
            lambda: read(self._send(question, deadline)), policy=self._limits.retry, deadline=deadline
        )

    def _send(self, question: Question, deadline: Deadline) -> Reply:
        """One request through the gate, and its successful reply."""
        is_writing = question.method != "GET"
        with self._writing if is_writing else nullcontext():
            self._pace.wait_for_turn(deadline, creates_content=is_writing)
            reply = self._exchange(question.method, self._address(question.path), question, deadline)
        if is_limit(reply):
            raise limited(self.place, self._pace.limited(reply))
        self._pace.succeeded(reply)
        if reply.is_redirect:
            raise moved(self.place, self._new_name(reply, deadline))
        if not reply.is_success:
            raise failure(reply, question.asked, self.place, self._token)
        return reply

    def _exchange(self, method: Method, url: str, question: Question, deadline: Deadline) -> Reply:
        with self._counting:
            self.requests_made += 1
            self._http = http = self._http or self._open()
        try:
            return exchange(
                http,
                method,
                url,
                headers={"authorization": f"Bearer {self._token}"},
                timeout_seconds=self._limits.timeout_seconds,
                deadline=deadline,
                now=self._limits.now,
                body=question.body,
                query=question.query,
            )
        except NoReplyError as error:
            raise no_answer(
                question.asked, error.how, self.place, is_unreachable=error.is_unreachable
            ) from None

    def _open(self) -> httpx.Client:
        return httpx.Client(
            follow_redirects=False,  # a redirect could carry the token to another host
            trust_env=not is_loopback(str(self._api_url)),  # no proxy reaches this machine's own loopback
            headers={
                "user-agent": "cph50-pipeline",
                "accept": "application/vnd.github+json",
                "x-github-api-version": API_VERSION,
            },
        )

    def _read(self, reply: Reply, asked: str, kind: TypeAdapter[T]) -> T:
        try:
            answer = parse_json(reply.body)
        except ValueError:
            raise broken_answer(asked, self.place) from None
        try:
            return kind.validate_python(answer)
        except ValidationError:
            raise unusable_answer(asked, self.place) from None

    def _new_name(self, reply: Reply, deadline: Deadline) -> str | None:
        """What the repository is called now, when this very host says so."""
        target = self._api_url.join(reply.headers.get("location", ""))
        marker = f"{self._api_url.path}repositories/"
        is_ours = (target.scheme, target.netloc) == (self._api_url.scheme, self._api_url.netloc)
        number = target.path.removeprefix(marker).partition("/")[0]
        if not (is_ours and target.path.startswith(marker) and number.isdigit()):
            return None
        question = Question("its new name", "")
        try:
            answer = self._exchange(
                "GET", str(self._api_url.join(f"repositories/{number}")), question, deadline
            )
        except TransientError:
            return None
        return _full_name(answer)

    def _address(self, path: str) -> str:
        repository = quote(self.place.repository, safe="/")
        return str(self._api_url.join(f"repos/{repository}/{path}" if path else f"repos/{repository}"))


def _full_name(reply: Reply) -> str | None:
    try:
        return RepositoryInfo.model_validate_json(reply.body).full_name if reply.is_success else None
    except ValidationError:
        return None
