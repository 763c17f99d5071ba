"""Sessions as pages are given them, made from a few words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.pages.history import Draw, HistoryInputs
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.vehicles.config import VehicleConfig

LA = ZoneInfo("America/Los_Angeles")
EMBER, TIDE = "ember_hatch_2023", "tide_suv_2024"
CARS = VehicleConfig.model_validate(
    {
        "vehicles": {
            EMBER: {"nickname": "Ember", "efficiency_mi_per_kwh": 3.5},
            TIDE: {"nickname": "Tide"},
        }
    }
)
QUARTER_MS = 900_000


@dataclass(frozen=True)
class Charge:
    """A session that draws the same in each of its quarter hours, in whole millionths."""

    session_id: str
    start: datetime
    quarters: int
    energy: int
    vehicle_id: str = EMBER
    cost: int | None = 100_000
    flags: tuple[str, ...] = ()
    is_open: bool = False

    @property
    def drawn(self) -> list[Draw]:
        first = int(self.start.timestamp() * 1000) // QUARTER_MS * QUARTER_MS
        return [
            Draw(self.session_id, self.vehicle_id, first + number * QUARTER_MS, self.energy, self.cost)
            for number in range(self.quarters)
        ]

    @property
    def record(self) -> CacheRecord:
        nothing = dict.fromkeys(("location_id", "name", "address", "city", "state", "zip_code")) | {
            "name": "Home"
        }
        charger = dict.fromkeys(("charger_id", "charger_label", "connector_type", "charger_model", "level"))
        whole_kwh, minutes = self.energy * self.quarters / 1e6, self.quarters * 15
        return CacheRecord.model_validate(
            {
                "session_id": self.session_id,
                "session_start_time": self.start,
                "session_end_time": None if self.is_open else self.start + timedelta(minutes=minutes),
                "energy_kwh": whole_kwh,
                "vehicle_id": self.vehicle_id,
                "vehicle_confidence": 0.93,
                "vehicle": dict.fromkeys(("vehicle_name", "make", "model"))
                | {"id": self.vehicle_id, "vehicle_id": self.vehicle_id, "confidence": 0.93},
                "location": nothing,
                "charger": charger,
                "session": {
                    "energy_kwh": whole_kwh,
                    "duration_seconds": minutes * 60,
                    "charging_seconds": None,
                    "cost": None,
                    "peak_power_kw": 8.6,
                    "status": "charging" if self.is_open else "completed",
                },
                "utility": dict.fromkeys(("utility_name", "utility_company", "plan")),
                "flags": self.flags,
            }
        )

    @property
    def classification(self) -> Classification:
        return Classification(
            session_id=self.session_id,
            vehicle_id=self.vehicle_id,
            confidence=0.93,
            labeled_by="classifier",
            labeled_at=self.start,
            final=True,
            needs_review=False,
            reason="like its plateau",
        )

    @property
    def readings(self) -> list[Reading]:
        later = self.start + timedelta(minutes=15 * self.quarters)
        return [Reading(self.start, 0.0, 8.5, "curve"), Reading(later, self.record.energy_kwh, 8.6, "curve")]


def inputs_of(charges: Sequence[Charge], config: VehicleConfig = CARS) -> HistoryInputs:
    """All that is stored of these sessions."""
    return HistoryInputs(
        config=config,
        records=tuple(one.record for one in charges),
        draws=tuple(draw for one in charges for draw in one.drawn),
        classifications={one.session_id: one.classification for one in charges},
        readings={one.session_id: one.readings for one in charges},
        stored_months=tuple(sorted({one.start.astimezone(LA).strftime("%Y-%m") for one in charges})),
    )
