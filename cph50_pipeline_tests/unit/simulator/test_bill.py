from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.simulator.bill import at_hour, home_cost

ZONE = ZoneInfo("America/Los_Angeles")
FRIDAY, SATURDAY = date(2025, 10, 10), date(2025, 10, 11)


def cost_of_one_kw(day: date, first_hour: float, last_hour: float) -> float:
    start, end = at_hour(day, first_hour, ZONE), at_hour(day, last_hour, ZONE)

    def counter(instant: datetime) -> float:
        return (instant - start).total_seconds() / 3600

    return home_cost(start, end, counter, ZONE)


@pytest.mark.parametrize(
    ("day", "first_hour", "last_hour", "cost"),
    [
        (FRIDAY, 0, 6, 0.54),
        (FRIDAY, 6, 16, 3.40),
        (FRIDAY, 16, 21, 2.90),
        (FRIDAY, 21, 23, 0.68),
        (SATURDAY, 0, 14, 1.26),
        (FRIDAY, 5, 7, 0.43),
        (FRIDAY, 15.5, 16.5, 0.46),
    ],
)
def test_energy_costs_what_the_hour_costs(
    day: date, first_hour: float, last_hour: float, cost: float
) -> None:
    assert cost_of_one_kw(day, first_hour, last_hour) == pytest.approx(cost)


def test_hours_are_what_the_clock_on_the_wall_shows() -> None:
    day_of_23_hours = date(2026, 3, 8)
    assert at_hour(day_of_23_hours, 6, ZONE).isoformat() == "2026-03-08T13:00:00+00:00"
    assert at_hour(day_of_23_hours, 0, ZONE).isoformat() == "2026-03-08T08:00:00+00:00"
