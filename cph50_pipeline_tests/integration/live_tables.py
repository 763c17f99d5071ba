"""Devices and readings for the tests of the live table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cph50_pipeline.live.model import Device, DeviceKind, Reading, Value

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
FEED = "telemetry"


def device(device_id: str = "truck-7", source: str = FEED, poll_seconds: float = 30.0) -> Device:
    return Device(device_id, DeviceKind.TELEMETRY, device_id.replace("-", " ").title(), source, poll_seconds)


def reading(
    value: Value,
    sensor: str = "fuel",
    seconds: float = 0.0,
    device_id: str = "truck-7",
    unit: str | None = "l",
) -> Reading:
    """What a sensor said so many seconds after `NOW`."""
    return Reading(device_id, sensor, value, unit, NOW + timedelta(seconds=seconds))
