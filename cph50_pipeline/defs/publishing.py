"""The end of a run: its files become one commit, which Dagster then shows as the asset `publication`.

How a commit is made is in `storage.publisher`; what `runs.json` says is in `run_log`.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from logging import Logger

import dagster as dg

from cph50_pipeline.defs.assets.external import PUBLICATION
from cph50_pipeline.defs.reference_files import ensure_reference_files
from cph50_pipeline.defs.run_log import write_run_log
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.storage.messages import RunInfo
from cph50_pipeline.storage.publisher import Publication, Publisher


def build_store_resource(settings: Settings) -> dg.ResourceDefinition:
    """The household's store for a run; its end is the run's commit, also after a failed step."""

    @dg.resource(description="The household's files, locks and commit.")
    def store(context: dg.InitResourceContext) -> Iterator[Store]:
        run = context.run
        household = Store.of(settings)
        if run is None:  # a sensor or a command asks, nothing is run
            with household.open():
                yield household
            return
        with household.locks.run(run.run_id), household.open():
            ensure_reference_files(household)
            yield household
            if context.instance is not None:
                publish_run(
                    settings, household, context.instance, run, context.log or dg.get_dagster_logger()
                )

    return store


def publish_run(
    settings: Settings, store: Store, instance: dg.DagsterInstance, run: dg.DagsterRun, log: Logger
) -> Publication | None:
    """Commit what a run wrote and report it. Never raises: a failed commit is made up for by the next one."""
    if settings.publish_mode is PublishMode.OFF:
        return None
    try:
        publisher = publisher_of(settings, store)
        is_due = publisher.has_changes()
        for path in publisher.withheld:
            log.error(
                f"{path} is damaged and was not published. `git checkout -- {path}` in the data root brings "
                "the last good version back"
            )
        if not is_due:
            return None
        write_run_log(store, instance)
        publication = publisher.commit(
            RunInfo(run_id=run.run_id, job_name=run.job_name), now=datetime.now(UTC)
        )
    except Cph50Error as error:
        log.error(f"Nothing was published: {error} The files are safe; the next run commits them.")
        return None
    except Exception:
        log.exception("Nothing was published. The files are safe; the next run commits them.")
        return None
    if publication is not None:
        _report(publication, instance, log)
    return publication


def publisher_of(settings: Settings, store: Store) -> Publisher:
    """The publisher of the household that the settings name."""
    return Publisher(
        store.root.local_path(""),
        mode=settings.publish_mode.value,
        locks=store.locks,
        publish_delay_minutes=settings.publish_delay_minutes,
        own_months=store.held_months,
        owns_power=store.holds_power,
    )


def _report(publication: Publication, instance: dg.DagsterInstance, log: Logger) -> None:
    log.info(f"Committed {publication.commit[:10]}: {publication.message.splitlines()[0]}")
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            PUBLICATION,
            metadata={
                "commit": publication.commit,
                "files": list(publication.files[:50]),
                "file_count": len(publication.files),
                "size_bytes": publication.bytes,
                "branch": publication.branch,
                "message": publication.message,
            },
        )
    )
