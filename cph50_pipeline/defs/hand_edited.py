"""The sensor that watches the files people edit: labels and vehicles. By content, not by date."""

import hashlib
from collections.abc import Mapping

import dagster as dg
from dagster import RunsFilter

from cph50_pipeline.defs.assets.external import VEHICLE_LABELS
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, Job
from cph50_pipeline.defs.month_files import SAMPLES
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
        current = reference_hash(store)
        if context.instance.get_run_records(filters=RunsFilter(tags={HASH_TAG: current}), limit=1):
            return dg.SkipReason("Labels and vehicles are as they were when sessions were last named")
        return dg.SensorResult(
            run_requests=[_request(months, current)],
            asset_events=[dg.AssetMaterialization(VEHICLE_LABELS, metadata={"content": current})],
        )

    return hand_edited_sensor


def _request(months: list[str], content: str) -> dg.RunRequest:
    return dg.RunRequest(
        tags={
            HASH_TAG: content,
            "dagster/asset_partition_range_start": months[0],
            "dagster/asset_partition_range_end": months[-1],
        }
    )
