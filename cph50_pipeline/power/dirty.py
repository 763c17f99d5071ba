"""Dirty buckets: which ones a changed or late reading reaches, and making these again and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cph50_pipeline.power.meters import Meter
from cph50_pipeline.power.readings import Series, State
from cph50_pipeline.power.rollups import COLUMNS, Rollup, rollup

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants, Mask

_ABSENT = 255


def dirty(old: Series, new: Series, meter: Meter, bucket_edges: Instants) -> Mask:
    """Which buckets must be made again after a meter's readings, or their states, became others.

    A gauge's reading reaches as far as it stands; a counter's to its neighbours.
    """
    import numpy as np

    at = np.union1d(old.at, new.at)
    before, after = _laid_out(old, at), _laid_out(new, at)
    is_same = (before.value == after.value) | (np.isnan(before.value) & np.isnan(after.value))
    differs = (before.state != after.state) | ~is_same
    reach = _counter_reach if meter.kind == "counter" else _gauge_reach
    starts, ends = reach(before, after, differs, meter)
    # The instants themselves, too: where they are counted, though they may stand for no time.
    return _touched(np.append(starts, at[differs]), np.append(ends, at[differs] + 1), bucket_edges)


def _laid_out(series: Series, at: Instants) -> Series:
    """The series at more instants than its own; there its state is none of `State`."""
    import numpy as np

    value, state = np.full(len(at), np.nan), np.full(len(at), _ABSENT, np.uint8)
    here = np.searchsorted(at, series.at)
    value[here], state[here] = series.value, series.state
    return Series(at, value, state)


def _gauge_reach(before: Series, after: Series, differs: Mask, meter: Meter) -> tuple[Instants, Instants]:
    """From each difference to the next reading; and from a newest reading on that is no longer the newest."""
    import numpy as np

    was_there = [np.flatnonzero(series.state != _ABSENT) for series in (before, after)]
    reaches = differs.copy()
    if all(len(there) for there in was_there) and was_there[0][-1] != was_there[1][-1]:
        reaches[min(there[-1] for there in was_there)] = True
    starts = before.at[reaches]
    return starts, starts + before.standing_ms(meter)[reaches]


def _counter_reach(before: Series, after: Series, differs: Mask, meter: Meter) -> tuple[Instants, Instants]:
    """From the ok reading before each difference to the one after it."""
    import numpy as np

    is_ok = (before.state == State.OK) | (after.state == State.OK)
    at, reaches = before.at[is_ok], np.flatnonzero(differs[is_ok])
    return at[np.maximum(reaches - 1, 0)], at[np.minimum(reaches + 1, len(at) - 1)]


def _touched(starts: Instants, ends: Instants, bucket_edges: Instants) -> Mask:
    """The buckets that overlap any of the half-open intervals."""
    import numpy as np

    size = len(bucket_edges) - 1
    first = np.clip(np.searchsorted(bucket_edges, starts, "right") - 1, 0, size)
    beyond = np.clip(np.searchsorted(bucket_edges, ends, "left"), 0, size)
    changes = np.zeros(size + 1, np.int64)
    is_some = first < beyond
    np.add.at(changes, first[is_some], 1)
    np.add.at(changes, beyond[is_some], -1)
    touched: Mask = np.cumsum(changes)[:-1] > 0
    return touched


def refresh(stored: Rollup, series: Series, meter: Meter, is_dirty: Mask) -> Rollup:
    """The buckets with the dirty ones made again from the readings, which are given as to `rollup`."""
    import numpy as np

    bounds = np.flatnonzero(np.diff(is_dirty.astype(np.int8), prepend=0, append=0))
    fresh = [
        rollup(series, meter, stored.edges[first : end + 1]) for first, end in bounds.reshape(-1, 2).tolist()
    ]
    if not fresh:
        return stored
    columns = {name: np.concatenate([getattr(part, name) for part in fresh]) for name in COLUMNS}
    return stored.with_columns(is_dirty, columns)
