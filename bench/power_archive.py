"""A household's power and sessions of some years, and the work of one day more."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from bench.charging_year import ChargingYear
from bench.homes import ZONE
from bench.house_power import INTERVAL_SECONDS, ONE_METER, make, readings_between, take_in
from cph50_pipeline.civil_time import (
    day_bounds,
    day_start,
    local_date,
    month_bounds,
    month_range,
    shift_month,
)
from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.simulator.answers import HouseholdAnswers
from cph50_pipeline.simulator.house.house import House
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline.storage.layout import kind_of

DAY = date(2026, 1, 20)
MONTH = f"{DAY:%Y-%m}"


@dataclass(frozen=True)
class Archive:
    """A data root that ends with the day before `DAY`.

    Attributes:
        files: What it holds, by path.
    """

    settings: Settings
    house: House
    files: Mapping[Path, bytes]

    @classmethod
    def of(cls, folder: Path, years: int) -> Archive:
        """A household whose meter and charger are known for so many years, and for the open month so far."""
        first = shift_month(MONTH, -12 * years)
        plan = Household(
            Settings().simulator_seed, ZONE, history_start=local_date(month_bounds(first, ZONE)[0], ZONE)
        )
        household = LiveHousehold(plan, PlugInBook())
        settings = Settings(data_dir=str(folder), publish=PublishMode.OFF)
        store, house, now = Store.of(settings), House(household), day_start(DAY, ZONE)
        store.write_document(METERS_FILE, {"meters": ONE_METER})
        config, charging = store.meters(INTERVAL_SECONDS), ChargingYear(store, HouseholdAnswers(household))
        with store.open():
            for month in month_range(first, MONTH):
                begins, ends = month_bounds(month, ZONE)
                sessions = plan.sessions_between(begins, min(ends, now - timedelta(days=1)))
                charging.write_past(month, sessions, now)
                take_in(store, readings_between(house, config, begins, min(ends, now)), now)
            for month in month_range(first, MONTH):
                make(store, [month], config)
        return cls(settings, house, _contents(folder))

    def recent(self, folder: Path, years: int) -> Archive:
        """The same household in another folder, of which no more than so many years are known."""
        first, root = shift_month(MONTH, -12 * years), Path(self.settings.data_root)
        for path in self.files:
            name = path.relative_to(root)
            kind = kind_of(str(name))
            month = kind.month_of(str(name)) if kind else None
            if month is None or month >= first:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        settings = self.settings.model_copy(update={"data_dir": str(folder)})
        return Archive(settings, self.house, _contents(folder))

    def seconds_of_a_day(self) -> float:
        """How long a run for the day takes; everything is as before afterwards."""
        begins, ends = day_bounds(DAY, ZONE)
        started = time.perf_counter()
        store = Store.of(self.settings)
        with store.open():
            config = store.meters(INTERVAL_SECONDS)
            readings = readings_between(self.house, config, begins, ends)
            make(store, take_in(store, readings, ends), config)
        seconds = time.perf_counter() - started
        self._restore(store.written)
        return seconds

    def _restore(self, written: Sequence[str]) -> None:
        for name in written:
            path = Path(self.settings.data_root) / name
            if path in self.files:
                path.write_bytes(self.files[path])
            else:
                path.unlink()


def _contents(folder: Path) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "private" not in path.parts
    }
