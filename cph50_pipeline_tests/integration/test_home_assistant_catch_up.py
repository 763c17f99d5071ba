"""Catching up with the simulated Home Assistant over loopback: nights that were interrupted, and all faults at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.http.retry import RetryPolicy
from cph50_pipeline.power.meters import MeterConfig, canonical
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.house.orders import (
    ClockShift,
    NotRecorded,
    Outage,
    Purge,
    Reading,
    Removed,
    Unavailable,
    UnitChange,
)
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.sources.catch_up import Batch, catch_up
from cph50_pipeline.sources.home_assistant import HomeAssistantClient
from cph50_pipeline.sources.home_connection import HomeLimits
from cph50_pipeline.sources.home_source import StateRow

MIDNIGHT = datetime(2026, 1, 20, 8, tzinfo=UTC)  # in the household's zone
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = MIDNIGHT + 10 * HOUR
POWER = "sensor.home_power"


def meter(entity: str, quantity: str, unit: str) -> dict[str, object]:
    kind = "counter" if quantity == "energy" else "gauge"
    return {
        "source": "home_assistant",
        "entity": f"sensor.{entity}",
        "quantity": quantity,
        "kind": kind,
        "unit": unit,
    }


METERS = MeterConfig.read(
    {
        "meters": {
            "home.power": meter("home_power", "power", "W"),
            "home.voltage": meter("home_voltage", "voltage", "V"),
            "home.power_factor": meter("home_power_factor", "power_factor", "%"),
            "home.today": meter("home_energy_today", "energy", "kWh"),
            "home.total": meter("home_energy_total", "energy", "kWh"),
            "solar.power": meter("solar_power", "power", "W"),
            "solar.today": meter("solar_energy_today", "energy", "kWh"),
        }
    },
    "meters.json",
).meters


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(
        Household(history_start=date(2026, 1, 10)), clock=SimulatedClock(NOW, speed=0)
    ) as running:
        yield running


@pytest.fixture
def client(simulator: RunningSimulator) -> Iterator[HomeAssistantClient]:
    limits = HomeLimits(
        retry=RetryPolicy(attempts=2, first_wait_seconds=0.001), now=lambda: simulator.clock.now().timestamp()
    )
    with HomeAssistantClient(
        url=simulator.home_assistant_url, token=simulator.home_assistant_token, limits=limits
    ) as one:
        yield one


class Collector:
    """Collects at instants, and keeps what it got, as the pipeline does."""

    def __init__(self, simulator: RunningSimulator, client: HomeAssistantClient, since: datetime) -> None:
        self.simulator = simulator
        self.client = client
        self.since = since
        self.last_seen: dict[str, datetime] = {}
        self.stored: dict[tuple[str, datetime], StateRow] = {}
        self.batches: list[Batch] = []

    def collect(self, now: datetime, interval_seconds: float = 600) -> bool:
        """Collect once; whether Home Assistant was there."""
        self.simulator.clock.move_to(now)
        try:
            for batch in catch_up(
                self.client,
                METERS,
                self.last_seen,
                now,
                interval_seconds=interval_seconds,
                earliest=self.since,
            ):
                self.stored |= {(row.entity, row.at): row for row in batch.rows}
                self.last_seen = dict(batch.last_seen)
                self.batches.append(batch)
        except TransientError:
            return False
        return True

    def of(self, entity: str) -> list[StateRow]:
        return sorted(row for row in self.stored.values() if row.entity == entity)


def test_a_night_in_which_nobody_collected_is_as_if_somebody_had(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    begin, end = MIDNIGHT - HOUR, MIDNIGHT + HOUR
    undisturbed, interrupted = (Collector(simulator, client, begin) for _ in range(2))
    instants = [begin + number * 10 * MINUTE + timedelta(seconds=13) for number in range(13)]
    for instant in instants:
        undisturbed.collect(instant)
    for instant in [one for one in instants if not MIDNIGHT - 10 * MINUTE < one < MIDNIGHT + 30 * MINUTE]:
        interrupted.collect(instant)
        interrupted.collect(instant)
    assert interrupted.stored == undisturbed.stored
    assert {row.at for row in undisturbed.of(POWER)} == {
        begin + number * 10 * MINUTE for number in range(1, 13)
    }
    assert undisturbed.of(POWER)[-1].at == end


def test_a_restart_at_midnight_leaves_out_what_was_never_measured_and_nothing_else(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    begin, end = MIDNIGHT - HOUR, MIDNIGHT + HOUR
    instants = [begin + number * 10 * MINUTE + timedelta(seconds=13) for number in range(13)]
    undisturbed = Collector(simulator, client, begin)
    for instant in instants:
        undisturbed.collect(instant)
    down = Outage(start=MIDNIGHT - 8 * MINUTE, end=MIDNIGHT + MINUTE)
    simulator.recorder.order(down)
    interrupted = Collector(simulator, client, begin)
    answered = [interrupted.collect(instant) for instant in instants]
    assert answered.count(False) == 1
    assert {
        key for key in undisturbed.stored if not down.start < key[1] < down.end
    } <= interrupted.stored.keys()
    assert [row for row in interrupted.stored.values() if down.start < row.at < down.end] == []
    for key, row in interrupted.stored.items():
        assert undisturbed.stored.get(key, row) == row
    today = interrupted.of("sensor.home_energy_today")
    assert any(row.at < down.start for row in today)
    assert float(next(row.state for row in today if row.at > down.end)) < 1, (
        "the counter began anew at midnight"
    )
    assert interrupted.of(POWER)[-1].at == end


@pytest.mark.parametrize("interval_seconds", [10, 60, 600])
def test_a_gauge_on_the_grid_measures_what_the_counter_counted(
    simulator: RunningSimulator, client: HomeAssistantClient, interval_seconds: int
) -> None:
    collector = Collector(simulator, client, MIDNIGHT - DAY)
    collector.collect(NOW, interval_seconds)
    rows = [row for row in collector.of(POWER) if MIDNIGHT - DAY < row.at <= MIDNIGHT]
    watts = [float(row.state) for row in rows if row.state != "unavailable"]
    assert len(rows) == 86_400 / interval_seconds
    total = [row for row in collector.of("sensor.home_energy_total") if row.at <= MIDNIGHT]
    counted = float(total[-1].state) - float(total[0].state)
    assert sum(watts) / len(watts) * 24 / 1000 == pytest.approx(counted, rel=0.1)


def test_what_statistics_give_back_is_what_the_history_held(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    begin = MIDNIGHT - 3 * DAY
    remembered, forgotten = (Collector(simulator, client, begin) for _ in range(2))
    remembered.collect(NOW)
    simulator.recorder.order(Purge(keep_days=1))
    forgotten.collect(NOW)

    def counted(collector: Collector, entity: str) -> float:
        rows = [row for row in collector.of(entity) if begin + HOUR <= row.at <= MIDNIGHT - DAY]
        numbers = [
            number
            for row in rows
            if (number := canonical(METERS["home.total"], row.state, row.unit)) is not None
        ]
        steps = pairwise(numbers)
        return sum(after - before if after >= before else after for before, after in steps)

    for entity in ("sensor.home_energy_today", "sensor.home_energy_total", "sensor.solar_energy_today"):
        assert counted(forgotten, entity) == pytest.approx(counted(remembered, entity), abs=0.1)

    def mean_kw(collector: Collector) -> float:
        rows = [row for row in collector.of(POWER) if begin + HOUR < row.at <= MIDNIGHT - DAY]
        kilowatts = [canonical(METERS["home.power"], row.state, row.unit) for row in rows]
        known = [one for one in kilowatts if one is not None]
        assert len(known) > 0.97 * len(rows) > 200
        return sum(known) / len(known)

    assert mean_kw(forgotten) == pytest.approx(mean_kw(remembered), rel=0.05)
    assert [notice for batch in forgotten.batches for notice in batch.notices] == []


def test_everything_at_once_costs_only_what_it_concerns(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    begin = NOW - 6 * HOUR
    simulator.recorder.order(
        UnitChange(entity=POWER, at=NOW - 3 * HOUR, unit="kW"),
        Reading(entity="sensor.home_voltage", at=NOW - 2 * HOUR - MINUTE, state="1e9"),
        Unavailable(entity="sensor.solar_power", start=NOW - 2 * HOUR, end=NOW - HOUR, state="no sun"),
        Removed(entity="sensor.solar_energy_today", at=NOW - HOUR),
        NotRecorded(entity="sensor.home_power_factor"),
        ClockShift(start=NOW - MINUTE, end=NOW + MINUTE, seconds=120),
    )
    simulator.faults.add(
        Fault(kind="status", status_code=503, operation="ha_history"),
        Fault(kind="broken_json", operation="ha_status"),
        Fault(kind="hang_up", operation="ha_state"),
    )
    collector = Collector(simulator, client, begin)
    assert collector.collect(NOW)
    notices = {(notice.kind, notice.entity) for batch in collector.batches for notice in batch.notices}
    assert notices == {
        ("unit_changed", POWER),
        ("unknown_entity", "sensor.solar_energy_today"),
        ("not_recorded", "sensor.home_power_factor"),
        ("clock", None),
    }
    by_unit = {row.unit for row in collector.of(POWER)}
    assert by_unit == {"W", "kW"}
    kilowatts = [canonical(METERS["home.power"], row.state, row.unit) for row in collector.of(POWER)]
    assert all(value is not None and 0 <= value < 20 for value in kilowatts)
    assert {row.state for row in collector.of("sensor.solar_power")} >= {"no sun"}
    assert collector.of("sensor.solar_energy_today")[-1].state == ""
    assert len(collector.of("sensor.home_power_factor")) == 1
    assert len(collector.of("sensor.home_energy_total")) >= 35
    volts = [row.state for row in collector.of("sensor.home_voltage")]
    assert len(volts) == 35


def test_panels_alone_are_read_on_at_night(simulator: RunningSimulator, client: HomeAssistantClient) -> None:
    night = MIDNIGHT + HOUR
    simulator.clock.move_to(night + timedelta(seconds=30))
    only = {"solar.power": METERS["solar.power"]}
    now = simulator.clock.now()
    batches = list(catch_up(client, only, {}, now, interval_seconds=600, earliest=night - 12 * HOUR))
    rows = [row for batch in batches for row in batch.rows]
    assert rows[-1] == StateRow("sensor.solar_power", night, "0.0", "W")
    assert [notice for batch in batches for notice in batch.notices] == []


def test_a_wrong_token_ends_it_with_one_clear_line(simulator: RunningSimulator) -> None:
    with (
        HomeAssistantClient(url=simulator.home_assistant_url, token="canary-token") as client,
        pytest.raises(PermanentError, match="CPH50_HOME_ASSISTANT_TOKEN") as caught,
    ):
        next(catch_up(client, METERS, {}, NOW, interval_seconds=600, earliest=NOW - DAY))
    assert "canary" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("after", [timedelta(seconds=1), 2 * MINUTE, 5 * MINUTE])
def test_the_first_answer_after_a_restart_does_not_make_readings_of_the_time_before_it(
    simulator: RunningSimulator, client: HomeAssistantClient, after: timedelta
) -> None:
    down = Outage(start=MIDNIGHT - 55 * MINUTE, end=MIDNIGHT + 25 * MINUTE)
    simulator.recorder.order(down)
    collector = Collector(simulator, client, MIDNIGHT - 2 * HOUR)
    assert collector.collect(down.end + after)
    assert collector.collect(MIDNIGHT + HOUR)
    assert [row for row in collector.stored.values() if down.start < row.at < down.end] == []
    assert collector.of(POWER)[-1].at == MIDNIGHT + HOUR - 10 * MINUTE
