"""Collecting the house's power until told to stop, without Dagster's daemon: `cph50 power collect --daemon`.

One thread asks the meters on the interval's grid, so that a run that takes minutes costs no reading; another runs what
is due by the sensor's own rule, and the files of each night. Both outlive what may pass, and what somebody has to
change first; of anything else the daemon ends, for whoever watches over it to start it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import dagster as dg

from cph50_pipeline.civil_time import format_local
from cph50_pipeline.defs.collecting import Spool, collect
from cph50_pipeline.defs.instance import has_live_daemon
from cph50_pipeline.defs.jobs import POWER_JOB, power_run_config
from cph50_pipeline.defs.launch import Launch
from cph50_pipeline.defs.maintenance.state import paused
from cph50_pipeline.defs.power_due import fingerprint, takes_in
from cph50_pipeline.defs.power_inputs import Digests, PowerInputs
from cph50_pipeline.defs.power_runs import Brought, run_request
from cph50_pipeline.defs.power_schedules import NIGHTS, night_months
from cph50_pipeline.defs.power_sensor import wanted_runs
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.tick import is_on, latest_due
from cph50_pipeline.errors import Cph50Error, PermanentError
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.home_readings import Grid
from cph50_pipeline.sources.home_source import HomeSource

HOME = "Home Assistant"
SENSOR = "power_sensor"
ONLY_THE_CHARGER = (
    "There is no Home Assistant: the charger is the only meter. CPH50_HOME_ASSISTANT_URL names one"
)
LOOK_SECONDS = 20.0
AGAIN_SECONDS = 3600.0
"""How long nothing is asked of a Home Assistant that refuses, until somebody may have changed what is wrong."""


@dataclass
class Troubles:
    """What goes wrong, said once for as long as it lasts.

    Attributes:
        say: Where it is said.
    """

    say: Callable[[str], None]
    _known: dict[str, type[Cph50Error]] = field(default_factory=dict)

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Outlive an error of something that is tried again."""
        try:
            yield
        except Cph50Error as error:
            if self._known.get(what) is not type(error):
                self.say(str(error))
            self._known[what] = type(error)
        else:
            if self._known.pop(what, None) is not None:
                self.say(f"{what}: all is well again")

    def lasts(self, what: str) -> bool:
        """Whether it went wrong the last time."""
        return what in self._known

    def is_permanent(self, what: str) -> bool:
        """Whether somebody has to change something first."""
        return issubclass(self._known.get(what, Cph50Error), PermanentError)


class PowerDaemon:
    """Asks the meters and runs what is due, until it is told to stop.

    Args:
        instance: Dagster's records.
        settings: Of the household.
        source: Its Home Assistant; None when it has none, and the charger is its only meter.
        say: Called with one line an event.
        stop: Ends it: at once, or when the run at work has ended.
        now: The clock.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        settings: Settings,
        source: HomeSource | None,
        say: Callable[[str], None],
        stop: Event,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._instance = instance
        self._settings = settings
        self._interval_seconds = settings.power_interval_seconds
        self._source = source
        self._say = say
        self._stop = stop
        self._now = now
        self._troubles = Troubles(say)
        self._digests = Digests()
        self._settled: str | None = None
        self._looked = now()
        self._said: set[str] = set()
        self._failure: BaseException | None = None

    def run(self) -> None:
        """Work until told to stop.

        Raises:
            LockedError: another collector is at work.
        """
        with Store.of(self._settings).locks.home_collector():
            self._say("Collecting" if self._source is not None else ONLY_THE_CHARGER)
            work = [self._run_due, *([self._poll] if self._source is not None else [])]
            threads = [Thread(target=self._until_stopped, args=(each,)) for each in work]
            for thread in threads:
                thread.start()
            self._stop.wait()
            for thread in threads:
                thread.join()
        if self._failure is not None:
            raise self._failure
        self._say("Stopped")

    def _until_stopped(self, work: Callable[[], float]) -> None:
        """Do some work again and again, each time after as many seconds as it says."""
        try:
            while not self._stop.wait(work()):
                pass
        except BaseException as error:
            self._failure = error
            self._stop.set()

    def _poll(self) -> float:
        """Ask the meters once; how long until the next time."""
        source = self._source
        assert source is not None
        store = Store.of(self._settings)
        if self._is_paused():
            return LOOK_SECONDS
        with self._troubles.of(HOME):
            config = store.meters(self._interval_seconds)
            found = collect(source, config, Spool(store.locks), self._now(), self._interval_seconds)
            for notice in found.heard.notices if found is not None else []:
                self._say_news(notice.message)
        if self._troubles.is_permanent(HOME):
            return AGAIN_SECONDS
        now = self._now()
        following = Grid(self._interval_seconds).floor(now) + timedelta(seconds=self._interval_seconds)
        return (following - now).total_seconds()

    def _run_due(self) -> float:
        """Run what is due; how long until it is looked for again."""
        if self._is_paused():
            return LOOK_SECONDS
        since, self._looked = self._looked, self._now()
        if has_live_daemon(self._instance) and is_on(self._instance, SENSOR):
            self._say_news(f"Dagster's daemon is running: its {SENSOR} takes in what is collected here")
            return LOOK_SECONDS
        with self._troubles.of("Power"):
            for wanted in [*self._nights(since, self._looked), *self._due(self._looked)]:
                if not self._stop.is_set():
                    self._tell(run_request(self._instance, self._settings, wanted, lambda line: None))
        return AGAIN_SECONDS if self._troubles.is_permanent(HOME) else LOOK_SECONDS

    def _is_paused(self) -> bool:
        """Whether there is maintenance. A night that comes due meanwhile is looked for when that is over."""
        said = paused(self._settings)
        if said is not None:
            self._say_news(f"Nothing is collected: {said}")
        return said is not None

    def _nights(self, since: datetime, now: datetime) -> Iterator[Launch]:
        """The runs of the night that came due; one that was missed is made up for by whatever run comes next."""
        for cron, files in NIGHTS.values():
            due = latest_due(cron, since, now, self._settings.zone)
            if due is not None:
                yield Launch(POWER_JOB, night_months(due, self._settings), power_run_config(files))

    def _due(self, now: datetime) -> Iterator[Launch]:
        """The runs that the sensor would ask for."""
        store = Store.of(self._settings)
        config = store.meters(self._interval_seconds)
        inputs = PowerInputs(store, config, self._digests)
        is_news = takes_in(inputs, now, self._interval_seconds) and self._is_there()
        seen = fingerprint(self._instance, inputs, now)
        if seen == self._settled and not is_news:
            return
        wanted, is_due = wanted_runs(self._instance, inputs, self._settings, now, is_news=is_news)
        self._settled = None if is_due else seen
        for request in wanted:
            yield Launch(POWER_JOB, run_config=request.run_config, tags=request.tags)

    def _is_there(self) -> bool:
        """Whether the household has a Home Assistant that answers: else there is nothing to take in."""
        if self._source is None:
            return False
        with self._troubles.of(HOME):
            self._source.clock_offset()
        return not self._troubles.lasts(HOME)

    def _tell(self, brought: Brought) -> None:
        for line in (*brought.notices, *(line for outcome in brought.outcomes for line in outcome.failures)):
            self._say_news(line)
        if brought.until is not None:
            count = sum(brought.readings.values())
            self._say(f"Took in {count} reading(s), up to {format_local(brought.until, self._settings.zone)}")
        if brought.files:
            self._say(f"Made {', '.join(brought.files)}")

    def _say_news(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)
