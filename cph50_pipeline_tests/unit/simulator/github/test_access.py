"""Tokens of the simulated GitHub: how they are sent, and what they open."""

from __future__ import annotations

import base64

import pytest

from cph50_pipeline.simulator.github.access import NOBODY, Access, basic_password, bearer_token

BASIC = "Basic " + base64.b64encode(b"x-access-token:one:two").decode()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer one", "one"),
        ("token one", "one"),
        (BASIC, "one:two"),
        ("", None),
        ("Bearer ", None),
        ("Basic ?", None),
        ("Basic " + base64.b64encode(b"nobody").decode(), None),
        ("Digest one", None),
    ],
)
def test_a_token_is_found_however_it_is_sent(header: str, token: str | None) -> None:
    assert bearer_token(header) == token


def test_git_sends_its_token_as_a_password_only() -> None:
    assert basic_password(BASIC) == "one:two"
    assert basic_password("Bearer one") is None


def test_nobody_sees_what_is_public_and_writes_nothing() -> None:
    assert NOBODY.may_see("a/b", private=False)
    assert not NOBODY.may_see("a/b", private=True)
    assert not NOBODY.may_write("a/b", private=False)
    assert not NOBODY.may_change_workflows


@pytest.mark.parametrize(
    ("scopes", "shown"),
    [({"repo", "workflow"}, "repo, workflow"), (set(), ""), ({"contents:write"}, None)],
)
def test_scopes_of_classic_tokens_alone_are_told(scopes: set[str], shown: str | None) -> None:
    assert Access(frozenset(scopes)).classic_scopes == shown
