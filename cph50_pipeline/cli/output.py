"""What the commands print: for people with rich, for programs as JSON. Values in, text out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cph50_pipeline.civil_time import format_instant, format_local

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cph50_pipeline.cli.demo import DemoSummary
    from cph50_pipeline.defs.labelling import Import
    from cph50_pipeline.defs.launch import Outcome
    from cph50_pipeline.defs.power_runs import Brought
    from cph50_pipeline.defs.rebuild import RebuildPlan
    from cph50_pipeline.defs.reconcile import Reconciled
    from cph50_pipeline.defs.tick import Ticked
    from cph50_pipeline.defs.training_record import Noted
    from cph50_pipeline.reports.unclassified import UnclassifiedReport
    from cph50_pipeline.vehicles.classification import Classification
    from cph50_pipeline.vehicles.label_import import ImportedLabels

Row = Mapping[str, Any]
NAMED_AT_MOST = 5
NAMED_BY_SENSOR = "within two minutes while Dagster's daemon runs, or by `cph50 tick`"


def progress(line: str) -> None:
    """Say what goes on; on stderr, so that what is printed for reading stays clean."""
    print(line, file=sys.stderr, flush=True)


def show_table(rows: Sequence[Row], as_json: bool) -> None:
    """Rows of the same fields as a table."""
    if as_json:
        show_document(list(rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in rows[0] if rows else []:
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=name in ("setting", "name"))
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console().print(table)


def show_outcome(outcome: Outcome, months: Sequence[str], as_json: bool) -> None:
    """How a run ended."""
    if as_json:
        show_document(_run(outcome))
        return
    span = months[0] if len(months) == 1 else f"{months[0]} to {months[-1]}"
    print(f"{span}: {'done' if outcome.succeeded else 'failed'} (run {outcome.run_id[:8]})")
    for failure in outcome.failures:
        progress(f"  {failure}")


def show_tick(done: Sequence[Ticked], as_json: bool) -> None:
    """What each sensor and schedule said, and how its runs ended."""
    rows = [
        {
            "name": ticked.name,
            "said": ticked.said,
            "runs": [_run(outcome) for outcome in ticked.outcomes],
        }
        for ticked in done
    ]
    if as_json:
        show_document(rows)
        return
    for ticked in done:
        print(f"{ticked.name}: {ticked.said}")
        for outcome in ticked.outcomes:
            print(f"  run {outcome.run_id[:8]}: {'done' if outcome.succeeded else 'failed'}")
            for failure in outcome.failures:
                print(f"    {failure}")


def show_reconciled(result: Reconciled, as_json: bool) -> None:
    """What Dagster was told, and what could not be read."""
    if as_json:
        show_document({"reported": result.reported, "damaged": result.damaged})
        return
    print(f"{len(result.reported)} file(s) reported to Dagster")
    for line in result.damaged:
        progress(line)


def show_rebuild(plan: RebuildPlan, timezone: str, outcome: Outcome | None, as_json: bool) -> None:
    """What a rebuild does; how its run ended, or None when nothing was changed."""
    if as_json:
        run = None if outcome is None else _run(outcome)
        show_document({"timezone": timezone, **asdict(plan), "is_needed": plan.is_needed, "run": run})
        return
    if not plan.is_needed:
        print(f"Every session and every reading lies where it belongs by {timezone}: nothing to do")
        return
    if plan.is_begun:
        print("A rebuild was begun and has not ended")
    print(f"By {timezone} {len(plan.sessions)} session(s) and {len(plan.files)} session file(s) move:")
    for session in plan.sessions:
        print(f"  session {session.session_id}: {session.source} -> {session.target}")
    for file in plan.files:
        print(f"  {file.source} -> {file.target}")
    if plan.readings:
        print(f"{sum(move.readings for move in plan.readings)} reading(s) of the house's meters move:")
    for move in plan.readings:
        print(f"  {move.readings} reading(s): {move.source} -> {move.target}")
    if plan.emptied:
        print(f"Left without sessions: {', '.join(plan.emptied)}")
    if plan.months:
        print(f"Made again: {plan.months[0]} to {plan.months[-1]}")
    if plan.power_months:
        print(f"Power made again, by other days: {plan.power_months[0]} to {plan.power_months[-1]}")
    if outcome is None:
        print("Nothing was changed; `cph50 rebuild --apply` does it")
        return
    show_outcome(outcome, plan.months, as_json)


def show_car(
    session_id: str,
    month: str | None,
    car: Classification | None,
    outcome: Outcome | None,
    as_json: bool,
) -> None:
    """What a session is after its label was edited.

    Args:
        month: The session's month; None while no stored month has it.
        car: What it is in force as; None while it is not classified.
        outcome: How the run that named its month again ended; None when there was none.
    """
    if as_json:
        now = None if car is None else car.model_dump(mode="json")
        run = None if outcome is None else _run(outcome)
        show_document({"session_id": session_id, "month": month, "classification": now, "run": run})
        return
    if month is None:
        print(f"session {session_id}: its label is gone; no stored month has it")
        return
    named = "not classified" if car is None else f"{car.vehicle_id} ({car.reason})"
    review = "; a person should look at it" if car is not None and car.needs_review else ""
    print(f"session {session_id} of {month}: {named}{review}")
    if outcome is None:
        progress(f"Its month is named again {NAMED_BY_SENSOR}")
    elif not outcome.succeeded:
        progress(f"Written down, but run {outcome.run_id[:8]} failed; the sensor or `cph50 tick` tries again")
        for failure in outcome.failures:
            progress(f"  {failure}")


def show_import(done: Import, found: ImportedLabels, as_json: bool) -> None:
    """What an import took in, and what it left out."""
    if as_json:
        show_document({**asdict(done), "by_machine": found.by_machine, "without_car": found.without_car})
        return
    print(f"{len(done.added)} label(s) imported, {len(done.already_there)} already there")
    left_out = {"made by a classifier": found.by_machine, "naming no car": found.without_car}
    for what, sessions in left_out.items():
        if sessions:
            print(f"  {len(sessions)} left out, {what}")
    if done.waiting:
        print(f"  {len(done.waiting)} wait for their month to be stored: {_first_of(done.waiting)}")
    if done.months:
        progress(f"Named again {NAMED_BY_SENSOR}: {', '.join(done.months)}")


def show_training(noted: Noted | None, outcome: Outcome, as_json: bool) -> None:
    """What became of what was learned, and what speaks against it.

    Args:
        noted: None when the run came to no end.
    """
    if as_json:
        show_document({**(asdict(noted) if noted else {}), "run": _run(outcome)})
        return
    for failure in outcome.failures:
        progress(f"  {failure}")
    if noted is None:
        print(f"Nothing was changed (run {outcome.run_id[:8]})")
        return
    print_safely(noted.said, *(f"  {reason}" for reason in noted.reasons))
    if noted.waiting:
        waiting = f"{len(noted.waiting)} label(s) wait for their session to be stored or to end"
        print_safely(f"  {waiting}: {_first_of(noted.waiting)}")
    if noted.outcome == "refused":
        progress("`cph50 train --release` puts it in force all the same; reports/classifier.html shows it")
    if noted.outcome in ("released", "rolled back"):
        progress(f"Every month is named again {NAMED_BY_SENSOR}")


def show_vehicles(rows: Sequence[Row], as_json: bool) -> None:
    """The cars; a table shows of their periods what a person reads."""
    if not as_json and not rows:
        print("There is no car yet: `cph50 vehicles add` adds one")
        return
    hidden = () if as_json else ("valid_periods", "is_here")
    shown = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    show_table(shown, as_json)


def show_review(report: UnclassifiedReport, zone: ZoneInfo, limit: int, as_json: bool) -> None:
    """What a person should look at: the queue, then groups of sessions that nobody named.

    Args:
        limit: So many of each are shown to a person.
    """
    if as_json:
        show_document(report.model_dump(mode="json"))
        return
    if not report.queue and not report.groups:
        print("There is nothing to look at")
    for item in report.queue[:limit]:
        print_safely(f"{item.kind.value}: session {item.session_id}, {format_local(item.start, zone)}")
        lines = (item.sentence, item.todo, item.command, item.confirm_command)
        print_safely(*(f"  {line}" for line in lines if line))
    _say_how_many_more(len(report.queue) - limit, "session(s)")
    for group in report.groups[:limit]:
        examples = (f"{one.session_id} ({format_local(one.start, zone)})" for one in group.examples)
        typical = f"The most typical: {', '.join(examples)}"
        print_safely(f"group: {group.question}")
        print_safely(*(f"  {line}" for line in (typical, group.todo, group.command)))
    _say_how_many_more(len(report.groups) - limit, "group(s)")
    if report.singles:
        print(f"{len(report.singles)} more session(s) without a car, like too few others")


def print_safely(*lines: str) -> None:
    """Print lines of which what people or ChargePoint wrote must not steer the terminal."""
    for line in lines:
        print(printable(line))


def printable(text: str) -> str:
    """Text in which nothing steers the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _first_of(session_ids: Sequence[str]) -> str:
    """The first ids, and how many more there are."""
    more = len(session_ids) - NAMED_AT_MOST
    return ", ".join(session_ids[:NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def _say_how_many_more(count: int, what: str) -> None:
    if count > 0:
        print(f"… and {count} more {what}; --limit shows more, --json all")


def show_brought(brought: Brought, zone: ZoneInfo, as_json: bool) -> None:
    """What was taken in of the house's meters, and what was made of it."""
    if as_json:
        until = None if brought.until is None else format_instant(brought.until)
        runs = [_run(outcome) for outcome in brought.outcomes]
        told = {"readings": brought.readings, "files": brought.files, "notices": brought.notices}
        show_document({**told, "until": until, "runs": runs})
        return
    for meter, count in sorted(brought.readings.items()):
        print(f"{meter}: {count:,} reading(s) taken in")
    if brought.until is not None:
        print(f"up to {format_local(brought.until, zone)}")
    print_safely(*(f"made {path}" for path in brought.files))
    if not brought.readings and not brought.files:
        print("Nothing new" if brought.succeeded else "Nothing was made")
    for line in (*brought.notices, *(line for outcome in brought.outcomes for line in outcome.failures)):
        progress(line)


def show_demo(summary: DemoSummary, as_json: bool) -> None:
    """What the demo made, and what to open next."""
    if as_json:
        show_document(summary.rows())
        return
    show_table([{"": name, "demo": value} for name, value in summary.rows().items()], as_json=False)
    print()
    print("Open next:")
    for line in summary.next_steps():
        print(f"  {line}")


def _run(outcome: Outcome) -> Row:
    return {"run_id": outcome.run_id, "succeeded": outcome.succeeded, "failures": list(outcome.failures)}


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return "" if value is None else str(value)


def show_document(value: Any) -> None:
    """A value for a program."""
    print(json.dumps(value, indent=2, sort_keys=True, default=str))
