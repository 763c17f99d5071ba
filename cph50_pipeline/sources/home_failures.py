"""What a failure of Home Assistant means, and what a person can do about it.

No address, token or answer is ever quoted.
"""

from __future__ import annotations

from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.exchange import UNTRUSTED
from cph50_pipeline.http.reply import FORBIDDEN, NOT_FOUND, Reply

KEPT = "What is stored stays as it is, and what is missed is made up for later"
_CHECK_URL = "Check CPH50_HOME_ASSISTANT_URL: it is the address that a browser shows, such as http://homeassistant.local:8123"


def no_answer(asked: str, how: str) -> Cph50Error:
    """No whole reply came; `how` as `NoReplyError` says it."""
    what = f"Home Assistant did not answer for {asked} {how}"
    if how == UNTRUSTED:
        return PermanentError(
            what, kept=KEPT, remedy="Set SSL_CERT_FILE to the certificate of your own authority, or use http"
        )
    return TransientError(
        what,
        kept=KEPT,
        remedy=f"It is tried again; if it persists, see whether Home Assistant runs. {_CHECK_URL}",
    )


def broken_answer(asked: str) -> TransientError:
    """A reply came, and is not whole."""
    return TransientError(
        f"Home Assistant's answer for {asked} is broken or cut short", kept=KEPT, remedy="It is tried again"
    )


def unusable_answer(asked: str, why: str) -> BadInputError:
    """A reply came whole, and is not what Home Assistant answers."""
    return BadInputError(
        f"Home Assistant's answer for {asked} cannot be used: {why}", kept=KEPT, remedy=_CHECK_URL
    )


def refused_token() -> PermanentError:
    """The token is none, or none any more."""
    return PermanentError(
        "Home Assistant refused the token",
        kept=KEPT,
        remedy="Make a long-lived access token in your profile in Home Assistant, under Security, and set "
        "CPH50_HOME_ASSISTANT_TOKEN to it",
    )


def failure(reply: Reply, asked: str) -> Cph50Error:
    """The error that an unsuccessful reply means; a refused token is dealt with before."""
    what = f"Home Assistant answered {reply.status} for {asked}"
    if reply.is_passing_failure:
        return TransientError(
            what, kept=KEPT, remedy="It is tried again", retry_after_seconds=reply.retry_after_seconds
        )
    if reply.status == NOT_FOUND:
        return NotFoundError(f"Home Assistant does not know {asked}", kept=KEPT, remedy=_CHECK_URL)
    if reply.status == FORBIDDEN:
        return PermanentError(
            what,
            kept=KEPT,
            remedy="Home Assistant may have banned this machine after wrong tokens: see its ip_bans.yaml",
        )
    if reply.is_redirect:
        return PermanentError(
            f"{what}: a redirect, not followed so that the token stays with Home Assistant",
            kept=KEPT,
            remedy=_CHECK_URL,
        )
    return PermanentError(what, kept=KEPT, remedy=_CHECK_URL)
