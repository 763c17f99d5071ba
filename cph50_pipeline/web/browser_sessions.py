"""What the sessions of browsers stand on: a secret of this household's own, and which of them were ended.

`private/web_sessions.json` holds both. The token's hash, which may lie in a file or an environment, signs nothing
without the secret; together they do, so that another token ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from pydantic import BaseModel

from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.state_file import StateFile

FILE = "web_sessions.json"
SESSION_DAYS = 30
SESSION_SECONDS = SESSION_DAYS * 86400
_SECRET_BYTES = 32
_LOCK_SECONDS = 5.0


class _Kept(BaseModel):
    """The file: the secret, and ended sessions by the hash of their ids with the Unix second of their end."""

    secret: str
    ended: dict[str, float] = {}


class BrowserSessions:
    """The household's, shared by all of its servers.

    Args:
        private_dir: The household's private folder.
    """

    def __init__(self, private_dir: Path) -> None:
        self._file = StateFile(private_dir / FILE, _Kept)
        # Browsers tell no ports apart: households on one host have cookies of their own names.
        self.cookie = f"cph50_session_{hashlib.sha256(str(private_dir.resolve()).encode()).hexdigest()[:8]}"

    def key(self, token_digest: str) -> str | None:
        """What sessions are signed with while this token holds; None while nobody ever signed in.

        Raises:
            Cph50Error: the file cannot be read.
        """
        kept = self._file.read()
        return None if kept is None else _key(kept.secret, token_digest)

    def begin(self, token_digest: str) -> str:
        """The key for a session that begins; the secret is made for the first of all.

        Raises:
            Cph50Error: the file cannot be written.
        """
        with self._file.locked(Deadline(_LOCK_SECONDS)):
            kept = self._file.read()
            if kept is None:
                kept = _Kept(secret=secrets.token_hex(_SECRET_BYTES))
                self._file.write(kept)
        return _key(kept.secret, token_digest)

    def has_ended(self, session_id: str) -> bool:
        """Whether somebody signed out of a session.

        Raises:
            Cph50Error: the file cannot be read.
        """
        kept = self._file.read()
        return kept is None or _hash(session_id) in kept.ended

    def end(self, session_id: str, now_seconds: float) -> None:
        """Let a session be none from now on.

        Raises:
            Cph50Error: the file cannot be written; the session goes on.
        """
        with self._file.locked(Deadline(_LOCK_SECONDS)):
            kept = self._file.read()
            if kept is not None:
                recent = {id_: at for id_, at in kept.ended.items() if at > now_seconds - SESSION_SECONDS}
                self._file.write(
                    kept.model_copy(update={"ended": {**recent, _hash(session_id): now_seconds}})
                )


def _key(secret: str, token_digest: str) -> str:
    return hmac.new(secret.encode(), token_digest.encode(), hashlib.sha256).hexdigest()


def _hash(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
