"""Readings taken in: in any order, twice, contradicting each other."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.power.readings import Readings, Series, collect, merge, series_of
from cph50_pipeline_tests.unit.power.builders import (
    START,
    as_dict,
    as_rows,
    at,
    gauge,
    series,
    series_with_gaps,
)

meters = st.sampled_from(["home.power", "home.voltage"])
some_readings = st.dictionaries(meters, series_with_gaps(least=0)).map(Readings.of)


def truth(meter: str, second: int) -> float:
    """What a meter said, whoever tells it."""
    return len(meter) * 1000 + second


told = st.lists(st.tuples(meters, st.integers(0, 30), st.booleans()), max_size=20)


def taken_in(rows: list[tuple[str, int, bool]]) -> Readings:
    """One collection: meters at seconds, with what they said, or without."""
    return collect(
        (meter, at(second), truth(meter, second) if is_told else None) for meter, second, is_told in rows
    )


@given(some_readings)
def test_taking_in_the_same_again_changes_nothing(taken: Readings) -> None:
    assert as_dict(merge(taken, taken)) == as_dict(taken)


@given(told, told, told)
def test_readings_that_do_not_contradict_each_other_may_arrive_in_any_order(
    first: list[tuple[str, int, bool]],
    second: list[tuple[str, int, bool]],
    third: list[tuple[str, int, bool]],
) -> None:
    one, other, late = taken_in(first), taken_in(second), taken_in(third)
    together = as_dict(merge(merge(one, other), late))

    assert as_dict(merge(late, merge(other, one))) == together
    assert as_dict(taken_in([*first, *second, *third])) == together


@given(some_readings, some_readings)
def test_there_is_one_reading_an_instant_in_order_of_time(old: Readings, new: Readings) -> None:
    merged = merge(old, new)
    for meter, found in merged.series.items():
        assert (np.diff(found.at) > 0).all()
        assert set(found.at) == {*old[meter].at, *new[meter].at}


def test_a_number_is_not_replaced_by_none() -> None:
    known, unknown = (Readings.of({"a.b": series([(0, value)])}) for value in (1.5, None))

    assert as_dict(merge(known, unknown)) == as_dict(merge(unknown, known)) == {"a.b": [(0, 1.5, "OK")]}


def test_of_two_numbers_the_later_taken_in_is_kept() -> None:
    old, new = (Readings.of({"a.b": series([(0, value)])}) for value in (1.5, 2.5))

    assert as_dict(merge(old, new)) == {"a.b": [(0, 2.5, "OK")]}


def test_a_zero_of_an_outage_is_not_replaced_by_an_impossible_number() -> None:
    outage = Readings.of({"a.b": series_of([0], [0.0], [2])})
    impossible = Readings.of({"a.b": series_of([0], [1e9], [1])})

    assert merge(outage, impossible)["a.b"].value.tolist() == [0.0]


def test_rows_are_collected_by_meter() -> None:
    found = collect([("b.x", at(60), 2.0), ("a.x", at(0), 1.0), ("b.x", at(0), None)])

    assert as_dict(found) == {"a.x": [(0, 1.0, "OK")], "b.x": [(0, None, "MISSING"), (60, 2.0, "OK")]}
    assert [*found.series] == ["a.x", "b.x"]
    assert len(found) == 3


def test_a_meter_that_said_nothing_has_no_readings() -> None:
    assert len(Readings.of({"a.b": series([])})) == 0
    assert len(Readings.of({})["a.b"]) == 0


def test_a_stretch_holds_its_beginning_and_not_its_end() -> None:
    taken = Readings.of({"a.b": series([(0, 1.0), (60, 2.0), (120, 3.0)]), "a.c": series([(500, 1.0)])})
    found = taken.between(START, START + timedelta(minutes=2))

    assert as_dict(found) == {"a.b": [(0, 1.0, "OK"), (60, 2.0, "OK")]}


@pytest.mark.parametrize("values", [[], [1.0]])
def test_the_newest_reading_stands_for_no_time(values: list[float]) -> None:
    taken = series([(0, value) for value in values])

    assert taken.standing_ms(gauge()).tolist() == [0] * len(values)


@given(series_with_gaps())
def test_a_reading_stands_until_the_next_or_as_long_as_its_meter_holds(taken: Series) -> None:
    standing = taken.standing_ms(gauge(hold_seconds=600))

    assert (standing[:-1] <= np.diff(taken.at)).all()
    assert ((standing[:-1] == np.diff(taken.at)) | (standing[:-1] == 600_000)).all()


def test_duplicates_in_one_column_are_settled_as_in_a_merge() -> None:
    assert as_rows(series([(60, 3.0), (0, 1.0), (0, None), (60, 4.0)])) == [(0, 1.0, "OK"), (60, 4.0, "OK")]
