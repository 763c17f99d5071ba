"""What a session's readings tell of the car: the power at which it charged steadily.

Readings come repeated, without power, with power written as zero while the counter climbs, or averaged over
a pause: none of that may move the plateau. No car is named here (see `classifier.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from cph50_pipeline.charging.model import Reading

# Below 6 A, the least that a car may be offered, a car only warms its battery or its cabin.
MINIMUM_POWER_KW = 1.2
# A steady car ripples by one or two percent; cars worth telling apart differ by more.
LEVEL_WIDTH = 0.04
# A level through which less than this share of the energy flowed is a passage, not a plateau.
MINIMUM_SHARE = 1 / 3
MINIMUM_READINGS = 2
# Counters lag behind their time stamps by up to minutes in a stored curve and by seconds when sampled live:
# the longest spans that still agree with each other are the most exact.
COUNTER_SPANS = (timedelta(minutes=20), timedelta(minutes=5), timedelta(minutes=1))
MINIMUM_SPANS = 3
MINIMUM_SPAN_SHARE = 1 / 2
_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, slots=True)
class Plateau:
    """The level at which a session charged steadily.

    Attributes:
        power_kw: The level: the median of what lies on it.
        spread_kw: How far single readings lie from it (a robust standard deviation).
        reading_count: Distinct readings, or spans of the counter, that lie on it.
        origin: "power" when power was read, "counter" when it had to be derived from the energy counter.
    """

    power_kw: float
    spread_kw: float
    reading_count: int
    origin: Literal["power", "counter"]


def plateau_power_kw(readings: Iterable[Reading]) -> Plateau | None:
    """The plateau of one session, from the first minutes or from all of it.

    Power readings are preferred; where they are missing or zero, differences of the energy counter stand in.

    Args:
        readings: The session's readings in any order; repeated ones count once.

    Returns:
        None when the car idled, trickled, only passed through levels, or was seen too briefly to tell.
    """
    telling = telling_readings(readings)
    powers = [reading.power_kw for reading in telling if reading.power_kw is not None]
    level = _level(_charging(powers), MINIMUM_READINGS, MINIMUM_SHARE)
    if level:
        return _plateau(level, "power")
    for span in COUNTER_SPANS:
        level = _level(_charging(_counter_rates_kw(telling, span)), MINIMUM_SPANS, MINIMUM_SPAN_SHARE)
        if level:
            return _plateau(level, "counter")
    return None


def telling_readings(readings: Iterable[Reading]) -> list[Reading]:
    """The readings in order of time, one an instant, without those that only repeat the one before.

    Of several at one instant the one that says most stands: any power before none, higher before lower.
    """
    by_instant = {reading.at: reading for reading in sorted(readings, key=_information)}
    ordered = sorted(by_instant.values(), key=lambda reading: reading.at)
    repeats = {later.at for earlier, later in pairwise(ordered) if _values(earlier) == _values(later)}
    return [reading for reading in ordered if reading.at not in repeats]


def _information(reading: Reading) -> tuple[float, float]:
    return (
        -1 if reading.power_kw is None else reading.power_kw,
        -1 if reading.energy_kwh is None else reading.energy_kwh,
    )


def _values(reading: Reading) -> tuple[float | None, float | None]:
    return reading.power_kw, reading.energy_kwh


def _charging(powers_kw: Iterable[float]) -> list[float]:
    return sorted(power for power in powers_kw if power >= MINIMUM_POWER_KW)


def _counter_rates_kw(readings: Sequence[Reading], span: timedelta) -> list[float]:
    """Mean power over consecutive spans of at least `span`, from the energy counter."""
    rates: list[float] = []
    start: Reading | None = None
    for reading in readings:
        if reading.energy_kwh is None:
            continue
        if start is None or start.energy_kwh is None:
            start = reading
        elif reading.at - start.at >= span:
            hours = (reading.at - start.at) / timedelta(hours=1)
            rates.append((reading.energy_kwh - start.energy_kwh) / hours)
            start = reading
    return rates


def _level(ordered_kw: Sequence[float], minimum_count: int, minimum_share: float) -> Sequence[float]:
    """The values on the level through which most energy flowed, empty when too few lie on it.

    Weighing by power lets minutes of charging stand against hours of trickle.
    """
    best: Sequence[float] = ()
    best_weight = 0.0
    first = 0
    for last, highest in enumerate(ordered_kw):
        while ordered_kw[first] * (1 + LEVEL_WIDTH) < highest:
            first += 1
        weight = sum(ordered_kw[first : last + 1])
        if weight >= best_weight:
            best, best_weight = ordered_kw[first : last + 1], weight
    enough = len(best) >= minimum_count and best_weight >= minimum_share * sum(ordered_kw)
    return best if enough else ()


def _plateau(level_kw: Sequence[float], origin: Literal["power", "counter"]) -> Plateau:
    power_kw = median(level_kw)
    spread_kw = _MAD_TO_SIGMA * median(abs(value - power_kw) for value in level_kw)
    return Plateau(round(power_kw, 4), round(spread_kw, 4), len(level_kw), origin)
