"""An independent client, python-chargepoint, against the simulator.

Its discovery address is a constant and therefore patched. Its cookie is tied to ChargePoint's own domain, so
that on loopback only the `cp-session-token` header arrives, and the first call after the login carries nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from python_chargepoint import ChargePoint
from python_chargepoint.exceptions import CommunicationError, DatadomeCaptcha, InvalidSession, LoginError
from yarl import URL

from cph50_pipeline.simulator import identity
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator

START = datetime(2025, 9, 15, 18, tzinfo=UTC)
T = TypeVar("T")


@pytest.fixture
def simulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningSimulator]:
    with RunningSimulator(Household(amperage_limit=32), clock=SimulatedClock(START, speed=0)) as running:
        monkeypatch.setattr("python_chargepoint.client.DISCOVERY_API", URL(running.discovery_url))
        yield running


@asynccontextmanager
async def logged_in(simulator: RunningSimulator, password: str | None = None) -> AsyncIterator[ChargePoint]:
    client = await ChargePoint.create(simulator.account.username)
    try:
        await client.login_with_password(password or simulator.account.password)
        yield client
    finally:
        await client.close()


def ask(simulator: RunningSimulator, question: Callable[[ChargePoint], Awaitable[T]]) -> T:
    """Log in, ask one question, and go."""

    async def conversation() -> T:
        async with logged_in(simulator) as client:
            return await question(client)

    return asyncio.run(conversation())


def test_it_logs_in_and_finds_the_charger(simulator: RunningSimulator) -> None:
    assert ask(simulator, lambda client: client.get_home_chargers()) == [identity.CHARGER_ID]


def test_it_reads_the_account(simulator: RunningSimulator) -> None:
    account = ask(simulator, lambda client: client.get_account())
    assert account.user.user_id == identity.USER_ID
    assert account.account_balance.account_number == identity.ACCOUNT_NUMBER


def test_it_reads_the_chargers_status_and_limit(simulator: RunningSimulator) -> None:
    status = ask(simulator, lambda client: client.get_home_charger_status(identity.CHARGER_ID))
    assert (status.is_plugged_in, status.is_connected, status.charging_status) == (False, True, "AVAILABLE")
    assert status.amperage_limit == 32
    assert 40 in status.possible_amperage_limits


def test_it_reads_technical_info_and_configuration(simulator: RunningSimulator) -> None:
    info = ask(simulator, lambda client: client.get_home_charger_technical_info(identity.CHARGER_ID))
    config = ask(simulator, lambda client: client.get_home_charger_config(identity.CHARGER_ID))
    assert info.serial_number == config.serial_number == identity.SERIAL_NUMBER
    assert info.last_connected_at == START
    assert config.street_address == identity.ADDRESS
    assert config.led_brightness.level == 3


def test_it_sees_nothing_charging(simulator: RunningSimulator) -> None:
    assert ask(simulator, lambda client: client.get_user_charging_status()) is None


def test_it_follows_a_car_from_plug_in_to_the_end(simulator: RunningSimulator) -> None:
    async def follow() -> None:
        async with logged_in(simulator) as client:
            planned = simulator.plug_in("tide", minutes=45)
            simulator.clock.advance(timedelta(minutes=30))
            seen = await client.get_user_charging_status()
            assert seen is not None
            assert (seen.session_id, seen.start_time, seen.state) == (planned.session_id, START, "in_use")
            assert seen.stations[0].id == identity.CHARGER_ID

            session = await client.get_charging_session(seen.session_id)
            half = session.energy_kwh
            assert session.charging_state == "in_use"
            assert 3 < half < 4
            assert session.update_data is not None
            assert session.update_data[-1].energy_kwh == half
            assert session.update_data[-1].power_kw == pytest.approx(9.05 * 32 / 40, rel=0.03)

            simulator.clock.advance(timedelta(minutes=30))
            await session.async_refresh()
            assert session.charging_state == "done"
            assert session.energy_kwh == planned.energy_kwh > half
            assert await client.get_user_charging_status() is None

    asyncio.run(follow())


def test_it_reads_a_session_of_the_past(simulator: RunningSimulator) -> None:
    planned = simulator.household.plan.sessions_between(START - timedelta(days=30), START)
    session = ask(simulator, lambda client: client.get_charging_session(planned[0].session_id))
    assert session.start_time == planned[0].start
    assert session.energy_kwh == planned[0].energy_kwh
    assert session.is_home_charger


def test_it_is_told_that_a_session_is_unknown(simulator: RunningSimulator) -> None:
    with pytest.raises(CommunicationError):
        ask(simulator, lambda client: client.get_charging_session(12))


def test_a_wrong_password_is_refused(simulator: RunningSimulator) -> None:
    async def enter() -> None:
        async with logged_in(simulator, "wrong"):
            pytest.fail("it was let in")

    with pytest.raises(LoginError):
        asyncio.run(enter())


def test_an_expired_token_asks_for_a_new_login(simulator: RunningSimulator) -> None:
    async def expire() -> None:
        async with logged_in(simulator) as client:
            simulator.expire_tokens()
            for _ in range(2):
                with pytest.raises(InvalidSession):
                    await client.get_home_chargers()

    asyncio.run(expire())
    assert ask(simulator, lambda client: client.get_home_chargers()) == [identity.CHARGER_ID]


def test_bot_protection_at_the_login_is_recognised(simulator: RunningSimulator) -> None:
    simulator.faults.add(Fault(kind="bot_json", operation="login"))
    with pytest.raises(DatadomeCaptcha):
        ask(simulator, lambda client: client.get_home_chargers())
