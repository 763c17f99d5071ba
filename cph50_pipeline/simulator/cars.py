"""The invented cars that charge in the simulated household."""

from __future__ import annotations

from dataclasses import dataclass

from cph50_pipeline.errors import BadInputError

_REFERENCE_AMPS = 40


@dataclass(frozen=True, slots=True)
class Car:
    """A car as the charger sees it.

    Attributes:
        nickname: What people in the household call it.
        vehicle_id: Its id in the pipeline's vehicle configuration.
        reference_plateau_kw: Its steady power at 40 A and nominal voltage.
        maximum_amps: The most its onboard charger draws, whatever the charger offers.
        battery_kwh: The most a charge can add.
        ramp_seconds: How long it takes from plug-in current to its plateau.
        taper_seconds: How long the power falls at the end of a full charge.
    """

    nickname: str
    vehicle_id: str
    reference_plateau_kw: float
    maximum_amps: int
    battery_kwh: float
    ramp_seconds: int
    taper_seconds: int

    def plateau_kw(self, amperage_limit: int) -> float:
        """Steady power (kW) at nominal voltage under the charger's limit in amperes."""
        return self.reference_plateau_kw * min(amperage_limit, self.maximum_amps) / _REFERENCE_AMPS


EMBER = Car("ember", "ember_hatch_2023", 8.55, 48, 70.0, 40, 900)
TIDE = Car("tide", "tide_suv_2024", 9.05, 48, 82.0, 55, 1500)
GUEST = Car("guest", "guest_van_2022", 9.0, 32, 60.0, 75, 600)
CARS = (EMBER, TIDE, GUEST)


def car_named(name: str) -> Car:
    """The car with this nickname or vehicle id.

    Raises:
        BadInputError: when there is none; names those that exist.
    """
    for car in CARS:
        if name in (car.nickname, car.vehicle_id):
            return car
    known = ", ".join(car.vehicle_id for car in CARS)
    raise BadInputError(f"The simulated household has no car '{name}'", remedy=f"Use one of {known}")
