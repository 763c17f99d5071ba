"""Thinning: which readings of a month that is long over are kept, when a household does not want all of them.

What they came to is kept elsewhere: rollups are not made of thinned readings again. What stays tells the course of each
meter, where it changed its state, and where a counter began anew.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.power.meters import Meter, MeterConfig
from cph50_pipeline.power.readings import Readings, Series

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Mask


def thin(readings: Readings, config: MeterConfig, seconds: float, start: datetime, end: datetime) -> Readings:
    """The first reading of each stretch of time, both sides of a change of state, of a gap, and of a counter's fall.

    Thinning what is thinned changes nothing.

    Args:
        readings: Those of meters that are not configured any more are all kept.
        seconds: How long a stretch is; they are counted from 1970 (UTC).
        start: Readings before are all kept.
        end: So are those from here on.
    """
    kept = {}
    for id_, series in readings.series.items():
        meter = config.meters.get(id_)
        if meter is None:
            kept[id_] = series
            continue
        kept[id_] = series.take(_outside(series, start, end) | _telling(series, seconds, meter))
    return Readings.of(kept)


def _outside(series: Series, start: datetime, end: datetime) -> Mask:
    outside: Mask = (series.at < to_epoch_ms(start)) | (series.at >= to_epoch_ms(end))
    return outside


def _telling(series: Series, seconds: float, meter: Meter) -> Mask:
    """The readings that must stay for others to go: a counter's falls tell something, a gauge's do not."""
    import numpy as np

    stretch = series.at // round(seconds * 1000)
    begins = np.append(True, stretch[1:] != stretch[:-1])[: len(series)]
    turns = (series.state[1:] != series.state[:-1]) | (np.diff(series.at) > meter.hold_ms)
    if meter.kind == "counter":
        turns = turns | (series.value[1:] < series.value[:-1])
    telling: Mask = begins | np.append(False, turns)[: len(series)] | np.append(turns, False)[: len(series)]
    return telling
