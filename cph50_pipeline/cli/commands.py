"""The commands themselves."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cph50_pipeline.civil_time import month_of, month_range, parse_month, shift_month
from cph50_pipeline.cli import FAILED, caches, maintenance, output, power, vehicles
from cph50_pipeline.cli.export import export
from cph50_pipeline.cli.history import history
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.cli.publish import publish
from cph50_pipeline.cli.restore import restore
from cph50_pipeline.cli.review import review
from cph50_pipeline.cli.serve import serve, token
from cph50_pipeline.cli.training import train
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.updating import UpdateConfig

app = typer.Typer(
    name="cph50",
    help="Home charging data of a ChargePoint Home Flex: collect, identify, account, publish.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Span(StrEnum):
    """What `cph50 update` brings up to date."""

    CURRENT = "current"
    LAST = "last"
    MONTH = "month"
    SESSION = "session"


class Toggle(StrEnum):
    """What `cph50 scheduler` does."""

    START = "start"
    STOP = "stop"
    STATUS = "status"


@app.command()
def demo(as_json: AsJson = False) -> None:
    """Run the main job on the simulator, four months of a two-car household, and say what it made."""
    from cph50_pipeline.cli.demo import run_demo

    summary = run_demo(output.progress)
    output.show_demo(summary, as_json)


@app.command()
def dev(port: Annotated[int, typer.Option(help="Port of the Dagster UI.")] = 3000) -> None:
    """Start the simulator, Dagster and the read API; a car plugs in within a minute. Ctrl-C ends all."""
    from cph50_pipeline.cli.dev import run_dev

    raise typer.Exit(run_dev(load_settings(), port, output.progress))


@app.command()
def simulate(
    port: Annotated[
        int, typer.Option(help="Port of ChargePoint and Home Assistant; 0 for a free one.")
    ] = 8050,
    github_port: Annotated[int | None, typer.Option(help="Port of GitHub; unset, the next one.")] = None,
    plug_in_after: Annotated[float | None, typer.Option(help="Plug a car in after so many seconds.")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Serve recorded answers of this folder instead.", exists=True)
    ] = None,
    github_folder: Annotated[
        Path | None, typer.Option(help="Keep GitHub's repositories in this folder, for the next time.")
    ] = None,
) -> None:
    """Serve the simulated ChargePoint, Home Assistant and GitHub until stopped."""
    from cph50_pipeline.cli.dev import SimulatedServices, run_simulator

    services = SimulatedServices(port, github_port, plug_in_after, replay, github_folder)
    run_simulator(load_settings(), services, output.progress)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", help="First month, YYYY-MM.")],
    last: Annotated[str, typer.Option("--to", help="Last month, YYYY-MM.")],
    refresh_closed: Annotated[
        bool, typer.Option(help="Ask ChargePoint again for months that are closed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make every charging asset of a range of months, in one run."""
    from cph50_pipeline.defs.jobs import CHARGING_JOB
    from cph50_pipeline.defs.updating import UpdateConfig

    months = month_range(parse_month(first), parse_month(last))
    if not months:
        raise BadInputError(f"--from {first} comes after --to {last}")
    _launch(load_settings(), CHARGING_JOB, months, UpdateConfig(refresh_closed=refresh_closed), as_json)


@app.command()
def update(
    span: Annotated[Span, typer.Argument(help="current, last, month or session")],
    which: Annotated[str | None, typer.Argument(help="The month (YYYY-MM) or the session's id.")] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the current month, the last one, a given month or one session up to date."""
    from cph50_pipeline.defs.jobs import CHARGING_JOB, SESSION_JOB
    from cph50_pipeline.defs.updating import UpdateConfig

    settings = load_settings()
    if span is Span.SESSION:
        session_id = _required(which, "session ID")
        month = _month_of_session(settings, session_id)
        _launch(settings, SESSION_JOB, [month], UpdateConfig(session_id=session_id), as_json)
        return
    month = _month_of_span(span, which, settings)
    _launch(settings, CHARGING_JOB, [month], UpdateConfig(refresh_closed=True), as_json)


@app.command()
def tick(as_json: AsJson = False) -> None:
    """Evaluate sensors and due schedules once and run what they ask for: for cron and GitHub Actions."""
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.tick import tick as evaluate

    settings = load_settings()
    with open_instance(settings) as instance:
        done = evaluate(instance, settings, datetime.now(UTC), output.progress)
    output.show_tick(done, as_json)
    if not all(ticked.succeeded for ticked in done):
        raise typer.Exit(FAILED)


@app.command()
def scheduler(
    action: Annotated[Toggle, typer.Argument(help="start, stop or status")], as_json: AsJson = False
) -> None:
    """Switch Dagster's own sensors and schedules on or off, or show which are on."""
    from cph50_pipeline.cli.toggles import show_toggles, switch_all
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.maintenance.state import paused

    settings = load_settings()
    with open_instance(settings) as instance:
        if action is not Toggle.STATUS:
            switch_all(action.value)
        output.show_table(show_toggles(instance, settings), as_json)
    said = paused(settings)
    if said is not None:
        output.progress(f"There is {said}")


@app.command()
def reconcile(as_json: AsJson = False) -> None:
    """Show Dagster what the files already hold, as after a fresh clone."""
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.reconcile import reconcile as report
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    with open_instance(settings) as instance:
        result = report(instance, Store.of(settings), settings.history_start)
    output.show_reconciled(result, as_json)
    if result.damaged:
        raise typer.Exit(FAILED)


@app.command()
def rebuild(
    apply: Annotated[bool, typer.Option("--apply", help="Do it, instead of only saying what.")] = False,
    as_json: AsJson = False,
) -> None:
    """After a change of the time zone: put every session and reading into the month and day to which it now belongs."""
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.rebuild import plan_rebuild
    from cph50_pipeline.defs.rebuild import rebuild as apply_plan
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    plan = plan_rebuild(settings, Store.of(settings))
    if not apply or not plan.is_needed:
        output.show_rebuild(plan, settings.timezone, None, as_json)
        return
    with open_instance(settings) as instance:
        outcome = apply_plan(settings, instance, output.progress)
    output.show_rebuild(plan, settings.timezone, outcome, as_json)
    if not outcome.succeeded:
        raise typer.Exit(FAILED)


app.command()(vehicles.label)
app.command()(vehicles.unlabel)
vehicles.app.command()(review)
app.add_typer(vehicles.app, name="vehicles")
app.add_typer(power.app, name="power")
app.add_typer(maintenance.app, name="maintenance")
app.add_typer(caches.app, name="cache")
app.command(name="import")(vehicles.import_labels)
app.command()(train)
app.command()(publish)
app.command()(restore)
app.command()(history)
app.command()(export)
app.command()(serve)
app.command()(token)


@app.command(name="settings")
def show_settings(as_json: AsJson = False) -> None:
    """Print every setting in force, with secrets masked."""
    output.show_table(load_settings().describe(), as_json)


def _launch(settings: Settings, job: str, months: list[str], config: UpdateConfig, as_json: bool) -> None:
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.jobs import update_run_config
    from cph50_pipeline.defs.launch import Launch, launch

    run_config = update_run_config(config)
    with open_instance(settings) as instance:
        outcome = launch(instance, settings, Launch(job, months, run_config), output.progress)
    output.show_outcome(outcome, months, as_json)
    if not outcome.succeeded:
        raise typer.Exit(FAILED)


def _month_of_span(span: Span, which: str | None, settings: Settings) -> str:
    current = month_of(datetime.now(UTC), settings.zone)
    if span is Span.MONTH:
        return parse_month(_required(which, "month YYYY-MM"))
    if which is not None:
        raise BadInputError(f"`cph50 update {span}` takes nothing more, not '{which}'")
    return current if span is Span.CURRENT else shift_month(current, -1)


def _month_of_session(settings: Settings, session_id: str) -> str:
    from cph50_pipeline.civil_time import from_epoch_ms
    from cph50_pipeline.defs.resources import ChargePoint

    status = ChargePoint.of(settings).process_config_and_initialize().client().session(session_id)
    return month_of(from_epoch_ms(status.start_time), settings.zone)


def _required(which: str | None, what: str) -> str:
    if which is None:
        raise BadInputError(f"Say which: cph50 update {what}")
    return which
