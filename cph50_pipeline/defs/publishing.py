"""The end of a run: its files become a commit and are uploaded, which Dagster then shows as the asset `publication`.

How that is done is in `storage.publisher` and the ways of publishing; what `runs.json` says is in `run_log`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import Logger

import dagster as dg

from cph50_pipeline.defs.assets.external import PUBLICATION
from cph50_pipeline.defs.reference_files import ensure_reference_files
from cph50_pipeline.defs.run_log import write_run_log
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, Cph50Error, PermanentError
from cph50_pipeline.settings import PREFIX, PublishMode, Settings, is_object_store
from cph50_pipeline.storage.messages import RunInfo
from cph50_pipeline.storage.presence import Presence
from cph50_pipeline.storage.publisher import Insistence, Publication, Publisher
from cph50_pipeline.storage.restoring import begun_restore
from cph50_pipeline.storage.selection import Selection

TOKEN_VARIABLE = f"{PREFIX}GITHUB_TOKEN"
# A run does not wait long for the network: what it leaves is made up for by the sensor.
AT_A_RUNS_END = Insistence(seconds=30.0)
_NAMED_FILES = 50


def build_store_resource(settings: Settings) -> dg.ResourceDefinition:
    """The household's store for a run; its end is the run's commit, also after a failed step."""

    @dg.resource(description="The household's files, locks and commit.")
    def store(context: dg.InitResourceContext) -> Iterator[Store]:
        run = context.run
        household = Store.of(settings)
        instance = context.instance
        if run is None or instance is None:  # a sensor or a command asks, nothing is run
            with household.open():
                yield household
            return
        log = context.log or dg.get_dagster_logger()
        with household.locks.run(run.run_id):
            with household.open():
                ensure_reference_files(household)
                yield household
                publishes = can_publish(settings, household, log)
                if publishes:
                    commit_run(settings, household, instance, run, log)
            if publishes:  # the locks of months are free: others need not wait for the network
                upload_run(settings, household, instance, run, log)

    return store


def can_publish(settings: Settings, store: Store, log: Logger) -> bool:
    """Whether anything can be published at a run's end; what a person has to do first is said, once."""
    if settings.publish_mode is PublishMode.OFF:
        return False
    try:
        publisher_of(settings, store)
    except Cph50Error as error:
        log.error(f"Nothing was published: {error} The files are safe; the next run publishes them.")
        return False
    return True


def commit_run(
    settings: Settings, store: Store, instance: dg.DagsterInstance, run: dg.DagsterRun, log: Logger
) -> Publication | None:
    """Commit what a run wrote. Never raises: a failed commit is made up for by the next one."""
    try:
        publisher = publisher_of(settings, store)
        waiting = publisher.waiting(datetime.now(UTC))
        for path, why in waiting.withheld.items():
            log.error(f"{path} is not published: it {why}")
        if not waiting.changes:
            return None
        write_run_log(store, instance)
        committed = publisher.commit(_info(run), now=datetime.now(UTC))
    except Cph50Error as error:
        log.error(f"Nothing was published: {error} The files are safe; the next run commits them.")
        return None
    except Exception:
        log.exception("Nothing was published. The files are safe; the next run commits them.")
        return None
    if committed is not None:
        log.info(f"Committed {committed.commit[:10]}: {committed.message.splitlines()[0]}")
        if settings.publish_mode is PublishMode.LOCAL:
            report_publication(committed, instance, log)
    return committed


def upload_run(
    settings: Settings, store: Store, instance: dg.DagsterInstance, run: dg.DagsterRun, log: Logger
) -> Publication | None:
    """Upload what waits, if it is due. Never raises: a failed upload is made up for by the next one."""
    if settings.publish_mode is PublishMode.LOCAL:
        return None
    try:
        publisher = publisher_of(settings, store)
        uploaded = publisher.upload(_info(run), datetime.now(UTC), AT_A_RUNS_END)
    except Cph50Error as error:
        log.error(f"Nothing was uploaded: {error} The files are safe; the next upload takes them along.")
        return None
    except Exception:
        log.exception("Nothing was uploaded. The files are safe; the next upload takes them along.")
        return None
    for line in publisher.told:
        log.warning(line)
    if uploaded is not None:
        report_publication(uploaded, instance, log)
    return uploaded


@dataclass(frozen=True)
class Published:
    """What came of publishing by itself.

    Attributes:
        committed: The commit that was made on this machine, if any.
        uploaded: What was uploaded, if anything.
        withheld: What was kept back, with the reason, by path.
        told: What a person should know of what others changed, a line each.
    """

    committed: Publication | None
    uploaded: Publication | None
    withheld: Mapping[str, str]
    told: Sequence[str]


def publish(
    settings: Settings,
    store: Store,
    instance: dg.DagsterInstance,
    run: RunInfo,
    insistence: Insistence,
    log: Logger,
) -> Published:
    """Commit and upload what differs, apart from a run that wrote something.

    Raises:
        BadInputError: publishing is off, or a setting that it needs is missing.
        TransientError, PermanentError: as `Publisher`; nothing is lost.
    """
    publisher = publisher_of(settings, store)
    if publisher.waiting(datetime.now(UTC)).changes:
        write_run_log(store, instance)
    committed = publisher.commit(run, datetime.now(UTC))
    uploaded = publisher.upload(run, datetime.now(UTC), insistence)
    published = Published(committed, uploaded, publisher.withheld, publisher.told)
    for line in published.told:
        log.warning(line)
    shown = uploaded or (committed if settings.publish_mode is PublishMode.LOCAL else None)
    if shown is not None:
        report_publication(shown, instance, log)
    return published


def publisher_of(settings: Settings, store: Store) -> Publisher:
    """The publisher of the household that the settings name.

    Raises:
        BadInputError: a setting that this way of publishing needs is missing or wrong; names it.
        PermanentError: the data root is not whole, because a restore was interrupted.
    """
    mode = settings.publish_mode
    if begun_restore(settings.private_dir) is not None:
        raise PermanentError(
            f"{settings.data_root} is being restored, or that was interrupted",
            kept="Nothing is published meanwhile",
            remedy="`cph50 restore` completes it",
        )
    if is_object_store(settings.data_root):
        raise BadInputError(
            f"CPH50_PUBLISH={mode.value} needs a folder as data root; {settings.data_root} is in an object store",
            remedy="Set CPH50_PUBLISH=off, or CPH50_DATA_DIR to a folder",
        )
    selection = Selection(
        store.root.local_path(""),
        store.locks,
        Presence(store.locks.private_dir, settings.publish_delay_minutes),
        own_months=store.held_months,
        owns_power=store.holds_power,
        rhythm=None if mode is PublishMode.LOCAL else settings.rhythm,
    )
    if mode is PublishMode.PUSH:
        return _push_publisher(settings, selection)
    if mode is PublishMode.GITHUB:
        return _github_publisher(settings, selection)
    if mode is PublishMode.OFF:
        raise BadInputError("CPH50_PUBLISH is off", remedy="Set it to local, push or github")
    from cph50_pipeline.storage.git_publisher import GitPublisher

    return GitPublisher(selection)


def _push_publisher(settings: Settings, selection: Selection) -> Publisher:
    from cph50_pipeline.storage.clone import Clone
    from cph50_pipeline.storage.push_publisher import PushPublisher
    from cph50_pipeline.storage.remote import Remote

    if not settings.remote_url:
        raise BadInputError(
            "CPH50_PUBLISH=push needs a repository to push to",
            remedy="Set CPH50_GITHUB_REPOSITORY to owner/name, or CPH50_GIT_REMOTE to an address",
        )
    token = TOKEN_VARIABLE if settings.github_token is not None else None
    remote = Remote(settings.remote_url, settings.github_branch, token)
    clone = Clone(selection.data_root, settings.private_dir, remote, selection.locks)
    return PushPublisher(selection, clone, settings.zone)


def _github_publisher(settings: Settings, selection: Selection) -> Publisher:
    from cph50_pipeline.storage.github.committing import GitHubRepository
    from cph50_pipeline.storage.github_publisher import GitHubPublisher

    if not settings.github_repository or settings.github_token is None:
        missing = "CPH50_GITHUB_TOKEN" if settings.github_repository else "CPH50_GITHUB_REPOSITORY"
        raise BadInputError(
            f"CPH50_PUBLISH=github needs {missing}",
            remedy="Set CPH50_GITHUB_REPOSITORY to owner/name, and CPH50_GITHUB_TOKEN to a token with Contents read "
            "and write on it",
        )
    repository = GitHubRepository.of(
        str(settings.github_api_url),
        settings.github_repository,
        settings.github_branch,
        settings.github_token.get_secret_value(),
    )
    return GitHubPublisher(selection, repository, settings.zone)


def report_publication(publication: Publication, instance: dg.DagsterInstance, log: Logger) -> None:
    """Show in Dagster what was published."""
    commits = "a commit" if publication.commits == 1 else f"{publication.commits} commits"
    log.info(f"Published {commits} up to {publication.commit[:10]} on {publication.branch}")
    metadata: dict[str, dg.RawMetadataValue] = {
        "commit": publication.commit,
        "commits": publication.commits,
        "files": list(publication.files[:_NAMED_FILES]),
        "file_count": len(publication.files),
        "size_bytes": publication.bytes,
        "branch": publication.branch,
        "message": publication.message,
        "retries": publication.retries,
    }
    if publication.link:
        metadata["link"] = dg.MetadataValue.url(publication.link)
    instance.report_runless_asset_event(dg.AssetMaterialization(PUBLICATION, metadata=metadata))


def _info(run: dg.DagsterRun) -> RunInfo:
    return RunInfo(run_id=run.run_id, job_name=run.job_name)
