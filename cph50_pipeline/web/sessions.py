"""Routes of the sessions: all of them as rows, one of them whole with its slots and readings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery
from pydantic import Field

from cph50_pipeline.defs.month_files import CACHE, SAMPLES, SLOTS
from cph50_pipeline.errors import NotFoundError
from cph50_pipeline.storage.documents import load_json
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.web import scans, schemas
from cph50_pipeline.web.answering import Question, answer_list, json_body, respond
from cph50_pipeline.web.cached import Body
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.parameters import API, ChargerLabel, Paged, SessionId, Suffix, VehicleId
from cph50_pipeline.web.problems import documented
from cph50_pipeline.web.stored_files import Inputs, Stored

router = APIRouter(prefix=API, tags=["sessions"])
_ROW = """
    session_id, CAST(session_start_time AS TIMESTAMPTZ) AS session_start_time,
    CAST(session_end_time AS TIMESTAMPTZ) AS session_end_time, energy_kwh, vehicle_id, vehicle_confidence,
    vehicle.vehicle_name AS vehicle_name, charger.charger_label AS charger_label,
    session.duration_seconds AS duration_seconds, session.charging_seconds AS charging_seconds,
    session.cost AS cost, session.peak_power_kw AS peak_power_kw, session.status AS status, plug_in_id, flags
"""
_ORDERS = {
    "newest": "session_start_time DESC, session_id DESC",
    "oldest": "session_start_time, session_id",
}


class SessionsQuery(Paged):
    """Which sessions: those that began on the days from `from` to `to`."""

    vehicle: VehicleId | None = None
    charger: ChargerLabel | None = None
    order: Literal["newest", "oldest"] = Field(default="newest", description="Which comes first")


@router.get("/sessions", responses=schemas.listed(schemas.Sessions), response_class=Response)
def sessions(request: Request, context: Household, query: Annotated[SessionsQuery, FromQuery()]) -> Response:
    """The sessions, a row each, the newest first."""
    return _answer(request, context, query, None)


@router.get("/sessions.{suffix}", responses=schemas.listed(schemas.Sessions), response_class=Response)
def sessions_as(
    request: Request, context: Household, suffix: Suffix, query: Annotated[SessionsQuery, FromQuery()]
) -> Response:
    """The same in the form that the suffix names."""
    return _answer(request, context, query, suffix)


@router.get(
    "/sessions/{session_id}",
    responses={200: {"model": schemas.Session}, 304: schemas.UNCHANGED, **documented(404)},
    response_class=Response,
)
def session(request: Request, context: Household, session_id: SessionId) -> Response:
    """One session whole: its record as it is stored, its quarter hours, and its readings."""
    kinds = (CACHE, SLOTS, SAMPLES)
    inputs = tuple(context.files.of(kind) for kind in kinds)
    made_of = tuple(one.fingerprint for one in inputs)
    key = ("session", session_id)
    served = context.answers.get(key, made_of, lambda: _whole(context, session_id, *inputs))
    return respond(request, served)


def _answer(request: Request, context: Context, query: SessionsQuery, suffix: Suffix | None) -> Response:
    return answer_list(request, context, suffix, question(context, query))


def question(context: Context, query: SessionsQuery) -> Question:
    """The sessions that a query asks for.

    Raises:
        ProblemError: 422 for days that there are not.
    """
    first, end = query.instants(context.settings.zone)
    inputs = context.files.of(CACHE, *query.months())
    records = scans.scan_json(scans.RECORDS, inputs)
    where, values = scans.conditions(
        {
            "session_start_time >= $first": first,
            "session_start_time < $end": end,
            "vehicle_id = $vehicle": query.vehicle,
            "charger_label = $charger": query.charger,
        }
    )
    return Question(
        name="sessions",
        sql=f"SELECT * FROM (SELECT {_ROW} FROM {records.sql}) WHERE {where}",
        order_by=_ORDERS[query.order],
        values={**records.values, **values},
        query=query,
        limit=query.limit,
        offset=query.offset,
        made_of=inputs.fingerprint,
    )


def _whole(context: Context, session_id: str, records: Inputs, slots: Inputs, samples: Inputs) -> Body:
    file, record = _record(session_id, records)

    def rows(scan: scans.Scan, columns: str, time: str) -> list[Any]:
        sql = f"SELECT {columns} FROM {scan.sql} WHERE session_id = $session_id ORDER BY {time}"
        found = context.history.table(sql, {**scan.values, "session_id": session_id})
        listed: list[Any] = json.loads(context.history.json_rows(found))
        return listed

    slot_rows = rows(
        scans.scan_parquet(scans.SLOTS, slots.of_month(file.month)),
        "slot_start, vehicle_id, energy_kwh, cost, coverage",
        "slot_start",
    )
    sample_rows = rows(
        scans.scan_parquet(scans.SAMPLES, samples.of_month(file.month)),
        '"at", power_kw, energy_kwh, origin',
        '"at"',
    )
    return json_body({**record, "month": file.month, "slots": slot_rows, "samples": sample_rows})


def _record(session_id: str, inputs: Inputs) -> tuple[Stored, dict[str, Any]]:
    """The file that has a session, and its record there as it is stored; only a file that names it is parsed."""
    named = f'"{session_id}"'.encode()
    for file in reversed(inputs.files):
        data = _read(file)
        if named in data:
            document = load_json(data, f"{CACHE.folder}/{file.month}.{CACHE.form}")
            for record in document:
                if record["session_id"] == session_id:
                    return file, record
    raise NotFoundError(f"There is no session {session_id}")


def _read(file: Stored) -> bytes:
    try:
        return Path(file.path).read_bytes()
    except FileNotFoundError:
        return b""  # removed meanwhile: what it had is nowhere now
    except OSError as error:
        raise file_error(error, "read", f"{CACHE.folder}/{file.month}.{CACHE.form}") from error
