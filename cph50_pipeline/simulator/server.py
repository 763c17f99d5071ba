"""Running the simulated ChargePoint and Home Assistant, on one port.

Inside this process for tests and the embedded sources, or in the foreground.

HTTP libraries are imported when a server starts, not when this module is.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.answers import Answers, HouseholdAnswers
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import FaultQueue
from cph50_pipeline.simulator.house.house import House
from cph50_pipeline.simulator.house.orders import OrderBook
from cph50_pipeline.simulator.house.recorder import Recorder
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline.simulator.replay import ReplayAnswers
from cph50_pipeline.simulator.serving import LOOPBACK, LoopbackServer, Running
from cph50_pipeline.simulator.sessions import PlannedSession
from cph50_pipeline.simulator.state import Account, RecordedRequest, RequestLog, SimulatorState
from cph50_pipeline.simulator.tokens import Tokens

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class RunningSimulator(Running):
    """A simulated ChargePoint and Home Assistant on loopback, while the `with` block or until `stop()` lasts.

    Args:
        household: Who charges; the default household when None.
        replay: A folder of recorded answers to serve instead of a household's.
        clock: The simulator's time; the wall clock when None.
        plug_ins_file: Where what is done by hand is remembered; in memory when None.
        account: Who may log in.
        token_lifetime_seconds: How long a token holds on the simulator's clock; None for ever.
        port: 0 picks a free one.

    Raises:
        BadInputError: when there is nothing to replay, or the plug-ins file is not one; from `start`, when the port
            is taken.
    """

    def __init__(
        self,
        household: Household | None = None,
        *,
        replay: Path | None = None,
        clock: SimulatedClock | None = None,
        plug_ins_file: Path | None = None,
        account: Account | None = None,
        token_lifetime_seconds: float | None = None,
        host: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        plan = household or Household()
        live = LiveHousehold(plan, PlugInBook(plug_ins_file))
        house = House(live, charges=replay is None)
        answers: Answers = HouseholdAnswers(live) if replay is None else ReplayAnswers(replay)
        self._state = SimulatorState(
            answers=answers,
            household=live if replay is None else None,
            recorder=Recorder(house, OrderBook()),
            clock=clock or SimulatedClock(),
            tokens=Tokens(plan.seed, token_lifetime_seconds),
            account=account or Account(),
        )
        self._server = LoopbackServer(self._build_app, "simulator", host, port)

    @property
    def base_url(self) -> str:
        """The server's root, ending in "/"."""
        return self._server.base_url

    @property
    def discovery_url(self) -> str:
        """Where discovery answers: for `CPH50_CHARGEPOINT_DISCOVERY_URL`."""
        return f"{self.base_url}discovery/v3/globalconfig"

    @property
    def account(self) -> Account:
        """Who may log in."""
        return self._state.account

    @property
    def home_assistant_url(self) -> str:
        """Where Home Assistant answers: for `CPH50_HOME_ASSISTANT_URL`."""
        return self.base_url

    @property
    def home_assistant_token(self) -> str:
        """The token that lets into Home Assistant."""
        return self._state.home_token

    @property
    def recorder(self) -> Recorder:
        """What Home Assistant knows of the house, and by `orders` what goes wrong there."""
        return self._state.recorder

    @property
    def clock(self) -> SimulatedClock:
        """The simulator's time."""
        return self._state.clock

    @property
    def faults(self) -> FaultQueue:
        """What goes wrong next."""
        return self._state.faults

    @property
    def requests(self) -> RequestLog[RecordedRequest]:
        """What was asked so far."""
        return self._state.requests

    @property
    def household(self) -> LiveHousehold:
        """Who charges.

        Raises:
            BadInputError: when recorded answers are replayed.
        """
        if self._state.household is None:
            raise BadInputError("Recorded answers are replayed: there is no simulated household")
        return self._state.household

    def plug_in(self, car: str, minutes: float = 45, at: datetime | None = None) -> PlannedSession:
        """Plug a car in, now or at an instant, and return its session.

        Raises:
            BadInputError: for an unknown car or less than a minute.
        """
        return self.household.plug_in(at or self.clock.now(), car, minutes)

    def set_amperage_limit(self, amperes: int, at: datetime | None = None) -> None:
        """Change the charger's limit, now or at an instant: sessions that start from then on follow it.

        Raises:
            BadInputError: for a limit that the charger does not offer.
        """
        self.household.set_amperage_limit(at or self.clock.now(), amperes)

    def expire_tokens(self) -> None:
        """Refuse every token given so far; the next login gives a good one."""
        self._state.tokens.expire_all()

    def wait(self) -> None:
        """Block until the server stops."""
        self._server.wait()

    def _build_app(self) -> ASGIApp:
        from cph50_pipeline.simulator.app import build_app

        return build_app(self._state)


def serve(
    host: str = LOOPBACK,
    port: int = 8001,
    *,
    household: Household | None = None,
    replay: Path | None = None,
    clock: SimulatedClock | None = None,
    plug_ins_file: Path | None = None,
    announce: Callable[[RunningSimulator], None] | None = None,
) -> None:
    """Serve until interrupted; `announce` is told when the simulator answers.

    Raises:
        BadInputError: when the port is taken, or the arguments are those of no simulator.
    """
    simulator = RunningSimulator(
        household, replay=replay, clock=clock, plug_ins_file=plug_ins_file, host=host, port=port
    )
    simulator.start()
    try:
        if announce is not None:
            announce(simulator)
        simulator.wait()
    finally:
        simulator.stop()
