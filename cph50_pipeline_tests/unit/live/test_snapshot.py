from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.live.model import Device, DeviceKind, Freshness, LatestValue, Value
from cph50_pipeline.live.snapshot import DeviceSnapshot, snapshot_of

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
TRUCK = Device("truck-7", DeviceKind.TELEMETRY, "Truck 7", "telemetry")


def said(value: Value, sensor: str, seconds_ago: float) -> LatestValue:
    at = NOW - timedelta(seconds=seconds_ago)
    return LatestValue("truck-7", sensor, value, None, at, "telemetry", at)


def snapshot(*latest: LatestValue, carry_minutes: float = 15) -> DeviceSnapshot:
    return snapshot_of(TRUCK, latest, NOW, carry_minutes)


def test_a_device_of_which_nothing_was_heard_has_no_age() -> None:
    never = snapshot()
    assert (never.freshness, never.age_seconds, never.newest_at, never.sensors) == (
        Freshness.NEVER,
        None,
        None,
        (),
    )
    assert never.is_stale


def test_a_device_is_as_old_as_its_newest_value() -> None:
    seen = snapshot(said(1.0, "speed", 400), said(2.0, "fuel", 20))
    assert (seen.age_seconds, seen.freshness, seen.is_stale) == (20, Freshness.FRESH, False)
    assert seen.newest_at == NOW - timedelta(seconds=20)
    assert [(each.sensor, each.age_seconds) for each in seen.sensors] == [("fuel", 20), ("speed", 400)]


def test_a_sensor_is_carried_up_to_the_limit_and_keeps_what_it_said_beyond() -> None:
    at_limit, beyond = said(0.0, "at limit", 920), said(False, "beyond", 921)
    seen = snapshot(said("driving", "state", 20), at_limit, beyond)
    carried, silent, _ = seen.sensors
    assert (carried.value, carried.at) == (0.0, at_limit.at)
    assert (silent.value, silent.at) == (None, None)
    assert (silent.last_value, silent.last_at, silent.age_seconds) == (False, beyond.at, 921)


def test_a_device_that_is_silent_as_a_whole_keeps_its_values_and_says_how_old_they_are() -> None:
    seen = snapshot(said(1.0, "fuel", 86_400), said(2.0, "speed", 86_460))
    assert seen.freshness is Freshness.SILENT
    assert [each.value for each in seen.sensors] == [1.0, 2.0]


sensors = st.dictionaries(st.sampled_from("abcdef"), st.floats(0, 5000), min_size=1)


@given(sensors, st.integers(0, 60))
def test_nothing_is_carried_longer_than_said_and_nothing_is_lost(
    ages: dict[str, float], carry_minutes: int
) -> None:
    seen = snapshot(*(said(age, sensor, age) for sensor, age in ages.items()), carry_minutes=carry_minutes)
    assert seen.newest_at is not None
    assert {each.sensor: each.last_value for each in seen.sensors} == ages
    for each in seen.sensors:
        is_carried = seen.newest_at - each.last_at <= timedelta(minutes=carry_minutes)
        assert (each.value is not None) == is_carried
        assert each.at == (each.last_at if is_carried else None)
    assert any(each.value is not None for each in seen.sensors)


ORDER = [Freshness.FRESH, Freshness.STALE, Freshness.SILENT]


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(1, 7200))
def test_a_device_never_gets_fresher_by_getting_older(
    age_seconds: float, later_seconds: float, poll_seconds: float
) -> None:
    device = replace(TRUCK, poll_seconds=poll_seconds)
    latest = [said(1.0, "fuel", age_seconds)]
    before = snapshot_of(device, latest, NOW, 15).freshness
    after = snapshot_of(device, latest, NOW + timedelta(seconds=later_seconds), 15).freshness
    assert ORDER.index(before) <= ORDER.index(after)


def test_a_device_asked_every_30_seconds_is_stale_after_a_minute_and_silent_after_five() -> None:
    found = [snapshot(said(1.0, "fuel", age)).freshness for age in (60, 60.1, 300, 300.1)]
    assert found == [Freshness.FRESH, Freshness.STALE, Freshness.STALE, Freshness.SILENT]


def test_what_is_of_a_time_yet_to_come_holds_nothing_and_makes_nothing_look_fresh() -> None:
    ahead = said(7.0, "power", -86_400)
    alone = snapshot(ahead)
    assert (alone.freshness, alone.age_seconds, alone.sensors[0].value) == (Freshness.NEVER, None, None)
    assert alone.sensors[0].last_value == 7.0
    beside = snapshot(said(1.0, "fuel", 400), ahead)
    assert (beside.freshness, beside.age_seconds) == (Freshness.SILENT, 400)
    assert [each.value for each in beside.sensors] == [1.0, None]
    assert snapshot(said(7.0, "power", -200)).freshness is Freshness.FRESH  # as much as clocks may differ
