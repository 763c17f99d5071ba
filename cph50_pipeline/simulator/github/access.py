"""Who may do what: tokens, their scopes, and the repositories that they see."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

_READING = frozenset({"repo", "public_repo", "contents:read", "contents:write"})
_WRITING = frozenset({"repo", "public_repo", "contents:write"})
_WORKFLOWS = frozenset({"workflow", "workflows:write"})
_CLASSIC = frozenset({"repo", "public_repo", "workflow"})


@dataclass(frozen=True, slots=True)
class Access:
    """What a token lets its owner do.

    Attributes:
        scopes: Of a classic token `repo`, `public_repo`, `workflow`; of a fine-grained one `contents:read`,
            `contents:write`, `workflows:write`.
        repositories: As `owner/name`; None for all.
    """

    scopes: frozenset[str]
    repositories: frozenset[str] | None = None

    def may_see(self, repository: str, *, private: bool) -> bool:
        """Whether the repository exists for this token."""
        if not private:
            return True
        reads = bool(self.scopes & (_READING - {"public_repo"}))
        return reads and (self.repositories is None or repository in self.repositories)

    def may_write(self, repository: str, *, private: bool) -> bool:
        """Whether files, commits and branches may be written."""
        is_named = self.repositories is None or repository in self.repositories
        scopes = self.scopes & (_WRITING - {"public_repo"} if private else _WRITING)
        return is_named and bool(scopes)

    @property
    def may_change_workflows(self) -> bool:
        """Whether files below `.github/workflows` may be written, too."""
        return bool(self.scopes & _WORKFLOWS)

    @property
    def classic_scopes(self) -> str | None:
        """As the answer's header tells them; None for a fine-grained token, of which GitHub tells none."""
        return ", ".join(sorted(self.scopes)) if self.scopes <= _CLASSIC else None


NOBODY = Access(frozenset(), frozenset())


def bearer_token(authorization: str) -> str | None:
    """The token of an API request's header; None when it holds none."""
    kind, _, token = authorization.partition(" ")
    if kind.lower() in ("bearer", "token") and token:
        return token
    return basic_password(authorization)


def basic_password(authorization: str) -> str | None:
    """The token that git sends as a password; None when the header holds none."""
    kind, _, encoded = authorization.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[2] or None
