"""Households for the tests of the Dagster shell: settings on a folder, a simulated charger, an instance, runs.

The clock of the tests stands at `NOW` and ticks; the simulator's clock stands still there until it is moved.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from cph50_pipeline.definitions import build_defs
from cph50_pipeline.defs.jobs import CHARGING_JOB, update_run_config
from cph50_pipeline.defs.launch import Launch
from cph50_pipeline.defs.resources import ChargePoint, HomeAssistant
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline.http.retry import RetryPolicy
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.sources.chargepoint import ChargePointClient
from cph50_pipeline.sources.connection import Limits
from cph50_pipeline.storage.files import DataRoot

NOW = datetime(2026, 1, 20, 18, 0, tzinfo=UTC)
MONTHS = ["2025-11", "2025-12", "2026-01"]
EMBER = "ember_hatch_2023"
TIDE = "tide_suv_2024"
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
# The polite budget would make the tests wait for minutes; it has tests of its own.
QUICK = Limits(
    timeout_seconds=2.0,
    requests_per_minute=60_000,
    burst=10_000,
    retry=RetryPolicy(attempts=2, first_wait_seconds=0.001),
)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Let this process's clock start at an instant; it goes on ticking."""
    with time_machine.travel(instant, tick=True):
        yield


@lru_cache(maxsize=64)
def _quick_client(url: str, username: str, password: str, state_dir: str, privacy: str) -> ChargePointClient:
    return ChargePointClient(
        discovery_url=url,
        username=username,
        password=password,
        state_dir=Path(state_dir),
        privacy=privacy,
        limits=QUICK,
    )


class QuickChargePoint(ChargePoint):
    """The charger without the polite budget."""

    def client(self) -> ChargePointClient:
        assert self.discovery_url is not None
        assert self.password is not None
        return _quick_client(self.discovery_url, self.username, self.password, self.state_dir, self.privacy)


@dataclass
class Home:
    """One household: where its files are, its charger, and what Dagster knows of it."""

    settings: Settings
    simulator: RunningSimulator
    instance: dg.DagsterInstance

    @property
    def folder(self) -> Path:
        """The data root."""
        return Path(self.settings.data_root)

    @property
    def chargepoint(self) -> QuickChargePoint:
        """The charger as a resource."""
        return QuickChargePoint(
            discovery_url=self.simulator.discovery_url,
            username=self.simulator.account.username,
            password=self.simulator.account.password,
            state_dir=str(self.settings.private_dir),
            sample_count=self.settings.sample_count,
            sample_interval_seconds=self.settings.sample_interval_seconds,
        )

    @cached_property
    def defs(self) -> dg.Definitions:
        """The household's definitions."""
        return build_defs(self.settings, {"chargepoint": self.chargepoint})

    def store(self) -> Store:
        """A store that holds no lock."""
        return Store.of(self.settings)

    def run(
        self,
        months: Sequence[str],
        config: UpdateConfig | None = None,
        job: str = CHARGING_JOB,
        only: Sequence[str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Run a job for months in this process; how it ended is for the caller to judge.

        Args:
            only: The assets to make, without their checks; the whole job when None.
        """
        return self._execute(
            Launch(job, months, {} if config is None else update_run_config(config), tags),
            None if only is None else [dg.AssetKey(asset) for asset in only],
        )

    def run_request(
        self, request: dg.RunRequest, default_job: str | None = None
    ) -> dg.ExecuteInProcessResult:
        """Run what a sensor or schedule asked for."""
        job = request.job_name or default_job
        assert job is not None
        months = [request.partition_key] if request.partition_key else []
        return self._execute(Launch(job, months, request.run_config, request.tags), None)

    def _execute(self, wanted: Launch, only: list[dg.AssetKey] | None) -> dg.ExecuteInProcessResult:
        return self.defs.resolve_job_def(wanted.job).execute_in_process(
            instance=self.instance,
            run_config={**(wanted.run_config or {}), **QUIET},
            tags=wanted.all_tags(),
            asset_selection=only,
            raise_on_error=False,
        )

    def evaluate(self, sensor: str, cursor: str | None = None, chargepoint: ChargePoint | None = None) -> Any:
        """One tick of a sensor: what the daemon would see of it."""
        context = dg.build_sensor_context(
            instance=self.instance,
            cursor=cursor,
            sensor_name=sensor,
            definitions=self.defs,
            resources={
                "chargepoint": chargepoint or self.chargepoint,
                "home_assistant": (self.defs.resources or {})["home_assistant"],
            },
        )
        return self.defs.get_sensor_def(sensor).evaluate_tick(context)

    def json(self, path: str) -> Any:
        """A JSON file of the data root."""
        return json.loads((self.folder / path).read_text())

    def files(self) -> dict[str, bytes]:
        """Every file that may be published, by relative path."""
        return {path: self.store().root.read(path) or b"" for path in self.store().root.list()}

    def git(self, *arguments: str) -> str:
        """What git prints about the data root."""
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def commit_count(self) -> int:
        """How many commits the data repository has."""
        if not (self.folder / ".git").exists():
            return 0
        return int(self.git("rev-list", "--count", "--all"))


MakeHome = Callable[..., Home]
"""Makes a household with other settings."""


def settings_for(folder: Path, simulator: RunningSimulator, **changes: Any) -> Settings:
    """Settings of a household in a folder."""
    values: dict[str, Any] = {
        "source": "simulator",
        "data_dir": str(folder),
        "chargepoint_discovery_url": simulator.discovery_url,
        "history_start": MONTHS[0],
        "publish": "local",
        "sample_count": 3,
        "sample_interval_seconds": 0.01,
        **changes,
    }
    return Settings(**values)


def with_house(home: Home, *, is_there: bool) -> Home:
    """The household with the simulator's Home Assistant, or with none."""
    simulator = home.simulator
    resource = HomeAssistant(
        url=simulator.home_assistant_url if is_there else None,
        token=simulator.home_assistant_token if is_there else None,
        state_dir=str(home.settings.private_dir),
    )
    home.__dict__["defs"] = build_defs(
        home.settings, {"chargepoint": home.chargepoint, "home_assistant": resource}
    )
    return home


class Killed(BaseException):
    """Stands for the end of the process."""


def die_before(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process end before it writes or removes its file number `step`."""
    counted = count(1)

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any) -> Any:
            if next(counted) == step:
                raise Killed
            return real(*arguments)

        return act

    for name in ("write", "remove"):
        monkeypatch.setattr(DataRoot, name, dying(getattr(DataRoot, name)))


def copy_home(template: Path, folder: Path) -> None:
    """A household's files, its repository included, in another folder."""
    shutil.copytree(template, folder, dirs_exist_ok=True)


def failure_texts(result: dg.ExecuteInProcessResult) -> list[str]:
    """What each failed step said."""
    texts = []
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            described = data.user_failure_data.description if data.user_failure_data else None
            raised = data.error.cause or data.error if data.error else None
            texts.append(described or (raised.message if raised else ""))
    return texts


def log_lines(home: Home, run_id: str) -> list[str]:
    """What a run said, resources included."""
    return [entry.user_message for entry in home.instance.all_logs(run_id) if entry.dagster_event is None]


def materializations(instance: dg.DagsterInstance, asset: str, month: str | None = None) -> list[Any]:
    """The materializations of an asset, newest first."""
    wanted = dg.AssetRecordsFilter(
        asset_key=dg.AssetKey(asset), asset_partitions=None if month is None else [month]
    )
    records = instance.fetch_materializations(wanted, limit=100).records
    return [record.asset_materialization for record in records]
