"""Published files of power, as the pages' tests need them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_bounds, format_instant
from cph50_pipeline.power.meters import MeterConfig

ZONE = ZoneInfo("America/Los_Angeles")
METERS: dict[str, Any] = {
    "meters": {
        "home.power": {
            "source": "home_assistant",
            "entity": "sensor.power",
            "quantity": "power",
            "kind": "gauge",
            "unit": "W",
            "mains": True,
        },
        "home.voltage": {
            "source": "home_assistant",
            "entity": "sensor.voltage",
            "quantity": "voltage",
            "kind": "gauge",
            "unit": "V",
        },
        "home.energy": {
            "source": "home_assistant",
            "entity": "sensor.energy",
            "quantity": "energy",
            "kind": "counter",
            "unit": "kWh",
        },
    }
}
CONFIG = MeterConfig.read(METERS, "meters.json")


def point(at: datetime, power: float | None, hours: float, coverage: float = 1.0) -> dict[str, Any]:
    """A point of a file, with the voltage and the counter beside it."""
    is_known = power is not None
    energy = round(power * hours * coverage, 6) if power is not None else None
    return {
        "timestamp": at.astimezone(ZONE).isoformat(),
        "power": power,
        "energy_kwh": energy,
        "min": power,
        "max": power,
        "coverage": coverage if is_known else 0.0,
        "home.voltage": {"mean": 241.5, "min": 240.0, "max": 243.0, "coverage": 1.0},
        "home.energy": {"energy_kwh": energy, "coverage": 1.0},
    }


def file_of(points: list[dict[str, Any]], until: datetime, *events: dict[str, Any]) -> dict[str, Any]:
    """A file of these points."""
    return {"data_points": points, "events": [*events], "last_update": until.astimezone(ZONE).isoformat()}


def event(kind: str, start: datetime, minutes: float, meter: str = "home.power") -> dict[str, Any]:
    """An event as files have it."""
    return {
        "meter": meter,
        "kind": kind,
        "start": format_instant(start),
        "end": format_instant(start + timedelta(minutes=minutes)),
        "duration_seconds": minutes * 60,
    }


def by_day(first: date, values: list[float | None], *events: dict[str, Any]) -> dict[str, Any]:
    """A file by the day, with a value for each day; None where nothing is known."""
    points, end = [], day_bounds(first, ZONE)[0]
    for number, value in enumerate(values):
        begin, end = day_bounds(first + timedelta(days=number), ZONE)
        points.append(point(begin, value, (end - begin) / timedelta(hours=1)))
    return file_of(points, end, *events)


def today(
    values: list[float | None], *events: dict[str, Any], day: date = date(2026, 1, 7)
) -> dict[str, Any]:
    """A file of today, read every ten minutes from midnight on."""
    begin = day_bounds(day, ZONE)[0]
    at = [begin + timedelta(minutes=10 * number) for number in range(len(values))]
    return file_of([point(one, value, 1 / 6) for one, value in zip(at, values, strict=True)], at[-1], *events)
