"""The sensor that sees to it that what waits is published, and says when it is not for too long."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster import RunsFilter

from cph50_pipeline.charging.watching import may_start
from cph50_pipeline.civil_time import format_local
from cph50_pipeline.defs.assets.external import PUBLICATION
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.due_months import NOT_FINISHED
from cph50_pipeline.defs.jobs import Job
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, Cph50Error, PermanentError
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.storage.locks import REPOSITORY_TIMEOUT_SECONDS
from cph50_pipeline.storage.overdue import overdue_since
from cph50_pipeline.storage.publisher import Waiting, one_line

CHECK = "publication_is_current"
PURPOSE_TAGS = {"cph50/purpose": "publication"}
EVERY_SECONDS = 60
REPOSITORY_SECONDS = 2.0
LONGEST = timedelta(hours=1)


def build_publication_sensor(settings: Settings, job: Job) -> dg.SensorDefinition:
    """The sensor, running by default where there is something to publish to."""
    store = Store.of(settings)
    is_off = settings.publish_mode is PublishMode.OFF

    @dg.sensor(
        name="publication_sensor",
        job=job,
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED if is_off else dg.DefaultSensorStatus.RUNNING,
        description="Publishes what no run has published: what was left over, failed, or waited for its turn.",
    )
    @pauses(settings)
    def publication_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if is_off:
            return dg.SkipReason("CPH50_PUBLISH is off")
        now = datetime.now(UTC)
        try:
            waiting, refusal = look(settings, store, now, REPOSITORY_SECONDS)
        except Cph50Error as error:
            return dg.SkipReason(f"{error} The next tick looks again.")
        verdict = judge(settings, store, waiting, now, refusal)
        is_news = context.cursor != json.dumps(verdict.passed)
        requests = []
        if waiting.is_due and not _is_busy(context.instance) and _may_start(context.instance, now):
            requests.append(dg.RunRequest(tags=PURPOSE_TAGS))
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=None if requests else dg.SkipReason(refusal or _sentence(waiting, settings, now)),
            cursor=json.dumps(verdict.passed),
            asset_events=[verdict] if is_news else [],
        )

    return publication_sensor


def build_publication_check(settings: Settings) -> dg.AssetChecksDefinition:
    """The check by which a person sees that publishing has stopped."""
    store = Store.of(settings)

    @dg.asset_check(
        asset=PUBLICATION,
        name=CHECK,
        description="What could be published is not left waiting for longer than an hour.",
    )
    def publication_is_current() -> dg.AssetCheckResult:
        if settings.publish_mode is PublishMode.OFF:
            return dg.AssetCheckResult(passed=True, description="Publishing is off")
        now = datetime.now(UTC)
        waiting, refusal = look(settings, store, now, REPOSITORY_TIMEOUT_SECONDS)
        verdict = judge(settings, store, waiting, now, refusal)
        return dg.AssetCheckResult(passed=verdict.passed, metadata=verdict.metadata)

    return publication_is_current


def look(settings: Settings, store: Store, now: datetime, timeout_seconds: float) -> tuple[Waiting, str]:
    """What waits; or why nothing can be published until a person has acted.

    Raises:
        TransientError: that cannot be told now, for example because a run commits for too long.
    """
    try:
        return publisher_of(settings, store).waiting(now, timeout_seconds), ""
    except (BadInputError, PermanentError) as error:
        return Waiting(), str(error)


def judge(
    settings: Settings, store: Store, waiting: Waiting, now: datetime, refusal: str = ""
) -> dg.AssetCheckEvaluation:
    """Whether the repository is as current as it can be; remembers since when it is not.

    Args:
        waiting: What waits.
        refusal: Why nothing can be published until a person has acted; empty when it can.
    """
    is_due = waiting.due_at is not None and waiting.due_at <= now
    could_be = bool(refusal or waiting.withheld) or is_due
    since = overdue_since(store.locks.private_dir, now if could_be else None)
    metadata: dict[str, dg.RawMetadataValue] = {"waiting_files": waiting.changes}
    if since is not None:
        metadata["differs_since"] = format_local(since, settings.zone)
    if refusal:
        metadata["refused"] = refusal
    if waiting.withheld:
        metadata["withheld"] = dict(waiting.withheld)
    return dg.AssetCheckEvaluation(
        asset_key=PUBLICATION,
        check_name=CHECK,
        passed=since is None or now - since <= LONGEST,
        metadata=metadata,
    )


def _is_busy(instance: dg.DagsterInstance) -> bool:
    """Whether runs are at work: the next of them to end publishes."""
    return bool(instance.get_run_records(filters=RunsFilter(statuses=NOT_FINISHED), limit=1))


def _may_start(instance: dg.DagsterInstance, now: datetime) -> bool:
    return may_start(attempts(instance, PURPOSE_TAGS), now)


def _sentence(waiting: Waiting, settings: Settings, now: datetime) -> str:
    if waiting.withheld:
        return f"{one_line(sorted(waiting.withheld))} cannot be published; the check {CHECK} says why"
    if not waiting.changes or waiting.due_at is None:
        return "The repository holds what the data root holds"
    files = f"{waiting.changes} file{'' if waiting.changes == 1 else 's'} wait{'s' if waiting.changes == 1 else ''}"
    at = (
        f"at {format_local(waiting.due_at, settings.zone)} or later"
        if waiting.due_at > now
        else "with the next run"
    )
    return f"{files} to be published, {at}"
