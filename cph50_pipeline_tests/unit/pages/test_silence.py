"""Which chargers a page of something else says were not heard of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from cph50_pipeline.live.model import Device, DeviceKind, LatestValue
from cph50_pipeline.live.snapshot import DeviceSnapshot, snapshot_of
from cph50_pipeline.pages.silence import Silence, silences
from cph50_pipeline_tests.unit.pages.charges import LA

NOW = datetime(2026, 3, 20, 18, tzinfo=UTC)


def charger(name: str, age: timedelta | None) -> DeviceSnapshot:
    device = Device(name, DeviceKind.CHARGER, name.title(), "charger", poll_seconds=30)
    values = [] if age is None else [LatestValue(name, "power_kw", 1.0, "kW", NOW - age, "charger", NOW)]
    return snapshot_of(device, values, NOW, 20)


@pytest.mark.parametrize(("seconds", "is_told"), [(0, False), (299, False), (301, True), (3 * 86_400, True)])
def test_one_is_told_once_it_is_silent_for_longer_than_the_limit(seconds: int, is_told: bool) -> None:
    age = timedelta(seconds=seconds)
    assert bool(silences([charger("one", age)], NOW, LA)) is is_told
    assert bool(silences([charger("one", timedelta())], NOW + age, LA)) is is_told


def test_one_of_several_is_told_by_its_name_and_when_in_the_households_zone() -> None:
    found = silences([charger("one", timedelta(days=3)), charger("two", timedelta())], NOW, LA)
    assert found == (Silence("One", (NOW - timedelta(days=3)).astimezone(LA)),)
    assert found[0].heard_at is not None
    assert found[0].heard_at.tzinfo is LA


def test_what_never_said_anything_is_told_as_that() -> None:
    assert silences([], NOW, LA) == silences([charger("one", None)], NOW, LA) == (Silence(),)
