"""What is known of devices now: values with their own times, and how old they are. No database here: see `store.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

Value = float | str | bool
"""What a sensor says. What is missing has no value at all, so a true 0 and a true False stay."""

STALE_SECONDS = 60.0
"""From which age on a device that is asked every 30 s is called stale."""
ALARM_SECONDS = 300.0
"""From which age on a device that is asked every 30 s is an alarm."""
_STALE_POLLS = 2.0
_ALARM_POLLS = 10.0


class DeviceKind(StrEnum):
    """What a device is."""

    CHARGER = "charger"
    METER = "meter"
    TELEMETRY = "telemetry"


class Freshness(StrEnum):
    """What a device's age means."""

    FRESH = "fresh"
    STALE = "stale"
    SILENT = "silent"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Device:
    """Something with sensors.

    Attributes:
        device_id: Unique in the household: letters, digits and `._-`.
        name: For people.
        source: The name of the feed that reads it.
        poll_seconds: How often it is asked.
        retired_at: Since when it is not asked any more (UTC); its values stay until maintenance removes them.
    """

    device_id: str
    kind: DeviceKind
    name: str
    source: str
    poll_seconds: float = 30.0
    retired_at: datetime | None = None

    @property
    def stale_after_seconds(self) -> float:
        """From which age on it is stale."""
        return max(STALE_SECONDS, _STALE_POLLS * self.poll_seconds)

    @property
    def alarm_after_seconds(self) -> float:
        """From which age on it is an alarm."""
        return max(ALARM_SECONDS, _ALARM_POLLS * self.poll_seconds)

    def freshness(self, age_seconds: float | None) -> Freshness:
        """What an age means for this device; None: nothing was ever heard of it."""
        if age_seconds is None:
            return Freshness.NEVER
        if age_seconds > self.alarm_after_seconds:
            return Freshness.SILENT
        return Freshness.STALE if age_seconds > self.stale_after_seconds else Freshness.FRESH


@dataclass(frozen=True, slots=True)
class Reading:
    """What one sensor of one device said.

    Attributes:
        at: When, by the source's own time (UTC): not when we asked.
        unit: None for what has none, as a status.
    """

    device_id: str
    sensor: str
    value: Value
    unit: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class LatestValue:
    """A row of the live table.

    Attributes:
        received_at: When it was written (UTC).
    """

    device_id: str
    sensor: str
    value: Value
    unit: str | None
    at: datetime
    source: str
    received_at: datetime

    def age_seconds(self, now: datetime) -> float:
        """How old the value is; computed when it is read, never stored."""
        return max(0.0, (now - self.at).total_seconds())


@dataclass(frozen=True, slots=True)
class Polled:
    """What one look of a feed brought.

    Attributes:
        readings: Of the devices that answered.
        troubles: One line a device that could not be read, by its id.
    """

    readings: Sequence[Reading] = ()
    troubles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cycle:
    """What is told of one round of a feed.

    Attributes:
        started_at: UTC.
        updated: Sensors that got a newer value.
        errors: Devices that could not be read.
        average_age_seconds: Over the feed's devices of which anything is known, at the end of the round.
        fresh: Devices that are fresh then.
    """

    feed: str
    started_at: datetime
    duration_seconds: float
    devices: int
    updated: int
    errors: int
    average_age_seconds: float | None
    maximum_age_seconds: float | None
    fresh: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """When a feed's collector last worked, apart from whether anything was fresh.

    Attributes:
        beaten_at: When its last round ended (UTC), also a round in which nothing could be read.
        succeeded_at: When a round last read all of its devices; None: never.
        failures: Rounds in a row in which nothing could be read.
        trouble: What was wrong in the last round, one line; None: nothing.
        interval_seconds: How often it means to work.
    """

    feed: str
    beaten_at: datetime
    succeeded_at: datetime | None
    failures: int
    trouble: str | None
    interval_seconds: float

    @property
    def alive_until(self) -> datetime:
        """Until when its collector counts as at work without another round (UTC): three may be missed."""
        return self.beaten_at + timedelta(seconds=max(STALE_SECONDS, 3 * self.interval_seconds))

    def is_alive(self, now: datetime) -> bool:
        """Whether its collector is at work."""
        return now <= self.alive_until
