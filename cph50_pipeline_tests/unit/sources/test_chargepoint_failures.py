"""What a reply of ChargePoint means."""

from __future__ import annotations

import pytest

from cph50_pipeline.errors import NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.reply import Reply
from cph50_pipeline.sources.chargepoint_failures import failure, is_bot_protection, read_json


def reply(
    status: int = 200, body: bytes = b"{}", content_type: str = "application/json", **more: object
) -> Reply:
    return Reply(status=status, content_type=content_type, body=body, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_failures_that_may_pass_are_transient_and_carry_the_wait(status: int) -> None:
    error = failure(reply(status, retry_after_seconds=7.0), "session 5")
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == 7.0
    assert f"{status} for session 5" in error.message


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 403, 405, 410, 422])
def test_failures_that_need_a_person_are_permanent(status: int) -> None:
    error = failure(reply(status), "session 5")
    assert isinstance(error, PermanentError)
    assert error.remedy


def test_what_does_not_exist_is_named() -> None:
    error = failure(reply(404), "session 5")
    assert isinstance(error, NotFoundError)
    assert "session 5" in error.message


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a": 1', b"<html>", b'{"a": NaN}', b'{"a": Infinity}', b"\xff", b"[" * 100_000]
)
def test_broken_json_is_transient_and_is_not_quoted(body: bytes) -> None:
    with pytest.raises(TransientError, match="session 5 is broken or cut short") as caught:
        read_json(reply(body=body), "session 5")
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (reply(403, b'{"url": "https://captcha.example"}'), True),
        (reply(403, b"<html></html>", "text/html; charset=utf-8"), True),
        (reply(403, b"\n <!doctype html>", ""), True),
        (reply(403, b'{"errorMessage": "Not your account"}'), False),
        (reply(403, b""), False),
        (reply(403, b'["url"]'), False),
        (reply(200, b'{"url": "https://captcha.example"}'), False),
    ],
)
def test_bot_protection_is_told_from_a_plain_refusal(one: Reply, expected: bool) -> None:
    assert is_bot_protection(one) is expected
