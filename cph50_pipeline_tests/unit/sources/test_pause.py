"""After a refusal nobody asks for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.pause import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Pause, Refusal


class FakeTime:
    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> FakeTime:
    return FakeTime()


def pause(folder: Path, clock: FakeTime, credentials: str = "me\nsecret\n") -> Pause:
    return Pause(folder, credentials=credentials, now=clock.now)


def begin(folder: Path, clock: FakeTime, refusal: Refusal = Refusal.BOT_PROTECTION) -> PermanentError:
    return pause(folder, clock).begin(refusal, Deadline(5))


def is_on(folder: Path, clock: FakeTime) -> bool:
    try:
        pause(folder, clock).check()
    except PermanentError:
        return True
    return False


def test_without_a_refusal_nothing_is_held_back(tmp_path: Path, clock: FakeTime) -> None:
    assert not is_on(tmp_path, clock)


def test_a_refusal_holds_everybody_back_for_a_quarter_of_an_hour(tmp_path: Path, clock: FakeTime) -> None:
    begin(tmp_path, clock)
    clock.seconds += FIRST_PAUSE_SECONDS - 1
    assert is_on(tmp_path, clock)
    clock.seconds += 1
    assert not is_on(tmp_path, clock)


def test_each_refusal_in_a_row_doubles_the_pause_up_to_eight_hours(tmp_path: Path, clock: FakeTime) -> None:
    for length in (900, 1800, 3600, 7200, 14400, 28800, LONGEST_PAUSE_SECONDS):
        begin(tmp_path, clock)
        clock.seconds += length - 1
        assert is_on(tmp_path, clock)
        clock.seconds += 1
        assert not is_on(tmp_path, clock)


def test_an_answer_in_between_makes_the_next_pause_short_again(tmp_path: Path, clock: FakeTime) -> None:
    begin(tmp_path, clock)
    clock.seconds += FIRST_PAUSE_SECONDS
    pause(tmp_path, clock).forget()
    begin(tmp_path, clock)
    clock.seconds += FIRST_PAUSE_SECONDS
    assert not is_on(tmp_path, clock)


def test_an_answer_that_was_under_way_does_not_end_a_pause(tmp_path: Path, clock: FakeTime) -> None:
    begin(tmp_path, clock)
    pause(tmp_path, clock).forget()
    assert is_on(tmp_path, clock)


def test_changed_credentials_are_tried_at_once(tmp_path: Path, clock: FakeTime) -> None:
    begin(tmp_path, clock, Refusal.LOGIN)
    changed = pause(tmp_path, clock, "me\nanother\n")
    changed.check()
    changed.forget()
    assert not is_on(tmp_path, clock)


@pytest.mark.parametrize(
    ("refusal", "setting"),
    [(Refusal.BOT_PROTECTION, "CPH50_CHARGEPOINT_TOKEN"), (Refusal.LOGIN, "CPH50_CHARGEPOINT_PASSWORD")],
)
def test_the_error_says_until_when_and_what_to_change(
    tmp_path: Path, clock: FakeTime, refusal: Refusal, setting: str
) -> None:
    error = begin(tmp_path, clock, refusal)
    assert "2023-11-14 22:28 UTC" in error.message
    assert setting in error.remedy
    with pytest.raises(PermanentError) as caught:
        pause(tmp_path, clock).check()
    assert str(caught.value) == str(error)


def test_the_credentials_are_not_in_the_file(tmp_path: Path, clock: FakeTime) -> None:
    begin(tmp_path, clock)
    assert "secret" not in (tmp_path / "chargepoint_pause.json").read_text()
