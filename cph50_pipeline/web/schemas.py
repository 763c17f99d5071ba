"""What answers look like, for the OpenAPI: field by field, with examples. Nothing sent is checked against it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.web.forms import Form
from cph50_pipeline.web.problems import documented

UNCHANGED: dict[str, Any] = {"description": "The client has it already, by its `If-None-Match`"}
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def listed(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """The answers of a route that gives a list in three forms."""
    return {
        200: {
            "model": model,
            "description": "A page of rows. `X-Total-Count` says how many there are, `Link` where the others are",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                Form.PARQUET.media_type: _BINARY,
            },
        },
        304: UNCHANGED,
        **documented(404, 406),
    }


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow")


class _Page(_Shape):
    stale: bool = Field(
        description="Whether it is the last good answer while a newer one is made, or cannot be"
    )
    total: int = Field(description="How many rows there are")
    limit: int
    offset: int
    next: str | None = Field(description="Where the next rows are; null: there are none")


class SessionRow(_Shape):
    """A session. Times are UTC."""

    session_id: str = Field(examples=["8421400811"])
    session_start_time: datetime = Field(examples=["2026-09-07T23:48:01+00:00"])
    session_end_time: datetime | None
    energy_kwh: float = Field(examples=[63.8706])
    vehicle_id: str = Field(examples=["ember_hatch_2023"])
    vehicle_confidence: float | None
    vehicle_name: str | None
    charger_label: str | None = Field(examples=["charger-4ba6"])
    duration_seconds: int
    charging_seconds: int | None
    cost: float | None
    peak_power_kw: float | None
    status: Literal["charging", "completed"]
    plug_in_id: str | None
    flags: list[str]


class Sessions(_Page):
    """A page of sessions."""

    sessions: list[SessionRow]


class Slot(_Shape):
    """A quarter hour of a session."""

    slot_start: datetime
    vehicle_id: str
    energy_kwh: float
    cost: float | None
    coverage: float


class Sample(_Shape):
    """A reading of a session."""

    at: datetime
    power_kw: float | None
    energy_kwh: float | None
    origin: Literal["window", "curve"]


class Session(_Shape):
    """A session whole: its record in `session_cache`, its quarter hours, its readings."""

    stale: bool
    session_id: str
    month: str = Field(description="The month that it belongs to", examples=["2026-09"])
    energy_kwh: float
    slots: list[Slot]
    samples: list[Sample]


class Alive(_Shape):
    """The server answers."""

    status: Literal["alive"]


class EnergyRow(_Shape):
    """What one car drew in one period."""

    period: str = Field(
        description="A day, month or year of the household's zone, or the start of a quarter hour (UTC)",
        examples=["2026-01-07", "2026-01", "2026-01-07T06:00:00+00:00"],
    )
    vehicle_id: str
    energy_kwh: float = Field(examples=[21.4807])
    cost: float | None = Field(description="Of what has a cost; null: of nothing is one known")
    cost_of_kwh: float = Field(description="How much of the energy that is the cost of", examples=[21.4807])
    coverage: float = Field(description="Share of the quarter hours' time that readings speak of", ge=0, le=1)
    sessions: int = Field(description="How many sessions were plugged in")


class Energy(_Page):
    """A page of energy."""

    energy: list[EnergyRow]


class RollupRow(_Shape):
    """What one meter said in one bucket."""

    meter: str = Field(examples=["home.power"])
    resolution: Literal["5min", "hour", "day"]
    start: datetime
    mean: float | None
    min: float | None
    max: float | None
    energy_kwh: float | None
    coverage: float


class Rollups(_Page):
    """A page of rollups."""

    rollups: list[RollupRow]


class _Snapshot(_Shape):
    age_seconds: float | None = Field(
        description="Age when it was read; null: nothing is known yet", examples=[12.4]
    )
    stale: bool = Field(description="Whether it is older than it should be")
    source: str = Field(description="Where it comes from")


class PowerFile(_Snapshot):
    """A published file, with its age."""

    data_points: list[dict[str, Any]]
    events: list[dict[str, Any]]
    last_update: datetime | None


class VehicleRow(_Shape):
    """A car."""

    vehicle_id: str = Field(examples=["ember_hatch_2023"])
    name: str
    make: str | None
    model: str | None
    year: int | None
    is_here: bool = Field(description="Whether it belongs to the household today")


class Vehicles(_Shape):
    """The household's cars."""

    total: int
    vehicles: list[VehicleRow]


class Labelled(_Shape):
    """What became of a label."""

    session_id: str
    month: str
    run_id: str
    succeeded: bool | None = Field(description="How the run ended; null: it goes on")
    failures: list[str]
    vehicle_id: str = Field(description="Whose the session is now")
    labeled_by: str | None


class _Brief(_Snapshot):
    kind: Literal["charger", "meter", "telemetry"]
    name: str
    feed: str = Field(description="What reads it")
    freshness: Literal["fresh", "stale", "silent", "never"]
    newest_at: datetime | None
    retired_at: datetime | None = Field(description="Since when it is not asked any more")


class ChargerStatus(_Brief):
    """A charger as it is now; null: it does not say."""

    charger_id: str = Field(examples=["charger-4ba6"])
    status: str | None
    connected: bool | None
    charging: bool | None
    power_kw: float | None
    power_age_seconds: float | None = Field(description="Of the reading: the charger takes one now and then")
    energy_kwh: float | None
    energy_age_seconds: float | None
    amperage_limit: float | None
    session_id: str | None
    vehicle_id: str | None


class Chargers(_Snapshot):
    """The chargers; the oldest speaks for all."""

    total: int
    chargers: list[ChargerStatus]


class DeviceBrief(_Brief):
    """A device."""

    device_id: str = Field(examples=["home.power"])


class Devices(_Snapshot):
    """The devices; the oldest speaks for all."""

    total: int
    devices: list[DeviceBrief]


class Sensor(_Shape):
    """The latest value of a sensor."""

    value: float | bool | str | None = Field(
        description="Null: it fell silent long before the device's other sensors"
    )
    unit: str | None
    at: datetime | None
    age_seconds: float
    last_value: float | bool | str = Field(description="What it said last, however old")
    last_at: datetime


class Device(DeviceBrief):
    """A device with its sensors by name."""

    sensors: dict[str, Sensor]


class HistoryValue(_Shape):
    """A value of before."""

    at: datetime
    value: float | bool | str
    unit: str | None


class DeviceHistory(_Snapshot):
    """What a sensor said before."""

    device_id: str
    sensor: str
    total: int
    values: list[HistoryValue]


class Check(_Shape):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


class Ready(_Shape):
    """Whether what is served is fresh."""

    status: Literal["fresh", "not fresh"]
    checks: list[Check]
