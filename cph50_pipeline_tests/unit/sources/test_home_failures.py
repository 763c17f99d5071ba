"""What failures of Home Assistant mean, and that each says what to do."""

from __future__ import annotations

import pytest

from cph50_pipeline.errors import Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.exchange import UNTRUSTED
from cph50_pipeline.http.reply import Reply
from cph50_pipeline.sources.home_failures import failure, no_answer


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (301, PermanentError),
        (400, PermanentError),
        (403, PermanentError),
        (404, NotFoundError),
        (405, PermanentError),
        (408, TransientError),
        (429, TransientError),
        (500, TransientError),
        (504, TransientError),
    ],
)
def test_a_status_means_trying_again_or_changing_something(status: int, kind: type[Cph50Error]) -> None:
    error = failure(Reply(status, "", b"canary"), "the history of today")
    assert type(error) is kind
    assert error.kept
    assert error.remedy
    assert "the history of today" in error.message
    assert "canary" not in str(error)


def test_the_wait_that_was_asked_for_is_kept() -> None:
    error = failure(Reply(429, "", b"", retry_after_seconds=7), "a state")
    assert isinstance(error, TransientError)
    assert error.retry_after_seconds == 7


def test_a_certificate_that_nobody_trusts_is_a_persons_to_put_right() -> None:
    assert isinstance(no_answer("a state", "(no connection)"), TransientError)
    untrusted = no_answer("a state", UNTRUSTED)
    assert isinstance(untrusted, PermanentError)
    assert "SSL_CERT_FILE" in untrusted.remedy
