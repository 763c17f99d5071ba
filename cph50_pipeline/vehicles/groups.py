"""Groups of sessions that nobody could name: what charged alike was probably one car, so few labels name many.

Sessions are grouped by stable power and by the charger's limit where it was seen. Which car a group is, a person says.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from cph50_pipeline.vehicles.features import LEAST_RIPPLE, Fingerprint
from cph50_pipeline.vehicles.levels import EXPECTED_SPREAD, Observed, find_regimes

if TYPE_CHECKING:
    import numpy as np

    Density = np.ndarray[tuple[int], np.dtype[np.float64]]

SMALLEST_GROUP = 3
EXAMPLES = 3
# From so many labels a car on, every later session of the recorded household with a plateau gets its car.
ENOUGH_LABELS = 5
# Two levels are told apart where at most this share as many sessions lie between them as on the lesser of them. A gap
# alone would not do: of hundreds of sessions, one odd one closes it.
VALLEY = 0.75
_STEP = EXPECTED_SPREAD / 8
# Where no session is near, the density is all the same, and no valley within.
_NOTHING = 1e-9


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A session that charged steadily and that nobody named, or nobody surely.

    Attributes:
        start: When it began (aware).
        offset: How far the supply moved its plateau, as far as is known (the logarithm of a factor).
        guess: The car that it was taken for with little confidence; None when for none.
    """

    session_id: str
    start: datetime
    fingerprint: Fingerprint
    offset: float = 0.0
    guess: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions that charged alike.

    Attributes:
        power_kw: The middle of their plateaus.
        amperage_limits: The charger's limits (A) under which they were seen, rising; none where nobody saw one.
        session_ids: In order of time.
        first_start: When the first of them began, and the last.
        examples: The most typical of them, which to label first.
        labels_wanted: How many labels would suffice to know the car.
        guess: The car that most of them were taken for with little confidence; None when they were for none.
    """

    power_kw: float
    amperage_limits: tuple[float, ...]
    session_ids: tuple[str, ...]
    first_start: datetime
    last_start: datetime
    examples: tuple[str, ...]
    labels_wanted: int
    guess: str | None

    @property
    def question(self) -> str:
        """What a person is asked: "12 sessions near 9.06 kW at 40 A: which car?"."""
        limits = " or ".join(f"{limit:g}" for limit in self.amperage_limits)
        under = f" at {limits} A" if limits else ""
        guess = f" Perhaps {self.guess}." if self.guess else ""
        return f"{len(self.session_ids)} sessions near {self.power_kw:.2f} kW{under}: which car?{guess}"


@dataclass(frozen=True, slots=True)
class Proposal:
    """The groups, largest first, and the ids of the sessions that resemble too few others, in order of time."""

    groups: tuple[Group, ...]
    singles: tuple[str, ...]


def propose_groups(sessions: Iterable[Unnamed], label_counts: Mapping[str, int] | None = None) -> Proposal:
    """Group sessions by what they charged at; the same for the same sessions in any order.

    Args:
        label_counts: Labelled sessions by car, of which a group that is taken for that car needs no more.
    """
    ordered = sorted(sessions, key=lambda one: (one.start, one.session_id))
    parts = [[ordered[i] for i in sorted(part)] for part in _alike(ordered)]
    groups = [_group(part, label_counts or {}) for part in parts if len(part) >= SMALLEST_GROUP]
    grouped = {session_id for group in groups for session_id in group.session_ids}
    return Proposal(
        groups=tuple(sorted(groups, key=lambda group: (-len(group.session_ids), group.power_kw))),
        singles=tuple(one.session_id for one in ordered if one.session_id not in grouped),
    )


def _alike(sessions: Sequence[Unnamed]) -> list[list[int]]:
    """Indices of sessions on one level and under one limit."""
    observed = [
        Observed(math.log(one.fingerprint.power_kw.value) - one.offset, one.fingerprint.amperage_limit)
        for one in sessions
    ]
    levels = _levels([one.log_power for one in observed])
    return [
        [level[i] for i in part] for level in levels for part in find_regimes([observed[i] for i in level])
    ]


def _levels(log_powers: Sequence[float]) -> list[list[int]]:
    """Indices of values between which hardly any others lie, by rising value."""
    if not log_powers:
        return []
    import numpy as np

    values = np.array(log_powers)
    grid = np.arange(values.min() - EXPECTED_SPREAD, values.max() + EXPECTED_SPREAD + _STEP, _STEP)
    density: Density = np.full_like(grid, _NOTHING)
    for value in values:
        density += np.exp(-0.5 * ((grid - value) / EXPECTED_SPREAD) ** 2)
    bounds = [-math.inf, *(float(grid[cut]) for cut in _valleys(density, 0)), math.inf]
    order = [int(i) for i in np.argsort(values, kind="stable")]
    return [[i for i in order if low < log_powers[i] <= high] for low, high in pairwise(bounds)]


def _valleys(density: Density, begin: int) -> list[int]:
    """Where a density, which begins at an index, falls deep enough between two summits; rising."""
    if len(density) < SMALLEST_GROUP:
        return []
    import numpy as np

    lesser_summit = np.minimum(np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1])
    depths = density / lesser_summit
    deepest = int(depths.argmin())
    if depths[deepest] > VALLEY:
        return []
    before, after = density[:deepest], density[deepest + 1 :]
    return [*_valleys(before, begin), begin + deepest, *_valleys(after, begin + deepest + 1)]


def _group(members: Sequence[Unnamed], label_counts: Mapping[str, int]) -> Group:
    limits = {one.fingerprint.amperage_limit for one in members} - {None}
    guesses = Counter(one.guess for one in members)
    guess = max(sorted(guesses, key=str), key=lambda one: guesses[one])
    known = label_counts.get(guess, 0) if guess else 0
    return Group(
        power_kw=round(median(one.fingerprint.power_kw.value for one in members), 2),
        amperage_limits=tuple(sorted(limit for limit in limits if limit is not None)),
        session_ids=tuple(one.session_id for one in members),
        first_start=members[0].start,
        last_start=members[-1].start,
        examples=_most_typical(members),
        labels_wanted=min(len(members), max(1, ENOUGH_LABELS - known)),
        guess=guess,
    )


def _most_typical(members: Sequence[Unnamed]) -> tuple[str, ...]:
    """The sessions nearest to the middle; of those that ripple alone tells apart the newest, which people remember."""
    levels = {one.session_id: math.log(one.fingerprint.power_kw.value) - one.offset for one in members}
    middle = median(levels.values())
    newest_first = sorted(members, key=lambda one: (one.start, one.session_id), reverse=True)
    nearest = sorted(newest_first, key=lambda one: abs(levels[one.session_id] - middle) // LEAST_RIPPLE)
    return tuple(one.session_id for one in nearest[:EXAMPLES])
