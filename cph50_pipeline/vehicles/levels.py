"""The levels at which one car charges: its regimes, how far its sessions scatter, and how well few labels show that.

A regime is one stretch of stable power, with the charger's limits under which it was seen. Powers are compared as
logarithms: what moves a plateau (supply voltage, amperage limit) moves it by a share. What decides between cars
stands in `classifier.py`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

# What a car's own sessions scatter (a standard deviation, as a share) until labels say otherwise, and how many
# labels that expectation weighs: a conjugate prior, so that two labels that agree by chance prove nothing.
EXPECTED_SPREAD = 0.008
EXPECTATION_WEIGHT = 4
# What the household's other cars scatter says something of a car too: at most as much as so many labels of its own.
NEIGHBOURS_WEIGHT = 10
# Sessions of one car whose levels lie further apart than this were charged under other circumstances.
REGIME_GAP = 0.03
# Nobody saw the car under this limit; power follows the limit nearly in proportion.
SCALING_SPREAD = 0.015
# Of the car's own sessions this share may be taken for a stranger's.
REJECTED_OWN_SHARE = 0.025


@dataclass(frozen=True, slots=True)
class Level:
    """A level at which a car may charge.

    Attributes:
        log_power: The logarithm of its power (of kW).
        label_count: The sessions it was learned from.
        extra_spread: What is unsure beyond the car's own scatter (a share).
    """

    log_power: float
    label_count: int
    extra_spread: float = 0.0


class Regime(BaseModel):
    """One stretch of stable power in a car's labelled sessions.

    Attributes:
        power_kw: Its middle, at the supply's usual level.
        amperage_limits: The charger's limits (A) under which it was seen; none where nobody saw the limit.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    power_kw: float = Field(gt=0)
    label_count: int = Field(ge=1)
    amperage_limits: tuple[float, ...] = ()

    def level(self) -> Level:
        """The regime as a level."""
        return Level(math.log(self.power_kw), self.label_count)

    def scaled_to(self, amperage_limit: float) -> Level:
        """Where the regime would lie under a limit under which it was not seen."""
        nearest = min(self.amperage_limits, key=lambda limit: abs(math.log(limit / amperage_limit)))
        return Level(
            math.log(self.power_kw * amperage_limit / nearest), self.label_count, extra_spread=SCALING_SPREAD
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """One session's level.

    Attributes:
        log_power: The logarithm of its power (of kW) at the supply's usual level.
        amperage_limit: The charger's limit (A), None when nobody saw it.
        weight: How much its squared deviation counts: more than 1 where its own deviation moved what the supply's
            level was taken for.
    """

    log_power: float
    amperage_limit: float | None
    weight: float = 1.0


def find_regimes(sessions: Sequence[Observed]) -> list[list[int]]:
    """The sessions of each stretch of stable power, as indices; the stretches by rising power.

    Sessions lie in one stretch when power leaves no gap between them, unless the charger's limit was seen to differ
    and their power with it.
    """
    by_power = stretches([session.log_power for session in sessions], REGIME_GAP)
    return [part for stretch in by_power for part in _by_limit(stretch, sessions)]


def stretches(values: Sequence[float], gap: float) -> list[list[int]]:
    """Indices of values in groups without a gap, by rising value."""
    groups: list[list[int]] = []
    for index in sorted(range(len(values)), key=lambda i: (values[i], i)):
        if groups and values[index] - values[groups[-1][-1]] <= gap:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def _by_limit(stretch: list[int], sessions: Sequence[Observed]) -> list[list[int]]:
    """A stretch in which limits were seen at different powers is one a limit; unseen limits go to the nearest."""
    seen: dict[float, list[float]] = {}
    for index in stretch:
        limit = sessions[index].amperage_limit
        if limit is not None:
            seen.setdefault(limit, []).append(sessions[index].log_power)
    centers = {limit: fmean(powers) for limit, powers in seen.items()}
    if not centers or max(centers.values()) - min(centers.values()) <= REGIME_GAP / 2:
        return [stretch]
    parts: dict[float, list[int]] = {limit: [] for limit in sorted(centers, key=lambda one: centers[one])}
    for index in stretch:
        limit = sessions[index].amperage_limit
        if limit is None:
            limit = min(centers, key=lambda one: abs(centers[one] - sessions[index].log_power))
        parts[limit].append(index)
    return list(parts.values())


def regime_of(sessions: Iterable[Observed]) -> Regime:
    """What some sessions of one stretch say together."""
    members = list(sessions)
    limits = {session.amperage_limit for session in members if session.amperage_limit is not None}
    return Regime(
        power_kw=round(math.exp(fmean(session.log_power for session in members)), 4),
        label_count=len(members),
        amperage_limits=tuple(sorted(limits)),
    )


def levels_under(regimes: Collection[Regime], amperage_limit: float | None) -> list[Level]:
    """Where a car may charge under the charger's limit; at all its levels when nobody saw the limit."""
    if amperage_limit is None:
        return [regime.level() for regime in regimes]
    fitting = [r for r in regimes if not r.amperage_limits or amperage_limit in r.amperage_limits]
    if fitting:
        return [regime.level() for regime in fitting]
    return [regime.scaled_to(amperage_limit) for regime in regimes]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Squared deviations from their middles, and how many of them are free to say something."""

    squares: float = 0.0
    free: int = 0

    @classmethod
    def about_middles(cls, regimes: Collection[Sequence[Observed]]) -> Scatter:
        """Of sessions about the middle of their regime, which is fitted too: one session of each is not free."""
        squares = 0.0
        for regime in regimes:
            middle = fmean(session.log_power for session in regime)
            squares += sum(session.weight * (session.log_power - middle) ** 2 for session in regime)
        return cls(squares, sum(map(len, regimes)) - len(regimes))

    def __add__(self, other: Scatter) -> Scatter:
        """Both together."""
        return Scatter(self.squares + other.squares, self.free + other.free)


@dataclass(frozen=True, slots=True)
class Spread:
    """A standard deviation, and how well it is known (Student's degrees of freedom)."""

    value: float
    degrees_of_freedom: int


def spread_of(own: Scatter, expected: Spread) -> Spread:
    """The spread that deviations and an expectation support together."""
    count = expected.degrees_of_freedom + own.free
    squares = expected.degrees_of_freedom * expected.value**2 + own.squares
    return Spread(math.sqrt(squares / count), count)


def spread_among(own: Scatter, neighbours: Scatter) -> Spread:
    """How far one car's sessions scatter, the household's other cars taken into account."""
    household = spread_of(neighbours, Spread(EXPECTED_SPREAD, EXPECTATION_WEIGHT))
    weight = min(NEIGHBOURS_WEIGHT, household.degrees_of_freedom)
    return spread_of(own, Spread(household.value, weight))


def student_density(distance: Any, degrees_of_freedom: float) -> Any:
    """Student's density of one standardised distance, or of an array of them.

    What a normally scattered value is expected to do when its scatter is known from few values only.
    """
    half = (degrees_of_freedom + 1) / 2
    scale = math.exp(math.lgamma(half) - math.lgamma(degrees_of_freedom / 2))
    shape = (1 + distance * distance / degrees_of_freedom) ** -half
    return scale / math.sqrt(degrees_of_freedom * math.pi) * shape
