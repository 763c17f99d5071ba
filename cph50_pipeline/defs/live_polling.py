"""Polling without Dagster's daemon, beside `cph50 serve --poll`: latest values all the time, runs when they are due.

One thread polls the feeds, so that a run of minutes costs no value; another does what `cph50 tick` does, the look at
the charger included, unless Dagster's daemon is alive and does it. Both outlive what may pass, and say it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from logging import getLogger
from multiprocessing import get_context
from signal import SIG_IGN, SIGINT, signal
from threading import Event, Thread
from typing import TYPE_CHECKING

from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.live_feeds import build_feeds, forget_other_feeds
from cph50_pipeline.defs.maintenance.state import paused
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.tick import Ticked, tick
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.live.said import Said
from cph50_pipeline.settings import Settings, load_settings
from cph50_pipeline.storage.logs import configure_logging

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from cph50_pipeline.live.poller import Poller

LOOK_SECONDS = 5.0
PATIENCE_SECONDS = 6.0
_log = getLogger(__name__)


@contextmanager
def polling(say: Callable[[str], None]) -> Iterator[None]:
    """Poll in a process of its own while the block lasts, so that a run at work keeps no reader waiting."""
    context = get_context("spawn")
    hears, holds = context.Pipe(duplex=False)  # closed by us, or by the system when we are killed
    process = context.Process(target=_poll_for_another, args=(hears,), name="poller")
    process.start()
    hears.close()
    try:
        yield
    finally:
        holds.close()
        process.join(PATIENCE_SECONDS)
        if process.is_alive():
            say("A run is at work and is waited for; Ctrl-C ends it now, and the next one makes up for it")
            try:
                process.join()
            except KeyboardInterrupt:
                process.kill()


def _poll_for_another(hears: Connection) -> None:
    """Poll by the settings of the environment for as long as the other process holds its end of the pipe."""
    signal(SIGINT, SIG_IGN)  # of a terminal's Ctrl-C the other process tells
    settings = load_settings()
    configure_logging(settings, "poller")
    stop = Event()

    def listen() -> None:
        hears.poll(None)
        stop.set()

    Thread(target=listen, daemon=True).start()
    run_polling(settings, stop)


def run_polling(settings: Settings, stop: Event) -> None:
    """Poll until told to stop; a run at work is waited for."""
    threads = [
        Thread(target=_until_stopped, args=(name, work, settings, stop), name=name)
        for name, work in (("latest values", _poll_feeds), ("runs", _tick_along))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _until_stopped(
    name: str, work: Callable[[Settings, Event], None], settings: Settings, stop: Event
) -> None:
    """Begin some work anew whenever what nobody foresaw ends it, as a failure of Dagster's database does."""
    said = Said(_log)
    while not stop.is_set():
        try:
            work(settings, stop)
        except Exception as error:
            why = next(iter(str(error).splitlines()), "no reason given")
            said.wrong(name, f"{name}: {type(error).__name__}: {why}. It is tried again")
            stop.wait(settings.poll_seconds)


def _poll_feeds(settings: Settings, stop: Event) -> None:
    """Poll unless the household is in maintenance; of a live table that cannot be used it is tried again."""
    from cph50_pipeline.live.poller import Poller

    store, said = Store.of(settings), Said(_log)
    while not stop.is_set():
        pause = paused(settings)
        if pause is not None:
            said.wrong("maintenance", pause)
            stop.wait(LOOK_SECONDS)
            continue
        try:
            feeds = build_feeds(settings, store)
            forget_other_feeds(settings, feeds, _now(), _log)
            poller = Poller(feeds, live_store(settings), store.locks, _now, _log)
            _poll_until_paused(poller, settings, stop)
        except Cph50Error as error:
            said.wrong("live table", str(error))
            stop.wait(settings.live_seconds)


def _poll_until_paused(poller: Poller, settings: Settings, stop: Event) -> None:
    over = Event()
    with ThreadPoolExecutor(max_workers=1) as pool:
        polling = pool.submit(poller.run, over, settings.live_seconds)
        while not stop.wait(LOOK_SECONDS) and not polling.done() and paused(settings) is None:
            pass
        over.set()
    polling.result()


def _tick_along(settings: Settings, stop: Event) -> None:
    """Do what `cph50 tick` does, again and again."""
    said = Said(_log)
    with open_instance(settings) as instance:
        while not stop.is_set():
            try:
                for ticked in tick(instance, settings, _now(), _log.info):
                    _tell(ticked, said)
            except Cph50Error as error:
                said.wrong("tick", str(error))
            stop.wait(settings.poll_seconds)


def _tell(ticked: Ticked, said: Said) -> None:
    """Say which runs there were, and once what else a sensor or schedule says that is new."""
    for outcome in ticked.outcomes:
        _log.info(
            "%s: run %s %s",
            ticked.name,
            outcome.run_id,
            "ended well" if outcome.succeeded else f"failed: {'; '.join(outcome.failures)}",
        )
    if ticked.failed:
        said.wrong(ticked.name, ticked.said)


def _now() -> datetime:
    return datetime.now(UTC)
