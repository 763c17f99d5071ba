"""Routes of the house's power: the four files of the dashboards as they stand now, and all rollups as rows."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Path as FromPath
from fastapi import Query as FromQuery
from pydantic import Field

from cph50_pipeline.civil_time import parse_instant
from cph50_pipeline.defs.month_files import ROLLUPS
from cph50_pipeline.errors import BadInputError, Cph50Error, PermanentError
from cph50_pipeline.power.buckets import Resolution
from cph50_pipeline.power.data_points import PATHS, PowerFile
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import load_json
from cph50_pipeline.web import scans, schemas
from cph50_pipeline.web.answering import Question, answer_list, snapshot
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.forms import Form
from cph50_pipeline.web.parameters import API, MeterId, Paged, Suffix
from cph50_pipeline.web.problems import ProblemError, documented

router = APIRouter(prefix=API, tags=["power"])

_NIGHTLY_SECONDS = timedelta(hours=26).total_seconds()
"""The days that are over are told once a night, and a day may have 25 hours."""
_MISSED_INTERVALS = 3
_log = logging.getLogger(__name__)


class RollupsQuery(Paged):
    """Which rollups: buckets that begin on the days from `from` to `to`."""

    meter: MeterId | None = None
    resolution: Resolution = Field(default="hour", description="How long a bucket is")


@dataclass(frozen=True, slots=True)
class _Published:
    """A file as it was read last: its stamp, its bytes, up to when it tells, and why it is not the newest one."""

    stamp: object
    data: bytes
    told_until: datetime | None
    why_stale: str | None = None


class PublishedFiles:
    """The four files, each parsed once for as long as it is the same; of one that cannot be read the last good one."""

    def __init__(self) -> None:
        self._kept: dict[str, _Published] = {}

    def read(self, context: Context, path: str) -> _Published:
        """A file.

        Raises:
            ProblemError: 404 when it was never made.
            PermanentError, TransientError: it cannot be read, and never could.
        """
        stamp, kept = context.root.stamp(path), self._kept.get(path)
        if stamp is not None and kept is not None and kept.stamp == stamp:
            return kept
        try:
            data = None if stamp is None else context.root.read(path)
            if data is None:
                raise ProblemError(404, f"{path} was not made yet", remedy="`cph50 power collect` makes it")
            self._kept[path] = _Published(stamp, data, _told_until(data, path))
        except Cph50Error as error:
            if kept is None:
                raise
            if kept.why_stale is None:
                _log.warning("The last good %s is served: %s", path, error)
            self._kept[path] = replace(kept, why_stale=str(error))
        return self._kept[path]


@router.get("/power/rollups", responses=schemas.listed(schemas.Rollups), response_class=Response)
def rollups(request: Request, context: Household, query: Annotated[RollupsQuery, FromQuery()]) -> Response:
    """What the meters said in buckets of 5 minutes, hours or civil days."""
    return _answer(request, context, query, None)


@router.get("/power/rollups.{suffix}", responses=schemas.listed(schemas.Rollups), response_class=Response)
def rollups_as(
    request: Request, context: Household, suffix: Suffix, query: Annotated[RollupsQuery, FromQuery()]
) -> Response:
    """The same in the form that the suffix names."""
    return _answer(request, context, query, suffix)


@router.get(
    "/power/{name}",
    responses={200: {"model": schemas.PowerFile}, **documented(404)},
    response_class=Response,
)
def power_file(
    request: Request, context: Household, name: Annotated[PowerFile, FromPath(description="Which file")]
) -> Response:
    """One of the files of the dashboards as it is published, with its age."""
    path = PATHS[name]
    files: PublishedFiles = request.app.state.power_files
    published = files.read(context, path)
    age = None
    if published.told_until is not None:
        age = max(0.0, (context.clock() - published.told_until).total_seconds())
    is_old = age is None or age > _stale_after_seconds(name, context.settings)
    is_stale = is_old or published.why_stale is not None
    about = {"age_seconds": age, "stale": is_stale, "source": path}
    return snapshot(about, published.data, published.why_stale)


def _answer(request: Request, context: Context, query: RollupsQuery, suffix: Form | None) -> Response:
    return answer_list(request, context, suffix, question(context, query))


def question(context: Context, query: RollupsQuery) -> Question:
    """The rollups that a query asks for.

    Raises:
        ProblemError: 422 for days that there are not.
    """
    first, end = query.instants(context.settings.zone)
    inputs = context.files.of(ROLLUPS, *query.months())
    scan = scans.scan_parquet(scans.ROLLUPS, inputs)
    where, values = scans.conditions(
        {
            "resolution = $resolution": query.resolution,
            '"start" >= $first': first,
            '"start" < $end': end,
            "meter = $meter": query.meter,
        }
    )
    return Question(
        name="rollups",
        sql=f"SELECT * FROM {scan.sql} WHERE {where}",
        order_by='meter, "start"',
        values={**scan.values, **values},
        query=query,
        limit=query.limit,
        offset=query.offset,
        made_of=inputs.fingerprint,
    )


def _told_until(data: bytes, path: str) -> datetime | None:
    try:
        document = load_json(data, path)
        last = document["last_update"]
        return None if last is None else parse_instant(last)
    except (BadInputError, KeyError, TypeError) as error:
        raise PermanentError(
            f"{path} cannot be read", kept="It is unchanged", remedy="`cph50 power collect` makes it again"
        ) from error


def _stale_after_seconds(name: PowerFile, settings: Settings) -> float:
    return _MISSED_INTERVALS * settings.power_interval_seconds if name == "daily" else _NIGHTLY_SECONDS
