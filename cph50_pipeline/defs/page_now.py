"""What the dashboard is made of, read from the live table and the stored files; each part stands without the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import day_bounds, local_date, month_bounds, month_of, shift_month
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.month_files import SLOTS
from cph50_pipeline.defs.state_file import state_snapshot
from cph50_pipeline.defs.store import VEHICLES_FILE, Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.model import DeviceKind, LatestValue
from cph50_pipeline.live.snapshot import DeviceSnapshot, snapshot_of
from cph50_pipeline.pages.cars import Car, cars_of
from cph50_pipeline.pages.now import (
    LiveView,
    MeterView,
    PeriodView,
    charger_view,
    in_session,
    meter_views,
    period_view,
    published_meter_views,
    session_start,
)
from cph50_pipeline.pages.power import main_meter
from cph50_pipeline.pages.troubles import Trouble
from cph50_pipeline.power.data_points import PATHS, read
from cph50_pipeline.power.meters import CANONICAL_UNITS
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import load_json
from cph50_pipeline.vehicles.config import VehicleConfig

LIVE = "live"
FILES_SECONDS = 10.0
"""For how long what was read of the files of months stands: they are asked for every second."""
_SHOWN = (DeviceKind.CHARGER, DeviceKind.METER)
_MISSED_INTERVALS = 3
_LONGEST_CURVE = timedelta(days=3)
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class _OfFiles:
    """What the files of months say, and when they were read."""

    at: datetime
    cars: Mapping[str, Car]
    periods: tuple[PeriodView, ...]
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class _OfPower:
    """A charger's power in a session that began then, up to its newest one: that it said no newer one is no news."""

    begun: datetime
    newest: datetime | None
    drawn: Sequence[LatestValue]


@dataclass
class Dashboard:
    """One household's dashboard; what did not change is not read again. For several threads."""

    settings: Settings
    store: Store
    _files: _OfFiles | None = field(default=None, repr=False)
    _curves: dict[str, _OfPower] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Dashboard:
        """The dashboard of the household that the settings name."""
        return cls(settings, Store.of(settings))

    def view(self, now: datetime) -> LiveView:
        """What it shows at a time (UTC). What cannot be read is told in its place."""
        files = self._of_files(now)
        troubles: list[Trouble] = []
        found = _tried(lambda: live_snapshots(self.settings, now), troubles) or []
        chargers = [one for one in found if one.device.kind is DeviceKind.CHARGER]
        meters = meter_views(
            (one for one in found if one.device.kind is DeviceKind.METER), self.settings.zone
        )
        meters_from = LIVE
        if not chargers:
            chargers = _tried(lambda: state_file_snapshots(self.store, self.settings, now), troubles) or []
        if not meters:
            meters, meters_from = _tried(lambda: self._published_meters(now), troubles) or [], PATHS["daily"]
        views = tuple(
            charger_view(one, self._drawn(one, now, troubles), files.cars, self.settings.zone)
            for one in chargers
        )
        told = tuple(dict.fromkeys([*troubles, *files.troubles]))
        return LiveView(views, tuple(meters), meters_from, files.periods, told)

    def _of_files(self, now: datetime) -> _OfFiles:
        known = self._files
        if known is None or abs((now - known.at).total_seconds()) > FILES_SECONDS:
            troubles: list[Trouble] = []
            config = _tried(self.store.vehicles, troubles) or VehicleConfig.read({}, VEHICLES_FILE)
            slots = _tried(lambda: self._slots(now), troubles)
            cars = cars_of(config, {slot.vehicle_id for slot in slots or ()})
            periods = () if slots is None else self._periods(slots, now, cars)
            self._files = known = _OfFiles(now, cars, periods, tuple(troubles))
        return known

    def _slots(self, now: datetime) -> list[ChargingSlot]:
        """Those of this month's sessions and of the ones before, which may last into it."""
        month = month_of(now, self.settings.zone)
        return [
            slot
            for one in (shift_month(month, -1), month)
            for slot in self.store.read_large(SLOTS.path(one), SLOTS.parse) or ()
        ]

    def _periods(
        self, slots: Sequence[ChargingSlot], now: datetime, cars: Mapping[str, Car]
    ) -> tuple[PeriodView, ...]:
        zone = self.settings.zone
        day, month = local_date(now, zone), month_of(now, zone)
        return (
            period_view("Today", day.isoformat(), slots, *day_bounds(day, zone), cars),
            period_view("This month", month, slots, *month_bounds(month, zone), cars),
        )

    def _drawn(
        self, charger: DeviceSnapshot, now: datetime, troubles: list[Trouble]
    ) -> Sequence[LatestValue]:
        """A charger's power since its session in progress began, as far as the live table keeps it."""
        begun = session_start(charger, self.settings.zone)
        if begun is None or not in_session(charger):
            return ()
        newest = next((one.last_at for one in charger.sensors if one.sensor == "power_kw"), None)
        device_id = charger.device.device_id
        known = self._curves.get(device_id)
        if known is not None and (known.begun, known.newest) == (begun, newest):
            return known.drawn
        first, end = max(begun, now - _LONGEST_CURVE), now + timedelta(minutes=1)
        drawn = _tried(lambda: live_store(self.settings).history(device_id, "power_kw", first, end), troubles)
        if drawn is not None:
            self._curves[device_id] = _OfPower(begun, newest, drawn)
        return drawn or ()

    def _published_meters(self, now: datetime) -> list[MeterView]:
        """What the house's meters said last by the file of today."""
        document = self.store.read_file(PATHS["daily"], lambda data, name: read(load_json(data, name), name))
        points = [] if document is None else document["data_points"]
        if not points:
            return []
        config = self.store.meters(self.settings.power_interval_seconds)
        main = main_meter(points, config)
        units = {  # what a counter stands at is not in the file
            id_: CANONICAL_UNITS[meter.quantity]
            for id_, meter in config.meters.items()
            if meter.kind == "gauge"
        }
        old_before = now - timedelta(seconds=_MISSED_INTERVALS * self.settings.power_interval_seconds)
        return published_meter_views(points, units, main, self.settings.zone, old_before)


def live_snapshots(
    settings: Settings, now: datetime, kinds: Collection[DeviceKind] = _SHOWN
) -> list[DeviceSnapshot]:
    """The devices of the live table that are of these kinds: without the telemetry of what drives about.

    Args:
        now: UTC.

    Raises:
        Cph50Error: the table cannot be read.
    """
    return [
        snapshot_of(device, latest, now, settings.live_carry_minutes)
        for device, latest in live_store(settings).known_of(kinds)
    ]


def state_file_snapshots(store: Store, settings: Settings, now: datetime) -> list[DeviceSnapshot]:
    """The charger by the state file: where the live table knows none. None where that file does not either.

    Args:
        now: UTC.

    Raises:
        Cph50Error: the file cannot be read.
    """
    found = state_snapshot(store.last_session(), now, settings.live_carry_minutes)
    return [] if found is None else [found]


def _tried(read_part: Callable[[], Part], troubles: list[Trouble]) -> Part | None:
    """A part of the page; None where it cannot be read, which is noted."""
    try:
        return read_part()
    except Cph50Error as error:
        troubles.append(Trouble.of(error))
        return None
