"""The states of readings, and the stretches for which they last. What the states mean stands in `readings.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import reduce
from math import inf
from typing import TYPE_CHECKING

from cph50_pipeline.power.counters import glitches
from cph50_pipeline.power.meters import Meter, MeterConfig
from cph50_pipeline.power.readings import Readings, Series, State

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants, Mask, States, Values

_STRIDE_WORTH_IT = 4


def mark_states(readings: Readings, config: MeterConfig) -> Readings:
    """Tell the state of every reading anew, whatever it was.

    A meter's states near an instant depend on what it said shortly before and after: give some of that, too.
    Readings of a meter that is not configured are ok where they have a number. Those of a counter that are glitches
    are missing, as impossible numbers are; which are told in `counters.glitches`.
    """
    judged = {
        id_: _without_glitches(
            replace(series, state=_plain_states(series, config.meters.get(id_))), config.meters.get(id_)
        )
        for id_, series in readings.series.items()
    }
    dark = _with_outages(judged, config)
    return Readings.of({id_: _with_freezes(series, config.meters.get(id_)) for id_, series in dark.items()})


def _plain_states(series: Series, meter: Meter | None) -> States:
    import numpy as np

    low, high = meter.possible if meter is not None else (-np.inf, np.inf)
    if _are_plain(series, low, high):
        return series.state
    is_possible = (series.value >= low) & (series.value <= high)  # NaN is neither
    return np.where(is_possible, State.OK, State.MISSING).astype(np.uint8)


def _are_plain(series: Series, low: float, high: float) -> bool:
    """Whether all numbers are possible and the states say no more than which readings have one, as most months do."""
    import numpy as np

    others = np.flatnonzero(series.state)
    if not (np.isnan(series.value[others]).all() and (series.state[others] == State.MISSING).all()):
        return False
    return bool(
        np.fmin.reduce(series.value, initial=low) >= low
        and np.fmax.reduce(series.value, initial=high) <= high
    )


def _without_glitches(series: Series, meter: Meter | None) -> Series:
    """The readings of a counter, of which those out of nowhere are missing; their numbers are kept."""
    import numpy as np

    if meter is None or meter.kind != "counter":
        return series
    is_ok = series.state == State.OK
    possible = series if is_ok.all() else series.take(is_ok)
    are_glitches = glitches(possible.at, possible.value)
    if not are_glitches.any():
        return series
    chosen = np.zeros(len(series), np.bool_)
    chosen[is_ok] = are_glitches
    return _with_state(series, chosen, State.MISSING)


def _with_outages(judged: Mapping[str, Series], config: MeterConfig) -> dict[str, Series]:
    """A mains meter's readings are of an outage while all mains meters say zero, for long enough.

    How long is what is known: from the beginning to the last reading that says zero. So a single zero is none.
    """
    mains = {id_: meter for id_, meter in config.meters.items() if meter.mains}
    if not mains or not mains.keys() <= judged.keys():
        return dict(judged)
    least_ms = 1000 * min((meter.outage_after_seconds or inf) for meter in mains.values())
    states = {id_: judged[id_].state.copy() for id_ in mains}
    for start, end in reduce(_intersected, (_at_zero(judged[id_], meter) for id_, meter in mains.items())):
        if end - start < least_ms:
            continue
        inside = {id_: _zeros_between(judged[id_], start, end) for id_ in mains}
        last = max(int(judged[id_].at[within].max(initial=start)) for id_, within in inside.items())
        for id_, meter in mains.items():
            if meter.outage_after_seconds and last - start >= meter.outage_after_seconds * 1000:
                states[id_][inside[id_]] = State.OUTAGE
    return {**judged, **{id_: replace(judged[id_], state=state) for id_, state in states.items()}}


def _zeros_between(series: Series, start: int, end: int) -> Instants:
    """The numbers of the readings that say zero in a half-open interval."""
    import numpy as np

    first, last = np.searchsorted(series.at, [start, end])
    numbers: Instants = np.flatnonzero(series.value[first:last] == 0) + first
    return numbers


def _at_zero(series: Series, meter: Meter) -> list[tuple[int, int]]:
    """The half-open intervals in which the meter says zero, also where its range leaves that out.

    Who declares 100 to 300 V means a house that is on.
    """
    return [(start, max(until, last + 1)) for start, until, last in runs(series, meter, series.value == 0)]


def _intersected(ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Where both sorted lists of disjoint intervals are."""
    common = []
    left, right = 0, 0
    while left < len(ours) and right < len(theirs):
        start, end = max(ours[left][0], theirs[right][0]), min(ours[left][1], theirs[right][1])
        if start < end:
            common.append((start, end))
        if ours[left][1] < theirs[right][1]:
            left += 1
        else:
            right += 1
    return common


def _with_freezes(series: Series, meter: Meter | None) -> Series:
    """Readings that repeat each other for too long without a gap are frozen, all of them."""
    import numpy as np

    if meter is None or meter.frozen_after_seconds is None or not len(series):
        return series
    fewest_steps = int(
        meter.frozen_after_seconds * 1000 / meter.hold_ms
    )  # no step is longer than a reading holds
    if not _may_repeat(series.value, fewest_steps):
        return series
    is_ok = series.state == State.OK
    goes_on = is_ok[1:] & is_ok[:-1] & (series.value[1:] == series.value[:-1])
    goes_on &= np.diff(series.at) <= meter.hold_ms
    first = np.flatnonzero(np.append(True, ~goes_on))
    last = np.append(first[1:], len(series)) - 1
    too_long = (series.at[last] - series.at[first] >= meter.frozen_after_seconds * 1000) & is_ok[first]
    return _with_state(series, np.repeat(too_long, last - first + 1), State.FROZEN)


def _may_repeat(value: Values, steps: int) -> bool:
    """Whether some number may come `steps` times more in a row.

    It then stands throughout the readings between two of those that are half as far apart: of a month by the second
    one in sixty is looked at, and what lies between only where two of these are alike.
    """
    import numpy as np

    stride = steps // 2
    if stride < _STRIDE_WORTH_IT:
        return True
    [alike] = np.nonzero(value[:-stride:stride] == value[stride::stride])
    between = value[(alike * stride)[:, np.newaxis] + np.arange(stride)]
    return bool((between == between[:, :1]).all(axis=1).any())


def _with_state(series: Series, chosen: Mask, state: State) -> Series:
    import numpy as np

    return replace(series, state=np.where(chosen, np.uint8(state), series.state))


def runs(series: Series, meter: Meter, chosen: Mask) -> Iterator[tuple[int, int, int]]:
    """The stretches in which chosen readings follow each other without a gap.

    Yields:
        First instant, until when the last reading stands, and the last reading's instant: Unix milliseconds.
    """
    import numpy as np

    picked = np.flatnonzero(chosen)
    if not len(picked):
        return
    until = series.at + series.standing_ms(meter)
    is_next = (np.diff(picked) == 1) & (until[picked[:-1]] == series.at[picked[1:]])
    first = picked[np.append(True, ~is_next)]
    last = picked[np.append(~is_next, True)]
    yield from zip(series.at[first].tolist(), until[last].tolist(), series.at[last].tolist(), strict=True)
