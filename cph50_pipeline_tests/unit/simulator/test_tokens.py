from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.simulator.tokens import Tokens

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_token_is_accepted_quoted_and_unquoted_and_by_another_process() -> None:
    token = Tokens(seed=7).login(NOW)
    assert token != unquote(token)
    assert Tokens(seed=7).accepts(token, NOW)
    assert Tokens(seed=7).accepts(unquote(token), NOW)


def test_another_households_token_is_refused() -> None:
    assert not Tokens(seed=8).accepts(Tokens(seed=7).login(NOW), NOW)


def test_expired_tokens_are_refused_until_the_next_login() -> None:
    tokens = Tokens(seed=7)
    old = tokens.login(NOW)
    tokens.expire_all()
    assert not tokens.accepts(old, NOW)
    assert tokens.accepts(tokens.login(NOW), NOW)
    assert not tokens.accepts(old, NOW)


def test_a_token_holds_for_its_lifetime_unless_refreshed() -> None:
    tokens = Tokens(seed=7, lifetime_seconds=7200)
    token = tokens.login(NOW)
    assert tokens.accepts(token, NOW + timedelta(seconds=7199))
    assert not tokens.accepts(token, NOW + timedelta(seconds=7200))
    assert tokens.accepts(tokens.issue(NOW + timedelta(seconds=7000)), NOW + timedelta(seconds=9000))


@pytest.mark.parametrize("token", ["", ".", "0.1767225600.", "abc#D5#RNA-US", "0.x.y"])
def test_what_nobody_issued_is_refused(token: str) -> None:
    assert not Tokens(seed=7).accepts(token, NOW)


@given(st.text(max_size=60))
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert not Tokens(seed=7).accepts(text, NOW)
