"""Readings, column by column, and their states: what a meter said at which instant, and whether it counts.

Null is not zero: a reading is ok, missing (no number, or none that is possible), of an outage (every mains meter
zero for long enough) or frozen (the same for too long). The number is kept whatever the state, so that states can be
told anew, by `states.py`. How readings are written stands in `tables.py` and `ndjson.py`, what they add up to in
`rollups.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from math import nan
from typing import TYPE_CHECKING, Any

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.power.meters import Meter

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Instants = npt.NDArray[np.int64]
    Values = npt.NDArray[np.float64]
    States = npt.NDArray[np.uint8]
    Mask = npt.NDArray[np.bool_]


class State(IntEnum):
    """Whether a reading counts. Only what is ok does."""

    OK = 0
    MISSING = 1
    OUTAGE = 2
    FROZEN = 3


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The readings of one meter, in order of time, one an instant. The arrays are not to be written to.

    Attributes:
        at: Unix time in milliseconds (UTC).
        value: In the meter's canonical unit; NaN where there is no number.
        state: As of `State`.
    """

    at: Instants
    value: Values
    state: States

    def __len__(self) -> int:
        """How many readings they are."""
        return len(self.at)

    def take(self, chosen: Mask | Instants | slice) -> Series:
        """Some of the readings, as an index of an array chooses them."""
        return Series(self.at[chosen], self.value[chosen], self.state[chosen])

    def between(self, start: datetime, end: datetime) -> Series:
        """The readings in a half-open interval."""
        import numpy as np

        first, last = np.searchsorted(self.at, [to_epoch_ms(start), to_epoch_ms(end)])
        return self.take(slice(int(first), int(last)))

    def standing_ms(self, meter: Meter) -> Instants:
        """For how long each reading stands: until the next one of whatever state, or as long as the meter holds.

        The newest stands for no time yet: what comes next decides.
        """
        import numpy as np

        length = np.empty_like(self.at)
        np.subtract(self.at[1:], self.at[:-1], out=length[:-1])
        length[-1:] = 0
        has_gap = length.max(initial=0) > meter.hold_ms  # three times as fast as cutting what is short enough
        return np.minimum(length, meter.hold_ms, out=length) if has_gap else length


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """The readings of several meters.

    Attributes:
        series: By meter, sorted by its id; none is empty.
    """

    series: Mapping[str, Series]

    @classmethod
    def of(cls, series: Mapping[str, Series]) -> Readings:
        """The readings of meters in any order."""
        return cls({meter: series[meter] for meter in sorted(series) if len(series[meter])})

    def __len__(self) -> int:
        """How many readings they are."""
        return sum(len(one) for one in self.series.values())

    def __getitem__(self, meter: str) -> Series:
        """The readings of one meter; of a meter that has none, an empty series."""
        return self.series.get(meter) or series_of([], [])

    def between(self, start: datetime, end: datetime) -> Readings:
        """The readings in a half-open interval."""
        return Readings.of({meter: one.between(start, end) for meter, one in self.series.items()})


def series_of(at: Any, value: Any, state: Any = None) -> Series:
    """The readings of one meter from columns in the order in which they were taken in.

    Args:
        at: Unix milliseconds, in any order; where one comes twice, see `merge`.
        value: As many numbers, NaN for none.
        state: As many states; without them, what has a number is ok. What has none is missing.
    """
    import numpy as np

    instants, values = np.asarray(at, np.int64), np.asarray(value, np.float64)
    told = np.zeros(len(values), np.uint8) if state is None else np.asarray(state, np.uint8)
    is_missing = np.isnan(values)
    # Where they were stored so, setting them would only be a copy.
    if (told[is_missing] != State.MISSING).any():
        told = np.where(is_missing, np.uint8(State.MISSING), told)
    return _one_an_instant(Series(instants, values, told))


def collect(rows: Iterable[tuple[str, datetime, float | None]]) -> Readings:
    """Readings from rows of meter, instant and canonical number, in the order in which they were taken in."""
    columns: dict[str, tuple[list[int], list[float]]] = {}
    for meter, at, value in rows:
        instants, values = columns.setdefault(meter, ([], []))
        instants.append(to_epoch_ms(at))
        values.append(nan if value is None else value)
    return Readings.of({meter: series_of(*column) for meter, column in columns.items()})


def merge(old: Readings, new: Readings) -> Readings:
    """Both together. Of two readings of one meter at one instant that with a number that counts is kept, else the new.

    Taking in the same again changes nothing, and but for contradictions the order of taking in does not matter.
    """
    both = old.series.keys() | new.series.keys()
    return Readings.of({meter: _merged(old[meter], new[meter]) for meter in both})


def _merged(old: Series, new: Series) -> Series:
    if not len(old) or not len(new):
        return old if len(old) else new
    for earlier, later in ((old, new), (new, old)):  # as of different months: nothing to sort
        if earlier.at[-1] < later.at[0]:
            return joined([earlier, later])
    return _one_an_instant(joined([old, new]))


def joined(parts: Iterable[Series]) -> Series:
    """Parts of a series that follow each other, as one."""
    import numpy as np

    whole = [*parts] or [series_of([], [])]
    return Series(
        np.concatenate([part.at for part in whole]),
        np.concatenate([part.value for part in whole]),
        np.concatenate([part.state for part in whole]),
    )


def _one_an_instant(series: Series) -> Series:
    """In order of time; of several at one instant the last of those that count."""
    import numpy as np

    if len(series) < 2 or bool((series.at[1:] > series.at[:-1]).all()):
        return series
    counts = series.state != State.MISSING
    ordered = series.take(np.lexsort((counts, series.at)))  # stable: equal ones stay in the order of arrival
    is_last = np.append(ordered.at[1:] != ordered.at[:-1], True)
    return ordered.take(is_last)
