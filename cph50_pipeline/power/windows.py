"""Rolling windows: the 7, 30 and 365 civil days that end with each day, from the rollups of days.

Each window is a difference of cumulative sums, so that a day more costs one step whatever the window's length. The sums
are whole numbers: a window depends on its own days to the last bit, however long the history before them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cph50_pipeline.power.events import EVENT_KINDS, Event, EventKind, begun_and_lasted
from cph50_pipeline.power.rollups import Rollup

if TYPE_CHECKING:
    import numpy as np

    from cph50_pipeline.power.readings import Instants, Values
    from cph50_pipeline.power.rollups import Counts

WINDOW_DAYS = (7, 30, 365)

_NANO = 1e9  # of a kWh: 10,000 kWh a year for ten thousand years fit in 64 bits
_MILLI = 1e3  # of a unit times a millisecond: 400 V for ten thousand years


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """One meter's windows of one length, by their last day.

    Attributes:
        start: Unix milliseconds, when the window's first day begins.
        end: When its last day is over.
        mean: Of a gauge, weighted by the time covered; NaN where none is.
        energy_kwh: NaN where it is not known of any day.
        coverage: The share of the window's time that is covered.
        event_count: By kind, how many events begin in the window.
        event_seconds: By kind, for how long they lasted in it.
    """

    start: Instants
    end: Instants
    mean: Values
    min: Values
    max: Values
    energy_kwh: Values
    coverage: Values
    event_count: dict[EventKind, Counts]
    event_seconds: dict[EventKind, Values]


def windows(days: Rollup, length: int, ends: int, events: Sequence[Event] = ()) -> Windows:
    """The windows of `length` days that end with each of the last `ends` of the days.

    Args:
        days: Of one meter: the last `ends` days and the `length - 1` before them, also where nothing is known of them.
        events: Of the same meter, all that reach into these days.

    Raises:
        ValueError: when there are fewer days than that.
    """
    import numpy as np

    if len(days) < length + ends - 1:
        raise ValueError(f"{ends} windows of {length} days need more than {len(days)} days")
    last = np.arange(len(days) - ends, len(days)) + 1
    first = last - length
    start, end = days.edges[first], days.edges[last]

    def total(column: Any) -> Counts:
        so_far = np.append(0, np.cumsum(column.astype(np.int64)))
        difference: Counts = so_far[last] - so_far[first]
        return difference

    covered = total(days.covered_ms)
    weighted = total(np.rint(np.nan_to_num(days.mean) * days.covered_ms * _MILLI)) / _MILLI
    has_mean, has_energy = total(~np.isnan(days.mean)) > 0, total(~np.isnan(days.energy_kwh)) > 0
    energy = total(np.rint(np.nan_to_num(days.energy_kwh) * _NANO)) / _NANO
    counts, seconds = _event_totals(events, start, end)
    return Windows(
        start=start,
        end=end,
        mean=np.divide(weighted, covered, out=np.full(ends, np.nan), where=has_mean),
        min=_extreme(np.fmin, days.min, length, ends),
        max=_extreme(np.fmax, days.max, length, ends),
        energy_kwh=np.where(has_energy, energy, np.nan),
        coverage=covered / (end - start),
        event_count=counts,
        event_seconds=seconds,
    )


def _extreme(of: np.ufunc, column: Values, length: int, ends: int) -> Values:
    import numpy as np

    needed = column[len(column) - length - ends + 1 :]
    extremes: Values = of.reduce(np.lib.stride_tricks.sliding_window_view(needed, length), axis=1)
    return extremes


def _event_totals(
    events: Sequence[Event], start: Instants, end: Instants
) -> tuple[dict[EventKind, Counts], dict[EventKind, Values]]:
    counts, seconds = {}, {}
    for kind in EVENT_KINDS:
        chosen = [event for event in events if event.kind == kind]
        begun_before, lasted_before = begun_and_lasted(chosen, start)
        begun, lasted = begun_and_lasted(chosen, end)
        counts[kind], seconds[kind] = begun - begun_before, (lasted - lasted_before) / 1000
    return counts, seconds
