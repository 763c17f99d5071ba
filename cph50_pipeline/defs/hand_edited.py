"""The sensor that watches the files people edit: labels and vehicles. By content, not by date."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.charging.watching import may_start
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.assets.external import VEHICLE_LABELS
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, Job
from cph50_pipeline.defs.month_files import SAMPLES
from cph50_pipeline.defs.partitions import FIRST_MONTH_TAG, LAST_MONTH_TAG
from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE, Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings

EVERY_SECONDS = 60
HASH_TAG = "cph50/reference_hash"


def reference_hash(store: Store) -> str:
    """A hash of the hand-edited files' bytes; changes when, and only when, one of them does."""
    digest = hashlib.sha256()
    for path in (LABELS_FILE, VEHICLES_FILE):
        data = store.root.read(path)
        digest.update(b"absent" if data is None else hashlib.sha256(data).digest())
    return digest.hexdigest()[:16]


def build_hand_edited_sensor(settings: Settings, jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    """The sensor of labels and vehicles, running by default."""

    @dg.sensor(
        name="hand_edited_sensor",
        job=jobs[ATTRIBUTION_JOB],
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Labels or vehicles were edited: learn the cars again and name the sessions of all months.",
    )
    def hand_edited_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        store = Store.of(settings)
        months = [month for month in store.stored_months(SAMPLES) if month >= settings.history_start]
        if not months or (store.root.read(LABELS_FILE) is None and store.root.read(VEHICLES_FILE) is None):
            return dg.SkipReason("There are no sessions to name yet, or nothing was edited")
        try:
            store.labels()
        except BadInputError as error:
            return dg.SkipReason(f"{error} The labels in force stay in force.")
        requests = _due(context.instance, months, reference_hash(store))
        if not requests:
            return dg.SkipReason(
                "Sessions are named by labels and vehicles as they are, or a run is about to"
            )
        return dg.SensorResult(
            run_requests=requests,
            asset_events=[
                dg.AssetMaterialization(VEHICLE_LABELS, metadata={"content": requests[0].tags[HASH_TAG]})
            ],
        )

    return hand_edited_sensor


def _due(instance: dg.DagsterInstance, months: list[str], content: str) -> list[dg.RunRequest]:
    """A run for each span of months without a gap that no run has named by this content yet."""
    requests = []
    for first, last in _spans(months):
        earlier = attempts(instance, {HASH_TAG: content, FIRST_MONTH_TAG: first})
        if _content_in_force(instance, first) != content and may_start(earlier, datetime.now(UTC)):
            tags = {HASH_TAG: content, FIRST_MONTH_TAG: first, LAST_MONTH_TAG: last}
            requests.append(dg.RunRequest(tags=tags))
    return requests


def _content_in_force(instance: dg.DagsterInstance, first_month: str) -> str | None:
    """The content by which the months were last named; an edit taken back is an edit, too."""
    last_named = RunsFilter(
        job_name=ATTRIBUTION_JOB,
        statuses=[DagsterRunStatus.SUCCESS],
        tags={FIRST_MONTH_TAG: first_month},
    )
    records = instance.get_run_records(filters=last_named, limit=1)
    return records[0].dagster_run.tags.get(HASH_TAG) if records else None


def _spans(months: list[str]) -> list[tuple[str, str]]:
    spans: list[tuple[str, str]] = []
    for month in months:
        if spans and shift_month(spans[-1][1], 1) == month:
            spans[-1] = (spans[-1][0], month)
        else:
            spans.append((month, month))
    return spans
