"""The sensor of what sessions are named by: labels, cars, the released model. By content, not by date.

Level-triggered: each month's newest materialization says by what it was named, and a month for which that is not what
the files say now is named again.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain

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
Namings = Mapping[str, dg.EventLogRecord]
"""The newest materialization of each month's classifications."""


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
        named = _newest_namings(context.instance)
        due = _due(context.instance, store, inputs, months, named)
        left_alone = _in_hand(context.instance, named)
        requests = list(_requests(context.instance, [d for d in due if d[0] not in left_alone]))
        waiting = f"{due[0][0]} is due: a run is naming it, or failed and is tried again" if due else None
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


def _newest_namings(instance: dg.DagsterInstance) -> Namings:
    newest = _newest_by_month(instance, CLASSIFICATIONS.asset)
    wanted = dg.AssetRecordsFilter(dg.AssetKey(CLASSIFICATIONS.asset), storage_ids=list(newest.values()))
    records = instance.fetch_materializations(wanted, limit=len(newest)).records if newest else []
    return {str(record.partition_key): record for record in records}


def _due(
    instance: dg.DagsterInstance,
    store: Store,
    inputs: AttributionInputs,
    months: Sequence[str],
    named: Namings,
) -> Due:
    """The months that are not named by these inputs, or whose cache was not made from that."""
    cached = _newest_by_month(instance, CACHE.asset)
    found = []
    for month in months:
        digest = inputs.digest(c.session_id for c in store.read_month_if_whole(CLASSIFICATIONS, month) or [])
        naming = named.get(month)
        is_in_force = naming is not None and _inputs_of(naming) == digest
        if naming is None or not is_in_force or cached.get(month, 0) < naming.storage_id:
            found.append((month, digest))
    return found


def _in_hand(instance: dg.DagsterInstance, named: Namings) -> set[str]:
    """The months that a run is about to name, or has named and is about to cache; what it leaves, a later tick sees."""
    unfinished = [r.dagster_run for r in instance.get_run_records(RunsFilter(statuses=NOT_FINISHED))]
    about_to = (months_of_run(run.tags) for run in unfinished if run.job_name == ATTRIBUTION_JOB)
    run_ids = {run.run_id for run in unfinished}
    return {*chain.from_iterable(about_to), *(m for m, naming in named.items() if naming.run_id in run_ids)}


def _inputs_of(naming: dg.EventLogRecord) -> str | None:
    made = naming.asset_materialization
    noted = made.metadata.get(INPUTS) if made is not None else None
    return None if noted is None else str(noted.value)


def _newest_by_month(instance: dg.DagsterInstance, asset: str) -> Mapping[str, int]:
    """The storage id of each month's newest materialization: one question for the whole history."""
    return instance.get_latest_storage_id_by_partition(
        dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
    )


def _requests(instance: dg.DagsterInstance, due: Due) -> Iterator[dg.RunRequest]:
    now = datetime.now(UTC)
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
