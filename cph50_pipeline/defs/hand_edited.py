"""The sensor of what sessions are named by: labels, cars, the released model. By content, not by date.

Level-triggered: each month's newest materialization says by what it was named, and a month for which that is not what
the files say now is named again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster import RunsFilter

from cph50_pipeline.charging.watching import may_start
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.assets.external import VEHICLE_LABELS
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.attribution_inputs import INPUTS, AttributionInputs, digest_of
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, Job
from cph50_pipeline.defs.month_files import CACHE, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.partitions import FIRST_MONTH_TAG, LAST_MONTH_TAG, months_of_run
from cph50_pipeline.defs.sensors import NOT_FINISHED
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE, VEHICLES_FILE, Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings

EVERY_SECONDS = 60
INPUTS_TAG = "cph50/inputs"
IN_FORCE = "Sessions are named by labels, cars and model as they are"

Due = list[tuple[str, str]]
"""Months to name again, in order, each with the digest of what they are to be named by."""


def build_hand_edited_sensor(settings: Settings, jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    """The sensor of labels, cars and model, running by default."""

    @dg.sensor(
        name="hand_edited_sensor",
        job=jobs[ATTRIBUTION_JOB],
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Labels or cars were edited, or a model released: name the sessions of the months concerned.",
    )
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
        due = _due(context.instance, store, inputs, months)
        requests = list(_requests(context.instance, due, datetime.now(UTC)))
        waiting = (
            f"{due[0][0]} is due: a run is about to name it, or failed and is tried again" if due else None
        )
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(waiting or IN_FORCE),
            cursor=context.cursor if due else seen,
            asset_events=_label_events(context.instance, store),
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


def _due(instance: dg.DagsterInstance, store: Store, inputs: AttributionInputs, months: Sequence[str]) -> Due:
    """The months that are not named by these inputs, without those that a run is at."""
    in_hand, in_force = _in_hand(instance), _in_force(instance)
    found = []
    for month in months:
        digest = inputs.digest(c.session_id for c in store.read_month_if_whole(CLASSIFICATIONS, month) or [])
        if month not in in_hand and in_force.get(month) != digest:
            found.append((month, digest))
    return found


def _in_hand(instance: dg.DagsterInstance) -> set[str]:
    runs = instance.get_run_records(RunsFilter(job_name=ATTRIBUTION_JOB, statuses=NOT_FINISHED))
    return {month for record in runs for month in months_of_run(record.dagster_run.tags)}


def _in_force(instance: dg.DagsterInstance) -> dict[str, str]:
    """What each month was named by, of those of which people can read so: the cache was made afterwards."""
    named, cached = (_newest_by_month(instance, file.asset) for file in (CLASSIFICATIONS, CACHE))
    wanted = dg.AssetRecordsFilter(dg.AssetKey(CLASSIFICATIONS.asset), storage_ids=list(named.values()))
    records = instance.fetch_materializations(wanted, limit=len(named)).records if named else []
    noted = {r.partition_key: (r.storage_id, _inputs_of(r)) for r in records}
    return {
        month: inputs
        for month, (storage_id, inputs) in noted.items()
        if month is not None and inputs is not None and cached.get(month, 0) > storage_id
    }


def _inputs_of(record: dg.EventLogRecord) -> str | None:
    made = record.asset_materialization
    noted = made.metadata.get(INPUTS) if made is not None else None
    return None if noted is None else str(noted.value)


def _newest_by_month(instance: dg.DagsterInstance, asset: str) -> Mapping[str, int]:
    """The storage id of each month's newest materialization: one question for the whole history."""
    return instance.get_latest_storage_id_by_partition(
        dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
    )


def _requests(instance: dg.DagsterInstance, due: Due, now: datetime) -> Iterator[dg.RunRequest]:
    for span in _spans(due):
        yield from _requests_of(instance, span, now)


def _requests_of(instance: dg.DagsterInstance, span: Due, now: datetime) -> Iterator[dg.RunRequest]:
    """A run for the span; for each half of one that failed, so that a month that cannot be named holds up no other."""
    first, last = span[0][0], span[-1][0]
    content = digest_of(repr(span).encode())
    earlier = attempts(instance, {INPUTS_TAG: content, FIRST_MONTH_TAG: first})
    if len(span) > 1 and earlier and earlier[0].outcome == "failure":
        middle = len(span) // 2
        yield from _requests_of(instance, span[:middle], now)
        yield from _requests_of(instance, span[middle:], now)
    elif may_start(earlier, now):
        yield dg.RunRequest(tags={INPUTS_TAG: content, FIRST_MONTH_TAG: first, LAST_MONTH_TAG: last})


def _spans(due: Due) -> list[Due]:
    """The months in spans without a gap, each of which one run can name."""
    spans: list[Due] = []
    for month, digest in due:
        if spans and shift_month(spans[-1][-1][0], 1) == month:
            spans[-1].append((month, digest))
        else:
            spans.append([(month, digest)])
    return spans


def _label_events(instance: dg.DagsterInstance, store: Store) -> list[dg.AssetMaterialization]:
    """What Dagster shows of the labels, when they are not those that it shows."""
    data = store.root.read(LABELS_FILE)
    content = "absent" if data is None else digest_of(data)
    shown = instance.get_latest_materialization_event(VEHICLE_LABELS)
    known = shown.asset_materialization if shown is not None else None
    if known is not None and known.metadata["content"].value == content:
        return []
    return [dg.AssetMaterialization(VEHICLE_LABELS, metadata={"content": content})]
