"""Households for end-to-end tests: the `cph50` command as a process, on a simulator of this process."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cph50_pipeline.defs.month_files import MONTH_FILES
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.server import RunningSimulator

COMMAND = [sys.executable, "-m", "cph50_pipeline"]
BUDGET_FILE = "chargepoint_budget.json"
DONE, FAILED, WRONG_USE = 0, 1, 2
Finished = subprocess.CompletedProcess[str]


@dataclass
class CommandHome:
    """One household that is used through the command alone."""

    data: Path
    simulator: RunningSimulator
    history_start: str
    changes: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a command of this household sees: nothing of this machine's own settings."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return kept | {
            "CPH50_SOURCE": "chargepoint",
            "CPH50_CHARGEPOINT_DISCOVERY_URL": self.simulator.discovery_url,
            "CPH50_CHARGEPOINT_USERNAME": self.simulator.account.username,
            "CPH50_CHARGEPOINT_PASSWORD": self.simulator.account.password,
            "CPH50_DATA_DIR": str(self.data),
            "CPH50_HISTORY_START": self.history_start,
            "CPH50_PUBLISH": "local",
            "CPH50_SAMPLE_COUNT": "4",
            "CPH50_SAMPLE_INTERVAL_SECONDS": "0.3",
            "DAGSTER_DISABLE_TELEMETRY": "yes",
            **self.changes,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            cwd=self.data.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; the polite budget of earlier commands is forgotten first."""
        (self.data / "private" / BUDGET_FILE).unlink(missing_ok=True)
        process = self.start(*arguments)
        out, err = process.communicate(timeout=180)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def store(self) -> Store:
        """The household's files."""
        return Store.of(Settings(data_dir=str(self.data)))


def printed(done: Finished, returncode: int = DONE) -> Any:
    """What a command printed for a program."""
    assert done.returncode == returncode, done.stderr
    return json.loads(done.stdout)


def complaint(done: Finished, returncode: int) -> str:
    """The one line in which a command says why it did nothing."""
    assert done.returncode == returncode, done.stdout + done.stderr
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("cph50: ")
    return line


def kill(process: subprocess.Popen[str]) -> None:
    """`kill -9` a command with everything it started, and wait until it is gone."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def contents(data: Path) -> dict[str, str]:
    """The hash of every file that a person would see, by relative path."""
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not {"private", ".git"} & set(path.relative_to(data).parts)
    }


def check_whole(home: CommandHome) -> None:
    """Every file of the household parses: none is torn."""
    store = home.store()
    for file in MONTH_FILES.values():
        for month in store.stored_months(file):
            store.need_month(file, month)
    for path in store.root.list("sessions/", ".json"):
        store.collection_at(path)
    store.labels()
