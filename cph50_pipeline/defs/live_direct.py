"""Asking a source itself what a device says: the way back when the latest values are in doubt.

What was said is given, not written: one collector a source writes, and it is not this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from cph50_pipeline.charging.privacy import charger_label
from cph50_pipeline.charging.watching import Observation, last_session
from cph50_pipeline.defs.charger_values import SOURCE, readings_of_charger, readings_of_look
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.live_feeds import build_feeds
from cph50_pipeline.defs.resources import ChargePoint
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error, NotFoundError, TransientError
from cph50_pipeline.live.feed import Feed
from cph50_pipeline.live.model import Device, Reading
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.charger_source import ChargerSource
from cph50_pipeline.sources.fetching import charger_of_session

ASKED_SECONDS = 20.0


def read_direct(settings: Settings, device_id: str) -> list[Reading]:
    """What a device says now, asked of its source.

    Raises:
        NotFoundError: there is no such device.
        Cph50Error: the source could not be asked, or said nothing of the device.
    """
    known = _known(settings)
    device = None if known is None else known.get(device_id)
    if device is None or device.source != SOURCE:
        for feed in build_feeds(settings, Store.of(settings), collects=False):
            if device is None or feed.name == device.source:
                with _closing(feed):
                    readings = _read_feed(feed, device_id, is_known=device is not None)
                if readings is not None:
                    return readings
    if device is not None and device.source != SOURCE:
        raise NotFoundError(
            f"Device {device_id} is not configured any more", remedy="Its values are its last ones"
        )
    if known is not None and device is None and any(one.source == SOURCE for one in known.values()):
        raise _unknown(device_id)  # ChargePoint is not asked for every id that somebody makes up
    return _read_charger(settings, device_id)


def _known(settings: Settings) -> dict[str, Device] | None:
    """The devices of the live table by id; None while it cannot be read: the source is asked because of that."""
    try:
        return {one.device_id: one for one in live_store(settings).devices(include_retired=True)}
    except Cph50Error:
        return None


def _read_feed(feed: Feed, device_id: str, *, is_known: bool) -> list[Reading] | None:
    """What a feed says of a device; None where it has none of that id."""
    try:
        wanted = [one for one in feed.devices() if one.device_id == device_id]
    except Cph50Error:
        if is_known:
            raise
        return None  # another feed may have it
    if not wanted:
        return None
    polled = feed.poll(wanted, datetime.now(UTC))
    return _of(wanted[0], polled.readings, polled.troubles.get(device_id))


@contextmanager
def _closing(feed: Feed) -> Iterator[None]:
    """Close at the end what a feed opened, where it keeps something open."""
    try:
        yield
    finally:
        close = getattr(feed, "close", None)
        if close is not None:
            close()


def _unknown(device_id: str) -> NotFoundError:
    return NotFoundError(f"There is no device {device_id}", remedy="`/api/v1/devices` lists them")


def _of(device: Device, readings: Sequence[Reading], trouble: str | None) -> list[Reading]:
    found = [reading for reading in readings if reading.device_id == device.device_id]
    if not found:
        raise TransientError(
            trouble or f"{device.source} said nothing of {device.device_id}", kept="The latest values stay"
        )
    return found


def _read_charger(settings: Settings, device_id: str) -> list[Reading]:
    resource: ChargePoint = ChargePoint.of(settings).process_config_and_initialize()
    client = resource.client()
    with client.within(ASKED_SECONDS):
        for charger_id in client.chargers():
            if charger_label(charger_id) == device_id:
                return look_at_charger(client, charger_id, settings)
    raise _unknown(device_id)


def look_at_charger(source: ChargerSource, charger_id: str, settings: Settings) -> list[Reading]:
    """What one charger says now, with the session in progress where that runs on it.

    Raises:
        Cph50Error: it could not be asked.
    """
    now = datetime.now(UTC)
    charger = source.charger_status(charger_id)
    active = source.user_status()
    session = None if active is None else source.session(active.session_id)
    if session is not None and charger_of_session(source.chargers(), session) != charger_id:
        return readings_of_charger(charger, now)
    seen = Observation(now, charger, session)
    return readings_of_look(seen, last_session(seen, None, settings.zone))
