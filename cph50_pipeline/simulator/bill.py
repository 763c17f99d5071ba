"""What the simulated utility and the public station charge: the `total_amount` that ChargePoint answers.

An invented time-of-use plan with the hours that the household schedules its charging by. It is the
simulator's own truth; the pipeline's tariffs are elsewhere and know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_start, local_date

PLAN_CODE = "EV-SAMPLE-3"
PLAN_NAME = "Sample time-of-use plan for electric vehicles"
PUBLIC_PRICE_PER_KWH = 0.46
_NIGHT, _DAY, _EVENING = 0.09, 0.34, 0.58  # per kWh
_EVENING_BEGIN, _EVENING_END = 16, 21
_WEEKDAY_NIGHT_END, _WEEKEND_NIGHT_END = 6, 14


def night_end_hour(day: date) -> int:
    """The local hour at which the cheap night ends: later on weekends."""
    return _WEEKEND_NIGHT_END if day.weekday() >= 5 else _WEEKDAY_NIGHT_END


def at_hour(day: date, hour: float, zone: ZoneInfo) -> datetime:
    """The instant (UTC) at which clocks in the zone show an hour of a day."""
    if hour == 0:
        return day_start(day, zone)
    shown = datetime.combine(day, time()) + timedelta(seconds=round(hour * 3600))
    return shown.replace(tzinfo=zone).astimezone(UTC)


def home_cost(
    start: datetime, end: datetime, energy_by: Callable[[datetime], float], zone: ZoneInfo
) -> float:
    """Cost of a session at home from its counter (`energy_by` an instant, kWh), to whole cents."""
    cost = 0.0
    begin = start
    while begin < end:
        price, until = _price_at(begin, zone)
        stop = min(until, end)
        cost += price * (energy_by(stop) - energy_by(begin))
        begin = stop
    return round(cost, 2)


def _price_at(instant: datetime, zone: ZoneInfo) -> tuple[float, datetime]:
    """The price in force and when it changes."""
    day = local_date(instant, zone)
    night_end = night_end_hour(day)
    for hour, price in ((night_end, _NIGHT), (_EVENING_BEGIN, _DAY), (_EVENING_END, _EVENING)):
        boundary = at_hour(day, hour, zone)
        if instant < boundary:
            return price, boundary
    return _DAY, day_start(day + timedelta(days=1), zone)
