"""Which devices fell silent and which are back, each said once. No clock, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cph50_pipeline.live.model import Device, Freshness


class Alarms:
    """What was said of devices that are silent."""

    def __init__(self) -> None:
        self._first_seen: dict[str, datetime] = {}
        self._silent: dict[str, datetime] = {}

    def lines(self, devices: Sequence[Device], newest: Mapping[str, datetime], now: datetime) -> list[str]:
        """What is new to be said: one line a device that fell silent, or that is back.

        Args:
            devices: All that are asked.
            newest: The time of the newest value of each (UTC). Of whom nothing was ever heard, the time counts
                since it was first asked for.
        """
        present = {device.device_id for device in devices}
        self._first_seen = {each: at for each, at in self._first_seen.items() if each in present}
        self._silent = {each: at for each, at in self._silent.items() if each in present}
        lines = [self._line(device, newest.get(device.device_id), now) for device in devices]
        return [line for line in lines if line is not None]

    def _line(self, device: Device, newest_at: datetime | None, now: datetime) -> str | None:
        first_seen = self._first_seen.setdefault(device.device_id, now)
        last_sign = newest_at or first_seen
        age_seconds = max(0.0, (now - last_sign).total_seconds())
        is_silent = device.freshness(age_seconds) is Freshness.SILENT
        was_silent = device.device_id in self._silent
        if is_silent and not was_silent:
            self._silent[device.device_id] = last_sign
            since = f" since {newest_at.isoformat(timespec='seconds')}" if newest_at else ", ever"
            return f"{device.device_id} ({device.name}) is silent: nothing was heard of it{since}"
        if was_silent and not is_silent:
            silent_seconds = (last_sign - self._silent.pop(device.device_id)).total_seconds()
            return f"{device.device_id} ({device.name}) is back after {silent_seconds:.0f} s of silence"
        return None
