from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cph50_pipeline.live.backoff import LONGEST_WAIT_SECONDS, Backoff
from cph50_pipeline.live.model import Device, DeviceKind

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
TRUCK = Device("truck-7", DeviceKind.TELEMETRY, "Truck 7", "telemetry")
INTERVAL_SECONDS = 30.0


def asked_after(backoff: Backoff, device: Device, failures: int) -> list[float]:
    """After how many seconds a device is asked again, each time it fails."""
    waits, now = [], NOW
    for _ in range(failures):
        backoff.failed(device, now)
        wait = INTERVAL_SECONDS
        while not backoff.is_due(device, now + timedelta(seconds=wait), INTERVAL_SECONDS):
            wait += INTERVAL_SECONDS
        waits.append(wait)
        now += timedelta(seconds=wait)
    return waits


def test_each_failure_in_a_row_doubles_the_wait_up_to_ten_minutes() -> None:
    waits = asked_after(Backoff(), TRUCK, 8)
    assert waits == [60, 120, 240, 480, *[LONGEST_WAIT_SECONDS] * 4]


def test_who_is_asked_seldom_is_not_asked_more_often_because_it_fails() -> None:
    assert asked_after(Backoff(), replace(TRUCK, poll_seconds=3600), 2) == [3600, 3600]


def test_a_success_ends_the_backoff() -> None:
    backoff = Backoff()
    asked_after(backoff, TRUCK, 5)
    assert backoff.failing == {"truck-7"}
    backoff.succeeded(TRUCK, NOW)
    assert backoff.failing == set()
    assert backoff.is_due(TRUCK, NOW + timedelta(seconds=30), INTERVAL_SECONDS)
    assert asked_after(backoff, TRUCK, 1) == [60]


def test_one_that_fails_costs_no_other_one_a_round() -> None:
    backoff = Backoff()
    backoff.failed(TRUCK, NOW)
    assert backoff.is_due(replace(TRUCK, device_id="truck-8"), NOW, INTERVAL_SECONDS)


def test_a_round_that_comes_a_little_early_is_a_round() -> None:
    backoff = Backoff()
    backoff.succeeded(TRUCK, NOW)
    assert backoff.is_due(TRUCK, NOW + timedelta(seconds=29), INTERVAL_SECONDS)
    assert not backoff.is_due(TRUCK, NOW + timedelta(seconds=14), INTERVAL_SECONDS)


def test_a_device_that_is_forgotten_begins_anew() -> None:
    backoff = Backoff()
    backoff.failed(TRUCK, NOW)
    backoff.forget_all_but({"truck-8"})
    assert backoff.failing == set()
    assert backoff.is_due(TRUCK, NOW, INTERVAL_SECONDS)
