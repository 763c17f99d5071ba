"""Houses for the tests of the simulated house."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from cph50_pipeline.simulator.house.house import House
from cph50_pipeline.simulator.house.mishaps import MishapKind
from cph50_pipeline.simulator.house.orders import Order, OrderBook
from cph50_pipeline.simulator.house.recorder import Recorder
from cph50_pipeline.simulator.house.sensors import SENSORS, Sensor
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook

LOS_ANGELES = ZoneInfo("America/Los_Angeles")
DAY = timedelta(days=1)
NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)


def house(
    zone: ZoneInfo = LOS_ANGELES, seed: int = 50, *, since: date = date(2025, 1, 1), charges: bool = True
) -> House:
    """A house of its own, that remembers nothing of others."""
    plan = Household(seed, zone, history_start=since)
    return House(LiveHousehold(plan, PlugInBook()), charges=charges)


def recorder(*orders: Order, since: date = date(2026, 1, 10), seed: int = 50) -> Recorder:
    """Home Assistant's memory of a house, with what went wrong there."""
    known = Recorder(house(since=since, seed=seed), OrderBook())
    known.order(*orders)
    return known


def sensor(name: str) -> Sensor:
    """The sensor `sensor.{name}`."""
    return next(one for one in SENSORS if one.entity_id == f"sensor.{name}")


def day_with(kind: MishapKind, at: House) -> date:
    """The first day on which something goes wrong."""
    day = at.history_start
    while not any(one.kind == kind for one in at.day(day).mishaps):
        day += DAY
    return day
