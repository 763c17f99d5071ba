"""The sensor that asks for a training when people said something else than was learned from last. By content.

Level-triggered: the newest training says what it was learned from, and which labelled sessions it could not use yet.
A candidate that the gate refused is not tried again until the labels differ.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime

import dagster as dg

from cph50_pipeline.charging.model import Session
from cph50_pipeline.charging.watching import may_start
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.jobs import TRAINING_JOB, Job
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.month_files import SAMPLES
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.training_inputs import TrainingInputs
from cph50_pipeline.defs.training_record import last_training
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings

EVERY_SECONDS = 60
# Looked through at most; from the log's beginning on, the newest of every month are among them.
NEWEST_RECORDS = 1000
LEARNED = "The cars were learned from the labels as they are"
REFUSED = "What was learned from the labels as they are was refused; it is learned anew when they change"
LEARNED_FROM_TAG = "cph50/learned_from"


def build_training_sensor(settings: Settings, jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    """The sensor of what the cars are learned from, running by default."""

    @dg.sensor(
        name="training_sensor",
        job=jobs[TRAINING_JOB],
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Labels, or the days of cars, are other than the cars were learned from: learn them anew.",
    )
    @pauses(settings)
    def training_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        store = Store.of(settings)
        try:
            inputs = TrainingInputs.of(store)
        except BadInputError as error:
            return dg.SkipReason(f"{error} The cars stay as they were learned.")
        last = last_training(context.instance)
        if last.inputs is None and not inputs.labels.truths():
            return dg.SkipReason("Nobody has labelled a session yet")
        seen = int(context.cursor or 0)
        made = _made_since(context.instance, seen)
        if inputs.digest == last.inputs and not _has_come(store, last.waiting, made.keys()):
            said = dg.SkipReason(REFUSED if last.objections else LEARNED)
            return dg.SensorResult(skip_reason=said, cursor=str(max(made.values(), default=seen)))
        tags = {LEARNED_FROM_TAG: inputs.digest}
        if not may_start(attempts(context.instance, tags), datetime.now(UTC)):
            return dg.SkipReason("The cars are being learned, or that failed and is tried again")
        return dg.SensorResult(run_requests=[dg.RunRequest(tags=tags)])

    return training_sensor


def _made_since(instance: dg.DagsterInstance, storage_id: int) -> dict[str, int]:
    """The months whose samples were made after a place in Dagster's log, each with its own place."""
    wanted = dg.AssetRecordsFilter(dg.AssetKey(SAMPLES.asset), after_storage_id=storage_id)
    records = instance.fetch_materializations(wanted, limit=NEWEST_RECORDS).records
    return {record.partition_key: record.storage_id for record in reversed(records) if record.partition_key}


def _has_come(store: Store, waiting: Collection[str], months: Iterable[str]) -> bool:
    """Whether one of these months has a session that was waited for and has ended."""
    return bool(waiting) and any(
        session.session_id in waiting and not session.is_open
        for month in months
        for session in _sessions(store, month)
    )


def _sessions(store: Store, month: str) -> list[Session]:
    try:
        return store.sessions(month)
    except BadInputError:
        return []  # whoever reads the month says what is wrong with it
