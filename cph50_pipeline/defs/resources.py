"""The resources that assets and sensors work with: the charger, and the house's meters.

Secrets are given by the name of their environment variable, so that none lands in Dagster's snapshots. What the
clients do is in `sources`, what the store does in `store`.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import dagster as dg

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import PREFIX, Settings

PLUG_INS_FILE = "simulator_plug_ins.json"

if TYPE_CHECKING:
    from cph50_pipeline.simulator.server import RunningSimulator
    from cph50_pipeline.sources.chargepoint import ChargePointClient
    from cph50_pipeline.sources.home_assistant import HomeAssistantClient


class ChargePoint(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The charger as ChargePoint shows it; the simulator inside this process when there is no address.

    Attributes:
        discovery_url: Where ChargePoint's discovery answers; None starts the simulator in this process.
        username: The account.
        password: Its password, when there is one.
        token: A saved session token, when there is one.
        state_dir: Where token and request budget are shared between processes.
        privacy: Whether answers are scrubbed ("public") or kept whole ("private").
        sample_count: Samples of a collection.
        sample_interval_seconds: Seconds between them.
        simulator_seed: Which household the embedded simulator plays.
        timezone: The simulated household's zone.
    """

    discovery_url: str | None = None
    username: str = ""
    password: str | None = None
    token: str | None = None
    state_dir: str
    privacy: str = "public"
    sample_count: int = 30
    sample_interval_seconds: float = 10.0
    simulator_seed: int = 50
    timezone: str = "America/Los_Angeles"

    @classmethod
    def of(cls, settings: Settings) -> "ChargePoint":
        """The resource that the settings describe."""
        return cls(
            discovery_url=settings.discovery_url,
            username=_from_environment("chargepoint_username") or "",
            password=_from_environment("chargepoint_password"),
            token=_from_environment("chargepoint_token"),
            state_dir=str(settings.private_dir),
            privacy=settings.privacy.value,
            sample_count=settings.sample_count,
            sample_interval_seconds=settings.sample_interval_seconds,
            simulator_seed=settings.simulator_seed,
            timezone=settings.timezone,
        )

    def client(self) -> "ChargePointClient":
        """The client of this account; one a process, so that connection, token and charger list are kept."""
        if self.discovery_url is not None:
            account = (self.discovery_url, self.username, self.password, self.token)
        else:
            simulator = _embedded_simulator(self.simulator_seed, self.timezone, self.state_dir)
            account = (simulator.discovery_url, simulator.account.username, simulator.account.password, None)
        return _client(*account, self.state_dir, self.privacy)


class HomeAssistant(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The house's meters as Home Assistant shows them; a household may do without.

    Attributes:
        url: Where it answers; None for none, or for the simulated one.
        token: A long-lived access token.
        is_simulated: Whether the simulator in this process plays it.
        interval_seconds: Between two readings.
        state_dir: Where the simulator remembers what was done by hand.
        simulator_seed: Which household it plays.
        timezone: The simulated household's zone.
    """

    url: str | None = None
    token: str | None = None
    is_simulated: bool = False
    interval_seconds: int = 600
    state_dir: str
    simulator_seed: int = 50
    timezone: str = "America/Los_Angeles"

    @classmethod
    def of(cls, settings: Settings) -> "HomeAssistant":
        """The resource that the settings describe."""
        return cls(
            url=None if settings.home_assistant_url is None else str(settings.home_assistant_url),
            token=_from_environment("home_assistant_token"),
            is_simulated=settings.simulates_home,
            interval_seconds=settings.power_interval_seconds,
            state_dir=str(settings.private_dir),
            simulator_seed=settings.simulator_seed,
            timezone=settings.timezone,
        )

    def client(self) -> "HomeAssistantClient | None":
        """The client of this Home Assistant, one a process; None when the household has none.

        Raises:
            BadInputError: there is an address and no token, or one that cannot be.
        """
        if self.is_simulated:
            simulator = _embedded_simulator(self.simulator_seed, self.timezone, self.state_dir)
            return _home_client(simulator.home_assistant_url, simulator.home_assistant_token)
        if self.url is None:
            return None
        if not self.token:
            raise BadInputError(
                "CPH50_HOME_ASSISTANT_TOKEN is not set",
                remedy="Make a long-lived access token in your profile in Home Assistant, under Security",
            )
        return _home_client(self.url, self.token)


def _from_environment(setting: str) -> dg.EnvVar | None:
    name = f"{PREFIX}{setting.upper()}"
    return dg.EnvVar(name) if os.environ.get(name) else None


@lru_cache(maxsize=4)
def _client(
    discovery_url: str, username: str, password: str | None, token: str | None, state_dir: str, privacy: str
) -> "ChargePointClient":
    from cph50_pipeline.sources.chargepoint import ChargePointClient

    return ChargePointClient(
        discovery_url=discovery_url,
        username=username,
        password=password,
        token=token,
        state_dir=Path(state_dir),
        privacy=privacy,
    )


@lru_cache(maxsize=4)
def _home_client(url: str, token: str) -> "HomeAssistantClient":
    from cph50_pipeline.sources.home_assistant import HomeAssistantClient

    return HomeAssistantClient(url=url, token=token)


@lru_cache(maxsize=1)
def _embedded_simulator(seed: int, timezone: str, state_dir: str) -> "RunningSimulator":
    from cph50_pipeline.simulator.household import Household
    from cph50_pipeline.simulator.server import RunningSimulator

    plug_ins = Path(state_dir) / PLUG_INS_FILE  # as another simulator of this household remembers them
    return RunningSimulator(Household(seed, ZoneInfo(timezone)), plug_ins_file=plug_ins).start()
