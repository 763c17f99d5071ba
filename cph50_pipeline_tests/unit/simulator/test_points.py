from __future__ import annotations

from itertools import pairwise
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.simulator.points import Quirks, draw_quirks, kept_offsets

SEEDS = st.integers(0, 10**6)


@given(SEEDS, st.integers(60, 100_000))
def test_kept_points_are_in_order_few_and_end_with_the_session(seed: int, duration_seconds: int) -> None:
    draw = Random(seed)
    offsets = kept_offsets(duration_seconds, draw_quirks(draw, duration_seconds), draw)
    assert offsets == sorted(offsets)
    assert 2 <= len(offsets) <= 54
    assert offsets[-1] == offsets[-2] == duration_seconds


def test_a_long_faithful_curve_has_52_points() -> None:
    for hours in (1, 6, 14):
        assert len(kept_offsets(hours * 3600, Quirks(), Random(1))) == 52


def test_a_late_curve_begins_after_the_session() -> None:
    assert kept_offsets(6 * 3600, Quirks(late_seconds=5000), Random(1))[0] >= 5000


def test_a_curve_with_a_hole_misses_a_run_in_the_middle() -> None:
    whole = kept_offsets(6 * 3600, Quirks(), Random(1))
    holed = kept_offsets(6 * 3600, Quirks(has_hole=True), Random(1))
    gaps = sorted(later - earlier for earlier, later in pairwise(holed))
    assert len(holed) <= len(whole) - 3
    assert gaps[-1] > 3 * 420


def test_a_running_session_is_dense_at_its_start() -> None:
    assert [offset for offset in kept_offsets(6 * 3600, Quirks(), Random(1)) if offset < 300] == [
        0,
        7,
        22,
        94,
    ]
