"""The supply's slow drift, which moves the plateaus of all cars alike, followed through the sessions themselves.

Mains voltage wanders by percents over weeks, as much as cars differ. What one session cannot tell, a season of them
can: the offset is a slow random walk that returns to its mean, and every session, of a known car or not, says
something of it. Forward and backward filtering on a grid of offsets, because two cars make two readings possible.
Which session was which car is the business of `classifier.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np

    Grid = np.ndarray[tuple[int], np.dtype[np.float64]]
    Spreading = np.ndarray[tuple[int, int], np.dtype[np.float64]]

# ANSI C84.1 allows a service voltage of 5 % either way; a household sees about half of that (a standard deviation).
RANGE = 0.025
DAILY_DRIFT = 0.0015
REACH = 0.1
STEP = 0.002
ODD_SHARE = 1e-3
# The finest time in which the offset moves: parts of a day.
QUARTERS = 4
# Anchors nearer than this to each other say the same.
ANCHOR_DISTANCE = timedelta(days=14)

Likelihood: TypeAlias = "Callable[[Grid], Grid] | None"
"""How likely a session's plateau is for each offset on the grid; None when it says nothing of it."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far the supply moves all plateaus at one time (the logarithm of a factor), and how sure that is."""

    value: float = 0.0
    sigma: float = 0.0


class Anchor(BaseModel):
    """What labelled sessions say of the offset on a day."""

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    day: date
    offset: float
    sigma: float = Field(gt=0)

    def likelihood(self, grid: Grid) -> Grid:
        """How likely the anchor is for each offset."""
        import numpy as np

        density: Grid = np.exp(-0.5 * ((grid - self.offset) / self.sigma) ** 2)
        return density


class SupplyPath(BaseModel):
    """How the supply drifts, and where it was known to be.

    Attributes:
        daily_drift: How far the offset wanders in a day (a standard deviation).
        range: How far it lies from its mean in the long run (a standard deviation).
        anchors: By rising day.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    daily_drift: float = Field(default=DAILY_DRIFT, gt=0)
    range: float = Field(default=RANGE, gt=0)
    anchors: tuple[Anchor, ...] = ()

    def around(self, first: date, last: date) -> list[Anchor]:
        """The last anchor before a span of days and the first one after it."""
        before = [anchor for anchor in self.anchors if anchor.day < first][-1:]
        after = [anchor for anchor in self.anchors if anchor.day > last][:1]
        return before + after


def follow(
    times: Sequence[datetime], likelihoods: Sequence[Likelihood], path: SupplyPath, *, leave_out: bool
) -> list[Offset]:
    """The supply's offset at each session.

    Args:
        times: When the sessions began, in any order.
        likelihoods: What each session says of the offset.
        path: What is known beforehand.
        leave_out: Whether a session's own word is left out of its offset, as is needed to judge it.

    Returns:
        In the order of `times`.
    """
    if not times:
        return []
    grid = _grid()
    days = [at.timestamp() / 86_400 for at in times]
    anchors = path.around(min(times).date(), max(times).date())
    days += [_noon(anchor.day) for anchor in anchors]
    words = [*(_word(likelihood, grid) for likelihood in likelihoods), *(a.likelihood(grid) for a in anchors)]
    order = sorted(range(len(days)), key=lambda index: days[index])
    steps = [_step(days[after] - days[before], path) for before, after in pairwise(order)]
    forward = _sweep([words[index] for index in order], steps, path, grid)
    backward = _sweep([words[index] for index in reversed(order)], steps[::-1], path, grid)[::-1]
    found: dict[int, Offset] = {}
    for place, index in enumerate(order):
        # Both sweeps begin with what is known beforehand, which counts once.
        weight = forward[place] * backward[place] / _beforehand(path, grid)
        found[index] = _offset(weight if leave_out else weight * words[index], grid)
    return [found[index] for index in range(len(times))]


def _step(days: float, path: SupplyPath) -> Spreading | None:
    """How the offset moves in some days; None when nothing moves in so short a time."""
    quarters = round(days * QUARTERS)
    return _spreading(quarters, path.daily_drift, path.range) if quarters else None


@lru_cache(maxsize=128)
def _spreading(quarters: int, daily_drift: float, range_: float) -> Spreading:
    """The share that goes in some quarters of a day from each offset to each, by a walk drawn back to its mean."""
    import numpy as np

    grid = _grid()
    memory = math.exp(-quarters / QUARTERS * daily_drift**2 / (2 * range_**2))
    deviation = range_ * math.sqrt(1 - memory**2)
    density = np.exp(-0.5 * ((grid[None, :] - memory * grid[:, None]) / deviation) ** 2)
    shares: Spreading = density / density.sum(axis=1, keepdims=True)
    return shares


def _grid() -> Grid:
    import numpy as np

    grid: Grid = np.arange(-REACH, REACH + STEP / 2, STEP)
    return grid


def _sweep(
    words: Sequence[Grid], steps: Sequence[Spreading | None], path: SupplyPath, grid: Grid
) -> list[Grid]:
    """What is expected of the offset at each session from all sessions before it in the sweep."""
    expected = [_beforehand(path, grid)]
    for word, step in zip(words, steps, strict=False):
        known = expected[-1] * word
        known = known / known.sum()
        expected.append(known if step is None else known @ step)
    return expected


def _beforehand(path: SupplyPath, grid: Grid) -> Grid:
    import numpy as np

    weight: Grid = np.exp(-0.5 * (grid / path.range) ** 2)
    share: Grid = weight / weight.sum()
    return share


def _word(likelihood: Likelihood, grid: Grid) -> Grid:
    """A session's likelihood, never quite nothing: one odd session must not forbid every offset."""
    import numpy as np

    if likelihood is None:
        return np.ones_like(grid)
    values = likelihood(grid)
    softened: Grid = values + ODD_SHARE * values.max() + np.finfo(float).tiny
    return softened


def _offset(weight: Grid, grid: Grid) -> Offset:
    share = weight / weight.sum()
    value = float((share * grid).sum())
    return Offset(value, math.sqrt(max(0.0, float((share * (grid - value) ** 2).sum()))))


def _noon(day: date) -> float:
    """Days since the epoch."""
    return day.toordinal() - date(1970, 1, 1).toordinal() + 0.5
