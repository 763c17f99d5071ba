"""An HTTP reply and what its failure means. How it was asked for is not known here.

No reply is ever quoted in an error: it may hold an account, a place or a token.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, NoReturn

from cph50_pipeline.errors import Cph50Error, NotFoundError, PermanentError, TransientError

UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
_TRANSIENT_STATUSES = frozenset({408, 425, 429})
_KEPT = "What is stored stays as it is"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        status: The HTTP status.
        content_type: As the server says, in lower case.
        body: The bytes, decompressed.
        set_cookies: The `Set-Cookie` headers.
        retry_after_seconds: How long the server asked us to wait, when it said so.
        date: The `Date` header, as sent.
    """

    status: int
    content_type: str
    body: bytes
    set_cookies: tuple[str, ...] = ()
    retry_after_seconds: float | None = None
    date: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_passing_failure(self) -> bool:
        """Whether the status says that it may succeed later."""
        return self.status in _TRANSIENT_STATUSES or self.status >= 500

    @property
    def is_bot_protection(self) -> bool:
        """Whether this is a challenge for browsers: a 403 that is a page, or JSON that names one."""
        if self.status != FORBIDDEN:
            return False
        if "html" in self.content_type or self.body.lstrip()[:1] == b"<":
            return True
        try:
            answer = json.loads(self.body)
        except (ValueError, RecursionError):
            return False
        return isinstance(answer, dict) and "url" in answer

    def cookies(self) -> dict[str, str]:
        """The cookies that are set, by name; an empty value means that the cookie is gone."""
        cookies: dict[str, str] = {}
        for header in self.set_cookies:
            for name, morsel in _parse_cookie(header).items():
                value = morsel.coded_value  # as it was sent: decoded it could break out of a header
                usable = value.isascii() and value.isprintable() and morsel["max-age"] != "0"
                cookies[name] = value if usable else ""
        return cookies

    def json(self, asked: str) -> Any:
        """The body as JSON.

        Raises:
            TransientError: when it is not JSON, or was cut short.
        """
        try:
            return parse_json(self.body)
        except ValueError:
            raise TransientError(
                f"ChargePoint's answer for {asked} is broken or cut short",
                kept=_KEPT,
                remedy="Try again later",
            ) from None

    def failure(self, asked: str) -> Cph50Error:
        """The error that this unsuccessful reply means; 401 and bot protection are dealt with before.

        Args:
            asked: What was asked for, as a person would say it.
        """
        what = f"ChargePoint answered {self.status} for {asked}"
        if self.is_passing_failure:
            return TransientError(
                what, kept=_KEPT, remedy="Try again later", retry_after_seconds=self.retry_after_seconds
            )
        if self.status == NOT_FOUND:
            return NotFoundError(
                f"ChargePoint does not know {asked}",
                kept=_KEPT,
                remedy="Check that it belongs to this account",
            )
        if 300 <= self.status < 400:
            return PermanentError(
                f"{what}: a redirect, not followed so that the token stays with ChargePoint",
                kept=_KEPT,
                remedy="Check CPH50_CHARGEPOINT_DISCOVERY_URL",
            )
        return PermanentError(
            what, kept=_KEPT, remedy="Check that this account may see it in ChargePoint's app"
        )


def parse_json(text: bytes | str) -> Any:
    """Text as JSON by the standard, which knows no NaN.

    Raises:
        ValueError: it is not JSON, or was cut short.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _parse_cookie(header: str) -> SimpleCookie:
    try:
        return SimpleCookie(header)
    except CookieError:
        return SimpleCookie()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
