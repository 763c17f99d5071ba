"""The client against the simulator over loopback: what it reads, how little it asks, how it fails."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cph50_pipeline.errors import BadInputError, NotFoundError, PermanentError, TransientError
from cph50_pipeline.http.retry import RetryPolicy
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.identity import IDENTIFYING_VALUES
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.sources.chargepoint import ChargePointClient
from cph50_pipeline.sources.connection import Limits

NOW = datetime(2026, 1, 20, 18, 0, tzinfo=UTC)
QUICK = Limits(requests_per_minute=6000, burst=1000, retry=RetryPolicy(first_wait_seconds=0.001))


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator(clock=SimulatedClock(NOW, speed=0)) as running:
        yield running


def connect(simulator: RunningSimulator, folder: Path, **changes: object) -> ChargePointClient:
    arguments: dict[str, object] = {
        "discovery_url": simulator.discovery_url,
        "username": simulator.account.username,
        "password": simulator.account.password,
        "state_dir": folder,
        "limits": QUICK,
        **changes,
    }
    return ChargePointClient(**arguments)  # type: ignore[arg-type]


@pytest.fixture
def client(simulator: RunningSimulator, tmp_path: Path) -> Iterator[ChargePointClient]:
    with connect(simulator, tmp_path) as one:
        yield one


def test_a_charger_is_listed_and_read(client: ChargePointClient) -> None:
    [charger_id] = client.chargers()
    status = client.charger_status(charger_id)
    assert status.is_connected
    assert status.amperage_limit == 40
    assert status.charger_label is not None
    assert client.technical_info(charger_id).model_number == status.model


def test_a_session_in_progress_is_seen_from_plug_in_to_end(
    simulator: RunningSimulator, client: ChargePointClient
) -> None:
    assert client.user_status() is None
    planned = simulator.plug_in("ember_hatch_2023", minutes=60)
    simulator.clock.advance(timedelta(minutes=10))
    active = client.user_status()
    assert active is not None
    assert active.start is not None
    assert abs(active.start - planned.start) < timedelta(seconds=1)
    status = client.session(active.session_id)
    assert not status.has_ended
    assert status.energy_kwh > 0
    simulator.clock.advance(timedelta(hours=2))
    assert client.user_status() is None
    assert client.session(active.session_id).has_ended


def test_the_activity_is_read_back_to_an_instant_and_no_further(
    simulator: RunningSimulator, client: ChargePointClient
) -> None:
    since = NOW - timedelta(days=30)
    rows = client.activity(since, page_size=7)
    starts = [row.start_time for row in rows]
    assert starts == sorted(starts, reverse=True)
    assert min(starts) >= since.timestamp() * 1000
    assert len({row.session_id for row in rows}) == len(rows) > 20
    assert simulator.requests.counts()["charging_activity_monthly"] <= len(rows) // 7 + 3
    assert rows == client.activity(since, page_size=50)


def test_a_row_and_its_session_tell_the_same_energy(client: ChargePointClient) -> None:
    row = client.activity(NOW - timedelta(days=10))[0]
    assert client.session(row.session_id).energy_kwh == pytest.approx(row.energy_kwh)


def test_public_answers_hold_nothing_that_identifies(
    simulator: RunningSimulator, client: ChargePointClient
) -> None:
    simulator.plug_in("tide_suv_2024")
    simulator.clock.advance(timedelta(minutes=10))
    [charger_id] = client.chargers()
    rows = client.activity(NOW - timedelta(days=60))
    active = client.user_status()
    assert active is not None
    answers = [
        client.charger_status(charger_id),
        client.technical_info(charger_id),
        client.account(),
        active,
        *rows,
        *(client.session(row.session_id) for row in rows[:20]),
    ]
    text = json.dumps([answer.as_answered() for answer in answers])
    assert [value for value in IDENTIFYING_VALUES if value in text] == []
    assert any(row.is_home_charger is False for row in rows)


def test_private_answers_are_whole(simulator: RunningSimulator, tmp_path: Path) -> None:
    with connect(simulator, tmp_path, privacy="private") as client:
        [charger_id] = client.chargers()
        assert client.charger_status(charger_id).mac_address in IDENTIFYING_VALUES
        assert client.account().user.username == simulator.account.username
        assert (client.activity(NOW - timedelta(days=5))[0].model_extra or {})["device_id"] is not None


def test_a_second_client_asks_neither_for_a_login_nor_for_what_is_known(
    simulator: RunningSimulator, client: ChargePointClient, tmp_path: Path
) -> None:
    [charger_id] = client.chargers()
    simulator.requests.clear()
    with connect(simulator, tmp_path) as other:
        assert other.chargers() == [charger_id]
        other.charger_status(charger_id)
        other.user_status()
        assert other.requests_made == 2
    assert simulator.requests.counts() == {"charger_status": 1, "user_status": 1}


def test_requests_are_counted_with_logins_and_retries(
    simulator: RunningSimulator, client: ChargePointClient
) -> None:
    simulator.faults.fail(503, operation="user_status")
    client.user_status()
    assert client.requests_made == len(simulator.requests) == 4


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="status", status_code=408),
        Fault(kind="status", status_code=425),
        Fault(kind="status", status_code=429, headers={"Retry-After": "0"}),
        Fault(kind="status", status_code=500),
        Fault(kind="status", status_code=503),
        Fault(kind="hang_up"),
        Fault(kind="truncated"),
        Fault(kind="broken_json"),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status_code}",
)
@pytest.mark.parametrize("operation", ["discovery", "login", "user_status"])
def test_what_passes_is_tried_again(
    simulator: RunningSimulator, client: ChargePointClient, fault: Fault, operation: str
) -> None:
    simulator.faults.add(fault.model_copy(update={"operation": operation, "times": 2}))
    assert client.user_status() is None
    assert simulator.faults.waiting() == ()


def test_what_does_not_pass_ends_as_transient(simulator: RunningSimulator, client: ChargePointClient) -> None:
    simulator.faults.fail(503, operation="user_status", times=None)
    with pytest.raises(TransientError, match="503 for the session in progress"):
        client.user_status()
    assert simulator.requests.counts()["user_status"] == QUICK.retry.attempts


def test_a_wait_that_chargepoint_asks_for_is_honoured_by_all_clients(
    simulator: RunningSimulator, client: ChargePointClient, tmp_path: Path
) -> None:
    client.user_status()
    simulator.faults.fail(429, headers={"Retry-After": "300"})
    simulator.requests.clear()
    with pytest.raises(TransientError) as caught:
        client.user_status()
    assert caught.value.retry_after_seconds == 300
    with (
        connect(simulator, tmp_path) as other,
        other.unmetered(),
        pytest.raises(TransientError, match="may be asked"),
    ):
        other.user_status()
    assert len(simulator.requests) == 1


def test_an_expired_token_is_renewed_by_one_login(
    simulator: RunningSimulator, client: ChargePointClient
) -> None:
    client.user_status()
    simulator.expire_tokens()
    simulator.requests.clear()
    assert client.user_status() is None
    assert simulator.requests.counts() == {"user_status": 2, "login": 1}


def test_who_finds_the_token_renewed_by_another_does_not_log_in(
    simulator: RunningSimulator, client: ChargePointClient, tmp_path: Path
) -> None:
    client.user_status()
    with connect(simulator, tmp_path) as other:
        other.user_status()
        simulator.expire_tokens()
        client.user_status()
        simulator.requests.clear()
        other.user_status()
    assert simulator.requests.counts()["login"] == 0


def test_a_saved_token_that_has_expired_too_is_no_reason_to_give_up(
    simulator: RunningSimulator, client: ChargePointClient, tmp_path: Path
) -> None:
    client.user_status()
    with connect(simulator, tmp_path) as other:
        simulator.clock.advance(timedelta(seconds=5))  # so that the other is given a token of its own
        other.user_status()
    simulator.expire_tokens()
    simulator.requests.clear()
    assert client.user_status() is None
    assert simulator.requests.counts() == {"user_status": 3, "login": 1}


def test_a_pasted_token_needs_no_password(simulator: RunningSimulator, tmp_path: Path) -> None:
    token = _logged_in(simulator, tmp_path)
    with connect(simulator, tmp_path / "other", password=None, token=token) as client:
        assert len(client.chargers()) == 1


def _logged_in(simulator: RunningSimulator, folder: Path) -> str:
    with connect(simulator, folder) as client:
        client.user_status()
    token = json.loads((folder / "chargepoint_token.json").read_text())["token"]
    assert isinstance(token, str)
    return token


def test_an_expired_token_without_a_password_asks_for_a_new_one_and_stops(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    token = _logged_in(simulator, tmp_path)
    simulator.expire_tokens()
    folder = tmp_path / "other"
    with (
        connect(simulator, folder, password=None, token=token) as client,
        pytest.raises(PermanentError, match=r"expired.*CPH50_CHARGEPOINT_TOKEN"),
    ):
        client.user_status()
    simulator.requests.clear()
    with connect(simulator, folder, password=None, token=token) as client, pytest.raises(PermanentError):
        client.user_status()
    assert len(simulator.requests) == 0


def test_a_refused_password_is_not_tried_again_until_it_is_changed(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    for _ in range(3):
        with (
            connect(simulator, tmp_path, password="wrong") as client,
            pytest.raises(PermanentError, match=r"refused the login.*CPH50_CHARGEPOINT_PASSWORD"),
        ):
            client.user_status()
    assert simulator.requests.counts()["login"] == 1
    with connect(simulator, tmp_path) as client:
        assert client.user_status() is None


@pytest.mark.parametrize("kind", ["bot_json", "bot_html"])
@pytest.mark.parametrize("operation", ["discovery", "login", "user_status"])
def test_bot_protection_stops_every_client(
    simulator: RunningSimulator, tmp_path: Path, kind: str, operation: str
) -> None:
    simulator.faults.add(Fault.model_validate({"kind": kind, "operation": operation}))
    with connect(simulator, tmp_path) as client, pytest.raises(PermanentError, match="bot protection"):
        client.user_status()
    simulator.requests.clear()
    with (
        connect(simulator, tmp_path) as other,
        pytest.raises(PermanentError, match="CPH50_CHARGEPOINT_TOKEN"),
    ):
        other.user_status()
    assert len(simulator.requests) == 0


def test_a_plain_refusal_stops_nobody_else(simulator: RunningSimulator, client: ChargePointClient) -> None:
    simulator.faults.fail(403, operation="user_status", body='{"errorMessage": "no"}')
    with pytest.raises(PermanentError, match="403"):
        client.user_status()
    assert client.user_status() is None


def test_an_unknown_session_is_named(client: ChargePointClient) -> None:
    with pytest.raises(NotFoundError, match="session 987654321"):
        client.session("987654321")


@pytest.mark.parametrize("session_id", ["", "12a", "../1", "-1", "١٢"])
def test_what_is_no_session_id_is_never_asked_for(
    simulator: RunningSimulator, client: ChargePointClient, session_id: str
) -> None:
    with pytest.raises(BadInputError, match="not a session id"):
        client.session(session_id)
    assert len(simulator.requests) == 0


def test_an_unknown_charger_is_named_by_its_label_alone(client: ChargePointClient) -> None:
    with pytest.raises(NotFoundError, match="charger-") as caught:
        client.charger_status("123454321")
    assert "123454321" not in str(caught.value)


def test_the_polite_budget_holds_and_is_lifted_for_a_backfill(
    simulator: RunningSimulator, tmp_path: Path
) -> None:
    slow = Limits(requests_per_minute=6, burst=5)
    with connect(simulator, tmp_path, limits=slow) as client:
        client.user_status()
        client.user_status()
        client.user_status()
        assert client.requests_made == 5
        with client.within(2), pytest.raises(TransientError, match="may be asked again"):
            client.user_status()
        assert client.requests_made == 5
        with client.unmetered():
            for _ in range(10):
                client.user_status()
        assert client.requests_made == 15


def test_recorded_answers_are_read_whole(real_answers: Path, tmp_path: Path) -> None:
    with RunningSimulator(replay=real_answers) as simulator, connect(simulator, tmp_path) as client:
        rows = client.activity(datetime(2025, 10, 1, 7, tzinfo=UTC))
        assert len(rows) == 45 + 23
        recorded = {path.stem for path in (real_answers / "status").glob("*.json")}
        assert recorded
        for row in rows:
            if row.session_id in recorded:
                assert client.session(row.session_id).energy_kwh == pytest.approx(row.energy_kwh, abs=1e-6)
        missing = next(row.session_id for row in rows if row.session_id not in recorded)
        with pytest.raises(NotFoundError, match=missing):
            client.session(missing)
