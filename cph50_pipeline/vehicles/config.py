"""The household's cars, as `vehicle_config.json` describes them. No sessions and no classifier here.

Reading, and edits of the parsed file that leave everything else in it as it was.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from datetime import date, datetime
from itertools import chain, count
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, VehicleCard
from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.errors import BadInputError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_ID_PATTERN = r"^[a-z0-9][a-z0-9_-]*$"
_ID_LENGTH = 40
VehicleId = Annotated[str, Field(pattern=_ID_PATTERN)]


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

    def describe(self) -> str:
        """The period for a person: "from 2024-02-01 to 2025-06-30"."""
        if self.first_day is None and self.last_day is None:
            return "always"
        first = "" if self.first_day is None else f"from {self.first_day}"
        last = "" if self.last_day is None else f"to {self.last_day}"
        return " ".join(end for end in (first, last) if end)


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

    def days(self) -> str:
        """When the car was in the household, for a person."""
        return ", ".join(period.describe() for period in self.valid_periods) or "always"


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


def new_vehicle_id(name: str, taken: Collection[str]) -> str:
    """An id for a car that people call so: "Ember ⚡" becomes "ember", and where that is taken "ember_2".

    Args:
        taken: The ids that there are.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:_ID_LENGTH] or "car"
    base = f"{base}_car" if base == UNKNOWN_VEHICLE else base
    numbered = (f"{base}_{number}" for number in count(2))
    return next(id_ for id_ in chain([base], numbered) if id_ not in taken)


def candidates(config: VehicleConfig, on: date) -> list[str]:
    """The ids of the cars that were in the household on that day, sorted."""
    return sorted(id_ for id_, vehicle in config.vehicles.items() if vehicle.belongs_on(on))


def with_vehicle(
    document: Mapping[str, Any],
    vehicle_id: str,
    fields: Mapping[str, str],
    days: Mapping[str, str | None],
    edited_at: datetime,
) -> dict[str, Any]:
    """The parsed file with a car more.

    Args:
        document: As `VehicleConfig.read` accepts it.
        fields: Fields of `Vehicle` with their values as text; empty text is null.
        days: `from` and `to` of its one valid period, where they are known: ISO dates, None for open.
        edited_at: For `last_updated`.

    Raises:
        BadInputError: there is such a car, or what is wrong with its id or a field.
    """
    vehicles = document.get("vehicles", {})
    if vehicle_id in vehicles:
        raise BadInputError(
            f"There is a vehicle '{vehicle_id}' already",
            remedy=f"`cph50 vehicles edit {vehicle_id}` changes it",
        )
    return _with_entry(document, vehicle_id, _edited({}, vehicle_id, fields, days), edited_at)


def with_edited_vehicle(
    document: Mapping[str, Any],
    vehicle_id: str,
    fields: Mapping[str, str],
    days: Mapping[str, str | None],
    edited_at: datetime,
) -> dict[str, Any]:
    """The parsed file with fields of a car changed, its other fields as they were; arguments as `with_vehicle`.

    Raises:
        BadInputError: there is no such car, it has several periods to choose from, or a field is wrong.
    """
    entry = _entry(document, vehicle_id)
    return _with_entry(document, vehicle_id, _edited(entry, vehicle_id, fields, days), edited_at)


def with_retired_vehicle(
    document: Mapping[str, Any], vehicle_id: str, last_day: date, edited_at: datetime
) -> dict[str, Any]:
    """The parsed file with a car's valid period closed; it stays a candidate for the days before.

    Args:
        last_day: The car's last civil day in the household.

    Raises:
        BadInputError: there is no such car, it was not there on that day, or comes back later.
    """
    entry = _entry(document, vehicle_id)
    vehicle = Vehicle.model_validate(entry)
    later = [p for p in vehicle.valid_periods if p.first_day is not None and p.first_day > last_day]
    if later or not vehicle.belongs_on(last_day):
        why = "comes back later" if later else "is not in the household on that day"
        raise BadInputError(
            f"{vehicle_id} cannot leave on {last_day}: it {why} (it is there {vehicle.days()})",
            kept="vehicle_config.json is unchanged",
            remedy="Name a day of its last period",
        )
    written = zip(entry.get("valid_periods") or [{}], vehicle.valid_periods or [ValidPeriod()], strict=True)
    closed = [
        {**_as_written(period), "to": last_day.isoformat()} if _goes_on(period, last_day) else as_it_was
        for as_it_was, period in written
    ]
    return _with_entry(document, vehicle_id, {**entry, "valid_periods": closed}, edited_at)


def without_vehicle(document: Mapping[str, Any], vehicle_id: str, edited_at: datetime) -> dict[str, Any]:
    """The parsed file without a car; for one that nothing names, since others are called by their ids ever after.

    Raises:
        BadInputError: there is no such car.
    """
    _entry(document, vehicle_id)
    left = {id_: entry for id_, entry in document["vehicles"].items() if id_ != vehicle_id}
    return {**document, "vehicles": left, "last_updated": _stamp(edited_at)}


def _entry(document: Mapping[str, Any], vehicle_id: str) -> dict[str, Any]:
    vehicles = document.get("vehicles", {})
    if vehicle_id not in vehicles:
        known = ", ".join(sorted(vehicles)) or "none"
        raise BadInputError(f"There is no vehicle '{vehicle_id}'", remedy=f"There are: {known}")
    return dict(vehicles[vehicle_id])


def _edited(
    entry: Mapping[str, Any], vehicle_id: str, fields: Mapping[str, str], days: Mapping[str, str | None]
) -> dict[str, Any]:
    editable = (Vehicle.model_fields.keys() | entry.keys()) - {"valid_periods"}
    unknown = sorted(fields.keys() - editable)
    if unknown:
        names = ", ".join(sorted(editable))
        raise BadInputError(f"A vehicle has no field '{unknown[0]}' to set", remedy=f"Fields are: {names}")
    given = {name: text or None for name, text in fields.items()}
    edited = {**entry, **given, **_with_days(entry, vehicle_id, days)}
    typed = _validated(vehicle_id, edited).model_dump(mode="json", include=set(given))
    return {**edited, **typed}


def _with_days(
    entry: Mapping[str, Any], vehicle_id: str, days: Mapping[str, str | None]
) -> dict[str, list[dict[str, Any]]]:
    if not days:
        return {}
    periods = Vehicle.model_validate(entry).valid_periods
    if len(periods) > 1:
        raise BadInputError(
            f"{vehicle_id} was in the household {len(periods)} times",
            kept="vehicle_config.json is unchanged",
            remedy="Correct its valid_periods in vehicle_config.json",
        )
    before = _as_written(periods[0] if periods else ValidPeriod())
    return {"valid_periods": [{**before, **days}]}


def _goes_on(period: ValidPeriod, day: date) -> bool:
    return period.covers(day) and period.last_day != day


def _as_written(period: ValidPeriod) -> dict[str, Any]:
    return period.model_dump(mode="json", by_alias=True)


def _validated(vehicle_id: str, entry: Mapping[str, Any]) -> Vehicle:
    try:
        return VehicleConfig.model_validate({"vehicles": {vehicle_id: entry}}).vehicles[vehicle_id]
    except ValidationError as error:
        raise BadInputError(explain(error), kept="vehicle_config.json is unchanged") from None


def _with_entry(
    document: Mapping[str, Any], vehicle_id: str, entry: Mapping[str, Any], edited_at: datetime
) -> dict[str, Any]:
    vehicles = document.get("vehicles", {})
    if vehicles.get(vehicle_id) == entry:
        return dict(document)
    return {
        **document,
        "vehicles": {**vehicles, vehicle_id: dict(entry)},
        "last_updated": _stamp(edited_at),
    }


def _stamp(edited_at: datetime) -> str:
    return format_instant(edited_at.replace(microsecond=0))


def explain(error: ValidationError) -> str:
    """What pydantic found, as one line: each wrong field with what it should be."""
    details = ((_place(detail), _what_is_wrong(detail)) for detail in error.errors())
    return "; ".join(f"{place}: {message}" if place else message for place, message in details)


def _place(detail: ErrorDetails) -> str:
    # What is wrong with a key itself, pydantic places at "[key]" below it.
    return ".".join(str(part) for part in detail["loc"] if part != "[key]")


def _what_is_wrong(detail: ErrorDetails) -> str:
    if detail.get("ctx", {}).get("pattern") == _ID_PATTERN:
        return "an id is lower case letters, digits, - and _, and begins with a letter or a digit"
    return detail["msg"].removeprefix("Value error, ")
