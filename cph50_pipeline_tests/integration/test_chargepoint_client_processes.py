"""Several processes share one token and one budget."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.server import RunningSimulator

LOOKING = """
import sys
from pathlib import Path
from cph50_pipeline.errors import TransientError
from cph50_pipeline.sources.chargepoint import ChargePointClient
from cph50_pipeline.sources.connection import Limits
url, username, password, folder, burst, looks = sys.argv[1:]
limits = Limits(requests_per_minute=0.01, burst=int(burst))
with ChargePointClient(
    discovery_url=url, username=username, password=password, state_dir=Path(folder), limits=limits
) as client:
    print("ready", flush=True)
    sys.stdin.readline()
    answered = 0
    for _ in range(int(looks)):
        try:
            client.user_status()
            answered += 1
        except TransientError:
            pass
    print(answered, flush=True)
"""
PROCESSES = 3


def look_all_at_once(simulator: RunningSimulator, folder: Path, *, burst: int, looks: int) -> list[int]:
    """Start the processes, let them go together, and return how many looks of each were answered."""
    arguments = [simulator.discovery_url, simulator.account.username, simulator.account.password, str(folder)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LOOKING, *arguments, str(burst), str(looks)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    answered = []
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        answered.append(int(output))
    return answered


@pytest.fixture
def simulator() -> RunningSimulator:
    return RunningSimulator(clock=SimulatedClock(datetime(2026, 1, 20, 18, 0, tzinfo=UTC), speed=0))


def test_of_many_processes_one_logs_in(simulator: RunningSimulator, tmp_path: Path) -> None:
    with simulator:
        assert look_all_at_once(simulator, tmp_path, burst=1000, looks=3) == [3] * PROCESSES
        simulator.expire_tokens()
        assert look_all_at_once(simulator, tmp_path, burst=1000, looks=3) == [3] * PROCESSES
    assert simulator.requests.counts()["login"] == 2


def test_all_processes_together_keep_to_the_budget(simulator: RunningSimulator, tmp_path: Path) -> None:
    with simulator:
        look_all_at_once(simulator, tmp_path, burst=10, looks=10)
    assert len(simulator.requests) == 10
