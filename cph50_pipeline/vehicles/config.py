"""The household's cars, as `vehicle_config.json` describes them. No sessions and no classifier here."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, VehicleCard
from cph50_pipeline.errors import BadInputError

VehicleId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]


class ValidPeriod(BaseModel):
    """Days on which a car belonged to the household, both ends included; an end that is left out is open."""

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", validate_by_name=True)

    first_day: date | None = Field(default=None, alias="from")
    last_day: date | None = Field(default=None, alias="to")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.first_day and self.last_day and self.last_day < self.first_day:
            raise ValueError("ends before it begins")
        return self

    def covers(self, day: date) -> bool:
        """Whether `day` lies in the period."""
        after_start = self.first_day is None or self.first_day <= day
        return after_start and (self.last_day is None or day <= self.last_day)


class Vehicle(BaseModel):
    """One car. Fields that are not declared here are kept."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow", allow_inf_nan=False)

    nickname: str | None = None
    year: int | None = Field(default=None, ge=1900, le=2200)
    make: str | None = None
    model: str | None = None
    trim: str | None = None
    battery_capacity_kwh: float | None = Field(default=None, gt=0)
    max_charge_rate_kw: float | None = Field(default=None, gt=0)
    paint_color: str | None = None
    paint_color_hex: str | None = Field(default=None, pattern=r"^#[0-9A-Fa-f]{6}$")
    display_color: str | None = None
    efficiency_mi_per_kwh: float | None = Field(default=None, gt=0)
    characteristics: str | None = None
    valid_periods: tuple[ValidPeriod, ...] = ()

    def display_name(self, vehicle_id: str) -> str:
        """What people call the car: its nickname, else make and model, else its id."""
        return self.nickname or " ".join(part for part in (self.make, self.model) if part) or vehicle_id

    def belongs_on(self, day: date) -> bool:
        """Whether the car was in the household on `day`; without periods it always was."""
        return not self.valid_periods or any(period.covers(day) for period in self.valid_periods)


class VehicleConfig(BaseModel):
    """All cars of the household by id. Fields that are not declared here are kept."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="allow")

    vehicles: dict[VehicleId, Vehicle] = {}
    last_updated: str | None = None

    @model_validator(mode="after")
    def _no_car_called_unknown(self) -> Self:
        if UNKNOWN_VEHICLE in self.vehicles:
            raise ValueError(f"'{UNKNOWN_VEHICLE}' cannot be the id of a car")
        return self

    @classmethod
    def read(cls, document: object, name: str) -> Self:
        """Read the parsed file.

        Args:
            document: The parsed JSON.
            name: The file, for the error.

        Raises:
            BadInputError: naming the file and each field that is wrong.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise BadInputError(f"{name}: {explain(error)}", remedy=f"Correct {name} and run again") from None

    def cards(self) -> dict[str, VehicleCard]:
        """What a reader is shown of each car, by id."""
        return {
            id_: VehicleCard(name=vehicle.display_name(id_), make=vehicle.make, model=vehicle.model)
            for id_, vehicle in self.vehicles.items()
        }


def candidates(config: VehicleConfig, on: date) -> list[str]:
    """The ids of the cars that were in the household on that day, sorted."""
    return sorted(id_ for id_, vehicle in config.vehicles.items() if vehicle.belongs_on(on))


def explain(error: ValidationError) -> str:
    """What pydantic found, as one line: each wrong field with what it should be."""
    details = ((".".join(str(part) for part in detail["loc"]), detail["msg"]) for detail in error.errors())
    return "; ".join(f"{place}: {message}" if place else message for place, message in details)
