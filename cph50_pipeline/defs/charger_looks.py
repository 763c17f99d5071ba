"""The charger's latest values as `charger_sensor` sees them: a feed that is told what was seen, instead of asking.

So that one collector asks ChargePoint, and that its rounds, heartbeats and alarms are those of every other feed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from logging import Logger
from typing import TYPE_CHECKING

from cph50_pipeline.charging.privacy import charger_label
from cph50_pipeline.charging.watching import LastSession, Observation
from cph50_pipeline.defs.charger_values import (
    SOURCE,
    charger_device,
    label_of,
    readings_of_charger,
    readings_of_look,
)
from cph50_pipeline.defs.live import going_on, live_store
from cph50_pipeline.defs.tick_log import TickLog
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import Device, Polled, Reading
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.charger_source import ChargerSource

if TYPE_CHECKING:
    from cph50_pipeline.live.collector import Collector


class ChargerLooks:
    """What was seen of the household's chargers.

    Args:
        settings: Of the household.
    """

    name = SOURCE
    notice = None

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: dict[str, Device] = {}
        self._readings: list[Reading] = []
        self._troubles: dict[str, str] = {}
        self._trouble: Cph50Error | None = None
        self._collector: Collector | None = None
        self._log = TickLog()

    def seen(self, source: ChargerSource, seen: Observation, state: LastSession, log: Logger) -> None:
        """Take in a look; where the household has more chargers, another one is looked at, each in turn."""
        shown = charger_device(seen.charger, self._settings.poll_seconds)
        self._readings = readings_of_look(seen, state)
        self._troubles = {}
        devices = {shown.device_id: shown}
        others = {
            label: id_ for id_ in source.chargers() if (label := charger_label(id_)) and label not in devices
        }
        every_seconds = self._settings.poll_seconds * max(1, len(others))
        for label in others:
            devices[label] = self._seen.get(label) or charger_device(None, every_seconds, label)
        if others:
            devices |= self._look_at_one(source, others, every_seconds, seen.at)
        self._seen = devices
        self._end(None, seen.at, log)

    def failed(self, error: Cph50Error, now: datetime, log: Logger) -> None:
        """Take in that the charger was looked at in vain: its collector is at work, its values grow old."""
        self._readings, self._troubles = [], {}
        self._end(error, now, log)

    def devices(self) -> Sequence[Device]:
        """The household's chargers."""
        return list(self._seen.values()) or [
            device for device in live_store(self._settings).devices() if device.source == SOURCE
        ]

    def poll(self, devices: Sequence[Device], now: datetime) -> Polled:
        """What was seen.

        Raises:
            Cph50Error: nothing was.
        """
        if self._trouble is not None:
            raise self._trouble
        return Polled(self._readings, self._troubles)

    def _look_at_one(
        self, source: ChargerSource, others: dict[str, str], every_seconds: float, at: datetime
    ) -> dict[str, Device]:
        turn = int(at.timestamp()) // self._settings.poll_seconds % len(others)
        label = sorted(others)[turn]
        try:
            charger = source.charger_status(others[label])
        except Cph50Error as error:
            self._troubles = {label: error.message}
            return {}
        self._readings += readings_of_charger(charger, at)
        return {label_of(charger): charger_device(charger, every_seconds)}

    def _end(self, trouble: Cph50Error | None, now: datetime, log: Logger) -> None:
        self._trouble = trouble
        self._log.tick = log
        with going_on(log):
            if self._collector is None:
                from cph50_pipeline.live.collector import Collector

                clock = partial(datetime.now, UTC)
                self._collector = Collector(self, live_store(self._settings), clock, self._log)
            self._collector.round(now, self._settings.poll_seconds)
