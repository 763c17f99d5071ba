"""Routes of what is known now: devices, chargers among them, with each value's own age.

Latest values are read often: they go straight from the live table to the bytes that are sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Request, Response
from fastapi import Query as FromQuery
from pydantic import AwareDatetime, Field
from starlette.concurrency import run_in_threadpool

from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.defs.charger_values import UNNAMED
from cph50_pipeline.defs.live import device_snapshots
from cph50_pipeline.defs.state_file import state_snapshot
from cph50_pipeline.defs.store import STATE_FILE, Store
from cph50_pipeline.errors import Cph50Error, NotFoundError, TransientError
from cph50_pipeline.live.model import Device, DeviceKind, LatestValue, Reading
from cph50_pipeline.live.snapshot import DeviceSnapshot, snapshot_of
from cph50_pipeline.web import schemas
from cph50_pipeline.web.answering import answer_rows, json_response
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.forms import Form
from cph50_pipeline.web.parameters import API, DeviceId, Query, Suffix
from cph50_pipeline.web.problems import RETRY_SECONDS, ProblemError, documented

router = APIRouter(prefix=API, tags=["devices"])

LIVE = "live"
DIRECT = "direct"
MOST_WAITING = 8
_DEFAULT_HISTORY = timedelta(hours=24)
_LONGEST_HISTORY = timedelta(days=3660)
Result = TypeVar("Result")


class DevicesQuery(Query):
    """Which devices."""

    kind: DeviceKind | None = None


class SourceQuery(Query):
    """Where to read."""

    source: Literal["live", "direct"] = Field(
        default="live", description="`direct` asks the device's source itself, which takes its time"
    )


class HistoryQuery(Query):
    """Which values of before."""

    sensor: str = Field(pattern=r"^[0-9A-Za-z_.:-]{1,128}$", examples=["power_kw"])
    first: AwareDatetime | None = Field(default=None, alias="from", description="Default: a day before `to`")
    last: AwareDatetime | None = Field(default=None, alias="to", description="Default: now")


@dataclass(frozen=True)
class _Seen:
    """A device as it is now, and where that comes from."""

    snapshot: DeviceSnapshot
    source: str


@router.get("/chargers", responses=schemas.listed(schemas.Chargers), response_class=Response)
async def chargers(request: Request, context: Household) -> Response:
    """The household's chargers as they are now."""
    return await _answer_chargers(request, context, None)


@router.get("/chargers.{suffix}", responses=schemas.listed(schemas.Chargers), response_class=Response)
async def chargers_as(request: Request, context: Household, suffix: Suffix) -> Response:
    """The same in the form that the suffix names."""
    return await _answer_chargers(request, context, suffix)


@router.get(
    "/chargers/{charger_id}/status",
    responses={200: {"model": schemas.ChargerStatus}, **documented(404, 502, 504)},
    response_class=Response,
)
async def charger_status(
    context: Household, charger_id: DeviceId, query: Annotated[SourceQuery, FromQuery()]
) -> Response:
    """A charger as it is now: what it says, and how old that is."""
    if query.source == DIRECT:
        return json_response(_charger(await ask_source(context, charger_id)))
    found = await _quickly(context, lambda: _known_charger(context, charger_id))
    return json_response(_charger(found))


@router.get("/devices", responses=schemas.listed(schemas.Devices), response_class=Response)
async def devices(
    request: Request, context: Household, query: Annotated[DevicesQuery, FromQuery()]
) -> Response:
    """All devices: how old what they said last is."""
    return await _answer_devices(request, context, query, None)


@router.get("/devices.{suffix}", responses=schemas.listed(schemas.Devices), response_class=Response)
async def devices_as(
    request: Request, context: Household, suffix: Suffix, query: Annotated[DevicesQuery, FromQuery()]
) -> Response:
    """The same in the form that the suffix names."""
    return await _answer_devices(request, context, query, suffix)


@router.get(
    "/devices/{device_id}",
    responses={200: {"model": schemas.Device}, **documented(404, 502, 504)},
    response_class=Response,
)
async def device(
    context: Household, device_id: DeviceId, query: Annotated[SourceQuery, FromQuery()]
) -> Response:
    """One device: the latest value of each of its sensors."""
    if query.source == DIRECT:
        return json_response(_whole(await ask_source(context, device_id)))
    found = await _quickly(context, lambda: _known(context, device_id))
    return json_response(_whole(found))


@router.get(
    "/devices/{device_id}/history", responses=schemas.listed(schemas.DeviceHistory), response_class=Response
)
async def history(
    request: Request,
    context: Household,
    device_id: DeviceId,
    query: Annotated[HistoryQuery, FromQuery()],
) -> Response:
    """What a sensor said before: one value for each five minutes, as far as that is kept."""
    return await run_in_threadpool(_answer_history, request, context, device_id, query, None)


@router.get(
    "/devices/{device_id}/history.{suffix}",
    responses=schemas.listed(schemas.DeviceHistory),
    response_class=Response,
)
async def history_as(
    request: Request,
    context: Household,
    device_id: DeviceId,
    suffix: Suffix,
    query: Annotated[HistoryQuery, FromQuery()],
) -> Response:
    """The same in the form that the suffix names."""
    return await run_in_threadpool(_answer_history, request, context, device_id, query, suffix)


async def _quickly(context: Context, read: Callable[[], Result]) -> Result:
    """Read the live table: at once where it is a file that is well, which is faster than asking another thread."""
    return read() if context.is_live_quick else await run_in_threadpool(read)


async def ask_source(context: Context, device_id: str) -> _Seen:
    """Ask a device's source, unless too many are waiting to do that.

    Raises:
        ProblemError: as `_direct`; 503 where too many wait.
    """
    if context.asking.statistics().tasks_waiting >= MOST_WAITING:
        raise ProblemError(
            503, "Too many ask the sources themselves", headers={"Retry-After": str(RETRY_SECONDS)}
        )
    return await to_thread.run_sync(_direct, context, device_id, limiter=context.asking)


async def _answer_chargers(request: Request, context: Context, suffix: Form | None) -> Response:
    found = await run_in_threadpool(_chargers, context)
    rows = [_charger(seen) for seen in found]
    return answer_rows(request, suffix, "chargers", rows, _about(found))


async def _answer_devices(
    request: Request, context: Context, query: DevicesQuery, suffix: Form | None
) -> Response:
    snapshots = await run_in_threadpool(device_snapshots, context.settings, context.clock())
    found = [_Seen(one, LIVE) for one in snapshots if query.kind is None or one.device.kind is query.kind]
    return answer_rows(request, suffix, "devices", [_brief(seen) for seen in found], _about(found))


def _answer_history(
    request: Request, context: Context, device_id: str, query: HistoryQuery, suffix: Form | None
) -> Response:
    last = query.last or context.clock()
    first = query.first or last - _DEFAULT_HISTORY
    if not timedelta() <= last - first <= _LONGEST_HISTORY:
        raise ProblemError(422, "from: it is after `to`, or more than ten years before")
    seen = _known(context, device_id)
    values = context.live.history(device_id, query.sensor, first, last)
    rows = [{"at": format_instant(one.at), "value": one.value, "unit": one.unit} for one in values]
    about = {**_about([seen]), "device_id": device_id, "sensor": query.sensor}
    return answer_rows(request, suffix, "values", rows, about)


def _known(context: Context, device_id: str) -> _Seen:
    """A device of the live table."""
    found = context.live.known(device_id)
    if found is None:
        raise NotFoundError(f"There is no device {device_id}", remedy="`/api/v1/devices` lists them")
    return _Seen(_snapshot(context, *found), LIVE)


def _known_charger(context: Context, charger_id: str) -> _Seen:
    """A charger of the live table, or what the state file says of the one charger."""
    try:
        seen = _known(context, charger_id)
        if seen.snapshot.device.kind is DeviceKind.CHARGER:
            return seen
    except Cph50Error:
        if charger_id == UNNAMED:
            for fallen_back in _from_state_file(context):
                return fallen_back
        raise
    raise NotFoundError(f"There is no charger {charger_id}", remedy="`/api/v1/chargers` lists them")


def _chargers(context: Context) -> list[_Seen]:
    """The chargers of the live table; where there is none, or no table, what the state file says."""
    try:
        snapshots = device_snapshots(context.settings, context.clock())
    except Cph50Error:
        fallen_back = _from_state_file(context)
        if not fallen_back:
            raise
        return fallen_back
    found = [_Seen(one, LIVE) for one in snapshots if one.device.kind is DeviceKind.CHARGER]
    return found or _from_state_file(context)


def _from_state_file(context: Context) -> list[_Seen]:
    state = Store.of(context.settings).last_session()
    found = state_snapshot(state, context.clock(), context.settings.live_carry_minutes)
    return [] if found is None else [_Seen(found, STATE_FILE)]


def _direct(context: Context, device_id: str) -> _Seen:
    """A device as its source says it is, asked now.

    Raises:
        ProblemError: 404, 502 where the source refuses, 503 where it asks for patience, 504 where it says nothing.
    """
    from cph50_pipeline.defs.live_direct import read_direct

    try:
        readings = read_direct(context.settings, device_id)
    except NotFoundError:
        raise
    except Cph50Error as error:
        raise _source_failed(error, device_id) from error
    return _Seen(
        _snapshot(context, _device_of(context, device_id), _values(readings, context.clock())), DIRECT
    )


def _source_failed(error: Cph50Error, device_id: str) -> ProblemError:
    kept = f"The latest values that are stored stay: /api/v1/devices/{device_id}"
    if not isinstance(error, TransientError):
        return ProblemError(502, error.message, kept=kept, remedy=error.remedy)
    problem = ProblemError.of(error, 503)
    status = 504 if error.retry_after_seconds is None else 503
    return ProblemError(status, error.message, kept=kept, remedy=error.remedy, headers=problem.headers)


def _device_of(context: Context, device_id: str) -> Device:
    try:
        found = context.live.device(device_id)
    except Cph50Error:  # the source was asked because the table is in doubt
        found = None
    return found or Device(device_id, DeviceKind.CHARGER, "Charger", DIRECT)


def _values(readings: Sequence[Reading], now: datetime) -> list[LatestValue]:
    return [
        LatestValue(one.device_id, one.sensor, one.value, one.unit, one.at, DIRECT, now) for one in readings
    ]


def _snapshot(context: Context, known: Device, values: Sequence[LatestValue]) -> DeviceSnapshot:
    return snapshot_of(known, values, context.clock(), context.settings.live_carry_minutes)


def _about(found: Sequence[_Seen]) -> dict[str, Any]:
    """What is said of several devices together: the oldest speaks for all."""
    ages = [seen.snapshot.age_seconds for seen in found]
    known = [age for age in ages if age is not None]
    return {
        "age_seconds": max(known) if known and len(known) == len(ages) else None,
        "stale": not found or any(seen.snapshot.is_stale for seen in found),
        "source": ", ".join(sorted({seen.source for seen in found})) or LIVE,
    }


def _brief(seen: _Seen) -> dict[str, Any]:
    one = seen.snapshot
    return {
        "device_id": one.device.device_id,
        "kind": one.device.kind.value,
        "name": one.device.name,
        "feed": one.device.source,
        "age_seconds": one.age_seconds,
        "stale": one.is_stale,
        "source": seen.source,
        "freshness": one.freshness.value,
        "newest_at": None if one.newest_at is None else format_instant(one.newest_at),
        "retired_at": None if one.device.retired_at is None else format_instant(one.device.retired_at),
    }


def _whole(seen: _Seen) -> dict[str, Any]:
    sensors = {
        sensor.sensor: {
            "value": sensor.value,
            "unit": sensor.unit,
            "at": None if sensor.at is None else format_instant(sensor.at),
            "age_seconds": sensor.age_seconds,
            "last_value": sensor.last_value,
            "last_at": format_instant(sensor.last_at),
        }
        for sensor in seen.snapshot.sensors
    }
    return {**_brief(seen), "sensors": sensors}


def _charger(seen: _Seen) -> dict[str, Any]:
    """A charger with its values side by side; what it does not say is null."""
    sensors = seen.snapshot.sensors
    values: dict[str, Any] = {sensor.sensor: sensor.value for sensor in sensors}
    values |= {
        f"{_AGED[sensor.sensor]}_age_seconds": sensor.age_seconds
        for sensor in sensors
        if sensor.sensor in _AGED and sensor.value is not None
    }
    brief = _brief(seen)
    return {
        "charger_id": brief.pop("device_id"),
        **brief,
        **{name: values.get(name) for name in _CHARGER_VALUES},
    }


_AGED = {"power_kw": "power", "energy_kwh": "energy"}
_CHARGER_VALUES = (
    "status",
    "online",
    "plugged_in",
    "connected",
    "charging",
    "power_kw",
    "power_age_seconds",
    "energy_kwh",
    "energy_age_seconds",
    "amperage_limit",
    "session_id",
    "session_start",
    "duration_minutes",
    "vehicle_id",
    "vehicle_confidence",
)
