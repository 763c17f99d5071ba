"""The processes of docker-compose.yml on this machine, without containers.

Commands, environment, health checks and configuration are those of the compose file, in its order; only
addresses, ports and folders are this machine's. PostgreSQL is Debian's own, ChargePoint is the simulator.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.integration.postgres_server import (
    LOOPBACK,
    PATIENCE_SECONDS,
    eventually,
    free_port,
    postgres,
    stop,
)

pytest.importorskip("dagster_postgres", reason="the extra 'postgres' is not installed")

REPOSITORY = Path(__file__).parents[2]
SERVICES: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())["services"]
Found = TypeVar("Found")
RUNS_QUERY = """
query Runs($sensor: String!) {
  runsOrError(filter: {tags: [{key: "dagster/sensor_name", value: $sensor}]}) {
    ... on Runs { results { runId status tags { key value } } }
  }
}
"""


def test_a_car_that_plugs_in_is_collected_by_a_run_that_the_sensor_started(stack: Stack) -> None:
    session_id = stack.plug_in()
    run = stack.wait_for(lambda: stack.finished_run(session_id), "a finished run of the charger sensor")
    assert run["status"] == "SUCCESS", stack.logs()
    activity = [json.loads(path.read_text()) for path in stack.data.glob("chargepoint_activity/*.json")]
    assert any(session_id in json.dumps(month) for month in activity)
    assert [path.name for path in stack.data.glob(f"sessions/*/*/*/{session_id}.json")] == [
        f"{session_id}.json"
    ]
    assert git(stack.data, "status", "--porcelain", "session_cache", "sessions") == ""
    assert run["runId"] in git(stack.data, "log", "--format=%B")
    assert stack.read(f"sessions/{session_id}")["session_id"] == session_id
    [charger] = stack.read("chargers")["chargers"]
    assert charger["stale"] is False
    assert not list(stack.home.rglob("*.db")), "records went to SQLite instead of PostgreSQL"


@dataclass
class Stack:
    """The started processes, by the names of the compose file."""

    home: Path
    data: Path
    log_dir: Path
    simulator: RunningSimulator
    environment: dict[str, str]
    ports: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def localized(self, words: list[str]) -> list[str]:
        """A command of the compose file with this machine's addresses, ports, paths and interpreter."""
        here = {
            "0.0.0.0": LOOPBACK,
            "3000": self.ports["webserver"],
            "4000": self.ports["code"],
            "8000": self.ports["api"],
            "/opt/cph50/": f"{REPOSITORY}/",
        }
        command = list(words)
        for there, local in here.items():
            command = [word.replace(there, local) for word in command]
        return [str(Path(sys.executable).with_name(command[0])), *command[1:]]

    def environment_of(self, service: str) -> dict[str, str]:
        """What the compose file gives the service, with this machine's values, and nothing else of ours."""
        named = {name: self.environment.get(name, value) for name, value in environment(service).items()}
        settings = {
            name: value
            for name, value in self.environment.items()
            if service in ("code", "api") and name.startswith("CPH50_")
        }
        outside = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**outside, "DAGSTER_HOME": str(self.home), "PYTHONUNBUFFERED": "1", **named, **settings}

    def run(self, service: str) -> None:
        """Run a service that ends."""
        with (self.log_dir / f"{service}.log").open("wb") as log:
            ended = subprocess.run(
                self.localized(SERVICES[service]["command"]),
                env=self.environment_of(service),
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=PATIENCE_SECONDS,
            )
        assert ended.returncode == 0, self.logs()

    @contextmanager
    def started(self, service: str) -> Iterator[None]:
        """Start a service, wait until its health check passes, and stop it at the end."""
        with (self.log_dir / f"{service}.log").open("wb") as log:
            process = subprocess.Popen(
                self.localized(SERVICES[service]["command"]),
                env=self.environment_of(service),
                cwd=self.log_dir,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes[service] = process
        try:
            self.wait_for(lambda: self.is_healthy(service), f"{service} to be healthy")
            yield
        finally:
            stop(process)

    def is_healthy(self, service: str) -> bool:
        """Whether the health check of the compose file passes."""
        assert self.processes[service].poll() is None, f"{service} ended:\n{self.logs()}"
        check = subprocess.run(
            self.localized(SERVICES[service]["healthcheck"]["test"][1:]),
            env=self.environment_of(service),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
        )
        return check.returncode == 0

    def plug_in(self) -> str:
        """Let a car charge that began a few minutes ago."""
        began = self.simulator.clock.now() - timedelta(minutes=10)
        return str(self.simulator.plug_in("ember", 240, began).session_id)

    def finished_run(self, session_id: str) -> dict[str, Any] | None:
        """The run that the charger sensor started for the session, once it has ended."""
        body = json.dumps({"query": RUNS_QUERY, "variables": {"sensor": "charger_sensor"}}).encode()
        url = f"http://{LOOPBACK}:{self.ports['webserver']}/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            runs: list[dict[str, Any]] = json.load(answer)["data"]["runsOrError"]["results"]
        for run in runs:
            is_ours = {"key": "cph50/session", "value": session_id} in run["tags"]
            if is_ours and run["status"] in ("SUCCESS", "FAILURE", "CANCELED"):
                return run
        return None

    def read(self, route: str) -> dict[str, Any]:
        """What the read API answers."""
        url = f"http://{LOOPBACK}:{self.ports['api']}/api/v1/{route}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def wait_for(self, look: Callable[[], Found], what: str) -> Found:
        """What `look` finds, as soon as it finds it."""
        return eventually(look, lambda: f"waited in vain for {what}\n{self.logs()}")

    def logs(self) -> str:
        """The last lines of every process."""
        return "\n".join(
            f"--- {path.stem}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-40:])
            for path in sorted(self.log_dir.glob("*.log"))
        )


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """All processes of the compose file, healthy."""
    password = secrets.token_hex(8)
    with ExitStack() as started:
        wanted = environment("postgres")
        pg_port = started.enter_context(postgres(password, wanted["POSTGRES_USER"], wanted["POSTGRES_DB"]))
        simulator = started.enter_context(RunningSimulator())
        stack = build_stack(tmp_path, simulator, pg_port, password)
        stack.run("migrate")
        for service in ("code", "webserver", "daemon", "api"):
            started.enter_context(stack.started(service))
        yield stack


def build_stack(root: Path, simulator: RunningSimulator, pg_port: str, password: str) -> Stack:
    home, data, log_dir = root / "home", root / "data", root / "log"
    for folder in (home, data, log_dir):
        folder.mkdir()
    shutil.copy(REPOSITORY / "deploy" / "docker" / "dagster.yaml", home)
    ports = {"webserver": free_port(), "code": free_port(), "api": free_port()}
    environment = {
        "DAGSTER_PG_HOST": LOOPBACK,
        "DAGSTER_PG_PORT": pg_port,
        "DAGSTER_PG_PASSWORD": password,
        "DAGSTER_LOG_DIR": str(data / "private" / "dagster"),
        "CPH50_CODE_HOST": LOOPBACK,
        "CPH50_CODE_PORT": ports["code"],
        "CPH50_DATA_DIR": str(data),
        "CPH50_SOURCE": "chargepoint",
        "CPH50_PUBLISH": "local",
        "CPH50_CHARGEPOINT_DISCOVERY_URL": simulator.discovery_url,
        "CPH50_CHARGEPOINT_USERNAME": simulator.account.username,
        "CPH50_CHARGEPOINT_PASSWORD": simulator.account.password,
        "CPH50_SAMPLE_COUNT": "3",
        "CPH50_SAMPLE_INTERVAL_SECONDS": "1",
    }
    return Stack(home, data, log_dir, simulator, environment, ports)


def environment(service: str) -> dict[str, str]:
    """The environment of a service in the compose file."""
    return {name: str(value) for name, value in SERVICES[service].get("environment", {}).items()}


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", folder, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()
