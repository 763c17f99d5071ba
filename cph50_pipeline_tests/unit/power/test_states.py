"""States: null is not zero, and zero is an outage only when the whole house says so for long enough."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings, State, merge, series_of
from cph50_pipeline.power.states import mark_states
from cph50_pipeline_tests.unit.power.builders import (
    as_dict,
    config,
    every,
    gauge,
    series,
    series_with_gaps,
    voltage,
)

MAINS = config(
    home_power=gauge(mains=True, outage_after_seconds=180),
    home_voltage=voltage(mains=True, outage_after_seconds=180),
    solar_power=gauge(),
)
FREEZING = config(home_power=gauge(frozen_after_seconds=180))


def states_of(marked: Readings, meter: str = "home.power") -> str:
    """The states of a meter's readings, a letter each: o, m, O for outage, F for frozen."""
    return "".join("omOF"[state] for state in marked[meter].state)


def house(power: list[float | None], volts: list[float | None], config: MeterConfig = MAINS) -> Readings:
    """The states of a house read once a minute."""
    return mark_states(
        Readings.of({"home.power": every(60, power), "home.voltage": every(60, volts)}), config
    )


def test_an_outage_is_when_every_mains_meter_says_zero_for_long_enough() -> None:
    marked = house([1, 0, 0, 0, 0, 2], [240, 0, 0, 0, 0, 240])

    assert states_of(marked) == states_of(marked, "home.voltage") == "oOOOOo"


def test_a_short_blip_is_no_outage() -> None:
    assert states_of(house([1, 0, 0, 0, 2], [240, 0, 0, 0, 240])) == "ooooo"


def test_a_single_zero_is_no_outage_however_long_it_stands() -> None:
    taken = Readings.of({"home.power": every(600, [1, 0, 1]), "home.voltage": every(600, [240, 0, 240])})

    assert states_of(mark_states(taken, MAINS)) == "ooo"


def test_a_house_that_draws_nothing_while_the_voltage_stands_is_on() -> None:
    assert states_of(house([1, 0, 0, 0, 0, 2], [240] * 6)) == "oooooo"


def test_a_mains_meter_that_says_nothing_proves_no_outage() -> None:
    marked = house([1, 0, 0, 0, 0, 2], [240, None, None, None, None, 240])

    assert states_of(marked) == "oooooo"
    assert states_of(marked, "home.voltage") == "ommmmo"


def test_where_both_are_zero_for_long_enough_each_is_marked_as_far_as_both_are() -> None:
    marked = house([0, 0, 0, 0, 0, 0, 0], [240, 0, 0, 0, 0, 240, 240])

    assert states_of(marked) == "oOOOOoo"


def test_an_outage_ends_at_a_gap_in_which_nobody_knows() -> None:
    zeros = [(0, 0.0), (60, 0.0), (7200, 0.0), (7260, 0.0)]
    taken = Readings.of({"home.power": series(zeros), "home.voltage": series(zeros)})

    assert states_of(mark_states(taken, MAINS)) == "oooo"


def test_an_outage_that_goes_on_is_marked_up_to_the_newest_reading() -> None:
    marked = house([1, 0, 0, 0, 0], [240, 0, 0, 0, 0])

    assert states_of(marked) == states_of(marked, "home.voltage") == "oOOOO"


def test_only_the_mains_have_outages() -> None:
    taken = house([1, 0, 0, 0, 0, 2], [240, 0, 0, 0, 0, 240])
    taken = merge(taken, Readings.of({"solar.power": every(60, [0] * 6)}))

    assert states_of(mark_states(taken, MAINS), "solar.power") == "oooooo"


def test_without_readings_of_all_mains_meters_no_outage_is_known() -> None:
    taken = Readings.of({"home.power": every(60, [1, 0, 0, 0, 0, 0])})

    assert states_of(mark_states(taken, MAINS)) == "oooooo"


def test_a_mains_meter_that_does_not_ask_for_outages_only_bears_witness() -> None:
    witness = config(home_power=gauge(mains=True, outage_after_seconds=180), home_voltage=voltage(mains=True))
    marked = house([1, 0, 0, 0, 0, 2], [240, 0, 0, 0, 0, 240], witness)

    assert states_of(marked) == "oOOOOo"
    assert states_of(marked, "home.voltage") == "oooooo"


def test_a_range_that_leaves_out_zero_hides_no_outage_and_forbids_zero_without_one() -> None:
    narrow = config(
        home_power=gauge(mains=True, outage_after_seconds=180),
        home_voltage=voltage(mains=True, outage_after_seconds=180, range=(100, 300)),
    )
    marked = house([1, 0, 0, 0, 0, 2, 1], [240, 0, 0, 0, 0, 240, 0], narrow)

    assert states_of(marked) == "oOOOOoo"
    assert states_of(marked, "home.voltage") == "oOOOOom"


@pytest.mark.parametrize(
    ("values", "states"),
    [
        ([1, 2, 2, 2, 2, 3], "oFFFFo"),
        ([1, 2, 2, 2, 3, 3], "oooooo"),
        ([2, 2, None, 2, 2], "oomoo"),
        ([2, 2, 2, 2, 2], "FFFFF"),
        ([1e9, 1e9, 1e9, 1e9, 1e9], "mmmmm"),
    ],
)
def test_what_stays_the_same_for_too_long_is_frozen(values: list[float | None], states: str) -> None:
    assert states_of(mark_states(Readings.of({"home.power": every(60, values)}), FREEZING)) == states


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from([1.0, 2.0, None])), max_size=6))
def test_however_many_readings_a_freeze_has_it_is_found(stretches: list[tuple[int, float | None]]) -> None:
    """Of readings that hold for no longer than they are apart, a freeze has so many that not all are looked at."""
    values = [value for count, value in stretches for _ in range(count)]
    watched = config(home_power=gauge(frozen_after_seconds=1200, hold_seconds=60))
    marked = mark_states(Readings.of({"home.power": every(60, values)}), watched)

    alike = ((value, len([*group])) for value, group in groupby(values))
    expected = [("m" if value is None else "F" if count > 20 else "o") * count for value, count in alike]
    assert states_of(marked) == "".join(expected)


def test_equal_readings_on_both_sides_of_a_gap_are_no_freeze() -> None:
    taken = Readings.of({"home.power": series([(0, 2.0), (60, 2.0), (9000, 2.0), (9060, 2.0)])})

    assert states_of(mark_states(taken, FREEZING)) == "oooo"


def test_an_outage_is_not_called_frozen() -> None:
    both = config(home_power=gauge(mains=True, outage_after_seconds=180, frozen_after_seconds=60))
    taken = Readings.of({"home.power": every(60, [1, 0, 0, 0, 0, 2])})

    assert states_of(mark_states(taken, both)) == "oOOOOo"


def test_an_impossible_reading_is_missing_and_its_number_kept_until_the_range_is_corrected() -> None:
    narrow = config(home_power=gauge(range=(0, 10)))
    marked = mark_states(Readings.of({"home.power": every(60, [1, 12, 1e9, -1])}), narrow)

    assert states_of(marked) == "ommm"
    assert marked["home.power"].value.tolist() == [1, 12, 1e9, -1]
    assert states_of(mark_states(marked, config(home_power=gauge(range=(0, 20))))) == "oomm"


def test_readings_of_a_meter_that_is_not_declared_are_ok_where_they_have_a_number() -> None:
    marked = mark_states(Readings.of({"old.power": every(60, [1, None, 1e9])}), MAINS)

    assert states_of(marked, "old.power") == "omo"


zero_or_one = st.sampled_from([0.0, 0.0, 1.0])
house_readings = st.fixed_dictionaries(
    {meter: series_with_gaps(zero_or_one) for meter in ("home.power", "home.voltage", "solar.power")}
).map(Readings.of)
WATCHFUL = config(
    home_power=gauge(mains=True, outage_after_seconds=60, frozen_after_seconds=120, range=(0, 10)),
    home_voltage=voltage(mains=True, outage_after_seconds=300),
    solar_power=gauge(frozen_after_seconds=600),
)


@given(house_readings)
def test_states_depend_on_what_was_read_and_not_on_earlier_states(taken: Readings) -> None:
    marked = mark_states(taken, WATCHFUL)
    plain = Readings.of({meter: series_of(one.at, one.value) for meter, one in taken.series.items()})

    assert as_dict(mark_states(marked, WATCHFUL)) == as_dict(marked)
    assert as_dict(mark_states(plain, WATCHFUL)) == as_dict(marked)


@given(house_readings)
def test_a_reading_without_a_number_is_missing_and_no_other_state_has_none(taken: Readings) -> None:
    for one in mark_states(taken, WATCHFUL).series.values():
        assert (np.isnan(one.value) <= (one.state == State.MISSING)).all()
