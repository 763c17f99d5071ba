"""Rolling windows against sums over their days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import day_start, from_epoch_ms
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.events import EVENT_KINDS, Event
from cph50_pipeline.power.rollups import Rollup
from cph50_pipeline.power.windows import WINDOW_DAYS, windows
from cph50_pipeline_tests.unit.power.builders import PACIFIC, zones

FIRST_DAY = date(2025, 10, 20)  # with a day of 25 hours in the second week


def days_of(
    energies: list[float | None], shares: list[float], zone: Any = PACIFIC, first: date = FIRST_DAY
) -> Rollup:
    """Days with their energy; None where nothing is known."""
    start = day_start(first, zone)
    end = day_start(first + timedelta(days=len(energies)), zone)
    empty = Rollup.empty(edges("day", start, end, zone))
    energy = np.array([np.nan if kwh is None else kwh for kwh in energies])
    covered = np.where(np.isnan(energy), 0, np.rint(np.array(shares) * np.diff(empty.edges))).astype(np.int64)
    has_mean = covered > 0
    mean = np.divide(energy * 3.6e6, covered, out=np.full(len(energy), np.nan), where=has_mean)
    return empty.with_columns(
        slice(None),
        {
            "energy_kwh": energy,
            "covered_ms": covered,
            "mean": mean,
            "min": np.where(has_mean, mean / 2, np.nan),
            "max": np.where(has_mean, mean * 2, np.nan),
        },
    )


def event(start: datetime, seconds: float, kind: str = "outage") -> Event:
    end = start + timedelta(seconds=seconds)
    return Event(meter="home.power", kind=kind, start=start, end=end, duration_seconds=seconds)  # type: ignore[arg-type]


shares = st.floats(0.01, 1)
energies = st.none() | st.floats(-50, 200)
some_days = st.lists(st.tuples(energies, shares), min_size=10, max_size=60)


@given(some_days, zones, st.sampled_from([1, 2, 7]))
def test_a_window_is_the_sum_of_its_days(
    made: list[tuple[float | None, float]], zone: Any, length: int
) -> None:
    days = days_of([energy for energy, _ in made], [share for _, share in made], zone)
    found = windows(days, length, len(days) - length + 1)

    for number in range(len(found.end)):
        own = slice(number, number + length)
        covered = int(days.covered_ms[own].sum())
        time = int(days.edges[number + length] - days.edges[number])
        assert (found.start[number], found.end[number]) == (days.edges[number], days.edges[number + length])
        assert found.coverage[number] == pytest.approx(covered / time)
        if np.isnan(days.energy_kwh[own]).all():
            assert np.isnan([found.energy_kwh[number], found.mean[number], found.min[number]]).all()
            continue
        energy = float(np.nansum(days.energy_kwh[own]))
        assert found.energy_kwh[number] == pytest.approx(energy, abs=1e-8)
        assert found.mean[number] == pytest.approx(energy * 3.6e6 / covered, abs=1e-6)
        assert found.min[number] == np.nanmin(days.min[own])
        assert found.max[number] == np.nanmax(days.max[own])


@given(some_days, some_days)
def test_a_window_depends_on_its_own_days_to_the_last_bit(
    before: list[tuple[float | None, float]], made: list[tuple[float | None, float]]
) -> None:
    first = FIRST_DAY - timedelta(days=len(before))
    both = [*before, *made]
    alone = days_of([energy for energy, _ in made], [share for _, share in made])
    after = days_of([energy for energy, _ in both], [share for _, share in both], first=first)
    ends = len(made) - 6

    for name in ("start", "end", "mean", "min", "max", "energy_kwh", "coverage"):
        left, right = (getattr(windows(days, 7, ends), name) for days in (alone, after))
        assert np.array_equal(left, right, equal_nan=True)


def test_a_late_day_changes_the_windows_that_hold_it_and_no_others() -> None:
    known: list[float | None] = [0.1 * number for number in range(40)]
    before = windows(days_of([*known[:20], None, *known[21:]], [1.0] * 40), 7, 34)
    after = windows(days_of(known, [1.0] * 40), 7, 34)

    changed = np.flatnonzero(before.energy_kwh != after.energy_kwh) + 6
    assert changed.tolist() == [*range(20, 27)]


def test_days_of_which_nothing_is_known_lower_the_coverage_and_are_not_zero() -> None:
    found = windows(days_of([None] * 6 + [24.0], [1.0] * 7), 7, 1)

    assert found.coverage[0] == pytest.approx(1 / 7, abs=1e-3)
    assert (found.energy_kwh[0], found.min[0]) == (24.0, 0.5)


def test_the_windows_are_a_week_a_month_and_a_year() -> None:
    days = days_of([1.0] * 366, [1.0] * 366)

    assert [windows(days, length, 2).energy_kwh.tolist() for length in WINDOW_DAYS] == [
        [7.0, 7.0],
        [30.0, 30.0],
        [365.0, 365.0],
    ]


def test_too_few_days_are_refused() -> None:
    with pytest.raises(ValueError, match="need more than 7 days"):
        windows(days_of([1.0] * 7, [1.0] * 7), 7, 2)


def test_events_count_where_they_begin_and_last_where_they_are() -> None:
    midnight = day_start(FIRST_DAY + timedelta(days=3), PACIFIC)
    outage = event(midnight - timedelta(minutes=10), 1800)
    gap = event(midnight + timedelta(hours=5), 60, "gap")
    found = windows(days_of([1.0] * 5, [1.0] * 5), 2, 4, [gap, outage])

    assert found.event_count["outage"].tolist() == [0, 1, 1, 0]
    assert found.event_seconds["outage"].tolist() == [0, 600, 1800, 1200]
    assert found.event_count["gap"].tolist() == [0, 0, 1, 1]
    assert found.event_seconds["gap"].tolist() == [0, 0, 60, 60]


def test_without_events_every_kind_is_zero() -> None:
    found = windows(days_of([1.0] * 7, [1.0] * 7), 7, 1)

    assert {
        kind: (found.event_count[kind][0], found.event_seconds[kind][0]) for kind in EVENT_KINDS
    } == dict.fromkeys(EVENT_KINDS, (0, 0))


def test_ten_years_are_as_exact_as_one_day() -> None:
    days = days_of([33.3333333] * 3650, [1.0] * 3650, first=date(2015, 1, 1))

    assert windows(days, 365, 1).energy_kwh[0] == pytest.approx(365 * 33.3333333, abs=1e-7)
    assert from_epoch_ms(int(windows(days, 365, 1).end[0])) < datetime(2025, 1, 1, tzinfo=UTC)
