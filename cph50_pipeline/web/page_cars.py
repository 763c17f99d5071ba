"""Forms of the label page that add a car to the household, and take one back that nothing names yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from cph50_pipeline.civil_time import local_date
from cph50_pipeline.defs.editing_cars import edit_cars
from cph50_pipeline.defs.page_label import LabelMemory
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.new_car import FIELDS, CarForm, checked_form, empty_form
from cph50_pipeline.vehicles.config import VehicleConfig, new_vehicle_id, with_vehicle, without_vehicle
from cph50_pipeline.web.context import Context, Household
from cph50_pipeline.web.people import SignedForm

changes = APIRouter(prefix="/forms/car", include_in_schema=False)
_SECTION = "#cars"
_LOOK_SECONDS = 10.0


def car_form(request: Request, context: Context) -> CarForm:
    """The form as the page's address has it: filled in and looked through again where it was refused."""
    given = request.query_params
    if "adding" not in given:
        return empty_form()
    try:
        config = Store.of(context.settings).vehicles()
    except Cph50Error:  # the page tells it in its place
        config = VehicleConfig()
    return _checked(given, config, context)


@changes.post("")
def add_car(context: Household, form: SignedForm) -> Response:
    """Add a car to the household; back to the form, as it was filled in, where that cannot be."""
    store = Store.of(context.settings)
    checked = _checked(form, store.vehicles(), context)
    if checked.problems:
        given = {name: checked.values[name] for name in FIELDS}
        return RedirectResponse(f"{ServedLinks().page('label', adding='yes', **given)}{_SECTION}", 303)
    made: list[str] = []

    def change(document: Mapping[str, Any], now: datetime) -> object:
        made.append(new_vehicle_id(checked.values["nickname"], document.get("vehicles", {})))
        return with_vehicle(document, made[-1], checked.fields, checked.days, now)

    edit_cars(store, change, context.clock())
    return RedirectResponse(f"{ServedLinks().page('label', added=made[-1])}{_SECTION}", 303)


@changes.post("/back")
def take_back(request: Request, context: Household, form: SignedForm) -> Response:
    """Remove a car that no label and no session names."""
    store, vehicle_id = Store.of(context.settings), form.get("vehicle_id", "")
    memory: LabelMemory = request.app.state.label_memory
    look = memory.look(_LOOK_SECONDS)
    if look.history is None or not look.is_current:
        raise BadInputError(
            "Whether a session is that car's is still being looked up",
            kept="The car is still there",
            remedy="Try again in a moment",
        )
    named = {stay.named.classification.vehicle_id for stay in look.history.stays.values()}

    def change(document: Mapping[str, Any], now: datetime) -> object:
        if vehicle_id in named | {label.vehicle_id for label in store.labels().truths().values()}:
            raise BadInputError(
                "Sessions are that car's",
                kept="The car is still there",
                remedy=f"`cph50 vehicles retire {vehicle_id}` says when it left; its sessions stay its",
            )
        return without_vehicle(document, vehicle_id, now)

    edit_cars(store, change, context.clock())
    return RedirectResponse(f"{ServedLinks().page('label', removed='yes')}{_SECTION}", 303)


def _checked(given: Mapping[str, str], config: VehicleConfig, context: Context) -> CarForm:
    return checked_form(given, config, local_date(context.clock(), context.settings.zone))
