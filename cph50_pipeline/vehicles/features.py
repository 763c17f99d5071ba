"""What a session's readings tell of the car: its steady power, and how it came there and left it.

Readings come repeated, without power, with power written as zero while the counter climbs, or averaged over
a pause: none of that may move the plateau. Everything is measured with its uncertainty, so that what the first
minutes show and what the whole curve shows can be compared. No car is named here (see `classifier.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from statistics import StatisticsError, linear_regression, median
from typing import Literal

from cph50_pipeline.charging.model import Reading

# Below 6 A (SAE J1772 offers a car no less; here at 240 V) a car only warms its battery or its cabin.
MINIMUM_POWER_KW = 1.44
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
# What a plateau ripples at least: two readings that agree by chance are not known better than this.
LEAST_RIPPLE = 0.004
# How much more than they show so few readings may truly scatter.
FEW_READINGS = 3

# Shares of the plateau between which power counts as rising or falling.
NO_CURRENT = 0.05
ON_PLATEAU = 0.9
# A ramp or taper known less well than this tells nothing of the car.
COARSEST_SIGMA_SECONDS = 300.0
RIPPLE_READINGS = 5
DRIFT_READINGS = 4
EARLY = timedelta(minutes=30)

Origin = Literal["power", "counter"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A measured value and its standard uncertainty, in the same unit."""

    value: float
    sigma: float


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
    origin: Origin


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a session's readings, few or all, say of its car. What could not be measured is None.

    Attributes:
        power_kw: The plateau.
        amperage_limit: The charger's limit in amperes, where it was observed.
        power_per_ampere_kw: The plateau by that limit (kW/A).
        ramp_seconds: From the first current to the plateau.
        ripple: How far single readings lie from the plateau, as a share of it.
        early_drift: How the first half hour of the plateau rises or falls, as a share of it an hour.
        taper_seconds: From the plateau's end to the last current; None when the charge was cut or still runs.
        reading_count: Distinct readings, or spans of the counter, that lie on the plateau.
        origin: Where the plateau was read: from "power", or from the "counter" where power is missing.
    """

    power_kw: Measure
    amperage_limit: float | None
    power_per_ampere_kw: Measure | None
    ramp_seconds: Measure | None
    ripple: Measure | None
    early_drift: Measure | None
    taper_seconds: Measure | None
    reading_count: int
    origin: Origin


def fingerprint(readings: Iterable[Reading], amperage_limit: float | None = None) -> Fingerprint | None:
    """What the readings so far, in any order, say of the car.

    Args:
        readings: Of one session; repeated ones count once.
        amperage_limit: The charger's limit in amperes while they were taken, None when nobody saw it.

    Returns:
        None when the car idled, trickled, only passed through levels, or was seen too briefly to tell.
    """
    telling = telling_readings(readings)
    plateau = plateau_of(telling)
    if plateau is None:
        return None
    level_kw = Measure(plateau.power_kw, _uncertainty_kw(plateau))
    powers = _powers(telling) if plateau.origin == "power" else []
    on_plateau = [(second, power) for second, power in powers if _is_on(power, plateau.power_kw)]
    return Fingerprint(
        power_kw=level_kw,
        amperage_limit=amperage_limit,
        power_per_ampere_kw=_per_ampere(level_kw, amperage_limit),
        ramp_seconds=_ramp(powers, plateau.power_kw),
        ripple=_ripple(plateau) if plateau.origin == "power" else None,
        early_drift=_early_drift(on_plateau, plateau.power_kw),
        taper_seconds=_taper(powers, plateau.power_kw),
        reading_count=plateau.reading_count,
        origin=plateau.origin,
    )


def plateau_of(telling: Sequence[Reading]) -> Plateau | None:
    """The plateau of one session, from the first minutes or from all of it.

    Power readings are preferred; where they are missing or zero, differences of the energy counter stand in.

    Args:
        telling: What `telling_readings` left.

    Returns:
        None when the car idled, trickled, only passed through levels, or was seen too briefly to tell.
    """
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


def _plateau(level_kw: Sequence[float], origin: Origin) -> Plateau:
    power_kw = median(level_kw)
    spread_kw = _MAD_TO_SIGMA * median(abs(value - power_kw) for value in level_kw)
    return Plateau(round(power_kw, 4), round(spread_kw, 4), len(level_kw), origin)


def _uncertainty_kw(plateau: Plateau) -> float:
    """Of the level: from the ripple that is always there, and from how far its few readings were seen to disagree.

    Two readings on a ramp may lie nearly as close together as on a plateau, and what few readings show of their own
    scatter is little.
    """
    few = 1 + FEW_READINGS / (plateau.reading_count - 1)
    ripple_kw = math.hypot(LEAST_RIPPLE * plateau.power_kw, few * plateau.spread_kw)
    return ripple_kw / math.sqrt(plateau.reading_count)


def _per_ampere(power_kw: Measure, amperage_limit: float | None) -> Measure | None:
    if not amperage_limit:
        return None
    return Measure(power_kw.value / amperage_limit, power_kw.sigma / amperage_limit)


def _powers(telling: Sequence[Reading]) -> list[tuple[float, float]]:
    """Power (kW) by seconds since the first reading."""
    return [
        ((reading.at - telling[0].at).total_seconds(), reading.power_kw)
        for reading in telling
        if reading.power_kw is not None
    ]


def _is_on(power_kw: float, level_kw: float) -> bool:
    return abs(power_kw - level_kw) <= LEVEL_WIDTH * level_kw


def _ramp(powers: Sequence[tuple[float, float]], level_kw: float) -> Measure | None:
    """From the first current to the plateau: each end lies somewhere between two readings."""
    arrival = next((i for i, (_, power) in enumerate(powers) if power >= ON_PLATEAU * level_kw), 0)
    without = [i for i in range(arrival) if powers[i][1] < NO_CURRENT * level_kw]
    if not without:  # the readings begin when the ramp has begun or is over
        return None
    begin = without[-1]
    return _between(powers[begin][0], powers[begin + 1][0], powers[arrival - 1][0], powers[arrival][0])


def _taper(powers: Sequence[tuple[float, float]], level_kw: float) -> Measure | None:
    """From the plateau to the last current, when power fell and then stayed away."""
    departure = max((i for i, (_, power) in enumerate(powers) if _is_on(power, level_kw)), default=None)
    if departure is None:
        return None
    over = next(
        (i for i in range(departure + 1, len(powers)) if powers[i][1] < NO_CURRENT * level_kw), len(powers)
    )
    if over == len(powers) or over == departure + 1:  # it still runs, or was cut
        return None
    return _between(powers[departure][0], powers[departure + 1][0], powers[over - 1][0], powers[over][0])


def _between(begin: float, begin_by: float, end: float, end_by: float) -> Measure | None:
    """The time between two moments, each known to lie evenly in an interval (seconds)."""
    sigma = math.hypot(begin_by - begin, end_by - end) / math.sqrt(12)
    if sigma > COARSEST_SIGMA_SECONDS:
        return None
    return Measure(max(0.0, (end + end_by - begin - begin_by) / 2), max(sigma, 1.0))


def _ripple(plateau: Plateau) -> Measure | None:
    if plateau.reading_count < RIPPLE_READINGS:
        return None
    ripple = plateau.spread_kw / plateau.power_kw
    return Measure(ripple, max(ripple, LEAST_RIPPLE) / math.sqrt(2 * (plateau.reading_count - 1)))


def _early_drift(on_plateau: Sequence[tuple[float, float]], level_kw: float) -> Measure | None:
    early = [pair for pair in on_plateau if pair[0] - on_plateau[0][0] <= EARLY.total_seconds()]
    if len(early) < DRIFT_READINGS:
        return None
    hours = [second / 3600 for second, _ in early]
    shares = [power / level_kw for _, power in early]
    try:
        line = linear_regression(hours, shares)
    except StatisticsError:  # all at one instant
        return None
    residual = math.sqrt(
        sum(
            (share - line.intercept - line.slope * hour) ** 2
            for hour, share in zip(hours, shares, strict=True)
        )
        / (len(early) - 2)
    )
    middle = sum(hours) / len(hours)
    leverage = math.sqrt(sum((hour - middle) ** 2 for hour in hours))
    return Measure(line.slope, max(residual, LEAST_RIPPLE) / leverage)
