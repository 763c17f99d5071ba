"""Meters and readings for tests of power."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import isnan, nan
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.power.meters import Meter, MeterConfig
from cph50_pipeline.power.readings import Readings, Series, State, series_of

START = datetime(2026, 1, 7, 8, tzinfo=UTC)  # midnight in California
PACIFIC = ZoneInfo("America/Los_Angeles")
ZONES = tuple(
    ZoneInfo(key)
    for key in (
        "America/Los_Angeles",
        "Europe/Berlin",
        "Asia/Kolkata",  # 5:30 ahead
        "Asia/Kathmandu",  # 5:45 ahead
        "Australia/Lord_Howe",  # half an hour of daylight saving
        "America/St_Johns",  # 3:30 behind, with daylight saving
        "Africa/Cairo",  # skips midnight
        "UTC",
    )
)
# Around which the calendar is not plain: clocks change, months, years and leap days end.
TURNS = tuple(
    datetime(*day, tzinfo=UTC)
    for day in (
        (2025, 3, 9),
        (2025, 11, 2),
        (2025, 3, 30),
        (2025, 10, 26),
        (2025, 4, 5),
        (2025, 4, 25),
        (2024, 3, 1),
        (2026, 1, 1),
    )
)

zones = st.sampled_from(ZONES)
starts = st.builds(
    lambda turn, minutes: turn + timedelta(minutes=minutes), st.sampled_from(TURNS), st.integers(-1500, 1500)
)


def gauge(**fields: Any) -> Meter:
    usual = {
        "source": "home_assistant",
        "entity": "sensor.x",
        "quantity": "power",
        "kind": "gauge",
        "unit": "kW",
    }
    return Meter.model_validate({**usual, "hold_seconds": 1800, **fields})


def counter(**fields: Any) -> Meter:
    return gauge(**{"quantity": "energy", "kind": "counter", "unit": "kWh", **fields})


def voltage(**fields: Any) -> Meter:
    return gauge(**{"quantity": "voltage", "unit": "V", **fields})


def config(**meters: Meter) -> MeterConfig:
    """A configuration; `home_power` is the meter home.power."""
    return MeterConfig(meters={name.replace("_", ".", 1): meter for name, meter in meters.items()})


def series(points: Sequence[tuple[float, float | None]], start: datetime = START) -> Series:
    """Readings given as (seconds since the start, value)."""
    begin = to_epoch_ms(start)
    return series_of(
        [begin + round(second * 1000) for second, _ in points],
        [nan if value is None else value for _, value in points],
    )


def every(seconds: float, values: Sequence[float | None], start: datetime = START) -> Series:
    """Readings at equal distances."""
    return series([(number * seconds, value) for number, value in enumerate(values)], start)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


gaps_ms = st.one_of(
    st.integers(1, 2_000), st.sampled_from([60_000, 60_000, 300_000, 600_000]), st.integers(1, 20_000_000)
)
powers = st.floats(-5, 20, allow_nan=False).map(lambda value: round(value, 3))
states = st.sampled_from([State.OK, State.OK, State.OK, State.MISSING, State.OUTAGE, State.FROZEN])


@st.composite
def series_with_gaps(draw: st.DrawFn, values: st.SearchStrategy[float] = powers, least: int = 1) -> Series:
    """Readings of any states over hours or days around a turn of the calendar."""
    rows = draw(st.lists(st.tuples(gaps_ms, values, states), min_size=least, max_size=40))
    now = to_epoch_ms(draw(starts))
    instants, numbers, told = [], [], []
    for gap, value, state in rows:
        now += gap
        instants.append(now)
        numbers.append(nan if state == State.MISSING else value)
        told.append(state)
    return series_of(instants, numbers, told)


@st.composite
def counted_series(draw: st.DrawFn) -> Series:
    """The readings of a counter that begins again at times, or falls a little."""
    taken = draw(series_with_gaps())
    counted = draw(st.floats(0, 1000))
    values = []
    for _ in range(len(taken)):
        values.append(round(counted, 3))
        factor = draw(st.sampled_from([1.0, 1.0, 1.0, 0.99, 0.2]))
        counted = factor * counted + (draw(st.floats(0, 5)) if factor == 1 else 0)
    return series_of(taken.at, values, taken.state)


def as_rows(taken: Series) -> list[tuple[float, float | None, str]]:
    """Readings as (seconds since `START`, value, state)."""
    begin = to_epoch_ms(START)
    return [
        ((instant - begin) / 1000, None if isnan(value) else value, State(state).name)
        for instant, value, state in zip(
            taken.at.tolist(), taken.value.tolist(), taken.state.tolist(), strict=True
        )
    ]


def as_dict(taken: Readings) -> dict[str, list[tuple[float, float | None, str]]]:
    """Readings by meter, as `as_rows`."""
    return {meter: as_rows(one) for meter, one in taken.series.items()}
