"""Invented fingerprints and labelled sessions: cars at their levels, one session every other day."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cph50_pipeline.vehicles.classifier import Case
from cph50_pipeline.vehicles.features import Fingerprint, Measure
from cph50_pipeline.vehicles.training import LabelledSession

EMBER, TIDE = "ember", "tide"
CARS = (EMBER, TIDE)
POWERS_KW = {EMBER: 8.55, TIDE: 9.05}
FIRST_DAY = datetime(2026, 1, 1, 8, tzinfo=UTC)


def seen(power_kw: float, amperage_limit: float | None = None, **traits: Measure) -> Fingerprint:
    """The fingerprint of a long session."""
    power = Measure(power_kw, 0.004 * power_kw / 5)
    per_ampere = None if amperage_limit is None else Measure(power_kw / amperage_limit, 0.001)
    nothing = Fingerprint(power, amperage_limit, per_ampere, None, None, None, None, 25, "power")
    return replace(nothing, **traits)


def case(
    power_kw: float | None,
    *,
    day: float = 60,
    candidates: tuple[str, ...] = CARS,
    amperage_limit: float | None = None,
    label: str | None = None,
) -> Case:
    """A session on a day after the first, without steady charging when there is no power."""
    fingerprint = None if power_kw is None else seen(power_kw, amperage_limit)
    return Case(f"case-{day}", FIRST_DAY + timedelta(days=day), fingerprint, candidates, label)


def household(
    label_count: int,
    *,
    powers_kw: Mapping[str, float] = POWERS_KW,
    spread: float = 0.006,
    seed: int = 1,
    factor: Callable[[float], float] = lambda day: 1.0,
    amperage_limit: float | None = None,
    first_day: float = 0,
) -> list[LabelledSession]:
    """So many labelled sessions a car, the cars in turns, a session a day.

    Args:
        factor: What the supply makes of all plateaus on a day.
    """
    draw = random.Random(seed)
    sessions = []
    for number in range(label_count * len(powers_kw)):
        car = sorted(powers_kw)[number % len(powers_kw)]
        day = first_day + number
        power_kw = powers_kw[car] * (1 + draw.gauss(0, spread)) * factor(day)
        sessions.append(labelled(car, power_kw, day=day, amperage_limit=amperage_limit))
    return sessions


def labelled(
    vehicle_id: str, power_kw: float, *, day: float = 0, amperage_limit: float | None = None
) -> LabelledSession:
    """A labelled session on a day after the first."""
    return LabelledSession(
        session_id=f"{day:07.2f}-{vehicle_id}",
        vehicle_id=vehicle_id,
        start=FIRST_DAY + timedelta(days=day),
        plug_in_id=f"plug-{day:07.2f}",
        fingerprint=seen(power_kw, amperage_limit),
        candidates=CARS,
    )
