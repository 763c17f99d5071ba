"""`cph50 cache`: what is built, whether it is valid, and making it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cph50_pipeline.civil_time import format_local
from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.caches.refresh import Refreshed
    from cph50_pipeline.defs.caches.status import EntryStatus

app = typer.Typer(help="What is built of what is stored.", no_args_is_help=True, rich_markup_mode=None)

OfType = Annotated[str | None, typer.Option("--type", help="One type alone, as session_cache.")]
OfMonth = Annotated[str | None, typer.Option("--month", help="One month alone, YYYY-MM.")]


@app.command()
def status(
    type_: OfType = None,
    month: OfMonth = None,
    metrics: Annotated[bool, typer.Option(help="The numbers against their targets instead.")] = False,
    prometheus: Annotated[bool, typer.Option(help="With --metrics: as Prometheus reads them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say of every entry when it was built, whether it is valid, and why not."""
    from cph50_pipeline.defs.caches.live_entries import all_statuses
    from cph50_pipeline.defs.caches.refreshing import Wanted, chosen
    from cph50_pipeline.defs.instance import open_instance

    settings = load_settings()
    now = datetime.now(UTC)
    with open_instance(settings) as instance:
        found = all_statuses(instance, settings, now)
        if metrics or prometheus:
            from cph50_pipeline.defs.caches import metrics as measuring

            measured = measuring.measure(instance, found, now, measuring.ask_hit_rate(settings))
            if prometheus:
                print(measuring.prometheus(measured), end="")
            else:
                output.show_table(measuring.rows(measured), as_json)
            return
    entries = chosen(found, Wanted(type_, month))
    if as_json:
        from cph50_pipeline.defs.caches.documents import entry_document

        output.show_document([entry_document(entry) for entry in entries])
        return
    output.show_table([_row(entry, settings) for entry in entries], as_json=False)
    for entry in entries:
        if entry.error is not None or entry.why is not None:
            output.progress(output.printable(f"{entry.type} {entry.key}: {entry.error or entry.why}"))


@app.command()
def refresh(
    type_: OfType = None,
    month: OfMonth = None,
    force: Annotated[bool, typer.Option(help="Also what is valid.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make again what is not valid. What cannot be made stays as it was, and is served as stale."""
    from cph50_pipeline.defs.caches.refresh import refresh as make_again
    from cph50_pipeline.defs.caches.refreshing import Wanted
    from cph50_pipeline.defs.instance import open_instance

    settings = load_settings()
    with open_instance(settings) as instance:
        done = make_again(instance, settings, Wanted(type_, month, force), output.progress)
    _show_refreshed(done, as_json)
    if not done.succeeded:
        raise typer.Exit(FAILED)


@app.command()
def health(
    ask: Annotated[bool, typer.Option(help="Also ask ChargePoint and Home Assistant now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether sources, data, disk, database, publisher and Dagster are well; exit code 1 when one is not."""
    from cph50_pipeline.defs.caches.health import health as look
    from cph50_pipeline.defs.instance import open_instance

    settings = load_settings()
    with open_instance(settings) as instance:
        found = look(instance, settings, datetime.now(UTC), ask=ask)
    is_healthy = all(finding.is_ok for finding in found)
    if as_json:
        from cph50_pipeline.defs.caches.documents import health_document

        output.show_document(health_document(found))
    else:
        for finding in found:
            output.print_safely(f"{'OK  ' if finding.is_ok else 'FAIL'}  {finding.name}: {finding.said}")
        down = ", ".join(finding.name for finding in found if not finding.is_ok)
        output.print_safely("HEALTHY" if is_healthy else f"UNHEALTHY: {down}")
    if not is_healthy:
        raise typer.Exit(FAILED)


def _row(entry: EntryStatus, settings: Settings) -> dict[str, Any]:
    age = None if entry.age_seconds is None else _age(entry.age_seconds)
    took = None if entry.duration_seconds is None else f"{entry.duration_seconds:.1f} s"
    state = "valid" if entry.fault is None else f"{entry.fault}, stale" if entry.stale else str(entry.fault)
    return {
        "name": entry.type,
        "key": entry.key,
        "state": f"{state}, being made" if entry.at_work else state,
        "age": age,
        "took": took,
        "bytes": entry.size_bytes,
        "next": format_local(entry.next_refresh, settings.zone)[5:16],
    }


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _show_refreshed(done: Refreshed, as_json: bool) -> None:
    if as_json:
        from cph50_pipeline.defs.caches.documents import refreshed_document

        output.show_document(refreshed_document(done))
        return
    for batch, outcome in done.runs:
        span = f" {batch.months[0]} to {batch.months[-1]}" if batch.months else ""
        print(f"{batch.job}{span}: {'done' if outcome.succeeded else 'failed'} (run {outcome.run_id[:8]})")
        for failure in outcome.failures:
            output.progress(output.printable(f"  {failure}"))
    print(f"{len(done.skipped)} valid and left alone")
    if done.at_work:
        print(f"{len(done.at_work)} left to runs that are at them")
    for entry in done.left:
        kept = "the last good one stays and is served" if entry.stale else "there is none to serve"
        output.progress(
            output.printable(f"{entry.type} {entry.key} is not valid, {kept}: {entry.error or entry.why}")
        )
