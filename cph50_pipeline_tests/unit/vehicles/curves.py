"""Invented curves of one session, as ChargePoint's readings describe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cph50_pipeline.charging.model import Reading, Session

START = datetime(2026, 1, 7, 6, 0, 1, tzinfo=UTC)
RIPPLE = (0.0, 0.004, -0.003, 0.006, -0.005, 0.002, -0.002)


def curve(powers_kw: Sequence[float], *, every: timedelta = timedelta(minutes=5)) -> list[Reading]:
    """Readings at even distance; the counter follows the power of the interval before each reading."""
    hours = every / timedelta(hours=1)
    energies_kwh = [sum(powers_kw[: index + 1]) * hours for index in range(len(powers_kw))]
    return [
        Reading(START + every * index, round(energy_kwh, 4), power_kw, "curve")
        for index, (power_kw, energy_kwh) in enumerate(zip(powers_kw, energies_kwh, strict=True))
    ]


def steady(power_kw: float, count: int = 14) -> list[float]:
    """A plateau with a ripple of half a percent."""
    return [power_kw * (1 + RIPPLE[index % len(RIPPLE)]) for index in range(count)]


def without_power(readings: Sequence[Reading], power_kw: float | None = None) -> list[Reading]:
    """The same readings with power missing, or zeroed."""
    return [replace(reading, power_kw=power_kw) for reading in readings]


def session(
    session_id: str, *, start: datetime = START, is_open: bool = False, is_home: bool = True
) -> Session:
    """A session of which only what classification reads matters."""
    end = None if is_open else start + timedelta(hours=2)
    return Session(
        session_id=session_id,
        start=start,
        end=end,
        reported_end=end,
        energy_kwh=17.0,
        plugged_in_seconds=7200,
        charging_seconds=7200,
        cost=None,
        power_kw=None,
        is_home=is_home,
        charger_label=None,
        curve=(),
        last_update=None,
        flags=(),
    )
