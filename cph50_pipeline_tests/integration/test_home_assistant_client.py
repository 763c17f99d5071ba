"""The Home Assistant client against the simulator and against servers that misbehave, over loopback."""

from __future__ import annotations

import json
import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from websockets.datastructures import Headers
from websockets.http11 import Response as UpgradeResponse
from websockets.sync.server import ServerConnection, serve
from werkzeug import Response

from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.retry import RetryPolicy
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.house.orders import (
    ClockShift,
    NotRecorded,
    Order,
    Outage,
    Purge,
    Reading,
    Removed,
    Unavailable,
    UnitChange,
)
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.sources.home_assistant import HomeAssistantClient
from cph50_pipeline.sources.home_connection import HomeLimits

NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
POWER, SOLAR, TODAY = "sensor.home_power", "sensor.solar_power", "sensor.home_energy_today"
TOKEN = "canary-token"
QUICK = RetryPolicy(attempts=2, first_wait_seconds=0.001)


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(
        Household(history_start=date(2026, 1, 10)), clock=SimulatedClock(NOW, speed=0)
    ) as running:
        yield running


def limits_of(simulator: RunningSimulator) -> HomeLimits:
    return HomeLimits(retry=QUICK, now=lambda: simulator.clock.now().timestamp())


@pytest.fixture
def client(simulator: RunningSimulator) -> Iterator[HomeAssistantClient]:
    with HomeAssistantClient(
        url=simulator.home_assistant_url, token=simulator.home_assistant_token, limits=limits_of(simulator)
    ) as one:
        yield one


def connect(url: str, token: str = TOKEN, **limits: Any) -> HomeAssistantClient:
    return HomeAssistantClient(url=url, token=token, limits=HomeLimits(**{"retry": QUICK, **limits}))


READS: dict[str, Callable[[HomeAssistantClient], object]] = {
    "status": lambda client: client.clock_offset(),
    "states": lambda client: client.states([POWER]),
    "history": lambda client: client.history([POWER], NOW - HOUR, NOW),
    "statistics": lambda client: client.statistics([POWER], NOW - 5 * HOUR, NOW),
}
OVER_HTTP = ("status", "states", "history")
OPERATIONS = {
    "status": "ha_status",
    "states": "ha_state",
    "history": "ha_history",
    "statistics": "ha_websocket",
}
every_read = pytest.mark.parametrize("read", READS)


def test_states_are_read_as_texts_with_their_units_and_since_when_they_stand(
    client: HomeAssistantClient,
) -> None:
    heard = client.states([POWER, TODAY, POWER])
    assert [(row.entity, row.unit) for row in heard.rows] == [(TODAY, "kWh"), (POWER, "W")]
    remembered = client.history([POWER, TODAY], NOW - timedelta(hours=1), NOW).rows
    assert set(heard.rows) < set(remembered)
    assert all(float(row.state) > 0 for row in heard.rows)
    assert heard.notices == []


def test_a_history_is_the_same_in_one_piece_and_in_many(client: HomeAssistantClient) -> None:
    start, middle = NOW - 3 * DAY, NOW - DAY - timedelta(hours=5, seconds=7)
    whole = client.history([POWER, SOLAR], start, NOW)
    first, second = client.history([POWER, SOLAR], start, middle), client.history([POWER, SOLAR], middle, NOW)
    standing = {row for row in second.rows if row.at == middle}
    assert sorted(first.rows + [row for row in second.rows if row not in standing]) == whole.rows
    assert {row.entity for row in standing} == {POWER, SOLAR}
    assert len({(row.entity, row.at) for row in whole.rows}) == len(whole.rows)


def test_a_history_begins_with_what_stood_and_holds_what_came_exactly_at_its_ends(
    client: HomeAssistantClient,
) -> None:
    rows = client.history([POWER], NOW - HOUR, NOW).rows
    assert rows[0].at == NOW - HOUR
    between = client.history([POWER], rows[2].at, rows[5].at).rows
    assert between == rows[2:6]


def test_a_history_is_asked_for_day_by_day(simulator: RunningSimulator, client: HomeAssistantClient) -> None:
    client.history([POWER], NOW - 4 * DAY, NOW)
    assert simulator.requests.counts() == {"ha_history": 4}


def test_statistics_are_hours_in_the_units_asked_for(client: HomeAssistantClient) -> None:
    rows = client.statistics([TODAY, POWER, "sensor.home_power_factor", "sensor.garage"], NOW - DAY, NOW)
    units = {row.entity: row.unit for row in rows}
    assert units == {POWER: "kW", TODAY: "kWh", "sensor.home_power_factor": "%"}
    power = [row for row in rows if row.entity == POWER]
    assert [row.start for row in power] == [NOW - DAY + number * HOUR for number in range(23)]
    assert all(0 < (row.mean or 0) < 20 and row.state is None for row in power)
    assert all(row.mean is None and row.state is not None for row in rows if row.entity == TODAY)


def test_a_unit_that_changed_under_way_is_each_rows_own(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    simulator.recorder.order(UnitChange(entity=POWER, at=NOW - HOUR, unit="kW"))
    rows = client.history([POWER], NOW - 2 * HOUR, NOW).rows
    assert {row.unit for row in rows if row.at < NOW - HOUR} == {"W"}
    assert {row.unit for row in rows if row.at >= NOW - HOUR} == {"kW"}
    assert {row.unit for row in client.statistics([POWER], NOW - 5 * HOUR, NOW)} == {"kW"}


@pytest.mark.parametrize("state", ["unavailable", "unknown", "a text", ""])
def test_a_text_is_handed_on_as_it_is(
    simulator: RunningSimulator, client: HomeAssistantClient, state: str
) -> None:
    simulator.recorder.order(Unavailable(entity=POWER, start=NOW - HOUR, end=NOW + HOUR, state=state))
    assert client.states([POWER]).rows[0].state == state
    assert client.history([POWER], NOW - HOUR / 2, NOW).rows[0].state == state


def test_a_reading_beyond_all_measure_is_handed_on_as_it_is(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    simulator.recorder.order(Reading(entity=POWER, at=NOW - HOUR / 2, state="1e9"))
    states = [row.state for row in client.history([POWER], NOW - HOUR, NOW).rows]
    assert states.count("1e9") == 1
    assert len(states) > 50


def test_an_entity_that_does_not_exist_is_named_and_the_others_are_read(client: HomeAssistantClient) -> None:
    heard = client.states(["sensor.garage", POWER])
    assert [row.entity for row in heard.rows] == [POWER]
    [notice] = heard.notices
    assert (notice.kind, notice.entity) == ("unknown_entity", "sensor.garage")
    assert "meters.json" in notice.message
    assert {row.entity for row in client.history(["sensor.garage", POWER], NOW - HOUR, NOW).rows} == {POWER}


@pytest.mark.parametrize(
    "order", [Removed(entity=POWER, at=NOW - DAY), NotRecorded(entity=POWER), Purge(keep_days=0.01)]
)
def test_what_is_gone_from_the_history_is_not_there_and_nothing_else_is_missing(
    simulator: RunningSimulator, client: HomeAssistantClient, order: Order
) -> None:
    simulator.recorder.order(order)
    rows = client.history([POWER, TODAY], NOW - HOUR, NOW).rows
    assert [row for row in rows if row.entity == POWER and row.state and row.at < NOW - HOUR / 2] == []
    assert [row for row in rows if row.entity == TODAY]


def test_home_assistants_clock_is_compared_with_ours(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    assert client.clock_offset() == timedelta(0)
    simulator.recorder.order(ClockShift(start=NOW - HOUR, end=NOW + HOUR, seconds=-5400))
    assert client.clock_offset() == timedelta(seconds=-5400)


@every_read
@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_passes_is_tried_again(
    simulator: RunningSimulator, client: HomeAssistantClient, read: str, status: int
) -> None:
    simulator.faults.fail(status, operation=OPERATIONS[read])
    READS[read](client)
    assert simulator.requests.counts()[OPERATIONS[read]] == 2


@every_read
@pytest.mark.parametrize("kind", ["hang_up", "truncated", "broken_json", "status"])
def test_what_does_not_pass_is_transient_and_says_what_was_asked(
    simulator: RunningSimulator, client: HomeAssistantClient, read: str, kind: str
) -> None:
    operation = "ha_statistics" if read == "statistics" else OPERATIONS[read]
    simulator.faults.add(Fault.model_validate({"kind": kind, "operation": operation, "times": None}))
    with pytest.raises(TransientError, match="Home Assistant"):
        READS[read](client)


@every_read
def test_while_it_is_down_reads_are_transient_and_afterwards_good(
    simulator: RunningSimulator, client: HomeAssistantClient, read: str
) -> None:
    simulator.recorder.order(Outage(start=NOW, end=NOW + HOUR))
    with pytest.raises(TransientError, match="did not answer"):
        READS[read](client)
    simulator.clock.advance(HOUR)
    READS[read](client)


@every_read
def test_a_wrong_token_is_refused_once_and_says_where_a_right_one_is_made(
    simulator: RunningSimulator, read: str
) -> None:
    clock = [0.0]
    limits = HomeLimits(retry=QUICK, monotonic=lambda: clock[0])
    with HomeAssistantClient(url=simulator.home_assistant_url, token=TOKEN, limits=limits) as client:
        for _ in range(3):
            with pytest.raises(PermanentError, match="CPH50_HOME_ASSISTANT_TOKEN") as caught:
                READS[read](client)
            assert TOKEN not in str(caught.value)
        assert client.requests_made == 1, "each wrong try alarms the household, and may ban this machine"
        clock[0] += 3600
        with pytest.raises(PermanentError):
            READS[read](client)
        assert client.requests_made == 2


def test_the_token_travels_in_the_header_alone(
    simulator: RunningSimulator, client: HomeAssistantClient
) -> None:
    for read in READS.values():
        read(client)
    asked = list(simulator.requests)
    assert len(asked) > 4
    assert simulator.home_assistant_token not in str(asked)
    assert [one.operation for one in asked if not one.had_token] == ["ha_websocket"]


@pytest.mark.parametrize("token", ["", "   ", "two words", "tökén", "line\nbreak"])
def test_what_can_be_no_token_is_refused_before_anything_is_asked(token: str) -> None:
    with pytest.raises(BadInputError, match="CPH50_HOME_ASSISTANT_TOKEN"):
        connect("http://127.0.0.1:9/", token)


def test_white_space_around_a_token_is_no_part_of_it(simulator: RunningSimulator) -> None:
    token = f"  {simulator.home_assistant_token}\n"
    with HomeAssistantClient(
        url=simulator.home_assistant_url, token=token, limits=limits_of(simulator)
    ) as client:
        assert client.states([POWER]).rows


@pytest.mark.parametrize("base", ["", "behind/a/path", "behind/a/path/"])
def test_the_address_may_have_a_path_and_need_not_end_in_a_slash(httpserver: HTTPServer, base: str) -> None:
    path = "/" + base.strip("/") + "/api/" if base else "/api/"
    httpserver.expect_request(path).respond_with_json({"message": "API running."})
    with connect(httpserver.url_for("/" + base).rstrip("/") + ("/" if base.endswith("/") else "")) as client:
        client.clock_offset()


@pytest.mark.parametrize(
    ("response", "error", "match"),
    [
        (Response("{}", 403), PermanentError, "ip_bans"),
        (Response("{}", 404), NotFoundError, "CPH50_HOME_ASSISTANT_URL"),
        (Response("{}", 400), PermanentError, "400"),
        (Response("", 302, {"location": "https://elsewhere.example/"}), PermanentError, "redirect"),
        (Response("<html>", 200, content_type="text/html"), BadInputError, "web page"),
        (Response('{"a":', 200), TransientError, "broken"),
        (Response("[NaN]", 200), TransientError, "broken"),
    ],
)
def test_each_answer_of_something_else_is_told_apart(
    httpserver: HTTPServer, response: Response, error: type[Cph50Error], match: str
) -> None:
    httpserver.expect_request("/api/").respond_with_response(response)
    with connect(httpserver.url_for("/")) as client, pytest.raises(error, match=match):
        client.clock_offset()


def test_a_redirect_takes_the_token_nowhere(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/").respond_with_response(
        Response("", 307, {"location": httpserver.url_for("/elsewhere")})
    )
    with connect(httpserver.url_for("/")) as client, pytest.raises(PermanentError, match="redirect"):
        client.clock_offset()
    assert [request.path for request, _ in httpserver.log] == ["/api/"]


def test_a_redirect_of_the_websocket_takes_the_token_nowhere() -> None:
    heard: list[object] = []

    def elsewhere(connection: ServerConnection) -> None:
        connection.send(REQUIRED)
        heard.append(connection.recv(timeout=10))

    with websocket(elsewhere) as other:

        def redirect(connection: ServerConnection, request: object) -> UpgradeResponse:
            headers = Headers({"Location": other.replace("http:", "ws:") + "api/websocket"})
            return UpgradeResponse(307, "Temporary Redirect", headers, b"")

        with (
            websocket(elsewhere, process_request=redirect) as url,
            connect(url) as client,
            pytest.raises(PermanentError, match="redirect"),
        ):
            client.statistics([POWER], NOW - HOUR, NOW)
    assert heard == []


@pytest.mark.parametrize("answer", [None, 3, "text", [], {"a": 1}, {"state": {}}])
def test_a_state_in_an_odd_shape_is_bad_input(httpserver: HTTPServer, answer: object) -> None:
    httpserver.expect_request(f"/api/states/{POWER}").respond_with_json(answer)
    with connect(httpserver.url_for("/")) as client, pytest.raises(BadInputError, match=POWER):
        client.states([POWER])


def test_retry_after_is_obeyed(httpserver: HTTPServer) -> None:
    httpserver.expect_ordered_request("/api/").respond_with_response(
        Response("", 503, {"retry-after": "3600"})
    )
    with connect(httpserver.url_for("/")) as client, pytest.raises(TransientError, match="503") as caught:
        client.clock_offset()
    assert caught.value.retry_after_seconds == 3600
    assert client.requests_made == 1


@contextmanager
def listening() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.timeout(60)
@every_read
def test_silence_ends_with_the_deadline(read: str) -> None:
    with (
        listening() as url,  # connections are taken by the kernel and nobody ever answers
        connect(url, timeout_seconds=3600, total_seconds=3600) as client,
        client.within(1),
        pytest.raises(TransientError, match="did not answer"),
    ):
        READS[read](client)


@every_read
def test_a_closed_port_is_transient(read: str) -> None:
    with listening() as url:
        pass
    with connect(url) as client, pytest.raises(TransientError, match="did not answer"):
        READS[read](client)


@contextmanager
def websocket(converse: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """A Home Assistant that has only a websocket, with a script of its own."""
    with serve(converse, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}/"
        finally:
            server.shutdown()
            thread.join()


def says(*messages: str) -> Callable[[ServerConnection], None]:
    def converse(connection: ServerConnection) -> None:
        for message in messages:
            connection.send(message)
            try:
                connection.recv(timeout=10)
            except Exception:
                return

    return converse


REQUIRED = json.dumps({"type": "auth_required"})
OK = json.dumps({"type": "auth_ok"})


def result(number: int, **fields: object) -> str:
    return json.dumps({"id": number, "type": "result", "success": True, **fields})


@pytest.mark.parametrize(
    ("messages", "error", "match"),
    [
        (['{"type": "hello"}'], BadInputError, "asking for the token"),
        ([REQUIRED, '{"type": "hello"}'], BadInputError, "answer to the token"),
        (["[]"], BadInputError, "no object"),
        (["{"], TransientError, "broken"),
        ([REQUIRED, '{"type": "auth_invalid"}'], PermanentError, "refused the token"),
        (
            [REQUIRED, OK, result(1, success=False, error={"code": "unknown_command"})],
            PermanentError,
            "Update",
        ),
        ([REQUIRED, OK, result(1, success=False, error={"code": "unauthorized"})], PermanentError, "unauth"),
        ([REQUIRED, OK, result(1, success=False, error={"code": "timeout"})], TransientError, "failed"),
        ([REQUIRED, OK, result(1, success=False)], TransientError, "failed"),
        ([REQUIRED, OK, result(1, result=[]), result(2, result=[])], BadInputError, "no object"),
        ([REQUIRED, OK, result(1, result=[]), result(2, result={POWER: [3]})], BadInputError, POWER),
        ([REQUIRED, OK], TransientError, "did not answer"),
    ],
)
def test_each_failure_of_the_websocket_is_told_apart(
    messages: list[str], error: type[Cph50Error], match: str
) -> None:
    with (
        websocket(says(*messages)) as url,
        connect(url) as client,
        pytest.raises(error, match=match) as caught,
    ):
        client.statistics([POWER], NOW - HOUR, NOW)
    assert TOKEN not in str(caught.value)


def test_messages_that_nobody_asked_for_are_passed_over() -> None:
    def converse(connection: ServerConnection) -> None:
        says(REQUIRED, OK)(connection)
        connection.send(json.dumps({"id": 1, "type": "event", "event": {}}))
        connection.send(result(9, result="another's"))
        connection.send(result(1, result=[]))
        connection.recv(timeout=10)
        connection.send(result(2, result={POWER: [{"start": 0, "end": 3_600_000, "mean": 1.5}]}))
        connection.recv(timeout=10)

    with websocket(converse) as url, connect(url) as client:
        [row] = client.statistics([POWER], NOW - HOUR, NOW)
    assert (row.mean, row.state, row.unit) == (1.5, None, None)


def test_nothing_secret_is_said_whatever_fails(
    httpserver: HTTPServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = (TOKEN, "canary-body", "canary-path", "canary-user")
    said = []
    for status in (200, 302, 400, 401, 403, 404, 418, 429, 500):
        for path in ("api/", f"api/states/{POWER}", "api/websocket"):
            httpserver.expect_request(f"/canary-path/{path}").respond_with_response(
                Response("canary-body", status, {"location": "http://canary-body.example/"})
            )
        url = httpserver.url_for("/canary-path").replace("http://", "http://canary-user:pw@")
        with connect(url) as client:
            for read in READS.values():
                try:
                    read(client)
                except Cph50Error as error:
                    said.append("".join(traceback.format_exception(error)))
        httpserver.clear()
    assert len(said) > 20
    logged = [one.getMessage() for one in caplog.records if one.name != "werkzeug"]
    text = "".join([*said, *logged])
    assert not [secret for secret in secrets if secret in text]
