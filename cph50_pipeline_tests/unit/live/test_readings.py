from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cph50_pipeline.live.model import Reading
from cph50_pipeline.live.readings import FUTURE_TOLERANCE, trouble_of

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
FUEL = Reading("truck-7", "fuel", 1.0, "l", NOW)


@pytest.mark.parametrize("value", [0, 0.0, -5, False, True, "0", "idle", " x "])
def test_whatever_says_something_can_be_kept(value: Any) -> None:
    assert trouble_of(replace(FUEL, value=value), NOW) is None


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (None, "neither number, text nor boolean"),
        ([1], "neither number, text nor boolean"),
        (float("nan"), "no number that can be kept"),
        (float("-inf"), "no number that can be kept"),
        (10**400, "no number that can be kept"),
        ("", "nothing"),
        (" \n", "nothing"),
        ("\0", "no database keeps"),
        ("\udcff", "no database keeps"),
    ],
)
def test_what_says_nothing_cannot_be_kept_and_the_line_names_the_sensor(value: Any, why: str) -> None:
    trouble = trouble_of(replace(FUEL, value=value), NOW)
    assert trouble is not None
    assert trouble.startswith("'fuel' ")
    assert why in trouble
    assert "\n" not in trouble
    assert len(trouble) < 100


def test_a_clock_may_be_a_little_ahead() -> None:
    assert trouble_of(replace(FUEL, at=NOW + FUTURE_TOLERANCE), NOW) is None
    ahead = replace(FUEL, at=NOW + FUTURE_TOLERANCE + timedelta(seconds=1))
    assert "in the future" in str(trouble_of(ahead, NOW))


def test_a_time_without_an_offset_is_no_time() -> None:
    assert "without an offset" in str(trouble_of(replace(FUEL, at=datetime(2026, 1, 7)), NOW))
