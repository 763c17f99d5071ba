"""`cph50 power collect`: take in what the meters said and make power of it, once or until stopped."""

from __future__ import annotations

import signal
from datetime import UTC, datetime
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from cph50_pipeline.civil_time import format_local
from cph50_pipeline.cli import FAILED, output
from cph50_pipeline.cli.options import AsJson
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.settings import Settings, load_settings

if TYPE_CHECKING:
    from cph50_pipeline.sources.home_source import HomeSource


def collect(
    once: Annotated[
        bool, typer.Option("--once", help="Catch up and end; what happens without --daemon.")
    ] = False,
    daemon: Annotated[bool, typer.Option("--daemon", help="Go on until stopped.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take in what the house's meters said, roll it up, and make the windows and the four files."""
    if daemon and (once or as_json):
        raise BadInputError(
            f"Say either --daemon or {'--once' if once else '--json'}", kept="Nothing was changed"
        )
    settings = load_settings()
    source = _home(settings)
    if daemon:
        _collect_until_stopped(settings, source)
    else:
        _collect_once(settings, source, as_json)


def _home(settings: Settings) -> HomeSource | None:
    from cph50_pipeline.defs.resources import HomeAssistant

    resource: HomeAssistant = HomeAssistant.of(settings).process_config_and_initialize()
    return resource.client()


def _collect_once(settings: Settings, source: HomeSource | None, as_json: bool) -> None:
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.power_daemon import ONLY_THE_CHARGER
    from cph50_pipeline.defs.power_runs import bring_up_to_date

    if source is None:
        output.progress(ONLY_THE_CHARGER)
    has_source = source is not None and _answers(source)
    with open_instance(settings) as instance:
        brought = bring_up_to_date(
            instance, settings, datetime.now(UTC), output.progress, has_source=has_source
        )
    output.show_brought(brought, settings.zone, as_json)
    if not brought.succeeded or has_source != (source is not None):
        raise typer.Exit(FAILED)


def _answers(source: HomeSource) -> bool:
    """Whether Home Assistant answers; what is wrong with it is said, and the charger goes on without."""
    try:
        source.clock_offset()
    except Cph50Error as error:
        output.progress(str(error))
        return False
    return True


def _collect_until_stopped(settings: Settings, source: HomeSource | None) -> None:
    from cph50_pipeline.defs.instance import open_instance
    from cph50_pipeline.defs.power_daemon import PowerDaemon

    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    def say(line: str) -> None:
        print(f"{format_local(datetime.now(UTC), settings.zone)}  {line}", flush=True)

    with open_instance(settings) as instance:
        PowerDaemon(instance, settings, source, say, stop).run()
