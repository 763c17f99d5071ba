"""The house with its cars and its mishaps: what its meters would say if all of them worked.

Counters count on whatever Home Assistant does. What it gets to see is in `sensors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_bounds
from cph50_pipeline.simulator.bill import at_hour
from cph50_pipeline.simulator.house.load import (
    MINUTE,
    house_watts,
    local_hours,
    power_factor_percent,
    solar_watts,
    voltage,
)
from cph50_pipeline.simulator.house.mishaps import (
    COUNTER_RESTART_HOUR,
    Mishap,
    counter_restarts_on,
    draw_mishaps,
)
from cph50_pipeline.simulator.plug_ins import LimitChange, LiveHousehold, PlugIn
from cph50_pipeline.simulator.sessions import PlannedSession

if TYPE_CHECKING:
    from cph50_pipeline.simulator.house.load import Minutes

_LONGEST_SESSION_DAYS = 2
_SOLAR_RESET_MINUTES = 57  # before midnight: the inverter's clock is not the household's
_KEPT_DAYS = 64
_KEPT_ENERGIES = 20_000
ByHand = tuple[tuple[PlugIn, ...], tuple[LimitChange, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class HouseDay:
    """One civil day, minute by minute. Energies are what was counted when a minute began.

    Attributes:
        start: The day's first instant (UTC).
        energy_today_kwh: Since local midnight.
        energy_total_kwh: Of the lifetime counter, which begins anew now and then.
        solar_today_kwh: Of the panels, whose counter begins anew before midnight.
        mishaps: What goes wrong.
    """

    start: datetime
    power_w: Minutes
    solar_w: Minutes
    voltage_v: Minutes
    power_factor_percent: Minutes
    energy_today_kwh: Minutes
    energy_total_kwh: Minutes
    solar_today_kwh: Minutes
    mishaps: tuple[Mishap, ...]


class House:
    """A house and its meters, the same for the same arguments in every process.

    Args:
        household: Whose cars charge.
        charges: False for a house without cars: recorded answers are replayed instead of theirs.
    """

    def __init__(self, household: LiveHousehold, *, charges: bool = True) -> None:
        self._household = household
        self._charges = charges
        # Keyed by what was done by hand as well: it changes days that were asked for before.
        self._days = lru_cache(_KEPT_DAYS)(self._draw)
        self._power = lru_cache(_KEPT_DAYS)(self._draw_power)
        self._energy = lru_cache(_KEPT_ENERGIES)(self._sum_energy)

    @property
    def zone(self) -> ZoneInfo:
        """Where the house stands."""
        return self._household.plan.zone

    @property
    def history_start(self) -> date:
        """The first day of which anything is known."""
        return self._household.plan.history_start

    def day(self, day: date) -> HouseDay:
        """One civil day; the same object as long as nothing is done by hand."""
        return self._days(day, self._by_hand())

    def _by_hand(self) -> ByHand:
        return self._household.book.entries(), self._household.book.limits()

    def _draw(self, day: date, by_hand: ByHand) -> HouseDay:
        start, _ = day_bounds(day, self.zone)
        seed, hours = self._household.plan.seed, local_hours(day, self.zone)
        watts, mishaps = self._power(day, by_hand), self._mishaps(day)
        has_power = _has_power(start, len(hours), mishaps)
        sun = solar_watts(seed, day, hours) * has_power
        today = _counted_kwh(watts)
        total = self._counted_before(day, by_hand) + today
        if counter_restarts_on(day):
            begin = self._restart_minute(day)
            total[begin:] = today[begin:] - today[begin]
        made = _counted_kwh(sun)
        made[len(made) - _SOLAR_RESET_MINUTES :] = 0.0
        return HouseDay(
            start=start,
            power_w=watts,
            solar_w=sun,
            voltage_v=voltage(seed, day, hours, watts) * has_power,
            power_factor_percent=power_factor_percent(seed, day, watts) * has_power,
            energy_today_kwh=today,
            energy_total_kwh=total,
            solar_today_kwh=made,
            mishaps=mishaps,
        )

    def _draw_power(self, day: date, by_hand: ByHand) -> Minutes:
        start, _ = day_bounds(day, self.zone)
        watts = house_watts(self._household.plan.seed, day, local_hours(day, self.zone))
        for session in self._sessions(day):
            first = max(0, int((session.start - start) / MINUTE))
            last = min(len(watts), int((session.end - start) / MINUTE) + 1)
            for minute in range(first, last):
                watts[minute] += 1000 * session.power_kw_at(start + minute * MINUTE)
        return watts * _has_power(start, len(watts), self._mishaps(day))

    def _sum_energy(self, day: date, by_hand: ByHand) -> float:
        return float(self._power(day, by_hand).sum()) / 60_000

    def _counted_before(self, day: date, by_hand: ByHand) -> float:
        """What the lifetime counter shows as a day begins."""
        counted, before = 0.0, day - timedelta(days=1)
        while before >= self.history_start and not counter_restarts_on(before):
            counted += self._energy(before, by_hand)
            before -= timedelta(days=1)
        if before >= self.history_start:
            counted += float(self._power(before, by_hand)[self._restart_minute(before) :].sum()) / 60_000
        return counted

    def _sessions(self, day: date) -> list[PlannedSession]:
        """The sessions at home that touch a day."""
        if not self._charges:
            return []
        start, end = day_bounds(day, self.zone)
        days = (day - timedelta(days=back) for back in range(_LONGEST_SESSION_DAYS, -1, -1))
        sessions = (one for each in days for one in self._household.sessions_on(each))
        return [one for one in sessions if one.is_home and one.start < end and start < one.end]

    def _mishaps(self, day: date) -> tuple[Mishap, ...]:
        busy = [(session.start, session.end) for session in self._sessions(day)]
        return draw_mishaps(self._household.plan.seed, day, self.zone, busy)

    def _restart_minute(self, day: date) -> int:
        start, _ = day_bounds(day, self.zone)
        return round((at_hour(day, COUNTER_RESTART_HOUR, self.zone) - start) / MINUTE)


def _has_power(start: datetime, count: int, mishaps: tuple[Mishap, ...]) -> Minutes:
    import numpy as np

    has_power = np.ones(count)
    for cut in (one for one in mishaps if one.kind == "power_cut"):
        has_power[round((cut.start - start) / MINUTE) : round((cut.end - start) / MINUTE)] = 0.0
    return has_power


def _counted_kwh(watts: Minutes) -> Minutes:
    import numpy as np

    return np.concatenate(([0.0], np.cumsum(watts)[:-1])) / 60_000
