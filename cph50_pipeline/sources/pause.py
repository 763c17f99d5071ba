"""When ChargePoint has refused the household: no process asks again for a while.

Refusals are bot protection and a refused login. Asking on makes both worse, so each refusal in a row doubles
the pause. A person who changes the credentials ends it. How a refusal is recognised is not known here.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.state_file import StateFile

PAUSE_FILE = "chargepoint_pause.json"
FIRST_PAUSE_SECONDS = 900.0
LONGEST_PAUSE_SECONDS = 8 * 3600.0


class Refusal(StrEnum):
    """Why ChargePoint is not asked."""

    BOT_PROTECTION = "bot_protection"
    LOGIN = "login"


_MESSAGES = {
    Refusal.BOT_PROTECTION: "ChargePoint's bot protection refuses this household",
    Refusal.LOGIN: "ChargePoint refused the login",
}
_REMEDIES = {
    Refusal.BOT_PROTECTION: (
        "Log in with a browser on the same network, then set CPH50_CHARGEPOINT_TOKEN to its coulomb_sess "
        "cookie; a new token is tried at once"
    ),
    Refusal.LOGIN: (
        "Check CPH50_CHARGEPOINT_USERNAME and CPH50_CHARGEPOINT_PASSWORD, or set CPH50_CHARGEPOINT_TOKEN to"
        " the coulomb_sess cookie of a browser that is logged in; changed credentials are tried at once"
    ),
}


class _State(BaseModel):
    refusal: Refusal
    until: float  # Unix s
    in_a_row: int
    salt: str
    credentials: str  # a slow salted digest: tells whether they changed, not what they are


class Pause:
    """The pause that all processes keep.

    Args:
        state_dir: The private folder that all processes share.
        credentials: What the household logs in with; a change of it ends the pause.
        now: Unix time in seconds.
    """

    def __init__(self, state_dir: Path, *, credentials: str, now: Callable[[], float] = time.time) -> None:
        self._file = StateFile(state_dir / PAUSE_FILE, _State)
        self._credentials = credentials
        self._now = now

    def check(self) -> None:
        """Return when ChargePoint may be asked.

        Raises:
            PermanentError: while a pause lasts; says until when, and what ends it sooner.
        """
        state = self._mine()
        if state is not None and self._now() < state.until:
            raise _error(state)

    def begin(self, refusal: Refusal, deadline: Deadline) -> PermanentError:
        """Begin a pause, longer than the last one when nothing succeeded in between.

        Returns:
            The error to raise.
        """
        with self._file.locked(deadline):
            before = self._mine()
            in_a_row = before.in_a_row + 1 if before else 1
            length = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (in_a_row - 1))
            salt = before.salt if before else secrets.token_hex(16)
            state = _State(
                refusal=refusal,
                until=self._now() + length,
                in_a_row=in_a_row,
                salt=salt,
                credentials=self._digest(salt),
            )
            self._file.write(state)
        return _error(state)

    def forget(self) -> None:
        """ChargePoint answered: a pause that has run out is over, and the next one begins short again."""
        state = self._file.read()
        if state is not None and (
            state.until <= self._now() or state.credentials != self._digest(state.salt)
        ):
            self._file.remove()

    def _mine(self) -> _State | None:
        """The pause that was begun for these credentials."""
        state = self._file.read()
        return state if state is not None and state.credentials == self._digest(state.salt) else None

    def _digest(self, salt: str) -> str:
        return hashlib.scrypt(self._credentials.encode(), salt=salt.encode(), n=2**12, r=8, p=1).hex()


def _error(state: _State) -> PermanentError:
    until = datetime.fromtimestamp(state.until, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")
    return PermanentError(
        f"{_MESSAGES[state.refusal]}; no request is sent before {until}",
        kept="What is stored stays as it is",
        remedy=_REMEDIES[state.refusal],
    )
