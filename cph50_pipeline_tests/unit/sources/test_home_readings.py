"""From states to readings on a grid: what stands on, where Home Assistant was down, resets, statistics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.power.meters import Meter, MeterConfig, canonical
from cph50_pipeline.power.readings import State, collect
from cph50_pipeline.power.states import mark_states
from cph50_pipeline.sources.home_readings import (
    WITNESS,
    Grid,
    is_starting,
    outages,
    readings,
    readings_of_statistics,
    settled_until,
    silences,
)
from cph50_pipeline.sources.home_source import StateRow, StatisticsRow

POWER, SOLAR, ENERGY = "sensor.home_power", "sensor.solar_power", "sensor.home_energy"
START = datetime(2026, 1, 20, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
TEN = Grid(600)


def at(minutes: float) -> datetime:
    return START + minutes * MINUTE


def said(*pairs: tuple[float, str], of: str = POWER) -> list[StateRow]:
    return [StateRow(of, at(minutes), state, "W") for minutes, state in pairs]


def read(
    rows: Sequence[StateRow],
    until: float,
    *,
    down: Sequence[tuple[datetime, datetime]] = (),
    counts: bool = False,
) -> list[tuple[float, str]]:
    """Readings as pairs of minute and state."""
    known = readings(rows, down, START, at(until), TEN, is_counter=counts)
    return [((row.at - START) / MINUTE, row.state) for row in known]


def test_the_grid_is_whole_intervals_of_universal_time() -> None:
    instant = datetime(2026, 1, 20, 12, 34, 56, 789, tzinfo=UTC)
    assert Grid(600).floor(instant) == datetime(2026, 1, 20, 12, 30, tzinfo=UTC)
    assert Grid(10).floor(instant) == datetime(2026, 1, 20, 12, 34, 50, tzinfo=UTC)
    assert TEN.between(at(0), at(30)) == [at(10), at(20), at(30)]
    assert TEN.between(at(1), at(9)) == []


@given(st.floats(0, 1e6), st.floats(0, 1e5), st.floats(0, 1e5), st.sampled_from([10, 60, 420, 600, 3600]))
def test_any_stretch_of_the_grid_is_its_parts(
    begin: float, length: float, more: float, seconds: float
) -> None:
    grid = Grid(seconds)
    first = START + timedelta(seconds=begin)
    second = first + timedelta(seconds=length)
    third = second + timedelta(seconds=more)
    assert grid.between(first, second) + grid.between(second, third) == grid.between(first, third)


def test_what_is_not_contradicted_stands_on() -> None:
    assert read(said((0, "5"), (12, "7"), (29.9, "8"), (30, "9")), 40) == [
        (10, "5"),
        (20, "7"),
        (30, "9"),
        (40, "9"),
    ]


def test_before_the_first_state_nothing_stands() -> None:
    assert read(said((15, "5")), 30) == [(20, "5"), (30, "5")]
    assert read([], 30) == []


def test_texts_stand_like_numbers() -> None:
    assert read(said((0, "5"), (9, "unavailable"), (11, "6")), 20) == [(10, "unavailable"), (20, "6")]


def test_what_was_said_before_it_was_down_does_not_stand_afterwards() -> None:
    rows = said((0, "5"), (55, "unavailable"), (56, "6"))
    assert read(rows, 60, down=[(at(12), at(55))]) == [(10, "5"), (60, "6")]
    assert read(said((0, "5"), (71, "6")), 80, down=[(at(12), at(55))]) == [(10, "5"), (80, "6")]


def test_the_ends_of_a_reset_are_readings_of_a_counter() -> None:
    rows = said((0, "8"), (7, "9"), (9, "0.2"), (19, "0.5"), of=ENERGY)
    assert read(rows, 20, counts=True) == [(7, "9"), (9, "0.2"), (10, "0.2"), (20, "0.5")]
    assert read(rows, 20) == [(10, "0.2"), (20, "0.5")]


def test_what_a_reading_says_already_is_not_said_twice() -> None:
    rows = said((0, "8"), (7, "9"), (13, "0.2"), of=ENERGY)
    assert read(rows, 20, counts=True) == [(10, "9"), (13, "0.2"), (20, "0.2")]


def test_a_reset_while_it_was_unavailable_is_found() -> None:
    rows = said((0, "8"), (1, "9"), (2, "unavailable"), (9, "0.2"), of=ENERGY)
    assert read(rows, 10, counts=True) == [(1, "9"), (9, "0.2"), (10, "0.2")]


def test_one_reading_far_too_high_is_no_reset() -> None:
    rows = said((0, "8"), (7, "1000000000"), (8, "8.1"), (13, "8.2"), of=ENERGY)
    assert read(rows, 20, counts=True) == [(10, "8.1"), (20, "8.2")]


states = st.lists(
    st.tuples(st.integers(0, 300), st.sampled_from(["1", "2", "2.5", "9", "0", "unavailable", ""])),
    max_size=40,
)


@given(states, st.integers(0, 30), st.integers(0, 30), st.booleans())
def test_readings_of_a_stretch_are_those_of_its_parts(
    pairs: list[tuple[int, str]], first: int, second: int, counts: bool
) -> None:
    rows = sorted({minute: row for minute, state in pairs for row in said((minute, state))}.items())
    ordered = [row for _, row in rows]
    middle, end = at(10 * first), at(10 * (first + second))
    parts = [
        *readings(ordered, (), START, middle, TEN, is_counter=counts),
        *readings(ordered, (), middle, end, TEN, is_counter=counts),
    ]
    whole = readings(ordered, (), START, end, TEN, is_counter=counts)
    assert parts == whole
    assert len({row.at for row in whole}) == len(whole)


@given(states)
def test_a_reading_is_what_was_said_last(pairs: list[tuple[int, str]]) -> None:
    ordered = [row for _, row in sorted({m: row for m, s in pairs for row in said((m, s))}.items())]
    for reading in readings(ordered, (), START, at(300), TEN, is_counter=False):
        assert reading.state == [row for row in ordered if row.at <= reading.at][-1].state


def chatty(*minutes: float) -> list[StateRow]:
    return said(*((minute, str(100 + minute)) for minute in minutes))


def test_a_silence_is_longer_than_a_pause() -> None:
    assert silences(chatty(0, 1, 2, 33), START) == [(at(2), at(33))]
    assert silences(chatty(1, 3), START) == []
    assert silences(chatty(40), START) == [(START, at(40))]


def restarted(minute: float) -> list[StateRow]:
    """Both entities come back, unavailable at first."""
    return sorted(said((minute, "unavailable"), (minute + 1, "5")) + said((minute, "unavailable"), of=SOLAR))


def test_a_silence_after_which_everything_is_said_anew_was_an_outage() -> None:
    rows = [*chatty(0, 1, 2), *said((0, "0"), of=SOLAR), *restarted(60)]
    assert outages(rows, START) == [(at(2), at(60))]


def test_a_night_without_sun_that_ends_with_one_lost_sensor_was_none() -> None:
    rows = [*said((0, "0"), (300, "unavailable"), of=SOLAR), *said((0, "5"))]
    assert outages(rows, START) == []


def test_a_silence_that_ends_with_numbers_was_none() -> None:
    rows = [*chatty(0, 1, 60, 61), *said((0, "0"), (60, "1"), of=SOLAR)]
    assert outages(rows, START) == []


def test_a_silence_that_has_not_ended_may_yet_turn_out_an_outage() -> None:
    rows = chatty(0, 1, 22)
    assert settled_until(rows, START, at(60), TEN, is_now=False) == at(20)
    assert settled_until(rows, START, at(24), TEN, is_now=False) == at(24)


def test_who_has_just_answered_was_there_all_along() -> None:
    assert settled_until(chatty(0, 1, 22), START, at(60), TEN, is_now=True) == at(60)


def test_who_may_have_just_started_is_given_time_to_say_everything() -> None:
    rows = [*chatty(0, 1, 22), *said((0, "0"), of=SOLAR), *said((58, "unavailable"))]
    assert settled_until(rows, START, at(60), TEN, is_now=True) == at(20)
    assert settled_until(rows, START, at(64), TEN, is_now=True) == at(64)
    assert settled_until([*rows, *restarted(59)], START, at(60), TEN, is_now=True) == at(60)


def test_a_start_does_not_keep_its_witness_waiting() -> None:
    rows = [*chatty(0, 1, 22, 58), *said((0, "below_horizon"), of=WITNESS)]
    assert settled_until(rows, START, at(60), TEN, is_now=True) == at(60)
    assert settled_until([*rows, *said((59, "0"), of=WITNESS)], START, at(60), TEN, is_now=True) == at(60)
    alone = [*chatty(0, 1, 22), *said((0, "below_horizon"), (58, "below_horizon"), of=WITNESS)]
    assert settled_until(alone, START, at(60), TEN, is_now=True) == at(20)


@pytest.mark.parametrize(
    ("now", "starting"),
    [
        ([(59, "unavailable"), (60, "5")], True),
        ([(59, "3"), (60, "5")], False),
        ([(50, "unavailable"), (60, "5")], False),
    ],
)
def test_a_start_says_everything_anew_and_some_of_it_is_nothing(
    now: list[tuple[float, str]], starting: bool
) -> None:
    assert is_starting(said(*now), at(61)) is starting


def test_what_is_forgotten_altogether_is_no_silence() -> None:
    assert settled_until([], START, at(1440), TEN, is_now=False) == at(1440)


def hour(
    number: int,
    *,
    mean: float | None = None,
    state: float | None = None,
    change: float | None = None,
    unit: str | None = None,
) -> StatisticsRow:
    start = START + number * HOUR
    return StatisticsRow(
        ENERGY, start, start + HOUR, mean, state, change, unit or ("kWh" if mean is None else "kW")
    )


def meter(quantity: str, unit: str, **changes: object) -> Meter:
    kind = "counter" if quantity == "energy" else "gauge"
    fields = {"source": "home_assistant", "entity": ENERGY, "quantity": quantity, "kind": kind, "unit": unit}
    return Meter.model_validate({**fields, **changes})


def told(
    *rows: StatisticsRow, of: Meter | None = None, counts: bool = False, end: float = 1000, grid: Grid = TEN
) -> list[tuple[float, str]]:
    one = of or (meter("energy", "kWh") if counts else meter("power", "kW"))
    known = readings_of_statistics(rows, START - MINUTE, at(end), grid, one)
    return [((row.at - START) / MINUTE, row.state) for row in known]


def test_a_mean_stands_for_its_hour() -> None:
    assert told(hour(0, mean=1.25)) == [
        (10.0 * number, "1.249999" if number % 2 else "1.250001") for number in range(6)
    ]


@pytest.mark.parametrize(
    ("of", "unit", "mean"),
    [
        (meter("power", "kW"), "kW", 0.4),
        (meter("power", "W"), "W", 412.5),
        (meter("voltage", "V"), "V", 240.3),
        (meter("power_factor", "%"), "%", 97.3),
        (meter("power_factor", "", scale=0.1), None, 9.8),
    ],
)
@pytest.mark.parametrize("seconds", [10, 60, 420, 600, 1200])
def test_an_hour_of_statistics_is_not_taken_for_a_frozen_meter(
    of: Meter, unit: str | None, mean: float, seconds: int
) -> None:
    one = of.model_copy(update={"frozen_after_seconds": 1800.0})
    hours = [hour(number, mean=mean, unit=unit)._replace(unit=unit) for number in range(7)]
    rows = readings_of_statistics(hours, START - MINUTE, START + 7 * HOUR, Grid(seconds), one)
    numbers = [canonical(one, row.state, row.unit) for row in rows]
    marked = mark_states(
        collect(("home.power", row.at, number) for row, number in zip(rows, numbers, strict=True)),
        MeterConfig(meters={"home.power": one}),
    )
    assert set(marked["home.power"].state.tolist()) == {int(State.OK)}
    exact = canonical(one, str(mean), unit)
    assert fmean(number for number in numbers if number is not None) == pytest.approx(exact, abs=1e-9)


def test_a_mean_that_is_zero_or_at_a_meters_limit_stays_what_it_is() -> None:
    assert {state for _, state in told(hour(0, mean=0.0))} == {"0.0"}
    factor = meter("power_factor", "%")
    assert {state for _, state in told(hour(0, mean=100.0, unit="%"), of=factor)} == {"100.0"}


def test_an_hour_without_a_mean_has_no_readings() -> None:
    assert told(hour(0), hour(1, state=5.0)) == []


def test_statistics_end_where_the_history_begins() -> None:
    assert told(hour(0, mean=1.0), end=20) == [(0, "1.000001"), (10, "0.999999")]


def test_a_counter_is_read_when_an_hour_ends() -> None:
    rows = (hour(0, state=5.0, change=1.0), hour(1, state=5.5, change=0.5), hour(2))
    assert told(*rows, counts=True) == [(60, "5.0"), (120, "5.5")]


def test_a_counter_that_began_anew_is_read_before_as_well() -> None:
    rows = (hour(0, state=5.0, change=1.0), hour(1, state=0.25, change=1.0))
    assert told(*rows, counts=True) == [
        (60, "5.0"),
        (105, "5.75"),
        (pytest.approx(105), "0.0"),
        (120, "0.25"),
    ]


counted_hours = st.lists(st.tuples(st.floats(0, 20), st.booleans(), st.floats(0, 1)), min_size=1, max_size=30)


@given(counted_hours)
def test_what_a_counter_counted_is_given_back_whole(hours: list[tuple[float, bool, float]]) -> None:
    rows, shown, counted = [hour(0, state=50.0, change=0.0)], 50.0, 0.0
    for number, (change, resets, share) in enumerate(hours, 1):
        shown = change * share if resets else shown + change
        counted += change
        rows.append(hour(number, state=shown, change=change))
    shows = [float(text) for _, text in told(*rows, counts=True, end=10_000)]
    rises = (after - before if after >= before else after for before, after in pairwise(shows))
    assert sum(rises) == pytest.approx(counted, abs=1e-4)
