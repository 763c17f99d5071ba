"""The charger as a meter: its power as the sessions' energy counters tell it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from cph50_pipeline.charging.counter import EnergyCounter
from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.power.readings import Series, series_of

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants, Values

_MS_PER_HOUR = 3_600_000.0
_LEAST_MS = 60_000  # for the energy of a session that lasted no time at all


def charger_series(counters: Iterable[EnergyCounter], start: datetime, end: datetime) -> Series:
    """The power in kW between two instants: constant between the points of a session's counter, 0 between sessions.

    Its energy is the sessions' own. Sessions of several chargers are added up.

    Args:
        counters: Of the sessions that reach into the interval.
        end: Until when the charger is known; the last reading, which stands for nothing more.
    """
    import numpy as np

    courses = [_course(counter) for counter in counters]
    bounds = np.array([to_epoch_ms(start), to_epoch_ms(end)], np.int64)
    at = np.unique(np.concatenate([bounds, *(instants for instants, _ in courses)]))
    power_kw = np.zeros(len(at))
    for instants, course_kw in courses:
        first, last = np.searchsorted(at, instants[[0, -1]])
        step = np.searchsorted(instants, at[first:last], "right") - 1
        power_kw[first:last] += course_kw[step]
    return series_of(at, power_kw).take((at >= bounds[0]) & (at <= bounds[1]))


def _course(counter: EnergyCounter) -> tuple[Instants, Values]:
    """When the power of a session changes, its end included, and what it is from then on."""
    import numpy as np

    begins = to_epoch_ms(counter.start)
    counted = {begins + round(knot.second * 1000): knot.energy_kwh for knot in counter.knots}
    counted[begins] = 0.0
    if len(counted) == 1:
        counted[begins + _LEAST_MS] = counter.knots[-1].energy_kwh
    at = np.array([*counted], np.int64)
    power_kw: Values = _MS_PER_HOUR * np.diff(np.array([*counted.values()])) / np.diff(at)
    return at, power_kw
