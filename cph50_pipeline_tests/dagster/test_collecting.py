"""The readings that wait to be taken in: one an instant, nothing lost by a kill, and history goes before them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from logging import getLogger
from pathlib import Path

import pytest

from cph50_pipeline.defs.collecting import SPOOL, Spool, collect, take_in_spool
from cph50_pipeline.defs.reading_files import read_readings, write_readings
from cph50_pipeline.defs.store import Store
from cph50_pipeline.power import readings as power_readings
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.house.orders import Removed
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.sources.home_assistant import HomeAssistantClient
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.dagster.homes import NOW

JANUARY = "2026-01"
INTERVAL = 10.0
STEP = timedelta(seconds=INTERVAL)
LOG = getLogger("test")


def meter(entity: str, quantity: str, unit: str) -> dict[str, str]:
    return {
        "source": "home_assistant",
        "entity": entity,
        "quantity": quantity,
        "kind": "gauge",
        "unit": unit,
    }


METERS = MeterConfig.model_validate(
    {
        "meters": {
            "home.power": meter("sensor.home_power", "power", "W"),
            "home.voltage": meter("sensor.home_voltage", "voltage", "V"),
        }
    }
)


@pytest.fixture
def client(simulator: RunningSimulator) -> Iterator[HomeAssistantClient]:
    with HomeAssistantClient(
        url=simulator.home_assistant_url, token=simulator.home_assistant_token
    ) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(DataRoot(str(tmp_path)), Locks(tmp_path / "private"), Settings().zone)


@pytest.fixture
def spool(store: Store) -> Spool:
    return Spool(store.locks)


def said(at: datetime, *kilowatts: float | None) -> Readings:
    """Readings of the house's power, one a step."""
    rows = [("home.power", at + number * STEP, value) for number, value in enumerate(kilowatts)]
    return power_readings.collect(rows)


def taken(store: Store) -> list[str]:
    with store.open():
        return take_in_spool(store, NOW, LOG)


def stored(store: Store) -> list[float]:
    return [float(value) for value in read_readings(store, JANUARY)["home.power"].value]


def spool_files(store: Store) -> list[Path]:
    return sorted((store.root.folder / "private" / SPOOL).glob("*.ndjson"))


def test_what_every_meter_says_waits_at_the_instant_of_the_grid_and_is_asked_for_once(
    client: HomeAssistantClient, spool: Spool
) -> None:
    found = collect(client, METERS, spool, NOW + timedelta(seconds=3), INTERVAL)
    assert found is not None
    assert (found.instant, found.count, found.heard.notices) == (NOW, 2, [])
    asked = client.requests_made
    assert collect(client, METERS, spool, NOW + timedelta(seconds=9), INTERVAL) is None
    assert client.requests_made == asked
    [waiting] = spool.waiting()
    assert {id_: len(series) for id_, series in waiting.readings.series.items()} == {
        "home.power": 1,
        "home.voltage": 1,
    }
    assert 200 < waiting.readings["home.voltage"].value[0] < 260


def test_an_entity_that_does_not_exist_is_named_and_the_others_are_collected(
    client: HomeAssistantClient, simulator: RunningSimulator, spool: Spool
) -> None:
    simulator.recorder.order(Removed(entity="sensor.home_voltage", at=NOW))
    found = collect(client, METERS, spool, NOW, INTERVAL)
    assert found is not None
    assert found.count == 1
    assert ["sensor.home_voltage" in notice.message for notice in found.heard.notices] == [True]


def test_what_waits_is_stored_and_forgotten_and_taking_it_in_twice_is_once(
    store: Store, spool: Spool
) -> None:
    for number, value in enumerate((1.0, 2.0)):
        at = NOW - timedelta(hours=2) + number * timedelta(hours=1)
        spool.append(said(at, value), at)
    assert [path.name for path in spool_files(store)] == ["2026-01-20T16.ndjson", "2026-01-20T17.ndjson"]
    copies = {path: path.read_bytes() for path in spool_files(store)}
    assert taken(store) == [JANUARY]
    assert stored(store) == [1.0, 2.0]
    assert spool_files(store) == []
    for path, data in copies.items():  # as after a kill between storing and forgetting
        path.write_bytes(data)
    assert taken(store) == []
    assert stored(store) == [1.0, 2.0]


def test_what_history_said_stays_and_what_it_did_not_say_is_filled_in(store: Store, spool: Spool) -> None:
    with store.open():
        write_readings(store, JANUARY, said(NOW - 3 * STEP, 1.0, None), is_over=False)
    spool.append(said(NOW - 3 * STEP, 7.0, 8.0, 9.0), NOW)
    assert taken(store) == [JANUARY]
    assert stored(store) == [1.0, 8.0, 9.0]


@pytest.mark.parametrize("kept", [1, 40])
def test_a_line_that_a_kill_cut_short_is_said_and_costs_no_other(
    store: Store, spool: Spool, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    at = NOW - 10 * STEP
    spool.append(said(at, 1.0), at)
    [path] = spool_files(store)
    line = path.read_bytes()
    path.write_bytes(line + line.replace(b"1.0", b"5.0")[:kept])
    spool.append(said(at + STEP, 2.0), at + STEP)
    assert taken(store) == [JANUARY]
    assert stored(store) == [1.0, 2.0]
    assert "line 2 was cut short" in caplog.text


def test_what_is_added_while_a_file_is_taken_in_waits_on(store: Store, spool: Spool) -> None:
    at = NOW - 10 * STEP
    spool.append(said(at, 1.0), at)
    [before] = spool.waiting()
    spool.append(said(at + STEP, 2.0), at + STEP)
    spool.remove(before)
    [after] = spool.waiting()
    assert len(after.readings) == 2
    spool.remove(after)
    assert [*spool.waiting()] == []


def test_readings_of_a_time_yet_to_come_wait_until_it_is_there_and_are_said(
    store: Store, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    later = NOW + timedelta(hours=5)
    spool.append(said(later, 1.0), later)
    assert taken(store) == []
    assert "a clock is wrong, or was" in caplog.text
    assert len(spool_files(store)) == 1
    with store.open():
        assert take_in_spool(store, later, LOG) == [JANUARY]
    assert stored(store) == [1.0]
    assert spool_files(store) == []


def test_what_is_of_a_damaged_month_waits_and_keeps_no_other_from_being_taken_in(
    store: Store, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    damaged = "power/readings/2025-12.parquet"
    store.root.write(damaged, b"PAR1")
    december = datetime(2025, 12, 20, tzinfo=UTC)
    spool.append(said(december, 1.0), december)
    spool.append(said(NOW - STEP, 2.0), NOW - STEP)
    assert taken(store) == [JANUARY]
    assert damaged in caplog.text
    assert stored(store) == [2.0]
    assert len(spool_files(store)) == 1
