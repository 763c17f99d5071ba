"""The form that adds a car: what was given, and in plain words what of it cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from cph50_pipeline.vehicles.config import VehicleConfig

FIELDS = ("nickname", "make", "model", "year", "efficiency_mi_per_kwh", "first_day")
_LONGEST = 400
_FIRST_YEAR = 1900
_YEAR = re.compile(r"[0-9]{4}")
_EFFICIENCY = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")


@dataclass(frozen=True)
class CarForm:
    """A form as it was filled in.

    Attributes:
        values: By field, without the blanks around them; a decimal comma is a point.
        problems: By field, what is wrong there; nothing where the car can be added.
        is_open: Whether it is shown unfolded.
    """

    values: Mapping[str, str]
    problems: Mapping[str, str]
    is_open: bool

    @property
    def fields(self) -> dict[str, str]:
        """The car's own fields that were given, as `vehicles.config.with_vehicle` takes them."""
        return {name: text for name, text in self.values.items() if text and name != "first_day"}

    @property
    def days(self) -> dict[str, str | None]:
        """Since when it is in the household, where that was given."""
        first_day = self.values["first_day"]
        return {"from": date.fromisoformat(first_day).isoformat(), "to": None} if first_day else {}


def empty_form() -> CarForm:
    """A form that nobody has filled in."""
    return CarForm(dict.fromkeys(FIELDS, ""), {}, False)


def checked_form(given: Mapping[str, str], config: VehicleConfig, today: date) -> CarForm:
    """A form that somebody filled in, looked through.

    Args:
        config: The cars that there are: two that are called alike could not be told apart.
        today: In the household's zone.
    """
    values = {name: given.get(name, "").strip() for name in FIELDS}
    values["efficiency_mi_per_kwh"] = values["efficiency_mi_per_kwh"].replace(",", ".")
    found = {
        "nickname": _name_problem(values["nickname"], config),
        "year": _year_problem(values["year"], today),
        "efficiency_mi_per_kwh": _efficiency_problem(values["efficiency_mi_per_kwh"]),
        "first_day": _day_problem(values["first_day"], today),
    }
    found |= {name: "This is too long" for name, text in values.items() if len(text) > _LONGEST}
    # One character more than may be, so that the form says the same when its address is opened again.
    shown = {name: text[: _LONGEST + 1] for name, text in values.items()}
    return CarForm(shown, {name: said for name, said in found.items() if said}, True)


def _name_problem(name: str, config: VehicleConfig) -> str:
    if not name:
        return "Say what you call it"
    taken = {vehicle.display_name(id_).casefold() for id_, vehicle in config.vehicles.items()}
    return (
        f"There is a car called {name} already; give this one another name"
        if name.casefold() in taken
        else ""
    )


def _year_problem(year: str, today: date) -> str:
    if not year or (_YEAR.fullmatch(year) and _FIRST_YEAR <= int(year) <= today.year + 1):
        return ""
    return f"The year must be one such as {today.year}"


def _efficiency_problem(efficiency: str) -> str:
    if not efficiency or (_EFFICIENCY.fullmatch(efficiency) and float(efficiency) > 0):
        return ""
    return "Miles per kWh must be a number such as 3.4"


def _day_problem(day: str, today: date) -> str:
    try:
        is_ahead = bool(day) and date.fromisoformat(day) > today
    except ValueError:
        return f"The first day must be one such as {today}"
    return f"The first day cannot lie ahead: today is {today}" if is_ahead else ""
