"""One new session, from the sensor's tick to the commit: against an empty run, and with a long history.

How long a run waits in the queue is chance: Dagster looks into it every five seconds, and whether a sensor asks just
before or just after decides. So both sides are given the same wait, the median of all that were seen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunsFilter

from bench.daemons import EMPTY_LOCATION, OUR_LOCATION, daemon, instance_of, wait_for
from bench.empty_location import ONE_JOB, TRIGGER_SENSOR, TRIGGER_VARIABLE
from bench.history import add_session_files
from bench.homes import Home, current_month, outer_environment, scratch_home
from bench.row import Effort, Row
from bench.timing import Compared, spread
from cph50_pipeline.defs.assets.external import PUBLICATION
from cph50_pipeline.defs.sensors import PURPOSE_TAG, SESSION_TAG

LIMIT = 2.0
HISTORY_LIMIT = 1.2
SHORT_HISTORY_MONTHS = 12
LONG_HISTORY_MONTHS = 120
CAR = "ember_hatch_2023"
CHARGER_SENSOR = "charger_sensor"
TICKS_LOOKED_AT = 50
FINISHED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


@dataclass(frozen=True, slots=True)
class Trip:
    """What passed between a tick and the end of what it started.

    Attributes:
        worked: Seconds, the wait in the queue left out.
        queued: Seconds in the queue.
    """

    worked: float
    queued: float


Travel = Callable[[], Trip]


def measure(effort: Effort) -> Row:
    """A session of our household against a run of one empty asset, both started by a sensor."""
    with ExitStack() as stack:
        ours, empty = _household(stack, SHORT_HISTORY_MONTHS), _empty(stack)
        trips = [(ours(), empty()) for _ in range(effort.times(5, 3))]
    return _row("session", LIMIT, "a sensor-triggered run of one empty asset", trips)


def measure_history(effort: Effort) -> Row:
    """A session after ten years against a session after one."""
    with ExitStack() as stack:
        long, short = _household(stack, LONG_HISTORY_MONTHS), _household(stack, SHORT_HISTORY_MONTHS)
        trips = [(long(), short()) for _ in range(effort.times(5, 3))]
    return _row("history", HISTORY_LIMIT, "the same with 1 year of history", trips)


def _row(name: str, limit: float, alternative: str, trips: Sequence[tuple[Trip, Trip]]) -> Row:
    queued = [trip.queued for pair in trips for trip in pair]
    wait = median(queued)
    worked = Compared([ours.worked for ours, _ in trips], [theirs.worked for _, theirs in trips])
    ratio = (worked.our_median + wait) / (worked.their_median + wait)
    detail = f"{worked.describe()}, without the queue ({worked.ratio:.2f} x); queue {spread(queued)}"
    return Row(name, ratio, limit, "x", alternative, detail)


@dataclass(frozen=True)
class Watched:
    """A household under a live daemon."""

    home: Home
    instance: dg.DagsterInstance

    def collect(self) -> Trip:
        """Plug a car in; from the tick that saw it to the commit of its collection."""
        session = self.home.simulator.plug_in(CAR, minutes=1)
        session_id = str(session.session_id)
        run = self._finished("collection", session_id)
        trip = trip_of(self.instance, CHARGER_SENSOR, run, self._committed_at(run.dagster_run.run_id))
        self.home.simulator.clock.advance(timedelta(minutes=2))  # the car leaves
        self._finished("completion", session_id)
        self.home.renew_request_budget()
        return trip

    def _finished(self, purpose: str, session_id: str) -> dg.RunRecord:
        tags = {PURPOSE_TAG: purpose, SESSION_TAG: session_id}
        return finished(self.instance, RunsFilter(tags=tags), f"the {purpose} of a session", self.home.folder)

    def _committed_at(self, run_id: str) -> float:
        for record in self.instance.fetch_materializations(PUBLICATION, limit=5).records:
            found = record.asset_materialization
            if found is not None and run_id in str(found.metadata["message"].value):
                return record.timestamp
        raise RuntimeError(f"Run {run_id} made no commit")


def trip_of(instance: dg.DagsterInstance, sensor: str, run: dg.RunRecord, ended_at: float) -> Trip:
    """From the tick that asked for a run to `ended_at` (Unix s)."""
    at = {
        event: next(entry.timestamp for entry in instance.all_logs(run.dagster_run.run_id, of_type=event))
        for event in (DagsterEventType.PIPELINE_ENQUEUED, DagsterEventType.PIPELINE_STARTING)
    }
    queued = at[DagsterEventType.PIPELINE_STARTING] - at[DagsterEventType.PIPELINE_ENQUEUED]
    return Trip(ended_at - tick_of(instance, sensor, run) - queued, queued)


def tick_of(instance: dg.DagsterInstance, sensor: str, run: dg.RunRecord) -> float:
    """When (Unix s) the sensor's tick began that asked for a run."""
    for state in instance.all_instigator_state():
        if state.instigator_name == sensor:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=TICKS_LOOKED_AT)
            return next(tick.timestamp for tick in ticks if run.dagster_run.run_id in tick.run_ids)
    raise RuntimeError(f"{sensor} has not ticked")


def finished(instance: dg.DagsterInstance, wanted: RunsFilter, what: str, folder: Path) -> dg.RunRecord:
    """The newest wanted run, once there is one and it has ended.

    Raises:
        RuntimeError: it failed, or never came.
    """

    def look() -> dg.RunRecord | None:
        records = instance.get_run_records(wanted, limit=1)
        return records[0] if records and records[0].dagster_run.status in FINISHED else None

    record = wait_for(look, what, folder=folder)
    if not record.dagster_run.is_success:
        raise RuntimeError(f"{what} ended as {record.dagster_run.status.value}")
    return record


def _household(stack: ExitStack, months: int) -> Travel:
    """A household with a history up to today, watched by a daemon; a session is made once before it counts."""
    home = stack.enter_context(scratch_home(months))
    home.cph50("backfill", "--from", home.history_start, "--to", current_month())
    add_session_files(home)
    instance = stack.enter_context(instance_of(home.data))
    stack.enter_context(daemon(OUR_LOCATION, instance, home.environment, home.folder))
    watched = Watched(home, instance)
    home.renew_request_budget()
    watched.collect()
    return watched.collect


def _empty(stack: ExitStack) -> Travel:
    """The empty location under a daemon of its own, on the same profile."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cph50-bench-")))
    trigger = folder / "trigger"
    instance = stack.enter_context(instance_of(folder / "data"))
    environment = {**outer_environment(), TRIGGER_VARIABLE: str(trigger)}
    stack.enter_context(daemon(EMPTY_LOCATION, instance, environment, folder))

    def run_empty() -> Trip:
        known = {record.dagster_run.run_id for record in instance.get_run_records()}
        trigger.touch()

        def look() -> dg.RunRecord | None:
            records = instance.get_run_records(RunsFilter(job_name=ONE_JOB, statuses=FINISHED), limit=1)
            return records[0] if records and records[0].dagster_run.run_id not in known else None

        run = wait_for(look, "the empty run", folder=folder)
        if run.end_time is None:
            raise RuntimeError("The empty run has no end")
        return trip_of(instance, TRIGGER_SENSOR, run, run.end_time)

    run_empty()
    return run_empty
