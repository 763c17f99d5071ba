"""The simulator's session tokens (`coulomb_sess`): signed, so that any process knows one that another gave.

A token carries its generation and when it was issued. Expiring all tokens raises the generation that is still
accepted; the next login gives tokens of the new one.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from datetime import datetime
from urllib.parse import quote, unquote

_SUFFIX = "#D5#RNA-US"  # ChargePoint's tokens carry characters that must be quoted in a cookie


class Tokens:
    """Issues and checks tokens. Safe to use from several threads.

    Args:
        seed: What the signature is made from; equal seeds accept each other's tokens.
        lifetime_seconds: How long a token holds on the simulator's clock since it was issued; None for ever.
    """

    def __init__(self, seed: int, lifetime_seconds: float | None = None) -> None:
        self._key = f"simulated household {seed}".encode()
        self._lifetime_seconds = lifetime_seconds
        self._lock = threading.Lock()
        self._accepted_generation = 0
        self._issued_generation = 0

    def issue(self, now: datetime) -> str:
        """A new token, quoted as it stands in the cookie."""
        payload = f"{self._issued_generation}.{int(now.timestamp())}"
        return quote(f"{payload}.{self._signature(payload)}{_SUFFIX}", safe="")

    def accepts(self, token: str, now: datetime) -> bool:
        """Whether a token, quoted or not, is one of ours and has not expired."""
        generation, _, rest = unquote(token).removesuffix(_SUFFIX).partition(".")
        issued, _, signature = rest.partition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(f"{generation}.{issued}").encode()):
            return False
        age_seconds = now.timestamp() - int(issued)
        is_young = self._lifetime_seconds is None or age_seconds < self._lifetime_seconds
        return is_young and int(generation) >= self._accepted_generation

    def expire_all(self) -> None:
        """Refuse every token given so far."""
        with self._lock:
            self._accepted_generation += 1

    def login(self, now: datetime) -> str:
        """The token that a successful login gives."""
        with self._lock:
            self._issued_generation = self._accepted_generation
        return self.issue(now)

    def _signature(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), hashlib.sha256).hexdigest()[:32]
