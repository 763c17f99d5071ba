"""The job that publishes what no run has: what a killed run left, what could not be uploaded, what waits its turn."""

import dagster as dg

from cph50_pipeline.defs.jobs import PUBLISH_JOB
from cph50_pipeline.defs.publishing import publish
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.messages import RunInfo
from cph50_pipeline.storage.publisher import Insistence

PATIENT = Insistence(seconds=300.0)


def build_publish_job(settings: Settings) -> dg.JobDefinition:
    """The job; it fails when publishing fails, so that this is seen and tried again."""

    @dg.op(description="Commits and uploads what differs from the repository.")
    def publish_what_differs(context: dg.OpExecutionContext, store: dg.ResourceParam[Store]) -> None:
        run = RunInfo(context.run_id, PUBLISH_JOB)
        try:
            published = publish(settings, store, context.instance, run, PATIENT, context.log)
        except Cph50Error as error:
            raise dg.Failure(
                f"{error} The files are safe; it is tried again.", allow_retries=False
            ) from error
        for path, why in published.withheld.items():
            context.log.error(f"{path} is not published: it {why}")

    @dg.job(name=PUBLISH_JOB, description="Publish what no run has published yet.")
    def publish_job() -> None:
        publish_what_differs()

    return publish_job
