"""The sensor of the house's power: asks for runs that take readings in, and that make months again. By content.

Level-triggered: up to when the meters were asked for stands in a file, and what each month was made of with its newest
materialization. Where intervals are short, `live_sensor` asks the meters in between.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import takewhile

import dagster as dg

from cph50_pipeline.charging.watching import may_start
from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.due_months import requests
from cph50_pipeline.defs.jobs import POWER_JOB, Job, power_run_config
from cph50_pipeline.defs.maintenance.pausing import pauses
from cph50_pipeline.defs.partitions import FIRST_MONTH_TAG, LAST_MONTH_TAG
from cph50_pipeline.defs.power_due import files_of_run, fingerprint, months_due, takes_in
from cph50_pipeline.defs.power_inputs import Digests, PowerInputs
from cph50_pipeline.defs.resources import HomeAssistant
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.home_source import HomeSource

EVERY_SECONDS = 60
TICK_SECONDS = 20.0  # Dagster ends a tick after 60
TAKING_IN_TAG = "cph50/taking_in"
IN_FORCE = "What the meters said is taken in, and power is made of it as it stands"
WAITING = "A run takes in what the meters said or makes power of it, or failed and is tried again"


def build_power_sensor(settings: Settings, jobs: Mapping[str, Job]) -> dg.SensorDefinition:
    """The sensor of the house's power, running by default."""
    interval_seconds = settings.power_interval_seconds
    store, digests = Store.of(settings), Digests()  # one for all ticks: what did not change is read once

    @dg.sensor(
        name="power_sensor",
        job=jobs[POWER_JOB],
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="The meters said something new, or months are made of something else: take it in, roll them up.",
    )
    @pauses(settings)
    def power_sensor(
        context: dg.SensorEvaluationContext, home_assistant: HomeAssistant
    ) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        try:
            config = store.meters(interval_seconds)
        except BadInputError as error:
            return dg.SkipReason(f"{error} Power stays as it was made.")
        inputs = PowerInputs(store, config, digests)
        is_news, trouble = False, None
        try:
            source = home_assistant.client()
            if source is not None:
                with source.within(TICK_SECONDS):
                    is_news = takes_in(inputs, now, interval_seconds) and is_there(source)
        except Cph50Error as error:  # what the charger drew is known without
            trouble = f"{error} The next tick asks again."
        seen = fingerprint(context.instance, inputs, now)
        if seen == context.cursor and not is_news:
            return dg.SkipReason(trouble or IN_FORCE)
        wanted, is_due = wanted_runs(context.instance, inputs, settings, now, is_news=is_news)
        said_otherwise = dg.SkipReason(trouble or (WAITING if is_due or is_news else IN_FORCE))
        return dg.SensorResult(
            run_requests=wanted,
            skip_reason=None if wanted else said_otherwise,
            cursor=context.cursor if is_due else seen,
        )

    return power_sensor


def is_there(source: HomeSource) -> bool:
    """Ask Home Assistant for a sign of life: without one a run would take nothing in.

    Raises:
        Cph50Error: it does not answer, or refuses; says what to do.
    """
    source.clock_offset()
    return True


def wanted_runs(
    instance: dg.DagsterInstance, inputs: PowerInputs, settings: Settings, now: datetime, *, is_news: bool
) -> tuple[list[dg.RunRequest], bool]:
    """The runs to start now, and whether anything is due, be it that a run is at it or that it failed just now.

    Args:
        is_news: Whether Home Assistant is to be asked for readings.
    """
    due, at_work = months_due(instance, inputs, now, settings.history_start)
    wanted = [*(_taking_in(instance, settings, now, at_work) if is_news else [])]
    left_alone = {request.tags[LAST_MONTH_TAG] for request in wanted} | at_work
    wanted += requests(instance, [one for one in due if one[0] not in left_alone], now)
    return wanted, bool(due)


def _taking_in(
    instance: dg.DagsterInstance, settings: Settings, now: datetime, at_work: set[str]
) -> Iterator[dg.RunRequest]:
    """A run of the current month; it takes in whatever is not known, of earlier months, too."""
    current = month_of(now, settings.zone)
    tags = {TAKING_IN_TAG: "readings"}
    earlier = attempts(instance, tags)
    failures = [*takewhile(lambda attempt: attempt.outcome != "success", earlier)]
    if current in at_work or current < settings.history_start or not may_start(failures or earlier[:1], now):
        return
    yield dg.RunRequest(
        run_config=power_run_config(files_of_run(now, settings.zone)),
        tags={**tags, FIRST_MONTH_TAG: current, LAST_MONTH_TAG: current},
    )
