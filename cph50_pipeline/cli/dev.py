"""The simulator in the foreground, and the development set-up: simulator, Dagster, and a car that plugs in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cph50_pipeline.defs.instance import prepare_home
from cph50_pipeline.defs.launch import LOCATION
from cph50_pipeline.defs.resources import PLUG_INS_FILE
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings, Source
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator, serve

PLUG_IN_CAR = "tide_suv_2024"
PLUG_IN_AFTER_SECONDS = 45.0
PLUG_IN_MINUTES = 20.0
STOP_SECONDS = 20


def run_simulator(
    settings: Settings,
    port: int,
    plug_in_after: float | None,
    replay: Path | None,
    say: Callable[[str], None],
) -> None:
    """Serve the simulated ChargePoint and Home Assistant until interrupted."""

    def announce(simulator: RunningSimulator) -> None:
        say("The simulated ChargePoint and Home Assistant answer; use them with")
        say("  CPH50_SOURCE=chargepoint")
        say(f"  CPH50_CHARGEPOINT_DISCOVERY_URL={simulator.discovery_url}")
        say(f"  CPH50_CHARGEPOINT_USERNAME={simulator.account.username}")
        say(f"  CPH50_CHARGEPOINT_PASSWORD={simulator.account.password}")
        say(f"  CPH50_HOME_ASSISTANT_URL={simulator.home_assistant_url}")
        say(f"  CPH50_HOME_ASSISTANT_TOKEN={simulator.home_assistant_token}")
        if plug_in_after is not None:
            at = simulator.clock.now() + timedelta(seconds=plug_in_after)
            session = simulator.plug_in(PLUG_IN_CAR, PLUG_IN_MINUTES, at)
            say(f"{PLUG_IN_CAR} plugs in at {session.start:%H:%M:%S} UTC, for {PLUG_IN_MINUTES:.0f} minutes")

    settings.private_dir.mkdir(parents=True, exist_ok=True)
    try:
        serve(
            port=port,
            household=Household(settings.simulator_seed, settings.zone),
            replay=replay,
            clock=SimulatedClock(),
            plug_ins_file=None if replay else settings.private_dir / PLUG_INS_FILE,
            announce=announce,
        )
    except KeyboardInterrupt:
        say("Stopped")


def run_dev(settings: Settings, port: int, say: Callable[[str], None]) -> int:
    """Run the simulator in this process and `dagster dev` beside it; returns Dagster's exit code.

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
        say(f"Dagster's UI: http://localhost:{port}    data: {settings.data_root}")
        say(f"{PLUG_IN_CAR} plugs in at {session.start:%H:%M:%S} UTC; the charger sensor sees it within 30 s")
        environment = os.environ | {
            "CPH50_CHARGEPOINT_DISCOVERY_URL": simulator.discovery_url,
            "CPH50_CHARGEPOINT_USERNAME": simulator.account.username,
            "CPH50_CHARGEPOINT_PASSWORD": simulator.account.password,
            "CPH50_HOME_ASSISTANT_URL": simulator.home_assistant_url,
            "CPH50_HOME_ASSISTANT_TOKEN": simulator.home_assistant_token,
            "DAGSTER_HOME": home,
        }
        command = [sys.executable, "-m", "dagster", "dev", "-m", LOCATION, "--port", str(port)]
        dagster = subprocess.Popen(command, env=environment)
        return _wait(dagster)


def _wait(process: subprocess.Popen[bytes]) -> int:
    stopping = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    while process.poll() is None and not stopping:
        time.sleep(0.2)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    return 0 if stopping else process.wait()
