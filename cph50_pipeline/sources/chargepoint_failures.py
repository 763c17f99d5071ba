"""What a failure of ChargePoint means, and what a person can do about it.

No reply is ever quoted in an error: it may hold an account, a place or a token.
"""

from __future__ import annotations

from typing import Any

from cph50_pipeline.errors import Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.reply import FORBIDDEN, NOT_FOUND, Reply, parse_json

_KEPT = "What is stored stays as it is"


def no_answer(asked: str, how: str) -> TransientError:
    """No whole reply came; `how` as `NoReplyError` says it."""
    return TransientError(
        f"ChargePoint did not answer for {asked} {how}",
        kept=_KEPT,
        remedy="Check this machine's network; it is tried again",
    )


def read_json(reply: Reply, asked: str) -> Any:
    """The body of a reply as JSON.

    Raises:
        TransientError: when it is not JSON, or was cut short.
    """
    try:
        return parse_json(reply.body)
    except ValueError:
        raise TransientError(
            f"ChargePoint's answer for {asked} is broken or cut short", kept=_KEPT, remedy="Try again later"
        ) from None


def is_bot_protection(reply: Reply) -> bool:
    """Whether this is a challenge for browsers: a 403 that is a page, or JSON that names one."""
    if reply.status != FORBIDDEN:
        return False
    if "html" in reply.content_type or reply.body.lstrip()[:1] == b"<":
        return True
    try:
        answer = parse_json(reply.body)
    except ValueError:
        return False
    return isinstance(answer, dict) and "url" in answer


def failure(reply: Reply, asked: str) -> Cph50Error:
    """The error that an unsuccessful reply means; 401 and bot protection are dealt with before.

    Args:
        asked: What was asked for, as a person would say it.
    """
    what = f"ChargePoint answered {reply.status} for {asked}"
    if reply.is_passing_failure:
        return TransientError(
            what, kept=_KEPT, remedy="Try again later", retry_after_seconds=reply.retry_after_seconds
        )
    if reply.status == NOT_FOUND:
        return NotFoundError(
            f"ChargePoint does not know {asked}", kept=_KEPT, remedy="Check that it belongs to this account"
        )
    if reply.is_redirect:
        return PermanentError(
            f"{what}: a redirect, not followed so that the token stays with ChargePoint",
            kept=_KEPT,
            remedy="Check CPH50_CHARGEPOINT_DISCOVERY_URL",
        )
    return PermanentError(what, kept=_KEPT, remedy="Check that this account may see it in ChargePoint's app")
