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
