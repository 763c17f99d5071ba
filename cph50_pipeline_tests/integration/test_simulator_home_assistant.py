"""The simulated Home Assistant over HTTP and its websocket: the protocol's edges, faults, control routes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.house.orders import Outage
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator

NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
POWER = "sensor.home_power"
SINCE = date(2026, 1, 10)


def household() -> Household:
    return Household(history_start=SINCE)


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(household(), clock=SimulatedClock(NOW, speed=0)) as running:
        yield running


@pytest.fixture
def http(simulator: RunningSimulator) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {simulator.home_assistant_token}"}
    with httpx.Client(base_url=simulator.home_assistant_url, headers=headers, timeout=30) as client:
        yield client


@contextmanager
def talking(simulator: RunningSimulator) -> Iterator[ClientConnection]:
    url = simulator.home_assistant_url.replace("http:", "ws:") + "api/websocket"
    with connect(url, proxy=None) as socket:
        yield socket


def say(socket: ClientConnection, message: object) -> dict[str, Any]:
    socket.send(message if isinstance(message, str) else json.dumps(message))
    return hear(socket)


def hear(socket: ClientConnection) -> dict[str, Any]:
    answer = json.loads(socket.recv(timeout=30))
    assert isinstance(answer, dict)
    return answer


@pytest.fixture
def socket(simulator: RunningSimulator) -> Iterator[ClientConnection]:
    with talking(simulator) as one:
        assert hear(one)["type"] == "auth_required"
        assert say(one, {"type": "auth", "access_token": simulator.home_assistant_token})["type"] == "auth_ok"
        yield one


def test_it_says_that_it_runs_and_what_time_it_is(http: httpx.Client) -> None:
    answer = http.get("api/")
    assert answer.json() == {"message": "API running."}
    assert answer.headers["date"] == "Tue, 20 Jan 2026 18:00:00 GMT"


@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}])
@pytest.mark.parametrize("path", ["api/", "api/states", f"api/states/{POWER}", "api/history/period"])
def test_without_the_token_nothing_is_told(
    simulator: RunningSimulator, path: str, header: dict[str, str]
) -> None:
    answer = httpx.get(simulator.home_assistant_url + path, headers=header)
    assert (answer.status_code, answer.text) == (401, "401: Unauthorized")


def test_a_state_is_found_by_its_name_and_another_is_not(http: httpx.Client) -> None:
    assert http.get(f"api/states/{POWER}").json()["entity_id"] == POWER
    assert len(http.get("api/states").json()) == 7
    missing = http.get("api/states/sensor.garage")
    assert (missing.status_code, missing.json()) == (404, {"message": "Entity not found."})


def test_a_history_without_an_end_lasts_a_day(http: httpx.Client) -> None:
    start = (NOW - 3 * 24 * HOUR).isoformat()
    [rows] = http.get(f"api/history/period/{start}", params={"filter_entity_id": POWER}).json()
    assert rows[0]["last_changed"] == start
    assert rows[-1]["last_changed"] < (NOW - 2 * 24 * HOUR).isoformat()
    [latest] = http.get("api/history/period", params={"filter_entity_id": POWER}).json()
    assert latest[0]["last_changed"] == (NOW - 24 * HOUR).isoformat()


def test_a_history_takes_its_flags_from_the_address(http: httpx.Client) -> None:
    path = f"api/history/period/{(NOW - HOUR).isoformat()}?filter_entity_id={POWER}"
    end = httpx.QueryParams({"end_time": (NOW - HOUR / 2).isoformat()})
    [rows] = http.get(f"{path}&{end}&minimal_response&no_attributes&significant_changes_only=0").json()
    assert rows[0]["attributes"] == {}
    assert set(rows[1]) == {"state", "last_changed"}
    assert len(http.get(f"{path}&{end}&skip_initial_state").json()[0]) == len(rows) - 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("api/history/period", "filter_entity_id is missing"),
        ("api/history/period/yesterday?filter_entity_id=sensor.x", "Invalid datetime"),
        ("api/history/period?filter_entity_id=sensor.x&end_time=now", "Invalid end_time"),
        ("api/history/period?filter_entity_id=sensor.x,li-ght.y", "Invalid filter_entity_id"),
    ],
)
def test_a_history_that_makes_no_sense_is_refused(http: httpx.Client, path: str, message: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_statistics_come_over_the_websocket(socket: ClientConnection) -> None:
    listed = say(socket, {"id": 1, "type": "recorder/list_statistic_ids", "statistic_type": "mean"})
    assert listed["success"] is True
    assert POWER in {one["statistic_id"] for one in listed["result"]}
    command = {
        "id": 2,
        "type": "recorder/statistics_during_period",
        "start_time": (NOW - 3 * HOUR).isoformat(),
        "end_time": NOW.isoformat(),
        "statistic_ids": [POWER],
        "period": "hour",
        "units": {"power": "kW"},
        "types": ["mean"],
    }
    answer = say(socket, command)
    assert (answer["id"], answer["type"]) == (2, "result")
    assert [row["start"] for row in answer["result"][POWER]] == [
        (NOW - 3 * HOUR).timestamp() * 1000,
        (NOW - 2 * HOUR).timestamp() * 1000,
    ]
    assert say(socket, {"id": 3, "type": "ping"}) == {"id": 3, "type": "pong"}


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"id": 5, "type": "recorder/everything"}, "unknown_command"),
        ({"id": 5, "type": "recorder/list_statistic_ids", "statistic_type": "median"}, "invalid_format"),
        ({"id": 5, "type": "recorder/statistics_during_period", "period": "hour"}, "invalid_format"),
        ({"id": 5, "type": "recorder/list_statistic_ids", "extra": 1}, "invalid_format"),
        ({"type": "ping"}, "invalid_format"),
        ("no json", "invalid_format"),
        ([], "invalid_format"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    socket: ClientConnection, command: object, code: str
) -> None:
    answer = say(socket, command)
    assert answer["success"] is False
    assert answer["error"]["code"] == code


@pytest.mark.parametrize("wrong", [{"period": "day"}, {"start_time": "x"}, {"end_time": "x"}])
def test_statistics_that_there_are_not_are_refused(socket: ClientConnection, wrong: dict[str, str]) -> None:
    command = {
        "id": 1,
        "type": "recorder/statistics_during_period",
        "start_time": NOW.isoformat(),
        "statistic_ids": [POWER],
        "period": "hour",
        **wrong,
    }
    assert say(socket, command)["error"]["code"] == "invalid_format"


def test_identifiers_have_to_increase(socket: ClientConnection) -> None:
    say(socket, {"id": 7, "type": "ping"})
    assert say(socket, {"id": 7, "type": "ping"})["error"]["code"] == "id_reuse"


@pytest.mark.parametrize(
    "first", [{"type": "auth", "access_token": "wrong"}, {"type": "ping", "id": 1}, "no json"]
)
def test_the_websocket_ends_for_whoever_has_no_token(simulator: RunningSimulator, first: object) -> None:
    with talking(simulator) as one:
        hear(one)
        assert say(one, first)["type"] == "auth_invalid"
        with pytest.raises(ConnectionClosed):
            one.recv(timeout=30)


def test_faults_break_the_answers_that_they_name(simulator: RunningSimulator, http: httpx.Client) -> None:
    simulator.faults.fail(503, operation="ha_history")
    assert http.get(f"api/states/{POWER}").status_code == 200
    assert http.get("api/history/period", params={"filter_entity_id": POWER}).status_code == 503
    simulator.faults.add(Fault(kind="broken_json", operation="ha_states"))
    with pytest.raises(json.JSONDecodeError):
        http.get("api/states").json()
    simulator.faults.add(Fault(kind="truncated", operation="ha_states"), Fault(kind="hang_up"))
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            http.get("api/states")
    simulator.faults.add(Fault(kind="expired_token", operation="ha_status"))
    assert [http.get("api/").status_code for _ in range(2)] == [401, 200]


def test_faults_break_the_websocket(simulator: RunningSimulator) -> None:
    simulator.faults.add(
        Fault(kind="status", status_code=502, operation="ha_websocket"),
        Fault(kind="hang_up", operation="ha_websocket"),
    )
    with pytest.raises(InvalidStatus), talking(simulator):
        pass
    with pytest.raises(InvalidMessage), talking(simulator):
        pass
    simulator.faults.add(Fault(kind="expired_token", operation="ha_websocket"))
    with talking(simulator) as one:
        hear(one)
        assert (
            say(one, {"type": "auth", "access_token": simulator.home_assistant_token})["type"]
            == "auth_invalid"
        )


def test_faults_break_commands(simulator: RunningSimulator, socket: ClientConnection) -> None:
    simulator.faults.add(
        Fault(kind="status", operation="ha_statistic_ids"), Fault(kind="broken_json", operation="ha_command")
    )
    refused = say(socket, {"id": 1, "type": "recorder/list_statistic_ids"})
    assert refused["error"]["code"] == "unknown_error"
    with pytest.raises(json.JSONDecodeError):
        say(socket, {"id": 2, "type": "ping"})
    simulator.faults.add(Fault(kind="unanswered", operation="ha_command"))
    with pytest.raises(ConnectionClosed):
        say(socket, {"id": 3, "type": "ping"})


def test_while_it_is_down_nobody_is_answered(simulator: RunningSimulator, http: httpx.Client) -> None:
    simulator.recorder.order(Outage(start=NOW, end=NOW + HOUR))
    with pytest.raises(httpx.RemoteProtocolError):
        http.get("api/")
    with pytest.raises(InvalidMessage), talking(simulator):
        pass
    simulator.clock.advance(HOUR)
    assert http.get("api/").status_code == 200


def test_other_processes_can_give_orders_see_them_and_lift_them(
    simulator: RunningSimulator, http: httpx.Client
) -> None:
    route = "_simulator/home"
    order = {
        "kind": "reading",
        "entity": POWER,
        "at": (NOW - timedelta(minutes=2)).isoformat(),
        "state": "1e9",
    }
    shown = http.post(route, json=[order, {"kind": "purge", "keep_days": 3}]).json()
    assert [one["kind"] for one in shown] == ["reading", "purge"]
    assert http.get(route).json() == shown
    [rows] = http.get("api/history/period", params={"filter_entity_id": POWER}).json()
    assert "1e9" in [row["state"] for row in rows]
    http.delete(route)
    assert http.get(route).json() == []
    assert http.post(route, json={"kind": "frozen"}).status_code == 400
    assert http.post(route, json={**order, "entity": "sensor.garage"}).status_code == 400


def test_what_was_asked_is_logged_without_the_token(
    simulator: RunningSimulator, http: httpx.Client, socket: ClientConnection
) -> None:
    http.get("api/history/period", params={"filter_entity_id": POWER})
    say(socket, {"id": 1, "type": "recorder/list_statistic_ids"})
    assert simulator.requests.counts() == {"ha_websocket": 1, "ha_history": 1, "ha_statistic_ids": 1}
    assert simulator.home_assistant_token not in str(list(simulator.requests))


def test_another_process_meets_the_same_house(http: httpx.Client) -> None:
    script = f"""
import json
from datetime import date, datetime
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
import httpx
clock = SimulatedClock(datetime.fromisoformat("{NOW.isoformat()}"), speed=0)
with RunningSimulator(Household(history_start=date.fromisoformat("{SINCE}")), clock=clock) as one:
    headers = {{"authorization": "Bearer " + one.home_assistant_token}}
    print(httpx.get(one.home_assistant_url + "api/states", headers=headers).text)
"""
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(printed) == http.get("api/states").json()
