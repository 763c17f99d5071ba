"""`cph50 power migrate`: the files of an old power monitor become readings, after a look at what they would become."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.launch import Outcome
    from cph50_pipeline.defs.migrating import Migrated
    from cph50_pipeline.power.migration.columns import Choices
    from cph50_pipeline.power.migration.plan import Plan


class Rows(StrEnum):
    """What the rows of the files are."""

    READINGS = "readings"
    HOURS = "hours"
    DAYS = "days"


def migrate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JSON file, or a folder of them.")],
    apply: Annotated[
        bool, typer.Option("--apply", help="Write what can be taken; without it nothing is.")
    ] = False,
    meters: Annotated[
        list[str] | None,
        typer.Option("--meter", metavar="COLUMN=METER", help="Which meter a column is; repeatable."),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option("--unit", metavar="COLUMN=UNIT", help="What a column is in; repeatable."),
    ] = None,
    scales: Annotated[
        list[str] | None,
        typer.Option("--scale", metavar="COLUMN=FACTOR", help="What its values are multiplied with."),
    ] = None,
    span: Annotated[
        Rows | None,
        typer.Option("--span", help="What the rows are: readings, or means over hours or days."),
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Show what became of each value.")] = False,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="CSV", help="Write that to a file.", dir_okay=False)
    ] = None,
    no_run: Annotated[
        bool, typer.Option("--no-run", help="Only store the readings; the sensor rolls them up.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what of an old power monitor's files can be taken, row by row, and take it with --apply."""
    from cph50_pipeline.defs.migrating import migrate as take_in
    from cph50_pipeline.defs.store import Store

    settings = load_settings()
    now = datetime.now(UTC)
    choices = _choices(meters, units, scales, span)
    with Store.of(settings).open() as store:
        done = take_in(store, settings, file, choices, now, apply=apply)
    is_reported = report is None or _write_report(report, done.plan)
    outcome = _roll_up(settings, done.months, now) if done.months and not no_run else None
    _show(done, outcome, settings, applied=apply, rows=rows, as_json=as_json)
    if done.plan.is_in_vain or not is_reported or (outcome is not None and not outcome.succeeded):
        raise typer.Exit(FAILED)


def _choices(
    meters: list[str] | None, units: list[str] | None, scales: list[str] | None, span: Rows | None
) -> Choices:
    from cph50_pipeline.power.migration.columns import Choices
    from cph50_pipeline.power.migration.times import Span

    return Choices(
        meters=_by_column(meters, "--meter", "power=home.power"),
        units=_by_column(units, "--unit", "power=kW"),
        scales={
            column: _factor(column, text)
            for column, text in _by_column(scales, "--scale", "power_factor=0.1").items()
        },
        span=None if span is None else Span(span.value),
    )


def _by_column(given: Sequence[str] | None, option: str, example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given or ():
        column, equals, value = text.partition("=")
        if not column or not equals or column in found:
            why = "is given twice" if column in found else "needs a column, `=` and what it is"
            raise BadInputError(f"{option} {why}: '{text}'", remedy=f"Write it as {option} {example}")
        found[column] = value
    return found


def _factor(column: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInputError(
            f"--scale {column}={text}: '{text}' is not a number",
            remedy="Write it as --scale power_factor=0.1",
        ) from None


def _write_report(path: Path, plan: Plan) -> bool:
    """Write the verdicts; a line, and False, where they cannot be."""
    from cph50_pipeline.power.migration.report import verdicts_csv

    try:
        path.write_bytes(verdicts_csv(plan))
    except OSError as error:
        output.progress(f"{path} cannot be written: {error.strerror}")
        return False
    return True


def _roll_up(settings: Settings, months: Sequence[str], now: datetime) -> Outcome:
    """Make the months of power again; how the first run that failed ended, or else the last."""
    from cph50_pipeline.civil_time import month_of
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.jobs import POWER_JOB
    from cph50_pipeline.defs.launch import Launch, launch
    from cph50_pipeline.defs.migrating import months_to_make
    from cph50_pipeline.defs.power_inputs import PowerInputs
    from cph50_pipeline.defs.store import Store

    store = Store.of(settings)
    inputs = PowerInputs(store, store.meters(settings.power_interval_seconds))
    wanted = months_to_make(inputs, months, settings.history_start, month_of(now, settings.zone))
    with open_instance(settings) as instance:
        outcomes = [
            launch(instance, settings, Launch(POWER_JOB, sorted({span[0], span[-1]})), output.progress)
            for span in wanted
        ]
    return next((outcome for outcome in outcomes if not outcome.succeeded), outcomes[-1])


def _show(
    done: Migrated,
    outcome: Outcome | None,
    settings: Settings,
    *,
    applied: bool,
    rows: bool,
    as_json: bool,
) -> None:
    from cph50_pipeline.power.migration.report import (
        as_document,
        file_rows,
        meter_rows,
        reading_rows,
        refusal_rows,
        verdict_lines,
    )

    plan = done.plan
    if as_json:
        state = {"applied": applied, "months": list(done.months), "run": _run(outcome)}
        output.show_document({**as_document(plan, settings.zone), **state})
        return
    _show_rows("", file_rows(plan))
    _show_rows("Values by meter and month", meter_rows(plan, settings.zone))
    _show_rows("New readings, in kW, kWh, V and shares", reading_rows(plan))
    _show_rows("Refused", refusal_rows(plan))
    if rows:
        output.print_safely("", "Every value:", *(f"  {line}" for line in verdict_lines(plan)))
    if plan.doubts:
        output.print_safely("", "Look at this first:", *(f"  {doubt}" for doubt in plan.doubts))
    output.print_safely("", _conclusion(done, outcome, applied))


def _show_rows(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    if title:
        output.print_safely("", f"{title}:")
    output.show_table([{name: _safe(value) for name, value in row.items()} for row in rows], as_json=False)


def _safe(value: Any) -> Any:
    """A number in as many digits as it needs, and text that cannot steer the terminal."""
    if isinstance(value, float):
        return f"{value:g}"
    return value if value is None or isinstance(value, int) else output.printable(str(value))


def _conclusion(done: Migrated, outcome: Outcome | None, applied: bool) -> str:
    plan = done.plan
    if plan.is_in_vain:
        return "Nothing can be taken; nothing was written"
    if not plan.taken_count:
        return "All that can be taken is stored already; nothing was written"
    if not applied:
        return f"{plan.taken_count} value(s) would be taken; nothing was written: --apply does it, --rows shows each"
    said = f"{plan.taken_count} value(s) taken into {', '.join(done.months)}"
    if outcome is None:
        return f"{said}; they are rolled up by the next run"
    if outcome.succeeded:
        return f"{said} and rolled up (run {outcome.run_id[:8]})"
    failures = "; ".join(outcome.failures)
    return f"{said}, but run {outcome.run_id[:8]} failed and the next one rolls them up: {failures}"


def _run(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    return {"run_id": outcome.run_id, "succeeded": outcome.succeeded, "failures": list(outcome.failures)}
