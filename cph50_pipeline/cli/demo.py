"""The demo: charging and power on the embedded simulator, four months of a household, in a repository of its own."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE as UNKNOWN
from cph50_pipeline.civil_time import month_bounds, month_of, month_range, shift_month
from cph50_pipeline.errors import PermanentError
from cph50_pipeline.settings import PublishMode, Settings, Source, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.store import Store
    from cph50_pipeline.simulator.sessions import PlannedSession

DEMO_ROOT = ".cph50/demo/data"
MONTHS = 4
LABELS_A_CAR = 12


@dataclass(frozen=True)
class DemoSummary:
    """What the demo made."""

    months: list[str]
    sessions: int
    energy_kwh: float
    vehicles: dict[str, int]
    unknown: int
    cost: float
    house_kwh: float
    files: int
    commits: int
    seconds: float
    data_root: str

    def rows(self) -> dict[str, Any]:
        """The summary as name and value, in reading order."""
        return {
            "months": f"{self.months[0]} to {self.months[-1]}",
            "sessions": self.sessions,
            "energy kWh": round(self.energy_kwh, 1),
            "vehicles found": ", ".join(f"{name} {count}" for name, count in self.vehicles.items()),
            "unknown": self.unknown,
            "cost USD": round(self.cost, 2),
            "house kWh": round(self.house_kwh, 1),
            "files": self.files,
            "commits": self.commits,
            "seconds": round(self.seconds, 1),
        }

    def next_steps(self) -> list[str]:
        """What to open next."""
        return [
            f"the pages, on http://localhost:8000: CPH50_DATA_DIR={self.data_root} .venv/bin/cph50 serve",
            f"{self.data_root}/session_cache/{self.months[-2]}.json   a month of sessions",
            f"{self.data_root}/power/monthly.json   what the house drew, by day",
            f"git -C {self.data_root} log --stat   what each run changed",
            "make dev   Dagster's UI on http://localhost:3000, with a car that plugs in",
        ]


def run_demo(say: Callable[[str], None]) -> DemoSummary:
    """Make the demo's data root and run the main job on it.

    Raises:
        PermanentError: the job failed; names the step.
    """
    started = time.monotonic()
    os.environ.pop("DAGSTER_HOME", None)  # the demo's runs belong to the demo
    now = datetime.now(UTC)
    settings = _demo_settings(now)
    months = month_range(settings.history_start, month_of(now, settings.zone))
    say(f"Simulating {months[0]} to {months[-1]} in {DEMO_ROOT}")
    _label_first_sessions(settings, months, now)
    _run(settings, months, say)
    return _summarize(settings, months, time.monotonic() - started)


def _demo_settings(now: datetime) -> Settings:
    zone = load_settings().zone
    return load_settings(
        source=Source.SIMULATOR,
        data_dir=DEMO_ROOT,
        state_dir=None,
        chargepoint_discovery_url=None,
        history_start=shift_month(month_of(now, zone), 1 - MONTHS),
        publish=PublishMode.LOCAL,
    )


def _label_first_sessions(settings: Settings, months: list[str], now: datetime) -> None:
    """Labels of the first weeks, as a person would have made them: enough for a release without a person's word."""
    from cph50_pipeline.defs.store import LABELS_FILE, Store
    from cph50_pipeline.simulator.household import Household
    from cph50_pipeline.vehicles.labels import Label, LabelMap

    store = Store.of(settings)
    if store.root.read(LABELS_FILE) is not None:
        return
    start, _ = month_bounds(months[0], settings.zone)
    chosen: dict[str, list[PlannedSession]] = defaultdict(list)
    for session in Household(settings.simulator_seed, settings.zone).sessions_between(start, now):
        is_telling = session.kind == "scheduled" and not session.quirks.late_seconds
        if is_telling and len(chosen[session.car.vehicle_id]) < LABELS_A_CAR:
            chosen[session.car.vehicle_id].append(session)
    labels = {
        str(session.session_id): Label(vehicle_id=car, labeled_by="demo", labeled_at=session.end)
        for car, sessions in chosen.items()
        for session in sessions
    }
    store.write_document(LABELS_FILE, LabelMap(labels).document())


def _run(settings: Settings, months: list[str], say: Callable[[str], None]) -> None:
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.jobs import CHARGING_JOB, POWER_JOB
    from cph50_pipeline.defs.launch import Launch, launch

    with open_instance(settings) as instance:
        for job in (CHARGING_JOB, POWER_JOB):
            outcome = launch(instance, settings, Launch(job, months), say)
            if not outcome.succeeded:
                raise PermanentError(
                    f"The demo's run {outcome.run_id} of {job} failed: {'; '.join(outcome.failures)}",
                    remedy=f"Remove {DEMO_ROOT} and try again",
                )


def _summarize(settings: Settings, months: list[str], seconds: float) -> DemoSummary:
    from cph50_pipeline.charging.cache import CacheRecord
    from cph50_pipeline.defs.month_files import CACHE
    from cph50_pipeline.defs.store import Store

    store = Store.of(settings)
    records: list[CacheRecord] = [record for month in months for record in store.need_month(CACHE, month)]
    found = Counter(record.vehicle_id for record in records)
    return DemoSummary(
        months=months,
        sessions=len(records),
        energy_kwh=sum(record.energy_kwh for record in records),
        vehicles={name: found[name] for name in sorted(found) if name != UNKNOWN},
        unknown=found[UNKNOWN],
        cost=sum(record.session.cost or 0.0 for record in records),
        house_kwh=_house_kwh(store, settings, months),
        files=len(store.root.list()),
        commits=_count_commits(Path(settings.data_root)),
        seconds=seconds,
        data_root=DEMO_ROOT,
    )


def _house_kwh(store: Store, settings: Settings, months: list[str]) -> float:
    """What the house drew in these months."""
    import pyarrow.compute as pc

    from cph50_pipeline.defs.month_files import ROLLUPS

    main = store.meters(settings.power_interval_seconds).main_power
    chosen = (pc.field("meter") == main) & (pc.field("resolution") == "day")
    drawn = (store.need_month(ROLLUPS, month).filter(chosen)["energy_kwh"] for month in months)
    return sum(float(pc.sum(column).as_py() or 0.0) for column in drawn)


def _count_commits(folder: Path) -> int:
    counted = subprocess.run(
        ["git", "-C", str(folder), "rev-list", "--count", "HEAD"], capture_output=True, text=True, check=False
    )
    return int(counted.stdout) if counted.returncode == 0 else 0
