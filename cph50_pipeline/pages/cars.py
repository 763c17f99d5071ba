"""The cars as pages show them: what they are called, and a colour that stays theirs on every page."""

from __future__ import annotations

import colorsys
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from zlib import crc32

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.vehicles.config import Vehicle, VehicleConfig

UNKNOWN_NAME = "Unknown"
_HUES = (202, 40, 163, 331, 202, 24)
"""Of `c0` to `c5`, in degrees, as style.css has them: a blue, an amber, a green, a purple, a light blue, a red."""
COLOR_COUNT = len(_HUES)
_FARTHEST = 45
"""Degrees between two hues that people still call the same."""
_LEAST_SATURATION = 0.2
# How sure the classifier is, as its sentences have it: "(0.97)", "a confidence of 0.97".
_SHARE = re.compile(r"(?<=\()[01]\.\d\d(?=\))|(?<=confidence of )[01]\.\d\d(?!\d)")
_NAMED_HUES: Mapping[str, int] = {
    "red": 10,
    "orange": 24,
    "brown": 24,
    "yellow": 45,
    "gold": 45,
    "green": 150,
    "teal": 175,
    "blue": 202,
    "purple": 300,
    "pink": 331,
}


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
    colors = _colors([*sorted(config.vehicles.items(), key=_came), *((id_, None) for id_ in others)])
    cars = {}
    for vehicle_id in [*configured, *others]:
        vehicle = config.vehicles.get(vehicle_id)
        cars[vehicle_id] = Car(
            vehicle_id,
            vehicle.display_name(vehicle_id) if vehicle else vehicle_id,
            f"c{colors[vehicle_id]}",
            vehicle.efficiency_mi_per_kwh if vehicle else None,
        )
    cars[UNKNOWN_VEHICLE] = Car(UNKNOWN_VEHICLE, UNKNOWN_NAME, "none")
    return cars


def by_name(text: str, cars: Mapping[str, Car]) -> str:
    """A stored sentence, which calls cars by their ids, with their names instead, and shares in percent."""
    text = _SHARE.sub(lambda found: f"{100 * float(found[0]):.0f} %", text)
    ids = sorted((id_ for id_ in cars if id_ != UNKNOWN_VEHICLE), key=len, reverse=True)
    if not ids:
        return text
    pattern = rf"(?<![\w-])({'|'.join(map(re.escape, ids))})(?![\w-])"
    return re.sub(pattern, lambda found: cars[found[1]].name, text)


def _came(entry: tuple[str, Vehicle]) -> tuple[date, str]:
    """Since when the household has a car, which orders them as they came: the file has them by id."""
    vehicle_id, vehicle = entry
    since = [period.first_day or date.min for period in vehicle.valid_periods]
    return min(since, default=date.max), vehicle_id


def _colors(vehicles: Iterable[tuple[str, Vehicle | None]]) -> dict[str, int]:
    """Each car's place in the palette. One that comes later takes what is left, and changes none before it."""
    taken: Counter[int] = Counter()
    colors = {}
    for vehicle_id, vehicle in vehicles:
        fewest = min(taken[place] for place in range(COLOR_COUNT))
        free = [place for place in range(COLOR_COUNT) if taken[place] == fewest]
        alike = [place for place in _alike(vehicle) if place in free]
        begin = crc32(vehicle_id.encode())
        chosen = alike[0] if alike else min(free, key=lambda place: (place - begin) % COLOR_COUNT)
        taken[chosen] += 1
        colors[vehicle_id] = chosen
    return colors


def _alike(vehicle: Vehicle | None) -> list[int]:
    """The colours of the palette that are like the car's own, the nearest first; none for a grey car."""
    hue = None if vehicle is None else _hue(vehicle)
    if hue is None:
        return []
    far = {place: min((hue - its) % 360, (its - hue) % 360) for place, its in enumerate(_HUES)}
    return sorted((place for place in far if far[place] <= _FARTHEST), key=lambda place: (far[place], place))


def _hue(vehicle: Vehicle) -> float | None:
    """In degrees, by the colour's name or the paint's; None where neither tells."""
    named = _NAMED_HUES.get((vehicle.display_color or "").strip().casefold())
    if named is not None or vehicle.paint_color_hex is None:
        return named
    red, green, blue = bytes.fromhex(vehicle.paint_color_hex.removeprefix("#"))
    hue, saturation, _ = colorsys.rgb_to_hsv(red / 255, green / 255, blue / 255)
    return hue * 360 if saturation >= _LEAST_SATURATION else None
