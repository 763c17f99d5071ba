"""The latest values of this household: where they are kept, and what the collectors of the charger write there.

The feeds that are polled are in `live_feeds`, who polls them in `live_sensor` and `live_polling`. Nothing that a
collector is for fails because the live table does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from logging import Logger
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import CollectionRecord
from cph50_pipeline.defs.charger_values import (
    SOURCE,
    readings_of_sample,
)
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.snapshot import DeviceSnapshot, snapshot_of
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.private import make_private_folder

if TYPE_CHECKING:
    from cph50_pipeline.live.store import LiveStore

KEPT_AS_BEFORE = "The latest values stay as they were; everything else goes on."


@dataclass(frozen=True)
class LatestValues:
    """The live table, as a run that samples a session sees it.

    Attributes:
        url: Its database, as SQLAlchemy writes it; may hold a password.
        keeps_history: Whether also what was said before is kept.
    """

    url: SecretStr
    keeps_history: bool = True

    @classmethod
    def of(cls, settings: Settings) -> LatestValues:
        """The one that the settings name."""
        return cls(SecretStr(settings.live_url), settings.live_history_days > 0)

    def sample(self, status: ChargingStatus, record: CollectionRecord, log: Logger) -> None:
        """Write what the newest sample of a home session's collection said; a failure costs nothing else."""
        newest = record.samples[-1] if record.samples else None
        if status.is_home_charger is False or newest is None or not newest.is_valid:
            return
        with going_on(log):
            store = _store_at(self.url.get_secret_value(), self.keeps_history)
            chargers = [device for device in store.devices() if device.source == SOURCE]
            at_session = [
                one for one in chargers if status.charger_label in (None, one.device_id) or len(chargers) == 1
            ]
            if len(at_session) == 1:
                readings = readings_of_sample(at_session[0].device_id, newest)
                store.write(at_session, readings, SOURCE, newest.timestamp)


def live_store(settings: Settings) -> LiveStore:
    """The household's live table, one a process, so that its connections are kept.

    Raises:
        Cph50Error: the database cannot be used.
    """
    if settings.live_database_url is None:
        make_private_folder(settings.private_dir)
    return _store_at(settings.live_url, settings.live_history_days > 0)


def device_snapshots(settings: Settings, now: datetime) -> list[DeviceSnapshot]:
    """All devices that are asked, as they are now.

    Raises:
        Cph50Error: the live table cannot be read.
    """
    table = live_store(settings)
    latest = table.all_latest()
    return [
        snapshot_of(device, latest.get(device.device_id, ()), now, settings.live_carry_minutes)
        for device in table.devices()
    ]


@lru_cache(maxsize=4)
def _store_at(url: str, keeps_history: bool) -> LiveStore:
    from cph50_pipeline.live.store import LiveStore

    return LiveStore.of(url, keeps_history=keeps_history)


@contextmanager
def going_on(log: Logger) -> Iterator[None]:
    """Outlive what goes wrong with the live table: it is said."""
    try:
        yield
    except Cph50Error as error:
        log.warning(f"{error} {KEPT_AS_BEFORE}")
