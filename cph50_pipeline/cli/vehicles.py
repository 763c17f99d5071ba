"""The commands about cars: whose a session was, and which cars there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cph50_pipeline.civil_time import local_date
from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.launch import Outcome
    from cph50_pipeline.defs.store import Store

OPEN_END = "open"

app = typer.Typer(rich_markup_mode=None)
SessionId = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id.")]
VehicleId = Annotated[str, typer.Argument(metavar="VEHICLE", help="The car's id.")]
Fields = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FIELD=VALUE]...",
        help="Fields of vehicle_config.json, for example nickname=Ember year=2023; without a value: not known.",
    ),
]
FirstDay = Annotated[
    str | None, typer.Option("--from", help="First day in the household, YYYY-MM-DD, or `open`.")
]
LastDay = Annotated[
    str | None, typer.Option("--to", help="Last day in the household, YYYY-MM-DD, or `open`.")
]
Author = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who says so. Published with the label, as NAME.")
]
Replace = Annotated[bool, typer.Option("--replace", help="Also replace what another person said.")]
NoRun = Annotated[
    bool,
    typer.Option("--no-run", help="Only write it down; the sensor of the files people edit does the rest."),
]


def label(
    session_id: SessionId,
    vehicle_id: Annotated[
        str, typer.Argument(metavar="VEHICLE", help="The car's id, or `unknown`: none of our cars.")
    ],
    note: Annotated[
        str | None, typer.Option(metavar="TEXT", help="For people. Published with the label, word for word.")
    ] = None,
    by: Author = "manual",
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Stand by it: it is not asked about when the classifier says no."),
    ] = False,
    replace: Replace = False,
    no_run: NoRun = False,
    as_json: AsJson = False,
) -> None:
    """Say which car a session was, and name its month again."""
    from cph50_pipeline.defs.labelling import label_session
    from cph50_pipeline.defs.store import Store
    from cph50_pipeline.vehicles.labels import new_label

    settings = load_settings()
    said = new_label(vehicle_id, by, note, datetime.now(UTC), confirmed=confirm)
    month = label_session(Store.of(settings), settings.history_start, session_id, said, replace=replace)
    _put_in_force(settings, session_id, month, no_run, as_json)


def unlabel(session_id: SessionId, no_run: NoRun = False, as_json: AsJson = False) -> None:
    """Take a session's label back, and name its month again."""
    from cph50_pipeline.defs.labelling import unlabel_session
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    month = unlabel_session(Store.of(settings), settings.history_start, session_id)
    _put_in_force(settings, session_id, month, no_run, as_json)


def import_labels(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A map of labels.")],
    renames: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="NAME=VEHICLE", help="What a car is called there and its id here; repeatable."
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="NAME", help="Who said so, where the file does not say. Published.")
    ] = "manual",
    replace: Replace = False,
    as_json: AsJson = False,
) -> None:
    """Take labels in from another program's map of sessions to cars: all of them, or none when one is wrong.

    What a classifier wrote there is left out: a label is a person's word.
    """
    from cph50_pipeline.defs.labelling import import_labels as take_in
    from cph50_pipeline.defs.store import Store
    from cph50_pipeline.vehicles.label_import import read_labels
    from cph50_pipeline.vehicles.labels import person

    settings = load_settings()
    store = Store.of(settings)
    aliases = _assignments(renames, "--map", "volvo=volvo_xc40_2021")
    found = read_labels(_parsed(file), file.name, store.vehicles().vehicles, aliases, person(by))
    outcome = None if found.refused else take_in(store, settings.history_start, found.labels, replace=replace)
    refused = [*found.refused, *(outcome.refused if outcome else ())]
    if outcome is None or refused:
        for line in refused:
            output.progress(f"  {line}")
        raise BadInputError(
            f"{file.name}: {len(refused)} of its labels cannot be used",
            kept="Nothing was imported",
            remedy="Correct them there, give a car's id here with --map NAME=VEHICLE, or say --replace",
        )
    output.show_import(outcome, found, as_json)


@app.callback(invoke_without_command=True)
def vehicles(context: typer.Context, as_json: AsJson = False) -> None:
    """The household's cars: `list` (also without a word more), `add`, `edit`, `retire`; `review` what they were."""
    if context.invoked_subcommand is None:
        list_vehicles(as_json)


@app.command(name="list")
def list_vehicles(as_json: AsJson = False) -> None:
    """List the cars, when they were in the household, and how many labels each has."""
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    store = Store.of(settings)
    output.show_vehicles(_rows(store, _today(settings)), as_json)


@app.command()
def add(
    vehicle_id: Annotated[
        str, typer.Argument(metavar="VEHICLE", help="An id: lower case letters, digits, `-` and `_`.")
    ],
    fields: Fields = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: AsJson = False,
) -> None:
    """Add a car; sessions since its first day may be its."""
    from cph50_pipeline.vehicles.config import with_vehicle

    given, days = _assignments(fields, "A field", "nickname=Ember"), _days(first_day, last_day)
    _edit(vehicle_id, lambda document, now: with_vehicle(document, vehicle_id, given, days, now), as_json)


@app.command()
def edit(
    vehicle_id: VehicleId,
    fields: Fields = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: AsJson = False,
) -> None:
    """Change what is known of a car; what is not named stays as it is."""
    from cph50_pipeline.vehicles.config import with_edited_vehicle

    given, days = _assignments(fields, "A field", "nickname=Ember"), _days(first_day, last_day)
    if not given and not days:
        raise BadInputError("Say what to change, for example nickname=Ember or --from 2024-02-01")
    _edit(vehicle_id, lambda doc, now: with_edited_vehicle(doc, vehicle_id, given, days, now), as_json)


@app.command()
def retire(
    vehicle_id: VehicleId,
    last_day: Annotated[
        str | None,
        typer.Option("--on", help="Its last day in the household, YYYY-MM-DD; today when left out."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say that a car left; it stays known for the sessions up to its last day."""
    from cph50_pipeline.vehicles.config import with_retired_vehicle

    day = _today(load_settings()) if last_day is None else _day(last_day)
    _edit(vehicle_id, lambda document, now: with_retired_vehicle(document, vehicle_id, day, now), as_json)


def _put_in_force(
    settings: Settings, session_id: str, month: str | None, no_run: bool, as_json: bool
) -> None:
    """Name the session's month again, unless told otherwise or there is none yet, and say what the session is now."""
    from cph50_pipeline.defs.labelling import car_now
    from cph50_pipeline.defs.store import Store

    outcome = None if no_run or month is None else _name_again(settings, month)
    car = None if month is None else car_now(Store.of(settings), month, session_id)
    output.show_car(session_id, month, car, outcome, as_json)
    if outcome is not None and not outcome.succeeded:
        raise typer.Exit(FAILED)


def _name_again(settings: Settings, month: str) -> Outcome:
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB
    from cph50_pipeline.defs.launch import Launch, launch

    with open_instance(settings) as instance:
        return launch(instance, settings, Launch(ATTRIBUTION_JOB, [month]), output.progress)


def _edit(vehicle_id: str, change: Callable[[Mapping[str, Any], datetime], object], as_json: bool) -> None:
    from cph50_pipeline.defs.editing_cars import edit_cars
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    store = Store.of(settings)
    changed = edit_cars(store, change, datetime.now(UTC))
    rows = [row for row in _rows(store, _today(settings)) if row["vehicle_id"] == vehicle_id]
    output.show_vehicles(rows, as_json)
    if changed:
        output.progress("Sessions of all months are named again " + output.NAMED_BY_SENSOR)


def _rows(store: Store, today: date) -> list[dict[str, Any]]:
    cars = sorted(store.vehicles().vehicles.items())
    counts = _label_counts(store)
    return [
        {
            "vehicle_id": vehicle_id,
            "name": vehicle.display_name(vehicle_id),
            "make": vehicle.make,
            "model": vehicle.model,
            "year": vehicle.year,
            "days": vehicle.days(),
            "valid_periods": [p.model_dump(mode="json", by_alias=True) for p in vehicle.valid_periods],
            "is_here": vehicle.belongs_on(today),
            "labels": None if counts is None else counts[vehicle_id],
        }
        for vehicle_id, vehicle in cars
    ]


def _label_counts(store: Store) -> Counter[str] | None:
    """People's labels by car; None, and a line that says why, while they cannot be read."""
    try:
        return Counter(label.vehicle_id for label in store.labels().truths().values())
    except BadInputError as error:
        output.progress(str(error))
        return None


def _parsed(file: Path) -> object:
    from cph50_pipeline.storage.documents import load_json
    from cph50_pipeline.vehicles.label_import import IMPORTABLE

    try:
        return load_json(file.read_bytes(), file.name)
    except OSError as error:
        raise BadInputError(f"{file} cannot be read: {error.strerror}") from error
    except BadInputError as error:
        remedy = f"What can be imported is {IMPORTABLE}"
        raise BadInputError(error.message, kept="Nothing was imported", remedy=remedy) from None


def _assignments(given: list[str] | None, what: str, example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not name or not equals or name in found:
            why = "is given twice" if name in found else "needs a name, `=` and a value"
            raise BadInputError(f"{what} {why}: '{text}'", remedy=f"Write it as {example}")
        found[name] = value
    return found


def _days(first_day: str | None, last_day: str | None) -> dict[str, str | None]:
    given = {"from": first_day, "to": last_day}
    return {
        end: None if text == OPEN_END else _day(text).isoformat()
        for end, text in given.items()
        if text is not None
    }


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInputError(f"'{text}' is not a day", remedy="Write it as 2026-01-31") from None


def _today(settings: Settings) -> date:
    return local_date(datetime.now(UTC), settings.zone)
