"""The client on a bad network and with servers that misbehave: silence, trickles, redirects, odd answers.

Also that nothing secret or identifying is said in an error or a log line, whatever fails.
"""

from __future__ import annotations

import logging
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cph50_pipeline.errors import BadInputError, Cph50Error, PermanentError, TransientError
from cph50_pipeline.http.retry import RetryPolicy
from cph50_pipeline.sources.chargepoint import ChargePointClient
from cph50_pipeline.sources.connection import Limits

USERNAME = "canary-user@household.example"
PASSWORD = "canary-password"
TOKEN = "canary-token"
CHARGER = "canary-charger"
SECRETS = (USERNAME, PASSWORD, TOKEN, "canary-query", CHARGER, "canary-user-id", "canary-body")
ENDPOINTS = (
    "accounts_endpoint",
    "sso_endpoint",
    "mapcache_endpoint",
    "hcpo_hcm_endpoint",
    "internal_api_gateway_endpoint",
)
QUICK = Limits(requests_per_minute=6000, burst=1000, retry=RetryPolicy(attempts=2, first_wait_seconds=0.001))
PATIENT = Limits(timeout_seconds=3600, total_seconds=3600)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Household:
    """A ChargePoint on loopback whose every answer can be replaced."""

    def __init__(self, server: HTTPServer, *, slash: str = "/") -> None:
        self.server = server
        server.expect_request("/discovery").respond_with_json(
            {
                "region": "NA-US",
                "endPoints": {name: {"value": server.url_for("/api") + slash} for name in ENDPOINTS},
            }
        )
        server.expect_request("/api/v1/user/login").respond_with_response(
            Response("{}", headers={"set-cookie": f"coulomb_sess={TOKEN}; Domain=.chargepoint.example"})
        )
        server.expect_request("/api/v1/driver/profile/user").respond_with_json(
            {"user": {"userId": "canary-user-id"}}
        )

    def answers(self, path: str, answer: Any) -> None:
        self.server.expect_request(path).respond_with_json(answer)

    def does(self, path: str, handler: Callable[[Request], Response]) -> None:
        self.server.expect_request(path).respond_with_handler(handler)

    def connect(self, folder: Path, limits: Limits = QUICK, **changes: Any) -> ChargePointClient:
        arguments: dict[str, Any] = {"username": USERNAME, "password": PASSWORD, **changes}
        return ChargePointClient(
            discovery_url=self.server.url_for("/discovery?key=canary-query"),
            state_dir=folder,
            limits=limits,
            **arguments,
        )


@pytest.fixture
def household(httpserver: HTTPServer) -> Household:
    return Household(httpserver)


def loopback_url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/discovery"


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.timeout(60)
def test_silence_ends_with_the_deadline(tmp_path: Path) -> None:
    with (
        listening() as listener,  # connections are taken by the kernel and nobody ever answers
        ChargePointClient(
            discovery_url=loopback_url(listener),
            username="me",
            password="x",
            state_dir=tmp_path,
            limits=PATIENT,
        ) as client,
        client.within(1),
        pytest.raises(TransientError, match="did not answer"),
    ):
        client.user_status()


@pytest.mark.timeout(60)
def test_an_answer_that_trickles_ends_with_the_deadline(tmp_path: Path) -> None:
    stop = threading.Event()

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with listening() as listener:
        thread = threading.Thread(target=trickle, args=(listener,))
        thread.start()
        try:
            with (
                ChargePointClient(
                    discovery_url=loopback_url(listener),
                    username="me",
                    password="x",
                    state_dir=tmp_path,
                    limits=PATIENT,
                ) as client,
                client.within(1),
                pytest.raises(TransientError, match="did not answer"),
            ):
                client.user_status()
        finally:
            stop.set()
            thread.join()


def test_a_closed_port_is_transient(tmp_path: Path) -> None:
    with listening() as listener:
        url = loopback_url(listener)
    with (
        ChargePointClient(
            discovery_url=url, username="me", password="x", state_dir=tmp_path, limits=QUICK
        ) as client,
        pytest.raises(TransientError, match="no connection"),
    ):
        client.user_status()


def test_one_deadline_bounds_all_calls_inside(household: Household, tmp_path: Path) -> None:
    household.answers("/api/v2", {"user_status": {}})
    with household.connect(tmp_path) as client:
        assert client.user_status() is None
        with client.within(0), pytest.raises(TransientError):
            client.user_status()
        assert client.user_status() is None


def test_a_deadline_binds_only_the_thread_that_set_it(household: Household, tmp_path: Path) -> None:
    household.answers("/api/v2", {"user_status": {}})
    answers: list[object] = []
    with household.connect(tmp_path) as client:
        client.user_status()
        with client.within(0):
            thread = threading.Thread(target=lambda: answers.append(client.user_status()))
            thread.start()
            thread.join()
    assert answers == [None]


@pytest.mark.parametrize("slash", ["/", ""])
def test_addresses_may_or_may_not_end_in_a_slash(httpserver: HTTPServer, tmp_path: Path, slash: str) -> None:
    household = Household(httpserver, slash=slash)
    household.answers("/api/v2", {"user_status": {}})
    with household.connect(tmp_path) as client:
        assert client.user_status() is None


def test_each_request_carries_the_session_and_the_region(household: Household, tmp_path: Path) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(
            '{"user_status": {}}', headers=[("set-cookie", "datadome=d1"), ("set-cookie", "x=1; Max-Age=0")]
        )

    household.does("/api/v2", answer)
    with household.connect(tmp_path) as client:
        client.user_status()
        client.user_status()
    assert seen[0].headers["cp-session-type"] == "CP_SESSION_TOKEN"
    assert seen[0].headers["cp-session-token"] == TOKEN
    assert seen[0].headers["cp-region"] == "NA-US"
    assert seen[0].cookies.to_dict() == {"coulomb_sess": TOKEN}
    assert seen[1].cookies.to_dict() == {"coulomb_sess": TOKEN, "datadome": "d1"}


def test_discovery_and_login_carry_no_token(household: Household, tmp_path: Path) -> None:
    household.answers("/api/v2", {"user_status": {}})
    with household.connect(tmp_path) as client:
        client.user_status()
    for request, _ in household.server.log[:2]:
        assert "cp-session-token" not in request.headers
        assert "coulomb_sess" not in request.cookies


def test_a_refreshed_token_is_used_next_and_saved(household: Household, tmp_path: Path) -> None:
    seen: list[str] = []

    def answer(request: Request) -> Response:
        seen.append(request.headers["cp-session-token"])
        return Response(
            '{"user_status": {}}', headers={"set-cookie": f"coulomb_sess=refreshed{len(seen)}; Path=/"}
        )

    household.does("/api/v2", answer)
    with household.connect(tmp_path) as client:
        client.user_status()
        client.user_status()
    with household.connect(tmp_path) as client:
        client.user_status()
    assert seen == [TOKEN, "refreshed1", "refreshed2"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_never_followed(household: Household, tmp_path: Path, status: int) -> None:
    elsewhere: list[Request] = []
    household.does("/elsewhere", lambda request: elsewhere.append(request) or Response("{}"))
    household.does("/api/v2", lambda _: Response(status=status, headers={"location": "/elsewhere"}))
    with household.connect(tmp_path) as client, pytest.raises(PermanentError, match="redirect"):
        client.user_status()
    assert elsewhere == []


def test_a_token_is_not_sent_where_discovery_does_not_say(household: Household, tmp_path: Path) -> None:
    household.answers("/api/v2", {"user_status": {}})
    with household.connect(tmp_path) as client:
        client.user_status()
    seen: list[Request] = []
    household.does("/other", lambda request: seen.append(request) or Response(status=404))
    other = ChargePointClient(
        discovery_url=household.server.url_for("/other"), username=USERNAME, state_dir=tmp_path, limits=QUICK
    )
    with other, pytest.raises(Cph50Error):
        other.user_status()
    assert [request.headers.get("cp-session-token") for request in seen] == [None]


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/x/", "http://", "nonsense", "http://[::1/", ""])
def test_an_unusable_address_from_discovery_is_named(
    httpserver: HTTPServer, tmp_path: Path, address: str
) -> None:
    httpserver.expect_request("/discovery").respond_with_json(
        {"region": "NA-US", "endPoints": {name: {"value": address} for name in ENDPOINTS}}
    )
    client = ChargePointClient(
        discovery_url=httpserver.url_for("/discovery"),
        username="me",
        password="x",
        state_dir=tmp_path,
        limits=QUICK,
    )
    with client, pytest.raises(BadInputError, match="sso_endpoint"):
        client.user_status()


def test_services_that_have_moved_are_found_again(household: Household, tmp_path: Path) -> None:
    household.answers("/api/v2", {"user_status": {}})
    with household.connect(tmp_path) as client:
        client.user_status()
    with listening() as listener:
        gone = loopback_url(listener)
    memory = tmp_path / "chargepoint_account.json"
    memory.write_text(memory.read_text().replace(household.server.url_for("/api"), gone))
    with household.connect(tmp_path) as client:
        assert client.user_status() is None


def test_a_missing_username_is_named_before_anything_is_asked(household: Household, tmp_path: Path) -> None:
    with (
        household.connect(tmp_path, username="") as client,
        pytest.raises(BadInputError, match="CPH50_CHARGEPOINT_USERNAME"),
    ):
        client.user_status()
    assert household.server.log == []


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({}, "user_status"),
        ([], "should be an object"),
        ({"user_status": [1]}, "should be an object"),
        ({"user_status": {"charging": {"state": "in_use"}}}, "sessionId"),
        ({"user_status": {"charging": {"sessionId": 5, "stations": "none"}}}, "stations"),
    ],
)
def test_an_unusable_answer_names_what_was_asked_and_the_field(
    household: Household, tmp_path: Path, answer: Any, fault: str
) -> None:
    household.answers("/api/v2", answer)
    with household.connect(tmp_path) as client, pytest.raises(BadInputError) as caught:
        client.user_status()
    assert "the session in progress" in caught.value.message
    assert fault in caught.value.message


@pytest.mark.parametrize("nothing", [{}, None, {"charging": None}, {"waitlist": {"position": 1}}])
def test_no_session_in_progress_is_no_error(household: Household, tmp_path: Path, nothing: Any) -> None:
    household.answers("/api/v2", {"user_status": nothing})
    with household.connect(tmp_path) as client:
        assert client.user_status() is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"charging_status": {"session_id": 6, "start_time": 1, "energy_kwh": 1}}, "session_id: is another"),
        ({"charging_status": {"session_id": 5, "start_time": 1}}, "energy_kwh: field required"),
        ({"charging_status": {"error_message": "canary-body"}}, "no details of session 5"),
        ({"charging_status": None}, "session_id: field required"),
    ],
)
def test_an_unusable_session_is_named(household: Household, tmp_path: Path, answer: Any, error: str) -> None:
    household.answers("/api/driver-bff/v1/sessions/5", answer)
    with household.connect(tmp_path) as client, pytest.raises(Cph50Error) as caught:
        client.session("5")
    assert "session 5" in caught.value.message
    assert error in caught.value.message


def test_one_bad_row_of_the_activity_is_named_by_its_session(household: Household, tmp_path: Path) -> None:
    rows = [{"session_id": number, "start_time": 10**12, "energy_kwh": 1.0} for number in (7, 8)]
    rows[1]["energy_kwh"] = "canary-body"  # type: ignore[assignment]
    household.answers(
        "/api/v2",
        {"charging_activity_monthly": {"month_info": [{"sessions": rows}], "page_offset": "last_page"}},
    )
    with household.connect(tmp_path) as client, pytest.raises(BadInputError, match=r"session 8 .*energy_kwh"):
        client.activity(LONG_AGO)


def test_an_error_inside_an_answer_is_not_an_empty_history(household: Household, tmp_path: Path) -> None:
    household.answers(
        "/api/v2", {"charging_activity_monthly": {"error": "canary-body", "page_offset": "last_page"}}
    )
    with household.connect(tmp_path) as client, pytest.raises(TransientError, match="the charging activity"):
        client.activity(LONG_AGO)


def test_the_address_of_the_home_is_asked_for_only_in_private(household: Household, tmp_path: Path) -> None:
    asked: list[Any] = []

    def answer(request: Request) -> Response:
        asked.append(request.get_json()["charging_activity_monthly"])
        return Response('{"charging_activity_monthly": {"page_offset": "last_page"}}')

    household.does("/api/v2", answer)
    for privacy in ("public", "private"):
        with household.connect(tmp_path / privacy, privacy=privacy) as client:
            client.activity(LONG_AGO, page_size=20)
    assert asked == [
        {"page_size": 20, "show_address_for_home_sessions": False},
        {"page_size": 20, "show_address_for_home_sessions": True},
    ]


def _respond(
    *, status: int = 200, body: str = "canary-body", **headers: str
) -> Callable[[Request], Response]:
    return lambda _: Response(body, status=status, headers={"set-cookie": f"coulomb_sess={TOKEN}", **headers})


@pytest.mark.parametrize(
    "handler",
    [
        *(_respond(status=status) for status in (302, 400, 401, 403, 404, 429, 500, 503)),
        _respond(status=403, body='{"url": "https://captcha.example/?canary-query"}'),
        _respond(status=403, body="<html>canary-body</html>"),
        _respond(body="canary-body {"),
        _respond(body='{"isPluggedIn": "canary-body", "isConnected": "canary-body"}'),
        _respond(body='["canary-body"]'),
    ],
)
@pytest.mark.parametrize("path", ["/discovery", "/api/v1/user/login", "/api/v1/driver/profile/user", None])
def test_no_failure_says_anything_secret_or_identifying(
    httpserver: HTTPServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    handler: Callable[[Request], Response],
    path: str | None,
) -> None:
    caplog.set_level(logging.DEBUG)
    status_path = "/api/api/v1/configuration/users/canary-user-id/chargers/canary-charger/status"
    httpserver.expect_oneshot_request(path or status_path).respond_with_handler(handler)
    for _ in range(3):  # the retries meet the same
        httpserver.expect_oneshot_request(path or status_path).respond_with_handler(handler)
    household = Household(httpserver)
    household.answers(status_path, [])
    with household.connect(tmp_path) as client, pytest.raises(Cph50Error) as caught:
        client.charger_status(CHARGER)
    said = (
        "".join(traceback.format_exception(caught.value))
        + repr(caught.value)
        + repr(caught.value.__context__)
    )
    logged = "".join(
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name != "werkzeug"
    )
    assert [secret for secret in SECRETS if secret in said + logged] == []
    assert caught.value.remedy
