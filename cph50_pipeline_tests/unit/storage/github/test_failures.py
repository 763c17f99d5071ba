"""What GitHub's replies mean to the person who reads the line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cph50_pipeline.errors import NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.exchange import UNTRUSTED
from cph50_pipeline.http.reply import Reply
from cph50_pipeline.storage.github.failures import (
    ConflictError,
    EmptyRepositoryError,
    MissingObjectError,
    UnclearError,
    failure,
    is_limit,
    limited,
    no_answer,
    said_in,
)
from cph50_pipeline.storage.github.model import Place

PLACE = Place("household/data", "main")
TOKEN = "ghp_canary"


def reply(status: int, message: str = "", headers: dict[str, str] | None = None, **more: Any) -> Reply:
    body = json.dumps({"message": message, "documentation_url": "https://docs.github.com", **more})
    sent = headers or {}
    wait = sent.get("retry-after")
    return Reply(
        status=status,
        content_type="application/json",
        body=body.encode(),
        headers=sent,
        retry_after_seconds=None if wait is None else float(wait),
    )


@pytest.mark.parametrize(
    "one",
    [
        reply(429, "You have exceeded a secondary rate limit"),
        reply(403, "API rate limit exceeded for user ID 1.", {"x-ratelimit-remaining": "0"}),
        reply(403, "You have exceeded a secondary rate limit. Please wait a few minutes"),
        reply(403, "You have triggered an abuse detection mechanism."),
        reply(403, "", {"retry-after": "30"}),
        reply(403, "", {"x-ratelimit-remaining": "0"}),
    ],
)
def test_a_limit_is_told_from_a_refusal(one: Reply) -> None:
    assert is_limit(one)


@pytest.mark.parametrize(
    "one",
    [
        reply(403, "Resource not accessible by personal access token", {"x-ratelimit-remaining": "4999"}),
        reply(403, "Repository was archived so is read-only."),
        reply(401, "Bad credentials", {"x-ratelimit-remaining": "0"}),
        reply(404, "Not Found", {"x-ratelimit-remaining": "0"}),
        reply(200, "rate limit"),
    ],
)
def test_a_refusal_is_no_limit(one: Reply) -> None:
    assert not is_limit(one)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (reply(401, "Bad credentials"), "wrong, expired or revoked"),
        (reply(403, "Resource not accessible by personal access token"), "Contents: read and write"),
        (reply(403, "Resource protected by organization SAML enforcement."), "single sign-on"),
        (reply(403, "", {"x-github-sso": "required; url=https://github.com"}), "single sign-on"),
        (reply(403, "Repository was archived so is read-only."), "unarchive"),
        (reply(404, "Not Found"), "Check CPH50_GITHUB_REPOSITORY"),
        (reply(422, "Changes must be made through a pull request."), "is protected"),
        (reply(409, "Repository rule violations found"), "is protected"),
        (reply(422, "Cannot update this protected ref."), "is protected"),
        (
            reply(403, "refusing to allow an app to create or update workflow `x.yml`"),
            "Workflows: read and write",
        ),
        (reply(422, "Sorry, your input was too large to process."), "smaller"),
        (reply(422, "Validation Failed", errors=[{"resource": "Blob", "code": "too_large"}]), "smaller"),
        (reply(413, ""), "smaller"),
        (reply(422, "Validation Failed"), "CPH50_GITHUB_REPOSITORY"),
        (reply(400, "Problems parsing JSON"), "CPH50_GITHUB_REPOSITORY"),
    ],
)
def test_what_a_person_must_change_is_permanent_and_says_what_to_do(one: Reply, said: str) -> None:
    error = failure(one, "moving the branch main", PLACE, TOKEN)
    assert isinstance(error, PermanentError)
    assert said in str(error)
    assert "household/data" in str(error)
    assert "The files are safe in the data root" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    "one",
    [
        reply(422, "Update is not a fast forward"),
        reply(422, "Reference does not exist"),
        reply(422, "Reference already exists"),
        reply(422, 'Invalid request.\n\n"sha" wasn\'t supplied.'),
        reply(409, "a.json does not match 4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
        reply(409, "is at 1234 but expected 5678"),
        reply(409, "Conflict"),
        reply(409, ""),
    ],
)
def test_a_branch_that_moved_is_a_conflict(one: Reply) -> None:
    assert isinstance(failure(one, "moving the branch main", PLACE, TOKEN), ConflictError)


@pytest.mark.parametrize(
    "message",
    [
        "Tree SHA does not exist",
        "Object does not exist",
        "tree.sha 1234 is not a valid blob",
        "GitRPC::BadObjectState",
    ],
)
def test_an_object_that_github_does_not_have_is_stored_anew(message: str) -> None:
    assert isinstance(failure(reply(422, message), "storing the folders", PLACE, TOKEN), MissingObjectError)


def test_an_empty_repository_is_told_from_a_conflict() -> None:
    error = failure(reply(409, "Git Repository is empty."), "the branch main", PLACE, TOKEN)
    assert isinstance(error, EmptyRepositoryError)


def test_a_commit_that_there_is_none_of_is_not_found() -> None:
    error = failure(reply(422, "No commit found for SHA: 1234567"), "the commit 1234567", PLACE, TOKEN)
    assert isinstance(error, NotFoundError)


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_failure_of_the_server_may_have_done_the_work(status: int) -> None:
    error = failure(reply(status, "Server Error", {"retry-after": "7"}), "storing a commit", PLACE, TOKEN)
    assert isinstance(error, UnclearError)
    assert error.retry_after_seconds == 7


def test_no_connection_is_clear_and_a_cut_one_is_not() -> None:
    unreachable = no_answer("storing a commit", "(no connection)", PLACE, is_unreachable=True)
    cut = no_answer("storing a commit", "(ReadError)", PLACE, is_unreachable=False)
    assert isinstance(unreachable, TransientError)
    assert not isinstance(unreachable, UnclearError)
    assert isinstance(cut, UnclearError)


def test_a_certificate_that_is_not_trusted_needs_a_person() -> None:
    error = no_answer("the branch main", UNTRUSTED, PLACE, is_unreachable=True)
    assert isinstance(error, PermanentError)
    assert "SSL_CERT_FILE" in str(error)


def test_a_limit_says_how_long_it_lasts() -> None:
    error = limited(PLACE, 61.4)
    assert error.retry_after_seconds == 61.4
    assert "another 61 s" in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 418, 422, 500])
def test_a_token_that_a_reply_should_quote_is_masked(status: int) -> None:
    error = failure(reply(status, f"no good: {TOKEN}"), "storing a commit", PLACE, TOKEN)
    assert TOKEN not in str(error)
    assert TOKEN not in repr(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"text"', b'{"message": 5, "errors": 7}', b"\xff"])
def test_a_reply_that_is_not_githubs_says_nothing(body: bytes) -> None:
    assert said_in(Reply(status=500, content_type="text/html", body=body), TOKEN) == ""


def test_a_long_message_is_cut_to_one_short_line() -> None:
    said = said_in(reply(422, "word\n\n " * 200), TOKEN)
    assert "\n" not in said
    assert len(said) <= 200
