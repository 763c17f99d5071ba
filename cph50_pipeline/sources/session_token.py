"""The session token: kept in one private file, shared by all processes, renewed by one of them at a time.

Whether a token still holds is ChargePoint's to say; how a login is sent is the caller's.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

from pydantic import BaseModel

from cph50_pipeline.errors import BadInputError, PermanentError, TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.state_file import StateFile

logger = logging.getLogger(__name__)

TOKEN_FILE = "chargepoint_token.json"
TOKEN_COOKIE = "coulomb_sess"
_SAVE_WAIT_SECONDS = 1.0


class _Saved(BaseModel):
    account: str  # which account at which address: a token is never sent elsewhere
    token: str | None  # None: the last one has expired
    pasted: str | None  # digest of the pasted token that was taken last


class SessionToken:
    """The token of one account.

    Args:
        state_dir: The private folder that all processes share.
        account: Names the account and the address it belongs to.
        pasted: A token given by a person. It is taken once; then the saved one, which ChargePoint refreshes,
            is better, until another is pasted.

    Raises:
        BadInputError: when the pasted token cannot be one; it is not quoted.
    """

    def __init__(self, state_dir: Path, *, account: str, pasted: str | None) -> None:
        self._file = StateFile(state_dir / TOKEN_FILE, _Saved)
        self._account = account
        self._pasted = _read_pasted(pasted) if pasted and pasted.strip() else None
        self._token: str | None = None
        self._known_saved: str | None = None

    def current(self, deadline: Deadline) -> str | None:
        """The token to use, None when there is none that may still hold."""
        if self._token is None:
            with self._file.locked(deadline):
                saved = self._read()
                if self._pasted and (saved is None or saved.pasted != _digest(self._pasted)):
                    self._save(self._pasted)
                elif saved is not None and saved.token:
                    self._use(saved.token)
        return self._token

    def renew(self, expired: str | None, login: Callable[[], str] | None, deadline: Deadline) -> str:
        """A token other than the expired one: from another process that has renewed it, or by logging in.

        Args:
            expired: The token that was refused, None when there was none.
            login: Logs in and returns the new token; None when there is no password.
            deadline: How long may be waited for a process that is logging in.

        Raises:
            PermanentError: when there is no password to log in with.
        """
        with self._file.locked(deadline):
            saved = self._read()
            if saved is not None and saved.token and saved.token != expired:
                self._use(saved.token)
                return saved.token
            if login is None:
                self._save(None)
                raise self._needs_a_person(expired)
            token = login()
            self._save(token)
            return token

    def refreshed(self, token: str, deadline: Deadline) -> None:
        """Keep a token that came with an answer; the file is written only when it is another one."""
        self._token = token
        if token == self._known_saved:
            return
        try:
            with self._file.locked(deadline.at_most(_SAVE_WAIT_SECONDS)):
                self._save(token)
        except TransientError:
            # Another process is logging in and saves its own token. A good answer is not given up for this.
            logger.debug("The refreshed token is not saved yet; the next answer tries again")

    def _read(self) -> _Saved | None:
        saved = self._file.read()
        return saved if saved is not None and saved.account == self._account else None

    def _save(self, token: str | None) -> None:
        pasted = _digest(self._pasted) if self._pasted else None
        self._file.write(_Saved(account=self._account, token=token, pasted=pasted))
        self._use(token)

    def _use(self, token: str | None) -> None:
        self._token = self._known_saved = token

    def _needs_a_person(self, expired: str | None) -> PermanentError:
        had_one = expired is not None or self._pasted is not None
        return PermanentError(
            "ChargePoint's session token has expired and there is no password to log in with"
            if had_one
            else "There is neither a password nor a session token for ChargePoint",
            kept="What is stored stays as it is",
            remedy="Log in with a browser and paste a new one as CPH50_CHARGEPOINT_TOKEN (its coulomb_sess"
            " cookie), or set CPH50_CHARGEPOINT_PASSWORD",
        )


def clean_token(text: str) -> str | None:
    """A token as it is sent, from a cookie's value (browsers show it quoted); None when it cannot be one."""
    token = unquote(text.strip().strip('"').removeprefix(f"{TOKEN_COOKIE}="))
    # What is not allowed in a cookie or a header would also be quoted in an error of the HTTP library.
    if not token or any(not ("!" <= character <= "~") or character in '";,\\' for character in token):
        return None
    return token


def _read_pasted(text: str) -> str:
    token = clean_token(text)
    if token is None:
        raise BadInputError(
            "CPH50_CHARGEPOINT_TOKEN is not a session token",
            remedy="Paste the value of the coulomb_sess cookie alone",
        )
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
