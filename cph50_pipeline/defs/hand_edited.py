"""The sensor of what sessions are named by: labels, cars, the released model. By content, not by date.

Level-triggered: each month's newest materialization says by what it was named, and a month for which that is not what
the files say now is named again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from cph50_pipeline.defs.assets.external import VEHICLE_LABELS
from cph50_pipeline.defs.attribution_inputs import AttributionInputs, digest_of
from cph50_pipeline.defs.due_months import (
    Due,
    Made,
    in_hand,
    inputs_of,
    newest_by_month,
    newest_made,
    requests,
)
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, Job
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.month_files import CACHE, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE, VEHICLES_FILE, Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings

EVERY_SECONDS = 60
IN_FORCE = "Sessions are named by labels, cars and model as they are"


def build_hand_edited_sensor(settings: Settings, jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    """The sensor of labels, cars and model, running by default."""

    @dg.sensor(
        name="hand_edited_sensor",
        job=jobs[ATTRIBUTION_JOB],
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Labels or cars were edited, or a model released: name the sessions of the months concerned.",
    )
    @pauses(settings)
    def hand_edited_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        store = Store.of(settings)
        months = [month for month in store.stored_months(SAMPLES) if month >= settings.history_start]
        if not months:
            return dg.SkipReason("There are no sessions to name yet")
        seen = _fingerprint(context.instance, store, months)
        if seen == context.cursor:
            return dg.SkipReason(IN_FORCE)
        try:
            inputs = AttributionInputs.of(store)
        except BadInputError as error:
            return dg.SkipReason(f"{error} The cars in force stay in force.")
        named = newest_made(context.instance, CLASSIFICATIONS.asset)
        due = _due(context.instance, store, inputs, months, named)
        left_alone = in_hand(context.instance, ATTRIBUTION_JOB, named)
        mine = [one for one in due if one[0] not in left_alone]
        wanted = list(requests(context.instance, mine, datetime.now(UTC)))
        waiting = f"{due[0][0]} is due: a run is naming it, or failed and is tried again" if due else None
        return dg.SensorResult(
            run_requests=wanted,
            skip_reason=None if wanted else dg.SkipReason(waiting or IN_FORCE),
            cursor=context.cursor if due else seen,
            asset_events=label_events(context.instance, store),
        )

    return hand_edited_sensor


def _fingerprint(instance: dg.DagsterInstance, store: Store, months: Sequence[str]) -> str:
    """Changes with the files, the stored months and Dagster's records of them: while it does not, nothing is due."""
    files = [store.root.read(path) for path in (LABELS_FILE, VEHICLES_FILE, CLASSIFIER_FILE)]
    known = [
        record.storage_id
        for file in (CLASSIFICATIONS, CACHE)
        for record in instance.fetch_materializations(dg.AssetKey(file.asset), limit=1).records
    ]
    return digest_of(repr([files, months, known]).encode())


def _due(
    instance: dg.DagsterInstance,
    store: Store,
    inputs: AttributionInputs,
    months: Sequence[str],
    named: Made,
) -> Due:
    """The months that are not named by these inputs, or whose cache was not made from that."""
    cached = newest_by_month(instance, CACHE.asset)
    found = []
    for month in months:
        digest = inputs.digest(c.session_id for c in store.read_month_if_whole(CLASSIFICATIONS, month) or [])
        naming = named.get(month)
        is_in_force = inputs_of(naming) == digest
        if naming is None or not is_in_force or cached.get(month, 0) < naming.storage_id:
            found.append((month, digest))
    return found


def label_events(instance: dg.DagsterInstance, store: Store) -> list[dg.AssetMaterialization]:
    """What Dagster shows of the labels, when they are not those that it shows."""
    data = store.root.read(LABELS_FILE)
    content = "absent" if data is None else digest_of(data)
    shown = instance.get_latest_materialization_event(VEHICLE_LABELS)
    known = shown.asset_materialization if shown is not None else None
    if known is not None and known.metadata["content"].value == content:
        return []
    return [dg.AssetMaterialization(VEHICLE_LABELS, metadata={"content": content})]
