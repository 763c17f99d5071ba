"""When a device that could not be read is asked again. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from cph50_pipeline.live.model import Device

LONGEST_WAIT_SECONDS = 600.0
_MOST_DOUBLINGS = 10


class Backoff:
    """When each device is due: each failure in a row doubles its wait, up to ten minutes."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._due: dict[str, datetime] = {}

    @property
    def failing(self) -> set[str]:
        """The devices that could not be read the last time."""
        return set(self._failures)

    def is_due(self, device: Device, now: datetime, interval_seconds: float) -> bool:
        """Whether a device is to be asked in this round; half an interval early is better than a whole one late.

        Args:
            interval_seconds: From one round to the next.
        """
        due = self._due.get(device.device_id)
        return due is None or now >= due - timedelta(seconds=interval_seconds / 2)

    def succeeded(self, device: Device, now: datetime) -> None:
        """It was asked, and nothing was wrong."""
        self._failures.pop(device.device_id, None)
        self._due[device.device_id] = now + timedelta(seconds=device.poll_seconds)

    def failed(self, device: Device, now: datetime) -> None:
        """It could not be read."""
        failures = min(self._failures.get(device.device_id, 0) + 1, _MOST_DOUBLINGS)
        self._failures[device.device_id] = failures
        wait_seconds = min(device.poll_seconds * 2**failures, LONGEST_WAIT_SECONDS)
        # Who is asked less often than that anyway is not asked more often because it fails.
        self._due[device.device_id] = now + timedelta(seconds=max(wait_seconds, device.poll_seconds))

    def forget_all_but(self, device_ids: Collection[str]) -> None:
        """Forget all other devices."""
        self._failures = {each: count for each, count in self._failures.items() if each in device_ids}
        self._due = {each: due for each, due in self._due.items() if each in device_ids}
