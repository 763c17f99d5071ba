"""`cph50 serve --poll` as a process: latest values without Dagster's daemon, and what is seen when the poller dies."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.integration.commands import DONE, CommandHome, kill
from cph50_pipeline_tests.integration.postgres_server import eventually
from cph50_pipeline_tests.integration.served import Served

EXAMPLE = Path(__file__).parents[2] / "data" / "meters.example.json"
MONTH = "2026-11"


class Serving(Served):
    """A served household that is polled."""

    def device(self, device_id: str) -> dict[str, Any] | None:
        found = self.read("api/v1/devices")["devices"]
        return next((one for one in found if one["device_id"] == device_id), None)

    def poller(self) -> int:
        """The process id of the poller: it has been told what to do by its parent, and is no tracker of resources."""
        listed = subprocess.run(
            ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(self.process.pid)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        [line] = [line for line in listed.splitlines() if "multiprocessing.spawn" in line]
        return int(line.split()[0])


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    with RunningSimulator() as simulator:
        changes = {
            "CPH50_HOME_ASSISTANT_URL": simulator.home_assistant_url,
            "CPH50_HOME_ASSISTANT_TOKEN": simulator.home_assistant_token,
            "CPH50_LIVE_SECONDS": "5",
        }
        home = CommandHome(tmp_path / "data", simulator, MONTH, changes)
        home.data.mkdir()
        shutil.copy(EXAMPLE, home.data / "meters.json")
        process = home.start("serve", "--port", "0", "--poll")
        yield Serving(process)
        if process.poll() is None:
            kill(process)


def test_values_come_age_when_the_poller_is_killed_and_all_ends_with_the_server(serving: Serving) -> None:
    eventually(lambda: serving.device("home"), lambda: "nothing is heard of the house")
    first = serving.device("home")
    eventually(lambda: serving.device("home")["newest_at"] > first["newest_at"], lambda: "nothing moves")  # type: ignore[index]
    os.kill(serving.poller(), signal.SIGKILL)
    last = serving.device("home")
    assert last is not None
    later = serving.device("home")
    assert later is not None
    assert later["newest_at"] == last["newest_at"]
    assert later["age_seconds"] > last["age_seconds"]
    serving.process.send_signal(signal.SIGTERM)
    _, err = serving.process.communicate(timeout=60)
    assert serving.process.returncode == DONE, err
    assert "Stopped" in err
