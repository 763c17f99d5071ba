"""Routes of the cars: which there are, and a person's word on which of them a session was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.civil_time import local_date
from cph50_pipeline.defs.labelling import car_now, find_sessions, label_session, unlabel_session
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import NotFoundError
from cph50_pipeline.vehicles.labels import new_label
from cph50_pipeline.web import schemas
from cph50_pipeline.web.access import require_token
from cph50_pipeline.web.answering import answer_rows, json_response
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.own_runs import OwnRuns
from cph50_pipeline.web.parameters import API, Suffix
from cph50_pipeline.web.problems import documented

if TYPE_CHECKING:
    from cph50_pipeline.defs.launch import Outcome

router = APIRouter(prefix=API, tags=["vehicles"])
changes = APIRouter(prefix=API, tags=["vehicles"], dependencies=[Depends(require_token)])


class NewLabel(BaseModel):
    """A person's word on one session."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "session_id": "8421400811",
                "vehicle_id": "ember_hatch_2023",
                "note": None,
                "confirmed": False,
            }
        },
    )

    session_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")
    vehicle_id: str | None = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$",
        description="A car, `unknown` for none of the household's, null to take the label back",
    )
    note: str | None = Field(
        default=None,
        max_length=500,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="For people; published as it stands",
    )
    labeled_by: str = Field(
        default="manual", pattern=r"^[0-9A-Za-z][0-9A-Za-z ._-]{0,63}$", description="Who says so; published"
    )
    confirmed: bool = Field(
        default=False, description="Stand by it: it is not asked about when the classifier contradicts it"
    )
    replace: bool = Field(default=False, description="Also replace what another person said")


@router.get("/vehicles", responses=schemas.listed(schemas.Vehicles), response_class=Response)
def vehicles(request: Request, context: Household) -> Response:
    """The household's cars."""
    return answer_rows(request, None, "vehicles", _cars(context), {})


@router.get("/vehicles.{suffix}", responses=schemas.listed(schemas.Vehicles), response_class=Response)
def vehicles_as(request: Request, context: Household, suffix: Suffix) -> Response:
    """The same in the form that the suffix names."""
    return answer_rows(request, suffix, "vehicles", _cars(context), {})


@changes.post(
    "/labels",
    responses={
        200: {"model": schemas.Labelled, "description": "The session's month was named again"},
        202: {"model": schemas.Labelled, "description": "It is written down; the run goes on"},
        **documented(404),
    },
    response_class=Response,
)
def label(request: Request, context: Household, said: NewLabel) -> Response:
    """Say which car a session was, or take that back, and name its month again."""
    month = write_down(context, said)
    runs: OwnRuns = request.app.state.own_runs
    run_id, outcome = runs.name_again(month)
    return json_response(
        _labelled(context, said.session_id, month, run_id, outcome), 202 if outcome is None else 200
    )


def write_down(context: Context, said: NewLabel) -> str:
    """Write a person's word into the file of labels, or take it out; gives the session's month.

    Raises:
        NotFoundError: no stored month has the session.
        BadInputError: the label cannot be used, or another stands in its way.
    """
    store, first_month = Store.of(context.settings), context.settings.history_start
    if said.session_id not in find_sessions(store, first_month, {said.session_id}):
        raise NotFoundError(f"No stored month has a session {said.session_id}", kept="Nothing was labelled")
    if said.vehicle_id is None:
        return unlabel_session(store, first_month, said.session_id) or ""
    word = new_label(said.vehicle_id, said.labeled_by, said.note, context.clock(), confirmed=said.confirmed)
    return label_session(store, first_month, said.session_id, word, replace=said.replace)


def _cars(context: Context) -> list[dict[str, Any]]:
    today = local_date(context.clock(), context.settings.zone)
    cars = sorted(Store.of(context.settings).vehicles().vehicles.items())
    return [
        {
            "vehicle_id": vehicle_id,
            "name": car.display_name(vehicle_id),
            "make": car.make,
            "model": car.model,
            "year": car.year,
            "battery_capacity_kwh": car.battery_capacity_kwh,
            "display_color": car.display_color or car.paint_color_hex,
            "valid_periods": [period.model_dump(mode="json", by_alias=True) for period in car.valid_periods],
            "is_here": car.belongs_on(today),
        }
        for vehicle_id, car in cars
    ]


def _labelled(
    context: Context, session_id: str, month: str, run_id: str, outcome: Outcome | None
) -> dict[str, Any]:
    car = car_now(Store.of(context.settings), month, session_id)
    return {
        "session_id": session_id,
        "month": month,
        "run_id": run_id,
        "succeeded": None if outcome is None else outcome.succeeded,
        "failures": [] if outcome is None else [*outcome.failures],
        "vehicle_id": UNKNOWN_VEHICLE if car is None else car.vehicle_id,
        "labeled_by": None if car is None else car.labeled_by,
    }
