"""The one retry policy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError, PermanentError, TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.http.retry import RetryPolicy, parse_retry_after, retrying

QUICK = RetryPolicy(attempts=4, first_wait_seconds=0.001, longest_wait_seconds=0.002)
NOW = datetime(2026, 1, 7, 6, 0, 0, tzinfo=UTC)


def failing(errors: list[Exception]) -> tuple[Callable[[], str], list[int]]:
    calls: list[int] = []

    def call() -> str:
        calls.append(1)
        if len(calls) <= len(errors):
            raise errors[len(calls) - 1]
        return "answered"

    return call, calls


def test_a_passing_failure_is_tried_again() -> None:
    call, calls = failing([TransientError("once"), TransientError("twice")])
    assert retrying(call, policy=QUICK, deadline=Deadline(60)) == "answered"
    assert len(calls) == 3


def test_the_last_error_is_raised_when_the_attempts_are_used_up() -> None:
    call, calls = failing([TransientError(str(number)) for number in range(9)])
    with pytest.raises(TransientError, match="3"):
        retrying(call, policy=QUICK, deadline=Deadline(60))
    assert len(calls) == 4


@pytest.mark.parametrize("error", [PermanentError("no"), BadInputError("no"), ValueError("no")])
def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    call, calls = failing([error])
    with pytest.raises(type(error)):
        retrying(call, policy=QUICK, deadline=Deadline(60))
    assert len(calls) == 1


def test_no_try_follows_when_its_wait_would_pass_the_deadline() -> None:
    call, calls = failing([TransientError("busy", retry_after_seconds=30)])
    with pytest.raises(TransientError) as caught:
        retrying(call, policy=QUICK, deadline=Deadline(20))
    assert caught.value.retry_after_seconds == 30
    assert len(calls) == 1


@given(st.integers(min_value=1, max_value=50))
def test_waits_double_up_to_the_longest_and_jitter_only_lengthens_them(failures: int) -> None:
    policy = RetryPolicy(first_wait_seconds=0.5, longest_wait_seconds=10, jitter=0.5)
    plain = min(10, 0.5 * 2 ** (failures - 1))
    assert plain <= policy.wait_seconds(failures) <= plain * 1.5


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("Wed, 07 Jan 2026 06:00:30 GMT", 30),
        ("Wed, 07 Jan 2026 05:00:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None) -> None:
    assert parse_retry_after(header, NOW) == seconds


class _WorthAnotherTryError(TransientError):
    """One kind of what may pass."""


def test_only_the_chosen_errors_are_tried_again() -> None:
    call, calls = failing([_WorthAnotherTryError("once"), TransientError("twice")])
    with pytest.raises(TransientError, match="twice"):
        retrying(call, policy=QUICK, deadline=Deadline(60), on=_WorthAnotherTryError)
    assert len(calls) == 2
