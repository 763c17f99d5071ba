"""One evaluation of sensors and due schedules, with their runs, in this process: for cron and GitHub Actions.

Honours Dagster's own toggles. Where a daemon is alive it does nothing, because the daemon does it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from cph50_pipeline.definitions import build_defs
from cph50_pipeline.defs.dead_runs import sweep_dead_runs
from cph50_pipeline.defs.instance import has_live_daemon
from cph50_pipeline.defs.launch import Launch, Outcome, launch
from cph50_pipeline.defs.resources import ChargePoint, HomeAssistant
from cph50_pipeline.defs.schedules import build_schedules
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error, LockedError
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.files import DataRoot

MEMORY_FILE = "tick.json"
FIRST_LOOK_BACK = timedelta(hours=1)
"""How far back the very first tick looks for a due schedule."""


@dataclass(frozen=True)
class Ticked:
    """What one sensor or schedule did: its name, what it said, the runs that followed, and whether it failed."""

    name: str
    said: str
    outcomes: list[Outcome]
    failed: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether it and all of its runs went well."""
        return not self.failed and all(outcome.succeeded for outcome in self.outcomes)


def tick(
    instance: dg.DagsterInstance, settings: Settings, now: datetime, say: Callable[[str], None]
) -> list[Ticked]:
    """Evaluate every sensor and every schedule that is due and switched on, and run what they ask for."""
    if has_live_daemon(instance):
        return [Ticked("daemon", "Dagster's daemon is running and does this by itself", [])]
    store = Store.of(settings)
    try:
        with store.locks.collector():
            return _tick(instance, settings, store, now, say)
    except LockedError as error:
        return [Ticked("tick", f"Another tick is at work and does this: {error.message}", [])]


def _tick(
    instance: dg.DagsterInstance,
    settings: Settings,
    store: Store,
    now: datetime,
    say: Callable[[str], None],
) -> list[Ticked]:
    sweep_dead_runs(instance, store.locks, dg.get_dagster_logger())
    memory = DataRoot(str(settings.private_dir))
    kept = _remembered(memory)
    done = [*_sensors(instance, settings, kept, say), *_schedules(instance, settings, kept, now, say)]
    kept["at"] = now.timestamp()
    memory.write(MEMORY_FILE, json.dumps(kept, sort_keys=True).encode())
    return done


def _remembered(memory: DataRoot) -> dict[str, object]:
    try:
        kept = json.loads(memory.read(MEMORY_FILE) or b"{}")
    except ValueError:
        kept = None
    return kept if isinstance(kept, dict) else {}  # damaged: as if this were the first tick


def _sensors(
    instance: dg.DagsterInstance, settings: Settings, kept: dict[str, object], say: Callable[[str], None]
) -> Iterator[Ticked]:
    definitions = build_defs(settings)
    for sensor in sorted(definitions.sensors or [], key=lambda s: s.name):
        if not is_on(instance, sensor.name):
            yield Ticked(sensor.name, "switched off", [])
            continue
        cursors = kept.setdefault("cursors", {})
        assert isinstance(cursors, dict)
        context = dg.build_sensor_context(
            instance=instance,
            cursor=cursors.get(sensor.name),
            sensor_name=sensor.name,
            definitions=definitions,
            resources={
                "chargepoint": ChargePoint.of(settings),
                "home_assistant": HomeAssistant.of(settings),
            },
        )
        try:
            result = sensor.evaluate_tick(context)
        except Cph50Error as error:  # the others have their turn all the same
            yield Ticked(sensor.name, str(error), [], failed=True)
            continue
        cursors[sensor.name] = result.cursor
        for event in result.asset_events:
            if isinstance(event, dg.AssetMaterialization | dg.AssetCheckEvaluation):
                instance.report_runless_asset_event(event)
        requests = list(result.run_requests or [])
        outcomes = [_run(instance, settings, r.job_name or str(sensor.job_name), r, say) for r in requests]
        yield Ticked(sensor.name, result.skip_message or f"{len(requests)} run(s)", outcomes)


def _schedules(
    instance: dg.DagsterInstance,
    settings: Settings,
    kept: dict[str, object],
    now: datetime,
    say: Callable[[str], None],
) -> Iterator[Ticked]:
    last = kept.get("at")
    since = datetime.fromtimestamp(last, tz=UTC) if isinstance(last, int | float) else now - FIRST_LOOK_BACK
    repository = build_defs(settings).get_repository_def()
    for schedule in build_schedules(settings):
        zone = ZoneInfo(schedule.execution_timezone or "UTC")
        due = latest_due(str(schedule.cron_schedule), since, now, zone)
        if due is None or not is_on(instance, schedule.name):
            continue
        context = dg.build_schedule_context(
            instance=instance, scheduled_execution_time=due, repository_def=repository
        )
        requests = list(schedule.evaluate_tick(context).run_requests or [])
        outcomes = [_run(instance, settings, schedule.job_name, r, say) for r in requests]
        yield Ticked(schedule.name, f"due at {due:%Y-%m-%d %H:%M} UTC", outcomes)


def latest_due(cron: str, since: datetime, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The newest time of a cron line in a zone, after `since` and not after `now`; older ones are caught up with it."""
    from cronsim import CronSim

    due = None
    for at in CronSim(cron, since.astimezone(zone)):
        if at > now:
            break
        due = at
    return None if due is None else due.astimezone(UTC)


def is_on(instance: dg.DagsterInstance, name: str) -> bool:
    """Whether nobody has switched a sensor or schedule off."""
    states = [state for state in instance.all_instigator_state() if state.instigator_name == name]
    return all(state.is_running for state in states)


def _run(
    instance: dg.DagsterInstance,
    settings: Settings,
    job: str,
    request: dg.RunRequest,
    say: Callable[[str], None],
) -> Outcome:
    months = [request.partition_key] if request.partition_key else []
    say(f"{job} {' '.join(months)}".strip())
    wanted = Launch(job, months, run_config=request.run_config, tags=request.tags)
    return launch(instance, settings, wanted, say)
