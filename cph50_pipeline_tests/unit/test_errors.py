"""What an error says, and which kind it is."""

from __future__ import annotations

import pytest

from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, PermanentError, TransientError


def test_an_error_says_what_happened_what_was_kept_and_what_to_do() -> None:
    error = PermanentError(
        "Month 2026-01 is damaged", kept="Nothing was changed", remedy="Restore it from git"
    )
    assert str(error) == "Month 2026-01 is damaged. Nothing was changed. Restore it from git."


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"kept": "All is kept"}, "It failed. All is kept."),
        ({"remedy": "Try again"}, "It failed. Try again."),
        ({}, "It failed."),
    ],
)
def test_parts_that_are_not_given_leave_no_trace(parts: dict[str, str], sentence: str) -> None:
    assert str(Cph50Error("It failed", **parts)) == sentence


def test_a_part_that_is_a_sentence_already_gets_no_second_full_stop() -> None:
    assert str(BadInputError("It failed.", remedy="Try again.")) == "It failed. Try again."


def test_each_part_can_be_read_alone() -> None:
    error = TransientError("It failed", kept="All is kept", remedy="Try again", retry_after_seconds=7)
    assert (error.message, error.kept, error.remedy) == ("It failed", "All is kept", "Try again")
    assert error.retry_after_seconds == 7


def test_a_source_that_does_not_say_when_to_come_back_leaves_that_open() -> None:
    assert TransientError("It failed").retry_after_seconds is None


@pytest.mark.parametrize("kind", [TransientError, PermanentError, BadInputError])
def test_every_kind_can_be_caught_as_one(kind: type[Cph50Error]) -> None:
    with pytest.raises(Cph50Error):
        raise kind("It failed")


def test_only_what_may_pass_is_transient() -> None:
    assert not issubclass(PermanentError, TransientError)
    assert not issubclass(BadInputError, TransientError)
    assert issubclass(NotFoundError, PermanentError)
