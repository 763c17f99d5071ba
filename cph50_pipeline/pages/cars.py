"""The cars as pages show them: what they are called, and a colour that stays theirs on every page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.vehicles.config import VehicleConfig

COLOR_COUNT = 6
UNKNOWN_NAME = "Unknown"


@dataclass(frozen=True, slots=True)
class Car:
    """One car.

    Attributes:
        color: The class of its colour: `c0` to `c5`, `none` for an unknown car.
        efficiency_mi_per_kwh: How far it goes; None where nobody said.
    """

    vehicle_id: str
    name: str
    color: str
    efficiency_mi_per_kwh: float | None = None

    def miles(self, energy_kwh: float) -> float | None:
        """How far an energy takes it."""
        return None if self.efficiency_mi_per_kwh is None else energy_kwh * self.efficiency_mi_per_kwh


def cars_of(config: VehicleConfig, found: Iterable[str] = ()) -> dict[str, Car]:
    """The household's cars by id, in order of id, and after them those that are found and not configured.

    The unknown car is the last, and always there.
    """
    configured = sorted(config.vehicles)
    others = sorted({*found} - {*configured, UNKNOWN_VEHICLE})
    cars = {}
    for place, vehicle_id in enumerate([*configured, *others]):
        vehicle = config.vehicles.get(vehicle_id)
        cars[vehicle_id] = Car(
            vehicle_id,
            vehicle.display_name(vehicle_id) if vehicle else vehicle_id,
            f"c{place % COLOR_COUNT}",
            vehicle.efficiency_mi_per_kwh if vehicle else None,
        )
    cars[UNKNOWN_VEHICLE] = Car(UNKNOWN_VEHICLE, UNKNOWN_NAME, "none")
    return cars
