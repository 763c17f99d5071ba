"""Asking all feeds again and again: each at its own pace, and each by one process at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from logging import Logger
from threading import Event, Thread

from cph50_pipeline.errors import Cph50Error, LockedError
from cph50_pipeline.live.collector import Collector
from cph50_pipeline.live.feed import Feed
from cph50_pipeline.live.model import Cycle
from cph50_pipeline.live.said import Said
from cph50_pipeline.live.store import LiveStore
from cph50_pipeline.storage.locks import Locks

INTERVAL_SECONDS = 30.0
STOP_SECONDS = 5.0
"""How long a round at work may take to end when told to stop; what it would have written is asked again."""


class Poller:
    """Keeps the live table up to date.

    Args:
        clock: Now (UTC).
        log: Gets one line for whatever changes: what fails, is well again, falls silent or is back.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        store: LiveStore,
        locks: Locks,
        clock: Callable[[], datetime],
        log: Logger,
    ) -> None:
        self._collectors = [Collector(feed, store, clock, log) for feed in feeds]
        self._locks = locks
        self._clock = clock
        self._said = Said(log)
        self._failure: BaseException | None = None

    def one_round(self, now: datetime, interval_seconds: float = INTERVAL_SECONDS) -> list[Cycle]:
        """Ask every feed once, but for those that another process polls.

        Args:
            interval_seconds: From one round to the next.

        Returns:
            How it went, for each feed that was asked.

        Raises:
            TransientError, PermanentError: the live table cannot be used; all feeds were tried.
        """
        cycles: list[Cycle] = []
        failures: list[Cph50Error] = []
        for collector in self._collectors:
            with ExitStack() as held:
                if not self._take(collector.feed.name, held):
                    continue
                try:
                    cycles.append(collector.round(now, interval_seconds))
                except Cph50Error as error:
                    failures.append(error)
        if failures:
            raise failures[0]
        return cycles

    def run(self, stop: Event, interval_seconds: float = INTERVAL_SECONDS) -> None:
        """Ask every feed at each interval until told to stop: a slow one delays no other.

        The feeds' locks are held all the while. What goes wrong is said, and tried again; only what nobody foresaw
        ends it.
        """
        threads = [
            Thread(target=self._until_stopped, args=(collector, stop, interval_seconds), daemon=True)
            for collector in self._collectors
        ]
        for thread in threads:
            thread.start()
        try:
            stop.wait()
        finally:
            stop.set()
            deadline = time.monotonic() + STOP_SECONDS
            for thread in threads:
                thread.join(max(0.0, deadline - time.monotonic()))
        if self._failure is not None:
            raise self._failure

    def _until_stopped(self, collector: Collector, stop: Event, interval_seconds: float) -> None:
        try:
            with ExitStack() as held:
                self._poll(collector, stop, interval_seconds, held)
        except BaseException as error:
            self._failure = error
            stop.set()

    def _poll(self, collector: Collector, stop: Event, interval_seconds: float, held: ExitStack) -> None:
        is_ours = False
        while not stop.is_set():
            began = self._clock()
            is_ours = is_ours or self._take(collector.feed.name, held)
            if is_ours:
                self._try_round(collector, began, interval_seconds)
            stop.wait(seconds_to_next(interval_seconds, (self._clock() - began).total_seconds()))

    def _try_round(self, collector: Collector, now: datetime, interval_seconds: float) -> None:
        what = f"the live table of {collector.feed.name}"
        try:
            collector.round(now, interval_seconds)
        except Cph50Error as error:
            self._said.wrong(what, str(error))
        else:
            self._said.well(what)

    def _take(self, feed: str, held: ExitStack) -> bool:
        """Take a feed's lock for as long as `held` lasts; False: another process polls it, which is said once."""
        what = f"the polling of {feed}"
        try:
            held.enter_context(self._locks.feed(feed))
        except LockedError:
            self._said.wrong(what, f"{feed} is skipped: another process polls it")
            return False
        self._said.well(what)
        return True


def seconds_to_next(interval_seconds: float, elapsed_seconds: float) -> float:
    """How long to wait for the next round: those that a long one missed are not made up for."""
    return interval_seconds - max(0.0, elapsed_seconds) % interval_seconds
