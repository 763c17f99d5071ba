"""Tokens that travel in a header."""

from __future__ import annotations

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.http.bearer import clean_token


def test_white_space_around_a_pasted_token_is_dropped() -> None:
    assert clean_token("  ghp_abc\n", setting="X_TOKEN", remedy="Copy it again") == "ghp_abc"


@pytest.mark.parametrize("token", ["", " ", "two words", "line\nbreak", "carriage\rreturn", "öd", "nul\0"])
def test_what_could_break_out_of_a_header_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(BadInputError, match="X_TOKEN") as caught:
        clean_token(token, setting="X_TOKEN", remedy="Copy it again")
    assert not token.strip() or token not in str(caught.value)
