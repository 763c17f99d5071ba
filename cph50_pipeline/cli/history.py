"""`cph50 history`: how a session's record, or a file, changed over the commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cph50_pipeline.civil_time import format_instant, format_local, parse_instant, parse_month
from cph50_pipeline.cli import output
from cph50_pipeline.cli.options import AsJson, Source
from cph50_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.charging.record_history import Difference, Turn
    from cph50_pipeline.defs.histories import FileVersion, SessionVersion
    from cph50_pipeline.storage.published import Commit


def history(
    what: Annotated[
        str, typer.Argument(metavar="SESSION|FILE", help="A session's id, or a file of the data root.")
    ],
    month: Annotated[
        str | None, typer.Option(help="A month that had the session, if none has it now.")
    ] = None,
    source: Source = None,
    as_json: AsJson = False,
) -> None:
    """Show how a session's record or a file changed from commit to commit, oldest first."""
    from cph50_pipeline.defs.histories import file_history, session_history
    from cph50_pipeline.defs.store import Store
    from cph50_pipeline.storage.published_source import published_of

    settings = load_settings()
    named_month = parse_month(month) if month is not None else None
    is_file = "/" in what or "." in what
    with published_of(settings, source) as published:
        if is_file:
            _show_file(file_history(published, what), settings, as_json)
        else:
            versions = session_history(published, Store.of(settings), what, named_month)
            _show_session(versions, settings, as_json)


def _show_file(versions: Sequence[FileVersion], settings: Settings, as_json: bool) -> None:
    if as_json:
        output.show_document(
            [{**_fields(one.commit), "bytes": one.bytes, "changes": one.changes} for one in versions]
        )
        return
    for one in versions:
        print(_line(one.commit, settings))
        print(f"  {one.changes}")


def _show_session(versions: Sequence[SessionVersion], settings: Settings, as_json: bool) -> None:
    if as_json:
        output.show_document([_document(one) for one in versions])
        return
    for one in versions:
        print(_line(one.commit, settings))
        print(f"  {_record(one.turn, settings)}")
        for difference in one.turn.differences:
            print(f"    {_difference(difference)}")


def _fields(commit: Commit) -> dict[str, Any]:
    from cph50_pipeline.storage.messages import read_message

    told = read_message(commit.message)
    return {"at": format_instant(commit.at), "commit": commit.id, "run": told.run_id, "job": told.job_name}


def _line(commit: Commit, settings: Settings) -> str:
    from cph50_pipeline.storage.messages import read_message

    told = read_message(commit.message)
    by = f"{told.job_name} {told.run_id[:8]}" if told.run_id else f"by hand: {told.subject}"
    return f"{commit.id[:10]}  {format_local(commit.at, settings.zone)}  {by}"


def _document(version: SessionVersion) -> dict[str, Any]:
    turn, state = version.turn, version.turn.state
    return {
        **_fields(version.commit),
        "event": turn.event,
        "months": list(state.months),
        "energy_kwh": state.energy_kwh,
        "end": state.end,
        "vehicle_id": state.vehicle_id,
        "vehicle_name": state.vehicle_name,
        "vehicle_confidence": state.vehicle_confidence,
        "labeled_by": state.labeled_by,
        "changes": [
            {"field": one.name, "before": one.before, "after": one.after} for one in turn.differences
        ],
    }


def _record(turn: Turn, settings: Settings) -> str:
    """What is stored of the session from this commit on, or was until then."""
    state = turn.state
    energy = "energy unknown" if state.energy_kwh is None else f"{state.energy_kwh:.2f} kWh"
    end = f"ended {format_local(parse_instant(state.end), settings.zone)}" if state.end else "open"
    sure = "" if state.vehicle_confidence is None else f" ({state.vehicle_confidence:.2f})"
    by = f", labelled by {state.labeled_by}" if state.labeled_by else ""
    months = " and ".join(state.months)
    return f"{turn.event} in {months}: {energy}, {end}, {state.vehicle_name or state.vehicle_id}{sure}{by}"


def _difference(one: Difference) -> str:
    return f"{one.name} {_shown(one.before)} -> {_shown(one.after)}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)
