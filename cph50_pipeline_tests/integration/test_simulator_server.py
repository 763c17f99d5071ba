"""The simulator over HTTP: its protocol's edges, its faults, and what other processes may order."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.server import RunningSimulator, serve

START = datetime(2025, 9, 15, 18, tzinfo=UTC)
USER_STATUS = {"user_status": {"mfhs": {}}}


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(clock=SimulatedClock(START, speed=0), token_lifetime_seconds=7200) as running:
        yield running


@pytest.fixture
def http(simulator: RunningSimulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.base_url, timeout=30) as client:
        yield client


@pytest.fixture
def client(simulator: RunningSimulator, http: httpx.Client) -> httpx.Client:
    log_in(simulator, http)
    return http


def log_in(simulator: RunningSimulator, http: httpx.Client) -> None:
    account = simulator.account
    login = {"username": account.username, "password": account.password}
    assert http.post("sso/v1/user/login", json=login).status_code == 200


def ask(client: httpx.Client) -> httpx.Response:
    return client.post("map-prod/v2", json=USER_STATUS)


def test_discovery_names_every_endpoint_on_this_server(
    simulator: RunningSimulator, http: httpx.Client
) -> None:
    answer = http.post(simulator.discovery_url, json={"username": "anybody"}).json()
    values = {name: endpoint["value"] for name, endpoint in answer["endPoints"].items()}
    assert {"accounts_endpoint", "sso_endpoint", "mapcache_endpoint"} <= values.keys()
    assert {"hcpo_hcm_endpoint", "internal_api_gateway_endpoint"} <= values.keys()
    assert all(value.startswith(simulator.base_url) and value.endswith("/") for value in values.values())
    assert len(set(values.values())) == len(values)
    assert answer["region"]


def test_both_addresses_of_a_session_answer_the_same(
    simulator: RunningSimulator, client: httpx.Client
) -> None:
    session = simulator.household.plan.sessions_between(START - timedelta(days=9), START)[0]
    body = {"charging_status": {"mfhs": {}, "session_id": session.session_id}}
    by_map = client.post("map-prod/v2", json=body)
    by_gateway = client.post(f"gateway//driver-bff/v1/sessions/{session.session_id}", json=body)
    assert by_map.json() == by_gateway.json()
    assert by_map.json()["charging_status"]["energy_kwh"] == session.energy_kwh


def test_the_activity_is_paged_to_the_last_page(client: httpx.Client) -> None:
    query: dict[str, Any] = {"page_size": 40, "show_address_for_home_sessions": True}
    ids: list[int] = []
    while query.get("page_offset") != "last_page":
        answer = client.post("map-prod/v2", json={"charging_activity_monthly": query})
        page = answer.json()["charging_activity_monthly"]
        ids += [row["session_id"] for info in page["month_info"] for row in info["sessions"]]
        query["page_offset"] = page["page_offset"]
    assert len(ids) == len(set(ids)) > 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"other": {}},
        {"charging_status": {}},
        {"charging_status": 3},
        {"charging_status": {"session_id": "x"}},
        {"charging_activity_monthly": {"page_size": 0}},
        {"charging_activity_monthly": {"page_offset": "last_page"}},
        {"charging_activity_monthly": {"page_size": 5, "page_offset": "9" * 40}},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post("map-prod/v2", json=body).status_code == 400


@pytest.mark.parametrize("session_id", [0, 12, 10**40])
def test_an_unknown_session_is_not_found(client: httpx.Client, session_id: int) -> None:
    body = {"charging_status": {"mfhs": {}, "session_id": session_id}}
    assert client.post("map-prod/v2", json=body).status_code == 404


def test_without_a_token_nothing_is_told(http: httpx.Client) -> None:
    assert ask(http).status_code == 401


def test_a_saved_token_works_as_a_header_in_another_server(
    simulator: RunningSimulator, client: httpx.Client
) -> None:
    saved = client.cookies["coulomb_sess"]
    with RunningSimulator(clock=SimulatedClock(START, speed=0)) as other:
        answer = httpx.post(
            other.base_url + "map-prod/v2", json=USER_STATUS, headers={"cp-session-token": saved}
        )
    assert answer.status_code == 200


def test_an_answer_refreshes_the_token(simulator: RunningSimulator, client: httpx.Client) -> None:
    first = client.cookies["coulomb_sess"]
    for _ in range(3):
        simulator.clock.advance(timedelta(hours=1))
        assert ask(client).status_code == 200
    assert client.cookies["coulomb_sess"] != first
    stale = httpx.post(
        simulator.base_url + "map-prod/v2", json=USER_STATUS, headers={"cp-session-token": first}
    )
    assert stale.status_code == 401


def test_a_status_fault_carries_its_headers_and_passes(
    simulator: RunningSimulator, client: httpx.Client
) -> None:
    simulator.faults.fail(429, headers={"Retry-After": "7"}, times=2)
    refused = [ask(client) for _ in range(2)]
    assert [(answer.status_code, answer.headers["Retry-After"]) for answer in refused] == [(429, "7")] * 2
    assert ask(client).status_code == 200


@pytest.mark.parametrize("kind", ["hang_up", "unanswered", "truncated"])
def test_a_cut_connection_is_a_protocol_error_and_passes(
    simulator: RunningSimulator, client: httpx.Client, kind: str
) -> None:
    simulator.faults.add(Fault(kind=kind))  # type: ignore[arg-type]
    with pytest.raises(httpx.RemoteProtocolError):
        ask(client)
    assert ask(client).status_code == 200


def test_broken_json_cannot_be_read(simulator: RunningSimulator, client: httpx.Client) -> None:
    simulator.faults.add(Fault(kind="broken_json"))
    answer = ask(client)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        answer.json()


def test_the_bot_page_comes_in_both_shapes(simulator: RunningSimulator, client: httpx.Client) -> None:
    simulator.faults.add(Fault(kind="bot_json"), Fault(kind="bot_html"))
    as_json, as_page = ask(client), ask(client)
    assert (as_json.status_code, as_page.status_code) == (403, 403)
    assert "url" in as_json.json()
    assert as_page.text.startswith("<html")


def test_an_expired_token_stays_expired_until_the_next_login(
    simulator: RunningSimulator, client: httpx.Client
) -> None:
    simulator.faults.add(Fault(kind="expired_token"))
    assert [ask(client).status_code for _ in range(3)] == [401, 401, 401]
    log_in(simulator, client)
    assert ask(client).status_code == 200


def test_a_delayed_answer_runs_into_the_clients_timeout(
    simulator: RunningSimulator, client: httpx.Client
) -> None:
    simulator.faults.add(Fault(kind="delay", delay_seconds=600))
    with pytest.raises(httpx.ReadTimeout):
        client.post("map-prod/v2", json=USER_STATUS, timeout=0.2)
    assert simulator.requests.counts()["user_status"] == 1
    assert ask(client).status_code == 200


def test_stopping_hangs_up_on_a_delayed_answer(caplog: pytest.LogCaptureFixture) -> None:
    simulator = RunningSimulator().start()
    simulator.faults.add(Fault(kind="delay", delay_seconds=600))
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(httpx.post, simulator.discovery_url, json={}, timeout=30)
        while "discovery" not in simulator.requests.counts():
            assert not waiting.done()
        simulator.stop()
        with pytest.raises(httpx.TransportError):
            waiting.result()
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_a_stopped_simulator_starts_again_at_its_address() -> None:
    simulator = RunningSimulator()
    with simulator:
        address = simulator.base_url
    with simulator:
        assert simulator.base_url == address
        assert httpx.post(simulator.discovery_url, json={}).status_code == 200


def test_every_request_is_noted_without_its_password(
    simulator: RunningSimulator, client: httpx.Client
) -> None:
    ask(client)
    assert [request.operation for request in simulator.requests] == ["login", "user_status"]
    assert [request.had_token for request in simulator.requests] == [False, True]
    assert all(simulator.account.password not in str(request) for request in simulator.requests)


def test_another_process_can_queue_and_clear_faults(http: httpx.Client, client: httpx.Client) -> None:
    assert http.post("_simulator/faults", json={"kind": "status", "status_code": 503, "times": 9}).json()
    assert ask(client).status_code == 503
    assert http.get("_simulator/faults").json()[0]["times"] == 8
    http.delete("_simulator/faults")
    assert ask(client).status_code == 200


def test_another_process_can_move_the_clock(simulator: RunningSimulator, http: httpx.Client) -> None:
    http.post("_simulator/clock", json={"now": "2025-10-01T00:00:00+02:00", "speed": 0})
    shown = http.post("_simulator/clock", json={"advance_seconds": 90}).json()
    assert shown == {"now": "2025-09-30T22:01:30+00:00", "speed": 0.0}
    assert simulator.clock.now() == datetime(2025, 9, 30, 22, 1, 30, tzinfo=UTC)


def test_another_process_can_plug_a_car_in(http: httpx.Client, client: httpx.Client) -> None:
    plugged = http.post("_simulator/plug-in", json={"car": "ember", "minutes": 20}).json()
    assert plugged["vehicle_id"] == "ember_hatch_2023"
    assert str(ask(client).json()["user_status"]["charging"]["sessionId"]) == plugged["session_id"]


def test_another_process_can_change_the_limit_of_the_charger(
    simulator: RunningSimulator, http: httpx.Client
) -> None:
    changed = http.post("_simulator/amperage-limit", json={"amperes": 24}).json()
    assert changed == {"at": "2025-09-15T18:00:00+00:00", "amperage_limit": 24}
    http.post("_simulator/plug-in", json={"car": "ember", "minutes": 20})
    simulator.clock.advance(timedelta(minutes=10))
    log_in(simulator, http)
    user_id = http.get("accounts/v1/driver/profile/user").json()["user"]["userId"]
    chargers = f"hcm/api/v1/configuration/users/{user_id}/chargers"
    [charger] = http.get(chargers).json()["data"]
    answered = http.get(f"{chargers}/{charger['id']}/status").json()
    running = ask(http).json()["user_status"]["charging"]["sessionId"]
    body = {"charging_status": {"session_id": running}}
    assert answered["chargeAmperageSettings"]["chargeLimit"] == 24
    charging = http.post("map-prod/v2", json=body).json()["charging_status"]
    assert charging["power_kw"] == pytest.approx(8.55 * 24 / 40, rel=0.03)


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("faults", {"kind": "flood"}),
        ("plug-in", {"car": "lorry"}),
        ("plug-in", {"car": "ember", "at": "2025-10-01T00:00:00"}),
        ("amperage-limit", {"amperes": 17}),
        ("amperage-limit", {}),
        ("clock", {"speed": -1}),
        ("clock", {"now": "soon"}),
        ("clock", {"nwo": "2025-10-01T00:00:00Z"}),
    ],
)
def test_a_wrong_order_is_refused_with_a_reason(http: httpx.Client, path: str, order: dict[str, Any]) -> None:
    answer = http.post(f"_simulator/{path}", json=order)
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_plug_ins_outlive_the_server(tmp_path: Path) -> None:
    file = tmp_path / "state" / "plug_ins.json"
    with RunningSimulator(clock=SimulatedClock(START, speed=0), plug_ins_file=file) as first:
        session = first.plug_in("tide", minutes=30)
    with RunningSimulator(clock=SimulatedClock(START, speed=0), plug_ins_file=file) as second:
        assert second.household.true_vehicle(session.session_id) == "tide_suv_2024"


def test_recorded_answers_are_replayed(real_answers: Path) -> None:
    with (
        RunningSimulator(replay=real_answers) as simulator,
        httpx.Client(base_url=simulator.base_url) as client,
    ):
        log_in(simulator, client)
        body = {"charging_activity_monthly": {"page_size": 100}}
        page = client.post("map-prod/v2", json=body).json()["charging_activity_monthly"]
        missing = {"charging_status": {"session_id": 4560920631}}
        assert sum(len(info["sessions"]) for info in page["month_info"]) == 68
        assert page["page_offset"] == "last_page"
        assert client.post("map-prod/v2", json=missing).status_code == 404
        assert client.post("_simulator/plug-in", json={"car": "ember"}).status_code == 400
        assert client.post("_simulator/amperage-limit", json={"amperes": 24}).status_code == 400
        with pytest.raises(BadInputError, match="replayed"):
            simulator.plug_in("ember")


def test_a_taken_port_is_one_clear_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match=str(port)):
            serve(port=port)


def test_two_processes_meet_the_same_household(simulator: RunningSimulator) -> None:
    program = (
        "from datetime import UTC, datetime, timedelta\n"
        "from cph50_pipeline.simulator.household import Household\n"
        "start = datetime(2025, 9, 1, tzinfo=UTC)\n"
        "sessions = Household().sessions_between(start, start + timedelta(days=14))\n"
        "print([(one.session_id, one.energy_kwh, one.points_by(one.end)) for one in sessions])\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert outputs[0] == outputs[1] != ""


def test_importing_the_simulator_loads_no_http_library() -> None:
    program = (
        "import sys, cph50_pipeline.simulator.server\n"
        "print(sorted({'starlette', 'uvicorn', 'httpx', 'pandas', 'numpy'} & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
