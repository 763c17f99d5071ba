"""The feeds of latest values that are polled: the house's meters, and a fleet's telemetry.

The charger is not among them: `charger_sensor` and the sampling of a session look at it, and write what they saw
themselves (`live`). The collector of the meters writes both their latest values and, where intervals are short, the
readings that wait to be taken in (`collecting`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from logging import Logger

from cph50_pipeline.defs.charger_values import SOURCE
from cph50_pipeline.defs.collecting import Spool, collect
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.power_due import is_collected
from cph50_pipeline.defs.resources import HomeAssistant
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, LockedError
from cph50_pipeline.live.feed import Feed
from cph50_pipeline.live.model import Device, DeviceKind, Polled, Reading
from cph50_pipeline.power.meters import CANONICAL_UNITS, Meter, MeterConfig, canonical
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.home_source import Heard, HomeSource, StateRow

HOME_ASSISTANT = "home_assistant"
TELEMETRY = "telemetry"
_FEED_SECONDS = 20.0


class HomeFeed:
    """The house's meters as Home Assistant shows them, a device for what their names have in common.

    Args:
        source: Gives the client; raises where settings are wrong.
        store: Of the household; says which meters there are.
        live_seconds: How often the feed is polled.
        interval_seconds: Between two readings of the history.
        collects: Whether what is heard is also kept as readings, where intervals are short.
    """

    name = HOME_ASSISTANT

    def __init__(
        self,
        source: Callable[[], HomeSource | None],
        store: Store,
        live_seconds: float,
        interval_seconds: float,
        *,
        collects: bool = True,
    ) -> None:
        self._source = source
        self._store = store
        self._live_seconds = live_seconds
        self._interval_seconds = interval_seconds
        self._collects = collects and is_collected(interval_seconds)
        self._meters: MeterConfig | None = None
        self.notice: str | None = None

    def devices(self) -> Sequence[Device]:
        """A device for each name before a meter's last dot; of a broken meters.json the last good one stands.

        Raises:
            BadInputError: a setting is wrong, or meters.json is and no good one was read yet.
        """
        if self._source() is None:
            return []
        try:
            self._meters = self._store.meters(self._interval_seconds)
            self.notice = None
        except BadInputError as error:
            if self._meters is None:
                raise  # to name none would retire all that are known
            self.notice = str(error)
        return [
            Device(name, DeviceKind.METER, name, HOME_ASSISTANT, self._live_seconds)
            for name in sorted({device_and_sensor(id_)[0] for id_, _ in self._asked()})
        ]

    def poll(self, devices: Sequence[Device], now: datetime) -> Polled:
        """Ask Home Assistant once what all meters say.

        A state holds until another is told, so a reading is of now; one that is no number is no reading.

        Raises:
            Cph50Error: it cannot be asked.
        """
        source = self._source()
        if source is None:
            return Polled()
        wanted = {device.device_id for device in devices}
        with source.within(_FEED_SECONDS):
            heard = self._heard(source, now)
        self.notice = "; ".join(notice.message for notice in heard.notices) or self.notice
        readings = [
            one for one in readings_of_states(heard.rows, self._config(), now) if one.device_id in wanted
        ]
        silent = wanted - {reading.device_id for reading in readings}
        return Polled(
            readings, {name: f"Home Assistant has no number for any meter of {name}" for name in silent}
        )

    def _heard(self, source: HomeSource, now: datetime) -> Heard:
        """What all meters say; while another process collects them, as its daemon does, that keeps the readings."""
        entities = [meter.entity for _, meter in self._asked() if meter.entity is not None]
        if not self._collects:
            return source.states(entities)
        try:
            with self._store.locks.home_collector(timeout_seconds=0):
                found = collect(source, self._config(), Spool(self._store.locks), now, self._interval_seconds)
        except LockedError:
            found = None
        return source.states(entities) if found is None else found.heard

    def _config(self) -> MeterConfig:
        if self._meters is None:
            self._meters = self._store.meters(self._interval_seconds)
        return self._meters

    def _asked(self) -> Iterator[tuple[str, Meter]]:
        """The meters that Home Assistant is asked for."""
        if self._meters is not None:
            yield from ((id_, one) for id_, one in self._meters.meters.items() if one.entity is not None)


def readings_of_states(rows: Sequence[StateRow], config: MeterConfig, now: datetime) -> Iterator[Reading]:
    """What the states of entities say of the meters; what is no number, or none that is possible, says nothing."""
    said = {row.entity: row for row in rows}
    for id_, meter in config.meters.items():
        row = said.get(meter.entity or "")
        value = None if row is None else canonical(meter, row.state, row.unit)
        low, high = meter.possible
        if value is not None and low <= value <= high:
            device_id, sensor = device_and_sensor(id_)
            yield Reading(device_id, sensor, value, CANONICAL_UNITS[meter.quantity] or None, now)


def device_and_sensor(meter_id: str) -> tuple[str, str]:
    """The device and the sensor that a meter's name says: "home.power" is the power of home."""
    device_id, _, sensor = meter_id.rpartition(".")
    return device_id, sensor


def configured_feeds(settings: Settings) -> dict[str, float]:
    """The feeds that the household has by its settings, the charger's too, with how often each is asked (seconds)."""
    feeds: dict[str, float] = {SOURCE: settings.poll_seconds}
    if settings.home_assistant_url is not None or settings.simulates_home:
        feeds[HOME_ASSISTANT] = settings.live_seconds
    if settings.telemetry_url is not None:
        feeds[TELEMETRY] = settings.live_seconds
    return feeds


def build_feeds(
    settings: Settings,
    store: Store,
    home: Callable[[], HomeSource | None] | None = None,
    *,
    collects: bool = True,
) -> list[Feed]:
    """The feeds of the household; none costs anything until it is polled.

    Args:
        home: Gives the client of its Home Assistant, None where it has none. Default: by the settings.
        collects: As of `HomeFeed`.
    """
    asked = home or partial(home_source, settings)
    interval_seconds = settings.power_interval_seconds
    feeds: list[Feed] = [HomeFeed(asked, store, settings.live_seconds, interval_seconds, collects=collects)]
    if settings.telemetry_url is not None:
        feeds.append(_telemetry(settings))
    return feeds


def forget_other_feeds(settings: Settings, feeds: Sequence[Feed], now: datetime, log: Logger) -> None:
    """Retire the devices of feeds that the settings name no longer: they would be silent for ever.

    Raises:
        Cph50Error: the live table cannot be used.
    """
    gone = live_store(settings).forget_feeds([SOURCE, *(feed.name for feed in feeds)], now)
    if gone:
        log.info(f"Retired, since nothing is set up that reads them: {', '.join(gone)}")


def home_source(settings: Settings) -> HomeSource | None:
    """The client of the household's Home Assistant; None where it has none.

    Raises:
        BadInputError: there is an address and no token, or one that cannot be.
    """
    resource: HomeAssistant = HomeAssistant.of(settings).process_config_and_initialize()
    return resource.client()


def _telemetry(settings: Settings) -> Feed:
    from cph50_pipeline.sources.devices_file import DevicesFile
    from cph50_pipeline.sources.sql_telemetry import SqlTelemetry

    assert settings.telemetry_url is not None
    file = DevicesFile.of(settings.data_root, settings.devices_file)
    return SqlTelemetry(settings.telemetry_url.get_secret_value(), file)
