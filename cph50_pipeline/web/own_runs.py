"""The runs that this server starts for people: naming months again after a label, and learning the cars."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotDoneError
from threading import Lock
from typing import TYPE_CHECKING

from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings

if TYPE_CHECKING:
    from cph50_pipeline.defs.launch import Launch, Outcome
    from cph50_pipeline.defs.run_state import RunState

RUN_SECONDS = 20.0
"""For how long an answer waits for the run that names the session's month again."""
_REMEMBERED = 200

_log = logging.getLogger(__name__)


class OwnRuns:
    """One after the other: labels of one evening are of one month. A month that waits to be named waits once.

    Args:
        ended: What is to be done when a run has ended, however it did.
    """

    def __init__(
        self, settings: Settings, ended: Callable[[], None], wait_seconds: float = RUN_SECONDS
    ) -> None:
        self._settings = settings
        self._ended = ended
        self._wait_seconds = wait_seconds
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="own-runs")
        self._lock = Lock()
        self._waiting: dict[tuple[str, ...], str] = {}
        self._known: OrderedDict[str, Future[Outcome]] = OrderedDict()

    def name_again(self, month: str) -> tuple[str, Outcome | None]:
        """Start the run and wait a little for it; gives its id, and how it ended when it did.

        Raises:
            Cph50Error: the run was not taken.
        """
        run_id = self.begin_naming([month])
        try:
            return run_id, self._known[run_id].result(self._wait_seconds)
        except NotDoneError:
            return run_id, None

    def begin_naming(self, months: Sequence[str]) -> str:
        """Let months be named again; gives the run's id, which is that of one that waits for the same already.

        Args:
            months: Without a gap between them.
        """
        from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB
        from cph50_pipeline.defs.launch import Launch

        ends = list(dict.fromkeys([months[0], months[-1]]))
        return self._begin(Launch(ATTRIBUTION_JOB, ends), tuple(ends))

    def begin_training(self, *, release: bool) -> str:
        """Let the cars be learned anew; gives the run's id.

        Args:
            release: Whether a person wants what is learned, whatever speaks against it.
        """
        from cph50_pipeline.defs.jobs import TRAINING_JOB, training_run_config
        from cph50_pipeline.defs.launch import Launch
        from cph50_pipeline.defs.training_inputs import TrainingConfig

        config = training_run_config(TrainingConfig(release=release))
        return self._begin(Launch(TRAINING_JOB, run_config=config), (TRAINING_JOB, str(release)))

    def state(self, run_id: str) -> RunState:
        """How it stands with a run: by Dagster's records, but of what waits here or was not taken."""
        from cph50_pipeline.defs.instance import open_instance
        from cph50_pipeline.defs.run_state import RunState, run_state

        with self._lock:
            future = self._known.get(run_id)
        if future is not None and future.done() and not future.cancelled():
            error = future.exception()
            if error is not None:
                return RunState(run_id, "failed", (_told(error),))
        with open_instance(self._settings) as instance:
            found = run_state(instance, run_id)
        waits_here = future is not None and not future.done()
        return RunState(run_id, "waiting") if waits_here and found.state == "unknown" else found

    def close(self) -> None:
        """Wait for the run at work; those behind it are left to the sensors of the files that people edit."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self, wanted: Launch, what: tuple[str, ...]) -> str:
        with self._lock:
            if what in self._waiting:
                return self._waiting[what]
            self._waiting[what] = wanted.run_id
            self._known[wanted.run_id] = self._pool.submit(self._run, wanted, what)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return wanted.run_id

    def _run(self, wanted: Launch, what: tuple[str, ...]) -> Outcome:
        from cph50_pipeline.defs.instance import open_instance
        from cph50_pipeline.defs.launch import launch
        from cph50_pipeline.storage.logs import logged_with

        with self._lock:  # what somebody says from here on, this run may not have read
            del self._waiting[what]
        try:
            with logged_with(run_id=wanted.run_id), open_instance(self._settings) as instance:
                return launch(instance, self._settings, wanted, _log.info)
        except Exception as error:
            is_foreseen = isinstance(error, Cph50Error)
            _log.error("A run was not taken: %s", error, exc_info=not is_foreseen)
            raise
        finally:
            self._ended()


def _told(error: BaseException) -> str:
    if isinstance(error, Cph50Error):
        return str(error)
    return f"A fault of this program ({type(error).__name__}), which its log tells of"
