"""Which form a list is given in."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.web.forms import Form, form_of
from cph50_pipeline.web.problems import ProblemError


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Form.JSON),
        ("", Form.JSON),
        ("*/*", Form.JSON),
        ("application/*", Form.JSON),
        ("text/*", Form.CSV),
        ("TEXT/CSV ; q=0.5", Form.CSV),
        ("application/json;q=0, */*", Form.CSV),
        ("application/x-parquet", Form.PARQUET),
        ("text/csv;q=0.4, application/vnd.apache.parquet;q=0.5", Form.PARQUET),
    ],
)
def test_accept_says_which_form_is_liked_best(accept: str | None, form: Form) -> None:
    assert form_of(None, accept) is form


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "text/csv;q=none", "image/*"])
def test_no_form_is_given_that_is_not_wanted(accept: str) -> None:
    with pytest.raises(ProblemError, match="None of the forms"):
        form_of(None, accept)


@given(st.text(max_size=200))
def test_a_suffix_goes_first_and_whatever_accept_says_is_read(accept: str) -> None:
    assert form_of(Form.CSV, accept) is Form.CSV
    with suppress(ProblemError):
        assert form_of(None, accept) in Form
