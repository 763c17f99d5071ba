"""What can be read of a reply."""

from __future__ import annotations

import pytest

from cph50_pipeline.http.reply import Reply, parse_json


def reply(status: int = 200, set_cookies: tuple[str, ...] = ()) -> Reply:
    return Reply(status=status, content_type="application/json", body=b"{}", set_cookies=set_cookies)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_failures_that_may_pass_are_told_from_others(status: int) -> None:
    assert reply(status).is_passing_failure


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 409, 422])
def test_success_and_what_needs_a_change_is_no_passing_failure(status: int) -> None:
    assert not reply(status).is_passing_failure
    assert reply(status).is_success is (status < 300)
    assert reply(status).is_redirect is (status == 301)


@pytest.mark.parametrize(
    "text", [b"", b"{", b'{"a": 1', b"<html>", b'{"a": NaN}', b'{"a": Infinity}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_json_by_the_standard_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        parse_json(text)


def test_cookies_are_taken_as_sent_and_deletions_are_empty() -> None:
    cookies = reply(
        set_cookies=(
            "coulomb_sess=a%23b; Path=/; Max-Age=7200; Domain=.elsewhere.example",
            "gone=x; Max-Age=0",
            'odd="a\\012b"',
            "no cookie at all",
        )
    ).cookies()
    assert cookies == {"coulomb_sess": "a%23b", "gone": "", "odd": '"a\\012b"'}
