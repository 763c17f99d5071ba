"""A session's distinct readings, from its live window and from its own curve.

Thirty samples are not thirty observations: the charger updates more slowly than it is asked. What is kept is
one reading for each value that the charger gave. How samples are taken stands in `collection.py`.
"""

from __future__ import annotations

from datetime import datetime
from math import inf

from cph50_pipeline.charging.collection import CollectionRecord
from cph50_pipeline.charging.fields import rounded
from cph50_pipeline.charging.model import Reading, Session

COUNTER_TOLERANCE_KWH = 0.01
"""How far a reading may stand above its session's final energy: real counters step back by 0.005 kWh."""


def distinct_readings(session: Session, record: CollectionRecord | None) -> list[Reading]:
    """One reading per distinct (time, energy, power), sorted by time.

    For the same time of reading the window wins, being the charger's word at that moment. A sample that
    counts more than an ended session's final energy stays in its own file and is left out here: it can belong
    to no part of it.
    """
    window = [reading for reading in _window(record) if _belongs(reading, session)]
    sampled = {reading.at for reading in window}
    curve = [reading for reading in session.curve if reading.at not in sampled]
    distinct = {(reading.at, reading.energy_kwh, reading.power_kw): reading for reading in [*curve, *window]}
    return sorted(distinct.values(), key=_order)


def _window(record: CollectionRecord | None) -> list[Reading]:
    if record is None:
        return []
    return [
        Reading(
            at=_to_the_millisecond(sample.reading_at or sample.timestamp),
            energy_kwh=rounded(sample.energy_kwh),
            power_kw=rounded(sample.power_kw),
            origin="window",
        )
        for sample in record.samples
        if sample.is_valid
    ]


def _belongs(reading: Reading, session: Session) -> bool:
    if session.is_open or reading.energy_kwh is None:
        return True
    return reading.energy_kwh <= session.energy_kwh + COUNTER_TOLERANCE_KWH


def _to_the_millisecond(instant: datetime) -> datetime:
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _order(reading: Reading) -> tuple[datetime, float, float]:
    absent = inf  # last, as the table sorts it
    return (
        reading.at,
        absent if reading.energy_kwh is None else reading.energy_kwh,
        absent if reading.power_kw is None else reading.power_kw,
    )
