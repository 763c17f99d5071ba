"""Counters: what was drawn between two readings, and which readings are glitches that say nothing of it.

A household draws less than 100 kW. By that a counter that jumps is told from one that counts.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants, Mask, Values

IMPLAUSIBLE_KW = 100.0
RESET_BELOW = 0.9
_MS_PER_HOUR = 3_600_000
_STRETCHES_AHEAD = 8
_AWAY_AT_MOST_MS = 7 * 24 * _MS_PER_HOUR
_BRIEF_MS = 3 * _MS_PER_HOUR
_SLIGHTLY = 0.1


def drawn_kwh(counted: Values) -> Values:
    """What was drawn from each reading of a counter to the next, as it shows it; never negative."""
    import numpy as np

    before, after = counted[:-1], counted[1:]
    drawn: Values = np.where(after < RESET_BELOW * before, after, np.maximum(after - before, 0.0))
    return drawn


def is_drawable(drawn: Values, length_ms: Instants) -> Mask:
    """Whether a household can have drawn so much between two readings; else the meter was changed.

    An hour counts at least: some sources say only once an hour what their counter shows.
    """
    import numpy as np

    is_little: Mask = drawn <= IMPLAUSIBLE_KW * np.maximum(length_ms / _MS_PER_HOUR, 1.0)
    return is_little


def glitches(at: Instants, value: Values) -> Mask:
    """Which readings of a counter are none: zeros where it was not read, and numbers out of nowhere.

    The readings are held against the last good one. A jump is a fall below nine tenths, or a rise by more than 100 kW
    since the counter last moved.

    - What jumps away and within a week jumps back to where it was, or slightly above, is a glitch, however often it is
      said; so is what falls and within three hours is back at once.
    - A single reading that jumps up, or down to more than can have been drawn since zero, and from which the next does
      not go on, is a glitch; so is the newest, until the next tells.
    - A fall from which readings go on is a reset, and a rise from which they do another meter: these are good.

    A jump that a household might have drawn is not told from a meter that lost its last minutes.

    Args:
        at: Unix milliseconds, increasing.
        value: kWh; NaN, where there is no number, is no glitch.
    """
    import numpy as np

    found = np.zeros(len(value), np.bool_)
    has_number = ~np.isnan(value)
    numbers = slice(None) if has_number.all() else np.flatnonzero(has_number)  # a view, where none is missing
    if _only_counts(at[numbers], value[numbers]):
        return found
    told = found[numbers]
    for first, end in _Stretches.of(at[numbers], value[numbers]).away():
        told[first:end] = True
    found[numbers] = told
    return found


def _only_counts(at: Instants, value: Values) -> bool:
    """Whether each number follows from the one before, as in most months."""
    import numpy as np

    step = np.diff(value)
    return bool((step >= 0).all() and (step <= np.diff(at) * (IMPLAUSIBLE_KW / _MS_PER_HOUR)).all())


@dataclass(frozen=True, slots=True)
class _Stretches:
    """Readings cut wherever a counter falls or jumps up: within a stretch it only counts.

    Attributes:
        at: Of all readings, as are `value` and `since`.
        since: When the counter first showed what it shows.
        bounds: Where the stretches begin, and the end of the last.
    """

    at: list[int]
    value: list[float]
    since: list[int]
    bounds: list[int]

    @classmethod
    def of(cls, at: Instants, value: Values) -> _Stretches:
        """Those of readings that all have a number; at least one."""
        import numpy as np

        step = np.diff(value)
        moved = np.maximum.accumulate(np.where(np.append(True, step != 0)[: len(at)], np.arange(len(at)), 0))
        since = at[moved]
        is_cut = (step < 0) | (step * _MS_PER_HOUR > (at[1:] - since[:-1]) * IMPLAUSIBLE_KW)
        bounds = [0, *(np.flatnonzero(is_cut) + 1).tolist(), len(at)]
        return cls(at.tolist(), value.tolist(), since.tolist(), bounds)

    def away(self) -> list[tuple[int, int]]:
        """The half-open intervals of readings that are glitches."""
        found = []
        number, last = 1, self.bounds[1] - 1  # the stretch that is judged, and the last good reading
        while number < len(self.bounds) - 1:
            first, end = self.bounds[number], self.bounds[number + 1]
            back = self._back(number, last)
            if back is not None:
                found.append((first, self.bounds[back]))
                number = back
                continue
            sooner = self._back_at_once(first, end, last)
            if sooner > first:
                found.append((first, sooner))
            elif not self._is_good(first, end, last):
                found.append((first, end))
                number += 1
                continue
            number, last = number + 1, end - 1
        return found

    def _back(self, number: int, last: int) -> int | None:
        """The stretch in which the counter is back where it was by a jump, if it is."""
        if self._is_back(last, self.bounds[number]):
            return None
        has_risen = self._rises(last, self.bounds[number])
        for later in range(number + 1, min(number + 1 + _STRETCHES_AHEAD, len(self.bounds) - 1)):
            first = self.bounds[later]
            if self.at[first] - self.at[last] > _AWAY_AT_MOST_MS:
                return None
            has_risen = has_risen or self._rises(first - 1, first)
            if has_risen and self._is_back(last, first) and self._is_near(last, first):
                return later
        return None

    def _back_at_once(self, first: int, end: int, last: int) -> int:
        """Where in a stretch, which began with a reset, the counter is back nearly where it was; else its beginning."""
        if not self._is_reset(last, first):
            return first
        back = bisect_left(self.value, self.value[last], first, end)
        if not first < back < end or self.at[back] - self.at[last] > _BRIEF_MS:
            return first
        jump = self.value[back] - self.value[back - 1]
        has_jumped = self.value[back - 1] - self.value[first] <= _SLIGHTLY * jump
        return back if has_jumped and self._is_near(last, back) else first

    def _is_good(self, first: int, end: int, last: int) -> bool:
        if self._goes_on(last, first):
            return True
        is_followed = end - first > 1 or (end < len(self.at) and self._goes_on(first, end))
        return is_followed or (
            self._is_reset(last, first) and not self._is_jump(self.value[first], last, first)
        )

    def _is_back(self, last: int, now: int) -> bool:
        return self.value[now] >= self.value[last] and self._goes_on(last, now)

    def _is_near(self, last: int, back: int) -> bool:
        """Whether it is further than where it was by no more than a tenth of the jump that brought it there."""
        jump = abs(self.value[back] - self.value[back - 1])
        return self.value[back] - self.value[last] <= _SLIGHTLY * jump

    def _goes_on(self, last: int, now: int) -> bool:
        return not self._is_reset(last, now) and not self._rises(last, now)

    def _is_reset(self, last: int, now: int) -> bool:
        return self.value[now] < RESET_BELOW * self.value[last]

    def _rises(self, last: int, now: int) -> bool:
        return self._is_jump(self.value[now] - self.value[last], last, now)

    def _is_jump(self, drawn: float, last: int, now: int) -> bool:
        return drawn * _MS_PER_HOUR > (self.at[now] - self.since[last]) * IMPLAUSIBLE_KW
