"""The sensor of the house's power: readings by the rhythm, months by what they are made of, and nothing for nothing."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from cph50_pipeline.civil_time import day_start, local_date
from cph50_pipeline.defs.collecting import Spool
from cph50_pipeline.defs.jobs import POWER_JOB, power_run_config
from cph50_pipeline.defs.month_files import ACTIVITY, ROLLUPS
from cph50_pipeline.defs.partitions import FIRST_MONTH_TAG, LAST_MONTH_TAG
from cph50_pipeline.defs.power_sensor import IN_FORCE, TAKING_IN_TAG
from cph50_pipeline.defs.reading_files import write_readings
from cph50_pipeline.defs.store import METERS_FILE
from cph50_pipeline.power.meters import CHARGER
from cph50_pipeline.power.readings import collect
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline_tests.dagster.homes import MONTHS, NOW, Home, MakeHome, at, failure_texts, with_house

NOVEMBER, DECEMBER, JANUARY = MONTHS
MINUTE = timedelta(minutes=1)
METERS: dict[str, Any] = {
    "meters": {
        "home.power": {
            "source": "home_assistant",
            "entity": "sensor.home_power",
            "quantity": "power",
            "kind": "gauge",
            "unit": "W",
        }
    }
}


def evaluate(home: Home, cursor: str | None = None) -> Any:
    return home.evaluate("power_sensor", cursor)


def requests(home: Home) -> list[dg.RunRequest]:
    return list(evaluate(home).run_requests or [])


def spans(found: list[dg.RunRequest]) -> list[tuple[str, str]]:
    return [(request.tags[FIRST_MONTH_TAG], request.tags[LAST_MONTH_TAG]) for request in found]


def run(home: Home, request: dg.RunRequest) -> bool:
    result = home.run_request(request, POWER_JOB)
    assert result.success, failure_texts(result)
    return result.success


def settle(home: Home) -> Home:
    """Run what is asked for until nothing is."""
    while found := requests(home):
        assert all(run(home, request) for request in found)
    return home


def waiting(home: Home) -> int:
    """How many readings wait to be taken in."""
    return sum(len(found.readings) for found in Spool(home.store().locks).waiting())


@pytest.fixture
def alone(collected: Home) -> Home:
    """A household without Home Assistant, whose months are made and known to Dagster."""
    return settle(with_house(collected, is_there=False))


@pytest.fixture
def house(make_home: MakeHome) -> Home:
    """A house with one meter since January, nothing made yet."""
    home = with_house(make_home(history_start=JANUARY), is_there=True)
    home.folder.mkdir()
    (home.folder / METERS_FILE).write_text(json.dumps(METERS))
    return home


def test_a_charger_alone_is_rolled_up_once_in_one_run_of_all_its_months(collected: Home) -> None:
    home = with_house(collected, is_there=False)
    [request] = requests(home)
    assert spans([request]) == [(NOVEMBER, JANUARY)]
    assert run(home, request)
    assert home.store().stored_months(ROLLUPS) == MONTHS
    settled = evaluate(home)
    assert settled.skip_message == IN_FORCE
    assert evaluate(home, settled.cursor).skip_message == IN_FORCE


def test_other_meters_concern_every_month_and_the_cursor_hides_none(alone: Home) -> None:
    cursor = evaluate(alone).cursor
    (alone.folder / METERS_FILE).write_text(json.dumps(METERS))
    due = evaluate(alone, cursor)
    assert spans(due.run_requests) == [(NOVEMBER, JANUARY)]
    assert due.cursor == cursor, "what is due stays due until it is done"
    assert run(alone, due.run_requests[0])
    assert requests(alone) == []


def test_what_was_charged_otherwise_concerns_its_month_and_the_month_after_and_then_their_windows(
    alone: Home,
) -> None:
    path = alone.folder / ACTIVITY.path(DECEMBER)
    document = json.loads(path.read_text())
    document["closed"] = True
    path.write_text(json.dumps(document))
    [request] = requests(alone)
    assert spans([request]) == [(DECEMBER, JANUARY)]
    assert run(alone, request)
    assert requests(alone) == []


def test_a_late_reading_concerns_its_month_and_the_windows_of_the_months_after(alone: Home) -> None:
    noon = day_start(local_date(NOW, alone.store().zone), alone.store().zone) - timedelta(days=60)
    store = alone.store()
    with store.open():
        (alone.folder / METERS_FILE).write_text(json.dumps(METERS))
        late = collect([("home.power", noon + number * 10 * MINUTE, 1.0) for number in range(9)])
        write_readings(store, NOVEMBER, late, is_over=True)
    settle(alone)
    assert set(alone.store().need_month(ROLLUPS, NOVEMBER)["meter"].to_pylist()) == {
        "charger.power",
        "home.power",
    }


def test_a_month_whose_run_died_before_its_windows_is_due(alone: Home) -> None:
    (alone.folder / METERS_FILE).write_text(json.dumps(METERS))
    assert alone.run(MONTHS, job=POWER_JOB, only=["power_rollups"]).success
    assert spans(requests(alone)) == [(NOVEMBER, JANUARY)]


def test_readings_are_taken_in_once_an_interval(house: Home) -> None:
    [request] = requests(house)
    assert spans([request]) == [(JANUARY, JANUARY)]
    assert run(house, request)
    assert house.store().stored_months(ROLLUPS) == [JANUARY]
    assert requests(house) == []
    house.simulator.clock.move_to(NOW + 11 * MINUTE)
    with at(NOW + 11 * MINUTE):
        [again] = requests(house)
        assert run(house, again)
        assert requests(house) == []


def test_right_after_midnight_nothing_is_made_that_is_committed_and_the_night_makes_it(house: Home) -> None:
    midnight = day_start(local_date(NOW, house.store().zone), house.store().zone)
    for minutes, files in (
        (1, ["daily", "weekly"]),
        (19, ["daily", "weekly"]),
        (20, ["daily", "weekly", "monthly", "yearly"]),
    ):
        with at(midnight + minutes * MINUTE):
            [request] = requests(house)
        assert request.run_config == power_run_config(files)  # type: ignore[arg-type]


def test_a_home_assistant_that_refuses_is_said_and_no_run_asks_it(house: Home) -> None:
    house.simulator.faults.add(Fault(kind="expired_token"))
    result = evaluate(house)
    assert not result.run_requests
    assert "CPH50_HOME_ASSISTANT_TOKEN" in result.skip_message


def test_a_home_assistant_that_is_back_is_asked_for_what_was_missed(house: Home) -> None:
    house.simulator.faults.fail(503, times=None)
    assert requests(house) == []
    house.simulator.faults.clear()
    assert len(requests(house)) == 1


def test_where_home_assistant_is_down_the_charger_goes_on(collected: Home) -> None:
    home = with_house(collected, is_there=True)
    home.simulator.faults.add(Fault(kind="expired_token"))
    [request] = requests(home)
    assert TAKING_IN_TAG not in request.tags
    assert run(home, request)
    assert set(home.store().need_month(ROLLUPS, JANUARY)["meter"].to_pylist()) == {CHARGER}


def test_runs_that_fail_are_tried_three_times_more_and_then_hourly(house: Home) -> None:
    damaged = house.folder / "power" / "readings" / f"{JANUARY}.parquet"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"PAR1")
    tried: Counter[str] = Counter()
    while found := requests(house):
        for request in found:
            tried["taking in" if TAKING_IN_TAG in request.tags else "by content"] += 1
            assert not house.run_request(request, POWER_JOB).success
    assert tried == {"taking in": 4, "by content": 4}
    assert "tried again" in evaluate(house).skip_message
    with at(NOW + timedelta(hours=1, minutes=1)):
        assert len(requests(house)) == 1


def test_what_the_live_sensor_collected_at_short_intervals_is_taken_in_hourly(make_home: MakeHome) -> None:
    home = with_house(make_home(history_start=JANUARY, power_interval_seconds=10), is_there=True)
    home.folder.mkdir()
    (home.folder / METERS_FILE).write_text(json.dumps(METERS))
    settle(home)
    before = waiting(home)
    for seconds in (30, 60):
        home.simulator.clock.move_to(NOW + timedelta(seconds=seconds))
        with at(NOW + timedelta(seconds=seconds)):
            home.evaluate("live_sensor")
            assert requests(home) == []
    assert waiting(home) == before + 2
    with home.store().locks.home_collector(), at(NOW + 2 * MINUTE):
        home.evaluate("live_sensor")
    assert waiting(home) == before + 2
    with at(NOW + 61 * MINUTE):
        assert spans(requests(home)) == [(JANUARY, JANUARY)]


def test_wrong_meters_are_a_skip_that_names_the_file_and_the_meter(house: Home) -> None:
    (house.folder / METERS_FILE).write_text(json.dumps(METERS).replace('"W"', '"furlongs"'))
    result = evaluate(house)
    assert not result.run_requests
    assert METERS_FILE in result.skip_message
    assert "home.power" in result.skip_message
