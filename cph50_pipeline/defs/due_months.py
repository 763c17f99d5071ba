"""Months whose files were made of something else than there is now, and the runs that make them again.

An asset notes with each month a digest of what the month was made of (`INPUTS` among a materialization's metadata).
Which digest is right, each sensor knows itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from cph50_pipeline.charging.watching import may_start
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.attempts import attempts
from cph50_pipeline.defs.attribution_inputs import INPUTS, digest_of
from cph50_pipeline.defs.partitions import FIRST_MONTH_TAG, LAST_MONTH_TAG, months_of_run

INPUTS_TAG = "cph50/inputs"
NOT_FINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

Due = list[tuple[str, str]]
"""Months to make again, in order, each with the digest of what they are to be made of."""
Made = Mapping[str, dg.EventLogRecord]
"""The newest materialization of each month of an asset."""


def newest_by_month(instance: dg.DagsterInstance, asset: str) -> Mapping[str, int]:
    """The storage id of each month's newest materialization: one question for the whole history."""
    return instance.get_latest_storage_id_by_partition(
        dg.AssetKey(asset), dg.DagsterEventType.ASSET_MATERIALIZATION
    )


def newest_made(instance: dg.DagsterInstance, asset: str) -> Made:
    """Each month's newest materialization."""
    newest = newest_by_month(instance, asset)
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), storage_ids=list(newest.values()))
    records = instance.fetch_materializations(wanted, limit=len(newest)).records if newest else []
    return {str(record.partition_key): record for record in records}


def inputs_of(record: dg.EventLogRecord | None) -> str | None:
    """The digest that a materialization carries; None when it carries none, or there is none."""
    made = record.asset_materialization if record is not None else None
    noted = made.metadata.get(INPUTS) if made is not None else None
    return None if noted is None else str(noted.value)


def in_hand(instance: dg.DagsterInstance, job: str, made: Made) -> set[str]:
    """The months that a run of the job is about to make, or that a run has made which goes on.

    What such a run leaves, a later tick sees.
    """
    unfinished = [r.dagster_run for r in instance.get_run_records(RunsFilter(statuses=NOT_FINISHED))]
    about_to = (months_of_run(run.tags) for run in unfinished if run.job_name == job)
    run_ids = {run.run_id for run in unfinished}
    return {*chain.from_iterable(about_to), *(m for m, record in made.items() if record.run_id in run_ids)}


def requests(
    instance: dg.DagsterInstance, due: Due, now: datetime, run_config: Mapping[str, Any] | None = None
) -> Iterator[dg.RunRequest]:
    """A run for each span of months without a gap, unless it failed too often just now."""
    for span in spans(due):
        yield from _requests_of(instance, span, now, run_config)


def _requests_of(
    instance: dg.DagsterInstance, span: Due, now: datetime, run_config: Mapping[str, Any] | None
) -> Iterator[dg.RunRequest]:
    """A run for the span; for each half of one that failed, so that a month that cannot be made holds up no other."""
    first, last = span[0][0], span[-1][0]
    content = digest_of(repr(span).encode())
    earlier = attempts(instance, {INPUTS_TAG: content, FIRST_MONTH_TAG: first})
    if len(span) > 1 and earlier and earlier[0].outcome == "failure":
        middle = len(span) // 2
        yield from _requests_of(instance, span[:middle], now, run_config)
        yield from _requests_of(instance, span[middle:], now, run_config)
    elif may_start(earlier, now):
        tags = {INPUTS_TAG: content, FIRST_MONTH_TAG: first, LAST_MONTH_TAG: last}
        yield dg.RunRequest(run_config=run_config, tags=tags)


def spans(due: Due) -> list[Due]:
    """The months in spans without a gap, each of which one run can make."""
    digests = dict(due)
    return [[(month, digests[month]) for month in span] for span in without_gaps(digests)]


def without_gaps(months: Iterable[str]) -> list[list[str]]:
    """Sorted months in spans without a gap."""
    spans: list[list[str]] = []
    for month in months:
        if spans and shift_month(spans[-1][-1], 1) == month:
            spans[-1].append(month)
        else:
            spans.append([month])
    return spans
