"""Figures of many households with 95 % intervals, by resampling households: the sessions of one are alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.vehicle_trial import Outcome

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[tuple[int, ...], np.dtype[np.float64]]

BINS = 10
RESAMPLES = 2000
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the interval in which it lies with 95 %; `value` is None when there was nothing to measure."""

    value: float | None
    low: float | None
    high: float | None

    def complement(self) -> Figure:
        """What a share leaves of the whole."""
        if self.value is None or self.low is None or self.high is None:
            return self
        return Figure(1 - self.value, 1 - self.high, 1 - self.low)

    def percent(self) -> str:
        """As a percentage."""
        return self._written(100, 2, " %")

    def number(self) -> str:
        """As it is."""
        return self._written(1, 3, "")

    def _written(self, factor: float, decimals: int, unit: str) -> str:
        if self.value is None or self.low is None or self.high is None:
            return "-"
        value, low, high = (f"{factor * number:.{decimals}f}" for number in (self.value, self.low, self.high))
        return f"{value}{unit} ({low} to {high})"


@dataclass(frozen=True, slots=True)
class Figures:
    """How well the later sessions of many households were told apart.

    Attributes:
        sessions: Of the known cars, with a plateau.
        coverage: The share of these that were given a car.
        accuracy: The share of right ones among those.
        rejected: The share of a car without labels that was given none.
        log_loss: The mean of -ln of what the true car was given, over the known cars' sessions that could be judged.
        brier: The mean squared error of the confidence, over all sessions that were given a car.
        calibration_error: The mean distance between confidence and accuracy of these, in ten bins.
    """

    households: int
    sessions: int
    coverage: Figure
    accuracy: Figure
    rejected: Figure
    log_loss: Figure
    brier: Figure
    calibration_error: Figure


def figures_of(households: Sequence[Sequence[Outcome]]) -> Figures:
    """The figures of some households' outcomes."""
    import numpy as np

    known = [[one for one in outcomes if not one.is_strange] for outcomes in households]
    strange = [[one for one in outcomes if one.is_strange] for outcomes in households]
    named = [[one for one in outcomes if one.is_named] for outcomes in households]
    judged = [[one for one in outcomes if one.truth_probability is not None] for outcomes in known]
    of_known = [[one for one in outcomes if one.is_named] for outcomes in known]

    def counts(parts: Sequence[Sequence[Outcome]], weight: Callable[[Outcome], float]) -> Numbers:
        return np.array([sum(weight(one) for one in part) for part in parts], dtype=float)

    def mean(parts: Sequence[Sequence[Outcome]], weight: Callable[[Outcome], float]) -> Figure:
        return _ratio(counts(parts, weight), counts(parts, lambda _: 1))

    def share(parts: Sequence[Sequence[Outcome]], is_met: Callable[[Outcome], bool]) -> Figure:
        return _exact_at_the_edge(mean(parts, is_met), sum(len(part) for part in parts))

    return Figures(
        households=len(households),
        sessions=sum(len(part) for part in known),
        coverage=share(known, lambda one: one.is_named),
        accuracy=share(of_known, lambda one: one.is_right),
        rejected=share(strange, lambda one: not one.is_named),
        log_loss=mean(judged, _log_loss),
        brier=mean(named, lambda one: (one.confidence - one.is_right) ** 2),
        calibration_error=_calibration_error(named),
    )


def _log_loss(one: Outcome) -> float:
    assert one.truth_probability is not None  # only judged ones count
    return -math.log(max(one.truth_probability, LEAST_PROBABILITY))


def _ratio(parts: Numbers, wholes: Numbers) -> Figure:
    if not wholes.sum():
        return Figure(None, None, None)
    chosen = _resamples(len(parts))
    return _figure(parts.sum() / wholes.sum(), parts[chosen].sum(axis=1) / wholes[chosen].sum(axis=1))


def _exact_at_the_edge(share: Figure, sessions: int) -> Figure:
    """Without a single miss all resamples agree; the interval is then the exact one for so many sessions."""
    if share.value == 1:
        return Figure(1.0, 0.05 ** (1 / sessions), 1.0)
    if share.value == 0:
        return Figure(0.0, 0.0, 1 - 0.05 ** (1 / sessions))
    return share


def _calibration_error(named: Sequence[Sequence[Outcome]]) -> Figure:
    import numpy as np

    table = np.zeros(
        (len(named), BINS, 3)
    )  # by household and bin: sessions, their confidence, the right ones
    for household, outcomes in enumerate(named):
        for one in outcomes:
            place = min(BINS - 1, int(one.confidence * BINS))
            table[household, place] += (1, one.confidence, one.is_right)
    if not table.sum():
        return Figure(None, None, None)

    def error(sums: Numbers) -> Numbers:
        distances: Numbers = np.abs(sums[..., 1] - sums[..., 2]).sum(axis=-1) / sums[..., 0].sum(axis=-1)
        return distances

    chosen = _resamples(len(named))
    return _figure(float(error(table.sum(axis=0))), error(table[chosen].sum(axis=1)))


def _resamples(households: int) -> np.ndarray[tuple[int, ...], np.dtype[np.intp]]:
    import numpy as np

    chosen: np.ndarray[tuple[int, ...], np.dtype[np.intp]] = np.random.default_rng(0).integers(
        households, size=(RESAMPLES, households)
    )
    return chosen


def _figure(value: float, resampled: Numbers) -> Figure:
    import numpy as np

    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    return Figure(float(value), float(low), float(high))
