from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cph50_pipeline.live.alarms import Alarms
from cph50_pipeline.live.model import Device, DeviceKind

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
TRUCK = Device("truck-7", DeviceKind.TELEMETRY, "Truck 7", "telemetry")


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_silence_is_said_once_and_so_is_its_end() -> None:
    alarms = Alarms()
    heard = {"truck-7": NOW}
    assert alarms.lines([TRUCK], heard, after(300)) == []
    [silent] = alarms.lines([TRUCK], heard, after(301))
    assert silent == "truck-7 (Truck 7) is silent: nothing was heard of it since 2026-01-07T06:00:00+00:00"
    assert alarms.lines([TRUCK], heard, after(331)) == []
    [back] = alarms.lines([TRUCK], {"truck-7": after(355)}, after(361))
    assert back == "truck-7 (Truck 7) is back after 355 s of silence"
    assert alarms.lines([TRUCK], {"truck-7": after(355)}, after(391)) == []
    assert len(alarms.lines([TRUCK], {"truck-7": after(355)}, after(700))) == 1


def test_a_device_that_never_said_anything_is_an_alarm_some_time_after_it_was_first_asked() -> None:
    alarms = Alarms()
    assert alarms.lines([TRUCK], {}, NOW) == []
    assert alarms.lines([TRUCK], {}, after(300)) == []
    assert alarms.lines([TRUCK], {}, after(301)) == [
        "truck-7 (Truck 7) is silent: nothing was heard of it, ever"
    ]


def test_what_is_not_asked_any_more_is_forgotten() -> None:
    alarms = Alarms()
    assert alarms.lines([TRUCK], {"truck-7": NOW}, after(400)) != []
    assert alarms.lines([], {}, after(430)) == []
    assert alarms.lines([TRUCK], {"truck-7": NOW}, after(460)) != []
