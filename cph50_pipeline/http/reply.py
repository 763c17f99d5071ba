"""An HTTP reply. How it was asked for, and what its failure means to a client, is not known here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, NoReturn

UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
_TRANSIENT_STATUSES = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        status: The HTTP status.
        content_type: As the server says, in lower case.
        body: The bytes, decompressed.
        set_cookies: The `Set-Cookie` headers.
        retry_after_seconds: How long the server asked us to wait, when it said so.
        headers: All other headers, by their names in lower case.
    """

    status: int
    content_type: str
    body: bytes
    set_cookies: tuple[str, ...] = ()
    retry_after_seconds: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Whether the status is 3xx."""
        return 300 <= self.status < 400

    @property
    def is_passing_failure(self) -> bool:
        """Whether the status says that it may succeed later."""
        return self.status in _TRANSIENT_STATUSES or self.status >= 500

    def cookies(self) -> dict[str, str]:
        """The cookies that are set, by name; an empty value means that the cookie is gone."""
        cookies: dict[str, str] = {}
        for header in self.set_cookies:
            for name, morsel in _parse_cookie(header).items():
                value = morsel.coded_value  # as it was sent: decoded it could break out of a header
                usable = value.isascii() and value.isprintable() and morsel["max-age"] != "0"
                cookies[name] = value if usable else ""
        return cookies


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
