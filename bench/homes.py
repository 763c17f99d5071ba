"""Scratch households: a data root, a simulated ChargePoint without latency, and the environment of their commands."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from bench.timing import run_command, seconds_of
from cph50_pipeline.civil_time import local_date, month_of, month_range, shift_month
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.simulator.sessions import PlannedSession
from cph50_pipeline.sources.request_budget import BUDGET_FILE

REPOSITORY = Path(__file__).parents[1]
ZONE = Settings().zone


@dataclass(frozen=True)
class Home:
    """One household, used through commands.

    Attributes:
        folder: Holds the data root; the working folder of the commands.
        history_start: The first month, of the pipeline and of the simulated household.
    """

    folder: Path
    simulator: RunningSimulator
    history_start: str

    @property
    def data(self) -> Path:
        """The data root."""
        return self.folder / "data"

    @property
    def environment(self) -> dict[str, str]:
        """What a command of this household sees; nothing of this machine's own settings."""
        return {
            **outer_environment(),
            "CPH50_SOURCE": "chargepoint",
            "CPH50_CHARGEPOINT_DISCOVERY_URL": self.simulator.discovery_url,
            "CPH50_CHARGEPOINT_USERNAME": self.simulator.account.username,
            "CPH50_CHARGEPOINT_PASSWORD": self.simulator.account.password,
            "CPH50_DATA_DIR": str(self.data),
            "CPH50_HISTORY_START": self.history_start,
            "CPH50_PUBLISH": "local",
            "CPH50_SAMPLE_COUNT": "1",
        }

    def cph50(self, *arguments: str) -> str:
        """Run a `cph50` command and return what it printed."""
        return run_command(self._command(arguments), self.environment, self.folder).stdout

    def seconds_of_cph50(self, *arguments: str) -> float:
        """How long a `cph50` command takes."""
        return seconds_of(self._command(arguments), self.environment, self.folder)

    def backfill(self, months: int) -> list[str]:
        """The arguments that backfill the last so many months that are over."""
        first, last = ended_months(months)
        return ["backfill", "--from", first, "--to", last]

    def renew_request_budget(self) -> None:
        """Forget the requests so far, as half an hour of quiet would."""
        (self.data / "private" / BUDGET_FILE).unlink(missing_ok=True)

    def contents(self) -> dict[str, str]:
        """The hash of every file that a person would see, by path."""
        return {
            str(path.relative_to(self.data)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.data.rglob("*"))
            if path.is_file() and not {"private", ".git"} & set(path.relative_to(self.data).parts)
        }

    def commits(self) -> int:
        """How many commits the data root's repository has."""
        return int(git(self.data, "rev-list", "--count", "HEAD"))

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "cph50_pipeline", *arguments]


class PastHousehold(Household):
    """The simulated household until yesterday; from then on only what is plugged in by hand happens."""

    def sessions_on(self, day: date) -> tuple[PlannedSession, ...]:
        """The sessions that start on a civil day."""
        yesterday = local_date(datetime.now(UTC), self.zone) - timedelta(days=1)
        return super().sessions_on(day) if day < yesterday else ()


@contextmanager
def scratch_home(history_months: int) -> Iterator[Home]:
    """A household with so many months of history before the current one, gone afterwards."""
    start = shift_month(current_month(), -history_months)
    year, month = map(int, start.split("-"))
    household = PastHousehold(Settings().simulator_seed, ZONE, history_start=date(year, month, 1))
    with (
        tempfile.TemporaryDirectory(prefix="cph50-bench-") as folder,
        RunningSimulator(household) as simulator,
    ):
        yield Home(Path(folder), simulator, start)


def outer_environment() -> dict[str, str]:
    """What every measured process sees of this one; `bench` can be imported there."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "DAGSTER_DISABLE_TELEMETRY": "yes"}


def current_month() -> str:
    """The present month in the household's zone."""
    return month_of(datetime.now(UTC), ZONE)


def ended_months(months: int) -> tuple[str, str]:
    """The first and the last of so many months that are over."""
    last = shift_month(current_month(), -1)
    return shift_month(last, 1 - months), last


def sessions_of(home: Home, months: int) -> int:
    """How many sessions the months that are over have."""
    from cph50_pipeline.defs.month_files import ACTIVITY
    from cph50_pipeline.defs.store import Store

    store = Store.of(Settings(data_dir=str(home.data)))
    first, last = ended_months(months)
    return sum(len(store.need_month(ACTIVITY, month).sessions) for month in month_range(first, last))


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
