"""Who may do what: reads are open on loopback; whatever changes something needs the token, and so does all elsewhere.

The token itself is stored nowhere: `private/api_token` holds its SHA-256. It is compared in constant time, and a client
that guesses is held up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import Annotated

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import ApiReads, Settings
from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.private import make_private_folder
from cph50_pipeline.web.browser_sessions import BrowserSessions
from cph50_pipeline.web.limits import RateLimiter
from cph50_pipeline.web.problems import ProblemError

TOKEN_FILE = "api_token"
TOKEN_PREFIX = "sha256:"
WRONG_TOKENS_PER_MINUTE = 10
_TOKEN_BYTES = 32
_MAX_TOKEN_LENGTH = 512
_ASK = {"WWW-Authenticate": 'Bearer realm="cph50", Basic realm="cph50", charset="UTF-8"'}
_BEARER = HTTPBearer(auto_error=False, description="The token that `cph50 token` printed")


def is_loopback(host: str) -> bool:
    """Whether a host that is listened on can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def make_token(private_dir: Path, *, replace: bool) -> str:
    """Make a token, keep its hash alone, and return it: it cannot be shown again.

    Raises:
        BadInputError: there is one, and it is not to be replaced.
    """
    path = make_private_folder(private_dir) / TOKEN_FILE
    if path.exists() and not replace:
        raise BadInputError(
            "There is an API token already, and only its hash is kept",
            kept="It is unchanged",
            remedy="`cph50 token --replace` makes another; the one before is refused from then on",
        )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    atomic_write(path, f"{TOKEN_PREFIX}{_digest(token)}\n".encode(), mode=0o600)
    return token


@dataclass
class Access:
    """What tells right tokens from wrong ones, for one server.

    Attributes:
        guards_reads: Whether reads need the token, too.
    """

    settings: Settings
    guards_reads: bool
    _wrong: RateLimiter
    _known: tuple[object, str | None] | None = None
    _lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, settings: Settings, clock: Callable[[], float] = monotonic) -> Access:
        """The access that settings ask for."""
        by_host = ApiReads.OPEN if is_loopback(settings.api_host) else ApiReads.TOKEN
        guards_reads = (settings.api_reads or by_host) is ApiReads.TOKEN
        return cls(settings, guards_reads, RateLimiter(WRONG_TOKENS_PER_MINUTE, clock))

    @property
    def has_token(self) -> bool:
        """Whether a token is set up.

        Raises:
            BadInputError: what is set up is not one.
        """
        return self._expected() is not None

    @cached_property
    def sessions(self) -> BrowserSessions:
        """The sessions of browsers."""
        return BrowserSessions(self.settings.private_dir)

    @property
    def token_digest(self) -> str | None:
        """The token's hash; None where no token is set up.

        Raises:
            Cph50Error: what is set up is not one, or cannot be read.
        """
        return self._expected()

    def check(self, given: str | None, client: str) -> None:
        """Let a request pass that brings the token.

        Args:
            given: What it brought.
            client: Who asks.

        Raises:
            ProblemError: 401 without the right token, 403 when none is set up, 429 after too many wrong ones.
        """
        wait = self._wrong.seconds_to_wait(client)
        if wait > 0:
            raise ProblemError(429, "Too many wrong tokens", headers={"Retry-After": str(int(wait) + 1)})
        try:
            expected = self._expected()
        except BadInputError as error:
            raise ProblemError.of(error, 403) from error
        if expected is None:
            raise ProblemError(403, "No API token is set up", remedy="`cph50 token` makes one, on the server")
        if given is None:
            raise ProblemError(401, "This needs the API token", headers=_ASK)
        if len(given) > _MAX_TOKEN_LENGTH or not hmac.compare_digest(_digest(given), expected):
            self._wrong.take(client)
            raise ProblemError(401, "The API token is wrong", headers=_ASK)

    def _expected(self) -> str | None:
        """The hash of the right token; a replaced file holds from the next request on."""
        if self.settings.api_token is not None:
            return _hash_in(self.settings.api_token.get_secret_value(), "CPH50_API_TOKEN", is_plain=True)
        path = self.settings.private_dir / TOKEN_FILE
        with self._lock:
            try:
                found = path.stat()
                stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
                if self._known is None or self._known[0] != stamp:
                    text = path.read_text("utf-8", "replace").strip()
                    self._known = (stamp, _hash_in(text, f"private/{TOKEN_FILE}", is_plain=False))
            except FileNotFoundError:
                return None
            except OSError as error:
                raise file_error(error, "read", str(path)) from error
            return self._known[1]


async def require_token(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
) -> None:
    """A route's dependency: it changes something, so the request needs `Authorization: Bearer TOKEN`.

    Raises:
        ProblemError: 401, 403 or 429.
    """
    access: Access = request.app.state.access
    access.check(None if credentials is None else credentials.credentials, client_of(request))


async def require_reader(request: Request) -> None:
    """A route's dependency: it reads, which needs the token only where others than this machine can reach it.

    A browser brings the session of somebody who signed in, or the token as the password of its own dialog; for changes
    the latter does not do, since it would bring it along wherever a foreign page sends it.

    Raises:
        ProblemError: 401, 403 or 429.
    """
    from cph50_pipeline.web.people import person_of

    access: Access = request.app.state.access
    if access.guards_reads and person_of(request) is None:
        access.check(_brought(request.headers.get("authorization", "")), client_of(request))


def client_of(request: Request) -> str:
    """Who asks, as far as limits and logs tell clients apart."""
    return request.client.host if request.client else "unknown"


def _brought(authorization: str) -> str | None:
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic" and len(value) <= 2 * _MAX_TOKEN_LENGTH:
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[2]
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _hash_in(text: str, name: str, *, is_plain: bool) -> str:
    if text.startswith(TOKEN_PREFIX):
        digest = text.removeprefix(TOKEN_PREFIX).strip().lower()
        if re.fullmatch(r"[0-9a-f]{64}", digest):
            return digest
    elif is_plain and text:
        return _digest(text)
    raise BadInputError(
        f"{name} holds no token and no hash of one", remedy="`cph50 token --replace` makes another"
    )
