"""How readings begin and end, told file by file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.defs.reading_ends import Ends, Reading, ends_of, joined_ends
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings, State, series_of

CONFIG = MeterConfig.read(
    {
        "meters": {
            "home.voltage": {
                "source": "home_assistant", "entity": "sensor.v", "quantity": "voltage", "kind": "gauge", "unit": "V",
                "band": [210, 250], "hold_seconds": 1800,
            },
        }
    },
    "meters.json",
)  # fmt: skip
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def voltage(rows: list[tuple[int, float, State]]) -> Readings:
    """Readings from minutes after noon, volts and states."""
    instants, values, states = zip(*rows, strict=True)
    return Readings.of({"home.voltage": series_of([ms(minutes) for minutes in instants], values, states)})


def ms(minutes: int) -> int:
    return to_epoch_ms(NOON + timedelta(minutes=minutes))


def ends(rows: list[tuple[int, float, State]]) -> Ends:
    return ends_of(voltage(rows), CONFIG)["home.voltage"]


def test_what_is_not_right_at_the_beginning_is_known_with_its_end_and_nothing_of_what_comes_later() -> None:
    low, fine = (200.0, State.OK), (230.0, State.OK)
    told = ends([(0, *low), (10, *low), (20, *fine), (30, *low)])
    assert told.lasting == {"out_of_band": ms(20)}
    assert told.to_the_month_before() == ends([(0, *low), (10, *low), (20, *fine)]).to_the_month_before()
    assert ends([(0, *fine), (10, *low)]).lasting == {}


def test_the_first_and_last_that_count_are_told_apart_from_the_first_and_last() -> None:
    told = ends(
        [(0, 1e9, State.MISSING), (10, 230.0, State.FROZEN), (20, 231.0, State.OK), (30, 0.0, State.OUTAGE)]
    )
    assert (told.first, told.last) == (Reading(ms(0), 1e9, State.MISSING), Reading(ms(30), 0.0, State.OUTAGE))
    assert told.first_ok == told.last_ok == Reading(ms(20), 231.0, State.OK)
    assert told.first_present == ms(10)
    assert told.lasting == {"out_of_range": ms(10)}
    assert not ends([(0, 230.0, State.FROZEN)]).counts


KINDS = st.sampled_from(
    [
        (230.0, State.OK),
        (200.0, State.OK),
        (0.0, State.OUTAGE),
        (230.0, State.FROZEN),
        (1e9, State.MISSING),
    ]
)


@given(
    st.lists(st.tuples(st.integers(1, 40), KINDS), min_size=1, max_size=12),
    st.sets(st.integers(0, 12)),
)
def test_the_ends_of_files_joined_are_those_of_all_their_readings(
    steps: list[tuple[int, tuple[float, State]]], cuts: set[int]
) -> None:
    minutes, rows = 0, []
    for step, (value, state) in steps:
        minutes += step
        rows.append((minutes, value, state))
    bounds = sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})
    parts = [ends_of(voltage(rows[first:last]), CONFIG) for first, last in pairwise(bounds)]
    assert joined_ends(parts, CONFIG) == ends_of(voltage(rows), CONFIG)
