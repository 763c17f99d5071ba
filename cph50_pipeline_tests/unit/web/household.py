"""A household's stored files, made at once, and its API behind a real server on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import SLOT, day_start, format_instant, month_of
from cph50_pipeline.defs.month_files import CACHE, ROLLUPS, SAMPLES, SLOTS, MonthFile
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.web.app import build_app
from cph50_pipeline.web.serving import address_of, listen, server_of

EMBER = "ember_hatch_2023"
TIDE = "tide_suv_2024"
CHARGER = "charger-4ba6"


@dataclass(frozen=True)
class Stay:
    """A session to store: its energy is spread evenly over its quarter hours, and its powers over its minutes."""

    session_id: str
    start: datetime
    minutes: int
    energy_kwh: float
    vehicle_id: str = EMBER
    cost: float | None = 1.5
    name: str | None = "Ember"
    powers: tuple[float, ...] = (8.6,)

    @property
    def readings(self) -> list[Reading]:
        step = timedelta(minutes=self.minutes) / max(1, len(self.powers) - 1)
        counted = self.energy_kwh / max(1, len(self.powers) - 1)
        return [
            Reading(self.start + place * step, round(place * counted, 6), power_kw, "curve")
            for place, power_kw in enumerate(self.powers)
        ]

    @property
    def slots(self) -> list[ChargingSlot]:
        first = self.start - (self.start - datetime(1970, 1, 1, tzinfo=UTC)) % SLOT
        starts = [first]
        while starts[-1] + SLOT < self.start + timedelta(minutes=self.minutes):
            starts.append(starts[-1] + SLOT)
        share = 1 / len(starts)
        return [
            ChargingSlot(
                self.session_id,
                self.vehicle_id,
                start,
                self.energy_kwh * share,
                None if self.cost is None else self.cost * share,
                1.0,
            )
            for start in starts
        ]

    @property
    def record(self) -> CacheRecord:
        car = {"id": self.vehicle_id, "vehicle_id": self.vehicle_id, "vehicle_name": self.name}
        nowhere = dict.fromkeys(("location_id", "name", "address", "city", "state", "zip_code"))
        return CacheRecord.model_validate(
            {
                "session_id": self.session_id,
                "session_start_time": self.start,
                "session_end_time": self.start + timedelta(minutes=self.minutes),
                "energy_kwh": self.energy_kwh,
                "vehicle_id": self.vehicle_id,
                "vehicle_confidence": 1.0,
                "vehicle": {**car, "confidence": 1.0, "make": None, "model": None},
                "location": nowhere,
                "charger": {
                    "charger_id": None,
                    "charger_label": CHARGER,
                    "connector_type": None,
                    "charger_model": "CPH50",
                    "level": 2,
                },
                "session": {
                    "energy_kwh": self.energy_kwh,
                    "duration_seconds": self.minutes * 60,
                    "charging_seconds": None,
                    "cost": self.cost,
                    "peak_power_kw": 8.6,
                    "status": "completed",
                },
                "utility": {"utility_name": None, "utility_company": None, "plan": None},
                "plug_in_id": self.session_id,
                "flags": ["tiny", "idle"],
            }
        )


STAYS = (
    Stay("1001", datetime(2025, 12, 31, 7, tzinfo=UTC), 60, 5.0),
    # From 2025-12-31 22:00 in Los Angeles on into the new year.
    Stay("1002", datetime(2026, 1, 1, 6, tzinfo=UTC), 240, 24.0, TIDE, name='Tide, "the" =1+1\nsecond'),
    Stay("1003", datetime(2026, 1, 7, 6, 0, 1, tzinfo=UTC), 90, 12.345678),
    Stay("1004", datetime(2026, 2, 3, 6, tzinfo=UTC), 30, 0.0, "unknown", cost=None, name=None),
)


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Settings of a household in a folder, with a token and no limit that tests would reach."""
    values: dict[str, Any] = {
        "data_dir": str(folder / "data"),
        "publish": "off",
        "history_start": "2025-12",
        "api_token": "right-token",
        "api_requests_per_minute": 1_000_000,
        **changes,
    }
    return Settings(**values)


def store_stays(settings: Settings, stays: Sequence[Stay] = STAYS) -> None:
    """Write the month files of these sessions."""
    months: dict[str, list[Stay]] = {}
    for stay in sorted(stays, key=lambda one: one.start):
        months.setdefault(month_of(stay.start, settings.zone), []).append(stay)
    for month, its in months.items():
        _write(settings, CACHE, month, [stay.record for stay in its])
        _write(settings, SLOTS, month, [slot for stay in its for slot in stay.slots])
        samples = {stay.session_id: stay.readings for stay in its}
        _write(settings, SAMPLES, month, samples)


def stored_in(folder: Path) -> Settings:
    """A household with four sessions and two days of power, for what only reads."""
    made = settings_in(folder)
    store_stays(made)
    store_power(made)
    return made


def store_power(settings: Settings, month: str = "2026-01", hours: int = 48) -> None:
    """Write a month's rollups of one meter, and the file of today."""
    import pyarrow as pa

    from cph50_pipeline.power.tables import rollups_schema

    first = day_start(datetime.fromisoformat(f"{month}-01").date(), settings.zone)
    schema = rollups_schema()
    rows = [
        {name: 1 if name.startswith("count_") else 0.5 for name in schema.names}
        | {"meter": "home.power", "resolution": "hour", "start": first + timedelta(hours=hour)}
        for hour in range(hours)
    ]
    _write(settings, ROLLUPS, month, pa.Table.from_pylist(rows, schema=schema))
    today = {"data_points": [], "events": [], "last_update": format_instant(first)}
    DataRoot(settings.data_root).write("power/daily.json", dump_json(today))


def _write(settings: Settings, file: MonthFile, month: str, value: Any) -> None:
    DataRoot(settings.data_root).write(file.path(month), file.dump(value))


@contextmanager
def served(settings: Settings) -> Iterator[httpx.Client]:
    """The household's API behind a server of its own, and a client of it."""
    ready = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = server_of(build_app(settings), ready.set)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        assert ready.wait(30)
        try:
            with httpx.Client(base_url=address_of(listener), timeout=30, trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(30)
