"""Invented sessions with the car that is in force for them, as the review sees them."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from cph50_pipeline.vehicles.classification import (
    CONTRADICTION_CONFIDENCE,
    REVIEW_BELOW_CONFIDENCE,
    Classification,
)
from cph50_pipeline.vehicles.classifier import Case
from cph50_pipeline.vehicles.plateaus import NamedSession
from cph50_pipeline_tests.unit.vehicles.labelled import CARS, FIRST_DAY, POWERS_KW, seen

UNSURE = REVIEW_BELOW_CONFIDENCE - 0.1
SURE = CONTRADICTION_CONFIDENCE + 0.1


def named(
    vehicle_id: str,
    power_kw: float | None,
    *,
    day: float = 60,
    by: str | None = "classifier",
    confidence: float = SURE,
    needs_review: bool = False,
    final: bool = True,
    reason: str = "as told",
    candidates: tuple[str, ...] = CARS,
    limit: float | None = None,
    confirmed: bool = False,
) -> NamedSession:
    """A session on a day after the first, without steady charging when there is no power."""
    session_id = f"s{day:g}"
    fingerprint = None if power_kw is None else seen(power_kw, limit)
    label = vehicle_id if by == "manual" else None
    classification = Classification(
        session_id=session_id,
        vehicle_id=vehicle_id,
        confidence=1.0 if by == "manual" else 0.0 if by is None else confidence,
        labeled_by=by,  # type: ignore[arg-type]
        labeled_at=None,
        final=final,
        needs_review=needs_review,
        reason=reason,
        confirmed=confirmed,
    )
    return NamedSession(
        Case(session_id, FIRST_DAY + timedelta(days=day), fingerprint, candidates, label), classification
    )


def in_turns(
    count: int,
    *,
    first_day: float = 40,
    supply: Callable[[float], float] = lambda day: 1.0,
    moved: Callable[[str, float], float] = lambda car, day: 1.0,
    seed: int = 7,
) -> list[NamedSession]:
    """A session a day, the cars in turns, all surely named.

    Args:
        supply: What the supply makes of all plateaus on a day.
        moved: What a car makes of its own.
    """
    draw = random.Random(seed)
    sessions = []
    for number in range(count):
        car, day = CARS[number % len(CARS)], first_day + number
        power_kw = POWERS_KW[car] * (1 + draw.gauss(0, 0.006)) * supply(day) * moved(car, day)
        sessions.append(named(car, power_kw, day=day))
    return sessions
