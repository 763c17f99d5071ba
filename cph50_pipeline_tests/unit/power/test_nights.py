"""Nights, beside the rules of the programs before: where these lose a day, nothing is lost here.

The rules: a collector that clears its file with the first sample of a new day; hourly means of what is in that file,
appended to a week at 00:02, and daily means, appended to a month at 00:05. Values are rounded to two digits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import day_start
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.power.data_points import RollingFile, daily, rolling, rolling_edges
from cph50_pipeline.power.events import events_of
from cph50_pipeline.power.readings import Readings, collect, merge
from cph50_pipeline.power.rollups import Rollup, coarsen, rollup
from cph50_pipeline.power.states import mark_states
from cph50_pipeline_tests.unit.power.builders import PACIFIC, config, gauge

HOME = config(
    home_power=gauge(mains=True, outage_after_seconds=900, frozen_after_seconds=7200, range=(0, 50))
)
METER = HOME.meters["home.power"]
FIRST = datetime(2026, 1, 5, tzinfo=PACIFIC).date()
DAYS = 3
LAST = FIRST + timedelta(days=DAYS - 1)
BEGIN, END = day_start(FIRST, PACIFIC), day_start(LAST + timedelta(days=1), PACIFIC)
TEN_MINUTES = timedelta(minutes=10)

Sample = tuple[datetime, float]


def clean_samples() -> list[Sample]:
    """Every 10 minutes, the first of the day after included, which ends what the last one stood for."""
    count = (END - BEGIN) // TEN_MINUTES
    return [
        (BEGIN + number * TEN_MINUTES, round(0.4 + number * 37 % 101 / 25, 3)) for number in range(count + 1)
    ]


@dataclass
class FormerRules:
    """What the programs before did, in the order of their clock.

    Attributes:
        aggregate_at: How long after midnight their nightly jobs ran; before it, were they to lose nothing.
    """

    aggregate_at: timedelta
    daily: list[Sample] = field(default_factory=list)
    weekly: dict[str, float] = field(default_factory=dict)
    monthly: dict[str, float] = field(default_factory=dict)

    def run(self, samples: list[Sample]) -> None:
        for at, value, job in sorted(self._happenings(samples), key=lambda one: one[0]):
            if job is None:
                self._collect(at, value)
            else:
                job()

    def _happenings(
        self, samples: list[Sample]
    ) -> Iterator[tuple[datetime, float, Callable[[], None] | None]]:
        yield from ((at, value, None) for at, value in samples)
        yield from (
            (day_start(FIRST + timedelta(days=day), PACIFIC) + self.aggregate_at, 0.0, self._aggregate)
            for day in range(1, DAYS + 1)
        )

    def _collect(self, at: datetime, value: float) -> None:
        if self.daily and _day(self.daily[0][0]) != _day(at):
            self.daily.clear()
        self.daily.append((at, value))

    def _aggregate(self) -> None:
        today = _day(self.daily[-1][0])
        yesterday = [
            (at, value) for at, value in self.daily if _day(at) != today or self.aggregate_at < timedelta()
        ]
        self.weekly |= _means(yesterday, "%Y-%m-%dT%H")
        self.monthly |= _means(yesterday, "%Y-%m-%d")


def _day(at: datetime) -> str:
    return at.astimezone(PACIFIC).strftime("%Y-%m-%d")


def _means(samples: list[Sample], by: str) -> dict[str, float]:
    groups = defaultdict(list)
    for at, value in samples:
        groups[at.astimezone(PACIFIC).strftime(by)].append(value)
    return {period: round(fmean(values), 2) for period, values in groups.items()}


def files_of(readings: Readings, base: Rollup) -> dict[str, Any]:
    """The rolling files and the last day's, from what is stored."""
    events = events_of(readings, HOME)
    rollups = {
        file: {"home.power": coarsen(base, _within(rolling_edges(file, LAST, PACIFIC)))} for file in FILES
    }
    files = {file: rolling(rollups[file], events, HOME, "home.power", PACIFIC) for file in FILES}
    return {**files, "daily": daily(readings, events, HOME, "home.power", LAST, PACIFIC)}


FILES: tuple[RollingFile, ...] = ("weekly", "monthly", "yearly")


def _within(wanted: Any) -> Any:
    bounds = edges("day", BEGIN, END, PACIFIC)
    return wanted[(wanted >= bounds[0]) & (wanted <= bounds[-1])]


def whole(readings: Readings) -> dict[str, Any]:
    """The files when everything is made at once."""
    marked = mark_states(readings, HOME)
    return files_of(marked, rollup(marked["home.power"], METER, edges("5min", BEGIN, END, PACIFIC)))


def step_by_step(arrivals: list[Readings]) -> dict[str, Any]:
    """The files when readings arrive in parts, each of which is marked and stored before the next."""
    stored = Readings.of({})
    for arrived in arrivals:
        stored = mark_states(merge(stored, arrived), HOME)
    return files_of(stored, rollup(stored["home.power"], METER, edges("5min", BEGIN, END, PACIFIC)))


def taken_in(samples: list[Sample]) -> Readings:
    return collect(("home.power", at, value) for at, value in samples)


def by_period(document: dict[str, Any], length: int) -> dict[str, float]:
    return {point["timestamp"][:length]: round(point["power"], 2) for point in document["data_points"]}


def test_on_clean_data_the_values_are_those_of_the_former_rules() -> None:
    former = FormerRules(aggregate_at=-timedelta(minutes=1))
    former.run(clean_samples())
    found = whole(taken_in(clean_samples()))

    assert len(former.weekly) == 24 * DAYS
    assert by_period(found["weekly"], 13) == pytest.approx(former.weekly, abs=0.0101)
    assert (
        by_period(found["monthly"], 10)
        == by_period(found["yearly"], 10)
        == pytest.approx(former.monthly, abs=0.0101)
    )


def test_what_the_former_rules_lose_at_midnight_is_not_lost() -> None:
    former = FormerRules(aggregate_at=timedelta(minutes=2))
    former.run(clean_samples())
    found = whole(taken_in(clean_samples()))

    assert former.weekly == former.monthly == {}  # cleared at 00:00, two minutes before it is asked for
    assert len(found["weekly"]["data_points"]) == 24 * DAYS
    assert {point["coverage"] for point in found["monthly"]["data_points"]} == {1.0}


def test_energy_is_the_same_in_each_file() -> None:
    found = whole(taken_in(clean_samples()))
    per_day = [sum(point["energy_kwh"] for point in found[file]["data_points"]) for file in FILES]

    assert per_day == pytest.approx([sum(value for _, value in clean_samples()[:-1]) / 6] * 3, abs=1e-4)
    last_day = sum(point["energy_kwh"] for point in found["daily"]["data_points"])
    assert last_day == pytest.approx(found["monthly"]["data_points"][-1]["energy_kwh"], abs=1e-4)


disturbances = st.lists(
    st.tuples(st.integers(0, len(clean_samples()) - 1), st.integers(1, 60)), min_size=1, max_size=6
)


@given(disturbances, st.randoms(use_true_random=False))
def test_caught_up_in_any_order_the_files_are_those_of_an_undisturbed_run(
    cuts: list[tuple[int, int]], random: Any
) -> None:
    samples = clean_samples()
    late = [samples[first : first + count] for first, count in cuts]
    on_time = [sample for sample in samples if not any(sample in part for part in late)]
    arrivals = [on_time, *late, *late[:1]]
    random.shuffle(arrivals)

    assert step_by_step([taken_in(part) for part in arrivals]) == whole(taken_in(samples))


@given(disturbances)
def test_what_never_came_only_lowers_the_coverage(cuts: list[tuple[int, int]]) -> None:
    samples = clean_samples()
    lost = {at for first, count in cuts for at, _ in samples[first : first + count]} - {samples[-1][0]}
    kept = [*(sample for sample in samples[:-1] if sample[0] not in lost), samples[-1]]
    found, undisturbed = (
        {point["timestamp"]: point for point in whole(taken_in(part))["weekly"]["data_points"]}
        for part in (kept, samples)
    )

    for timestamp, point in found.items():
        assert point["coverage"] <= undisturbed[timestamp]["coverage"]
        if all(_hour(at) != timestamp[:13] for at in lost):
            assert point == undisturbed[timestamp]


def _hour(at: datetime) -> str:
    return at.astimezone(PACIFIC).strftime("%Y-%m-%dT%H")


def test_a_night_in_which_the_collector_was_dead_is_whole_once_it_caught_up() -> None:
    samples = clean_samples()
    midnight = day_start(LAST, PACIFIC)
    dead = [
        (at, value)
        for at, value in samples
        if midnight - timedelta(minutes=10) <= at < midnight + timedelta(minutes=30)
    ]
    before = [sample for sample in samples if sample[0] < midnight - timedelta(minutes=10)]
    after = [sample for sample in samples if sample[0] >= midnight + timedelta(minutes=30)]
    without = step_by_step([taken_in(before), taken_in(after)])
    caught_up = step_by_step([taken_in(before), taken_in(after), taken_in(dead), taken_in(dead)])

    assert caught_up == whole(taken_in(samples))
    assert without["monthly"]["data_points"][-1]["coverage"] < 1
    assert without["weekly"]["data_points"][-24]["coverage"] == 0.6667
    assert [event["kind"] for event in without["weekly"]["events"]] == ["gap"]
