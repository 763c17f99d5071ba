"""What a device is like now: how old what it said is, and which of its values still hold. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cph50_pipeline.live.model import Device, Freshness, LatestValue, Value
from cph50_pipeline.live.readings import FUTURE_TOLERANCE


@dataclass(frozen=True, slots=True)
class SensorSnapshot:
    """One sensor of a device.

    Attributes:
        value: What it says; None: it fell silent longer before the device's newest value than is carried.
        at: When it said that (UTC); None with the value.
        age_seconds: Of what it said last.
        last_value: What it said last, however old.
        last_at: When that was (UTC).
        received_at: When that was written (UTC).
    """

    sensor: str
    value: Value | None
    unit: str | None
    at: datetime | None
    age_seconds: float
    last_value: Value
    last_at: datetime
    source: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceSnapshot:
    """A device with all that it said last.

    Attributes:
        age_seconds: Of its newest value; None: nothing was ever heard of it.
        newest_at: When it said that (UTC).
        sensors: By name.
    """

    device: Device
    freshness: Freshness
    age_seconds: float | None
    newest_at: datetime | None
    sensors: tuple[SensorSnapshot, ...]

    @property
    def is_stale(self) -> bool:
        """Whether its values are older than they should be, or absent."""
        return self.freshness is not Freshness.FRESH


def snapshot_of(
    device: Device, latest: Sequence[LatestValue], now: datetime, carry_minutes: float
) -> DeviceSnapshot:
    """What a device is like now.

    A sensor that said nothing while others went on keeps its value for a while, as one that is sent only when it
    changes. A device that is silent as a whole keeps all its values: its age says how much they are worth. What is of
    a time yet to come, written before a clock was set back, holds nothing: nobody knows how old it is.

    Args:
        latest: Of its sensors.
        now: UTC.
        carry_minutes: How much older than the device's newest value one may be.
    """
    until = now + FUTURE_TOLERANCE
    newest = max((each for each in latest if each.at <= until), key=lambda value: value.at, default=None)
    age_seconds = None if newest is None else newest.age_seconds(now)
    carried_from = None if newest is None else newest.at - timedelta(minutes=carry_minutes)
    return DeviceSnapshot(
        device,
        device.freshness(age_seconds),
        age_seconds,
        None if newest is None else newest.at,
        tuple(
            _sensor(value, now, is_carried=carried_from is not None and carried_from <= value.at <= until)
            for value in sorted(latest, key=lambda value: value.sensor)
        ),
    )


def _sensor(last: LatestValue, now: datetime, is_carried: bool) -> SensorSnapshot:
    return SensorSnapshot(
        last.sensor,
        last.value if is_carried else None,
        last.unit,
        last.at if is_carried else None,
        last.age_seconds(now),
        last.value,
        last.at,
        last.source,
        last.received_at,
    )
