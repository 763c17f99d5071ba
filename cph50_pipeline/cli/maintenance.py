"""`cph50 maintenance`: pause what begins by itself, and keep small what grows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.maintenance import Mode

app = typer.Typer(help="Pause what begins by itself; rotate logs, forget old runs, tidy up.")


@app.callback(invoke_without_command=True)
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Say whether there is maintenance."""
    if context.invoked_subcommand is None:
        from cph50_pipeline.defs.maintenance import mode

        settings = load_settings()
        _show(mode(settings), settings, as_json)


@app.command()
def on(
    reason: Annotated[str, typer.Option(help="Why, one line.")] = "",
    minutes: Annotated[
        int | None, typer.Option("--for", min=1, help="End by itself after so many minutes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin maintenance: nothing that writes data begins by itself until it is over."""
    from cph50_pipeline.defs.maintenance.state import switch_on

    settings = load_settings()
    lasts = None if minutes is None else timedelta(minutes=minutes)
    _show(switch_on(settings, reason, lasts), settings, as_json)


@app.command()
def off(as_json: AsJson = False) -> None:
    """End maintenance."""
    from cph50_pipeline.defs.maintenance.state import switch_off

    settings = load_settings()
    ended = switch_off(settings)
    if ended is not None and not as_json:
        print(f"Over: {ended.sentence(settings.zone)}")
        return
    _show(None, settings, as_json)


@app.command()
def run(as_json: AsJson = False) -> None:
    """Rotate logs, forget runs of long ago, remove what was left over, put databases in order; now."""
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.jobs import MAINTENANCE_JOB
    from cph50_pipeline.defs.launch import Launch, launch
    from cph50_pipeline.defs.maintenance.job import steps_of_run

    settings = load_settings()
    with open_instance(settings) as instance:
        outcome = launch(instance, settings, Launch(MAINTENANCE_JOB), output.progress)
        steps = steps_of_run(instance, outcome.run_id)
    if as_json:
        rows = [step.row() for step in steps]
        output.show_document(
            {"run_id": outcome.run_id, "succeeded": outcome.succeeded, "steps": rows}
            | ({} if outcome.succeeded else {"failures": list(outcome.failures)})
        )
    else:
        output.print_safely(*(step.sentence for step in steps))
    if not outcome.succeeded:
        for failure in outcome.failures if not steps else ():
            output.progress(failure)
        raise typer.Exit(FAILED)


def _show(current: Mode | None, settings: Settings, as_json: bool) -> None:
    if as_json:
        output.show_document(_document(current))
    elif current is None:
        print("There is no maintenance")
    else:
        output.print_safely(f"There is {current.sentence(settings.zone)}")


def _document(current: Mode | None) -> dict[str, Any]:
    if current is None:
        return {"is_on": False}
    until = None if current.until is None else format_instant(current.until)
    return {
        "is_on": True,
        "since": format_instant(current.since),
        "until": until,
        "reason": current.reason,
    }
