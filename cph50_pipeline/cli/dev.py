"""The simulator in the foreground, and the development set-up: simulator, Dagster, read API, a car that plugs in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cph50_pipeline.defs.instance import prepare_home
from cph50_pipeline.defs.launch import LOCATION
from cph50_pipeline.defs.resources import PLUG_INS_FILE
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings, Source
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator, serve

GITHUB_REPOSITORY = "household/data"
GITHUB_TOKEN = "simulated-github-token"
PLUG_IN_CAR = "tide_suv_2024"
PLUG_IN_AFTER_SECONDS = 45.0
PLUG_IN_MINUTES = 20.0
STOP_SECONDS = 20


@dataclass(frozen=True, slots=True)
class SimulatedServices:
    """Where and how `cph50 simulate` serves.

    Attributes:
        port: Of ChargePoint and Home Assistant.
        github_port: Of GitHub; None for the port after the other one.
        plug_in_after_seconds: When a car plugs in; None for never.
        replay: A folder of recorded answers to serve instead of a household's.
        github_folder: Where the simulated GitHub keeps its repositories; None for only as long as it runs.
    """

    port: int
    github_port: int | None = None
    plug_in_after_seconds: float | None = None
    replay: Path | None = None
    github_folder: Path | None = None


def run_simulator(settings: Settings, services: SimulatedServices, say: Callable[[str], None]) -> None:
    """Serve the simulated ChargePoint, Home Assistant and GitHub until interrupted.

    Raises:
        BadInputError: when a port is taken.
    """

    def announce(simulator: RunningSimulator) -> None:
        say("The simulated ChargePoint, Home Assistant and GitHub answer; use them with")
        say("  CPH50_SOURCE=chargepoint")
        say(f"  CPH50_CHARGEPOINT_DISCOVERY_URL={simulator.discovery_url}")
        say(f"  CPH50_CHARGEPOINT_USERNAME={simulator.account.username}")
        say(f"  CPH50_CHARGEPOINT_PASSWORD={simulator.account.password}")
        say(f"  CPH50_HOME_ASSISTANT_URL={simulator.home_assistant_url}")
        say(f"  CPH50_HOME_ASSISTANT_TOKEN={simulator.home_assistant_token}")
        for line in _github_settings(github):
            say(f"  {line}")
        if services.plug_in_after_seconds is not None:
            at = simulator.clock.now() + timedelta(seconds=services.plug_in_after_seconds)
            session = simulator.plug_in(PLUG_IN_CAR, PLUG_IN_MINUTES, at)
            say(f"{PLUG_IN_CAR} plugs in at {session.start:%H:%M:%S} UTC, for {PLUG_IN_MINUTES:.0f} minutes")

    settings.private_dir.mkdir(parents=True, exist_ok=True)
    try:
        with _running_github(services) as github:
            serve(
                port=services.port,
                household=Household(settings.simulator_seed, settings.zone),
                replay=services.replay,
                clock=SimulatedClock(),
                plug_ins_file=None if services.replay else settings.private_dir / PLUG_INS_FILE,
                announce=announce,
            )
    except KeyboardInterrupt:
        say("Stopped")


def run_dev(settings: Settings, port: int, say: Callable[[str], None]) -> int:
    """Run the simulator in this process, `dagster dev` and the read API beside it; returns Dagster's exit code.

    Raises:
        BadInputError: the settings name a real charger.
    """
    if settings.source is not Source.SIMULATOR:
        raise BadInputError("CPH50_SOURCE: development needs the simulator", remedy="Unset CPH50_SOURCE")
    home = prepare_home(settings)
    simulator = RunningSimulator(
        Household(settings.simulator_seed, settings.zone), plug_ins_file=settings.private_dir / PLUG_INS_FILE
    )
    with simulator:
        session = simulator.plug_in(
            PLUG_IN_CAR, PLUG_IN_MINUTES, datetime.now(UTC) + timedelta(seconds=PLUG_IN_AFTER_SECONDS)
        )
        api_url = f"http://localhost:{settings.api_port}/"
        say(
            f"Dagster's UI: http://localhost:{port}    pages and read API: {api_url}    data: {settings.data_root}"
        )
        say(f"{PLUG_IN_CAR} plugs in at {session.start:%H:%M:%S} UTC; the charger sensor sees it within 30 s")
        environment = os.environ | {
            "CPH50_CHARGEPOINT_DISCOVERY_URL": simulator.discovery_url,
            "CPH50_CHARGEPOINT_USERNAME": simulator.account.username,
            "CPH50_CHARGEPOINT_PASSWORD": simulator.account.password,
            "CPH50_HOME_ASSISTANT_URL": simulator.home_assistant_url,
            "CPH50_HOME_ASSISTANT_TOKEN": simulator.home_assistant_token,
            "CPH50_DAGSTER_URL": f"http://localhost:{port}/",
            "CPH50_API_URL": api_url,
            "DAGSTER_HOME": home,
        }
        serving = [sys.executable, "-m", "cph50_pipeline", "serve", "--port", str(settings.api_port)]
        command = [sys.executable, "-m", "dagster", "dev", "-m", LOCATION, "--port", str(port)]
        with subprocess.Popen(serving, env=environment) as api:
            try:
                return _wait(subprocess.Popen(command, env=environment))
            finally:
                _end(api)


@contextmanager
def _running_github(services: SimulatedServices) -> Iterator[RunningGitHub]:
    """A simulated GitHub with one repository, and a token for it."""
    port = services.github_port
    if port is None:
        port = services.port and services.port + 1  # 0 picks a free one, here as well
    with tempfile.TemporaryDirectory(prefix="cph50-github-") as passing:
        folder = services.github_folder or Path(passing)
        with RunningGitHub(folder, port=port) as github:
            github.create_repository(GITHUB_REPOSITORY)
            github.add_token(GITHUB_TOKEN, {"repo", "workflow"}, {GITHUB_REPOSITORY})
            yield github


def _github_settings(github: RunningGitHub) -> list[str]:
    return [
        f"CPH50_GITHUB_REPOSITORY={GITHUB_REPOSITORY}",
        f"CPH50_GITHUB_API_URL={github.api_url}",
        f"CPH50_GIT_REMOTE={github.git_url(GITHUB_REPOSITORY)}",
        f"CPH50_GITHUB_TOKEN={GITHUB_TOKEN}",
    ]


def _wait(process: subprocess.Popen[bytes]) -> int:
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    while process.poll() is None and not stopping:
        time.sleep(0.2)
    _end(process)
    return 0 if stopping else process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
