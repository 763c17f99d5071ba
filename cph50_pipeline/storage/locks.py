"""Kernel file locks: they hold across threads, processes and commands, and die with their holder.

The kernel lets go of a lock when its holder ends, also by `kill -9`. A lock file is removed only by who holds
it, and every waiter looks again whether the file it got still bears that name: else two could hold one lock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cph50_pipeline.errors import BadInputError, LockedError, TransientError
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.private import make_private_folder

MONTH_TIMEOUT_SECONDS = 600.0
REPOSITORY_TIMEOUT_SECONDS = 300.0
HAND_EDITED_TIMEOUT_SECONDS = 60.0
MODEL_TIMEOUT_SECONDS = 600.0
SPOOL_TIMEOUT_SECONDS = 30.0
KNOWN_TIMEOUT_SECONDS = 30.0
POWER_TIMEOUT_SECONDS = 600.0
# Long enough that a probe by `is_held`, which takes the lock for an instant, is not mistaken for a holder.
NO_WAIT_SECONDS = 0.5
REPOSITORY = "repository"
UPLOADING = "uploading"
COLLECTOR = "collector"
HOME_COLLECTOR = "home-collector"
HAND_EDITED = "hand-edited"
MODEL = "model"
POWER = "power"


def run_lock_name(run_id: str) -> str:
    """The name, for `Locks.is_held`, of the lock that a living run holds."""
    return f"run-{run_id}"


def launch_lock_name(run_id: str) -> str:
    """The name, for `Locks.is_held`, of the lock of a command that runs a run in its own process."""
    return f"launch-{run_id}"


def month_lock_name(month: str) -> str:
    """The name, for `Locks.is_held`, of a month's lock."""
    return f"month-{month}"


def session_lock_name(session_id: str) -> str:
    """The name, for `Locks.is_held`, of the lock of a session's sampling window."""
    return f"session-{session_id}"


def feed_lock_name(feed: str) -> str:
    """The name, for `Locks.is_held`, of the lock of who asks a feed for its latest values."""
    return f"feed-{feed}"


class Locks:
    """The locks of one data root.

    None is reentrant: whoever takes a lock again while holding it waits in vain.

    Args:
        private_dir: The private folder, on this machine's disk, the same for all processes of a data root.
    """

    def __init__(self, private_dir: Path) -> None:
        self.private_dir = private_dir
        self._folder = private_dir / "locks"

    @contextmanager
    def month(self, keys: Iterable[str], timeout_seconds: float = MONTH_TIMEOUT_SECONDS) -> Iterator[None]:
        """Hold the locks of some months, taken in order so that two takers never wait for each other.

        Raises:
            LockedError: when one is still held elsewhere after `timeout_seconds`.
        """
        with ExitStack() as held:
            for key in sorted(set(keys)):
                held.enter_context(self._hold(month_lock_name(key), f"month {key}", timeout_seconds))
            yield

    @contextmanager
    def repository(self, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS) -> Iterator[int]:
        """Hold the data repository's lock; gives the descriptor that holds it.

        Processes started with that descriptor keep the lock, so that a git outliving its killed parent does.

        Raises:
            LockedError: when another run still commits after `timeout_seconds`.
        """
        with self._hold(REPOSITORY, "the data repository", timeout_seconds) as descriptor:
            yield descriptor

    @contextmanager
    def uploading(self, timeout_seconds: float) -> Iterator[int]:
        """Hold the lock of what talks to the remote repository; gives the descriptor that holds it.

        Runs go on committing meanwhile: that takes the repository's lock, which an upload holds for an instant only.

        Raises:
            LockedError: when another process still uploads after `timeout_seconds`.
        """
        with self._hold(UPLOADING, "the upload to the remote repository", timeout_seconds) as descriptor:
            yield descriptor

    @contextmanager
    def known(self) -> Iterator[None]:
        """Hold the lock of what is remembered of publications, for an instant.

        Raises:
            LockedError: when another process still holds it after a while.
        """
        with self._hold("known", "what is known of publications", KNOWN_TIMEOUT_SECONDS):
            yield

    @contextmanager
    def run(self, run_id: str, timeout_seconds: float = NO_WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock that shows that a run is alive; its file goes with it.

        Raises:
            LockedError: when another process is that run.
        """
        with self._hold_and_remove(run_lock_name(run_id), f"run {run_id}", timeout_seconds):
            yield

    @contextmanager
    def launch(self, run_id: str) -> Iterator[None]:
        """Hold the lock that shows that a command is alive that runs a run itself; its file goes with it.

        Unlike the run's own lock it is taken before Dagster knows of the run.

        Raises:
            LockedError: when another process launches that run.
        """
        with self._hold_and_remove(launch_lock_name(run_id), f"run {run_id}", NO_WAIT_SECONDS):
            yield

    @contextmanager
    def session(self, session_id: str, timeout_seconds: float = NO_WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock of a session's sampling window: two samplers would overwrite each other's samples.

        Raises:
            LockedError: when another run samples the session.
        """
        with self._hold(
            session_lock_name(session_id), f"the sampling of session {session_id}", timeout_seconds
        ):
            yield

    @contextmanager
    def hand_edited(self, timeout_seconds: float = HAND_EDITED_TIMEOUT_SECONDS) -> Iterator[None]:
        """Hold the lock of the files that people edit, from reading one to writing it: two edits lose nothing.

        Raises:
            LockedError: when another command still edits after `timeout_seconds`.
        """
        with self._hold(HAND_EDITED, "the files edited by hand", timeout_seconds):
            yield

    @contextmanager
    def model(self, timeout_seconds: float = MODEL_TIMEOUT_SECONDS) -> Iterator[None]:
        """Hold the lock of the classifier's files: what is put in force was decided about what is in force.

        Raises:
            LockedError: when another run still holds it after `timeout_seconds`.
        """
        with self._hold(MODEL, "the classifier", timeout_seconds):
            yield

    @contextmanager
    def power(self, timeout_seconds: float = POWER_TIMEOUT_SECONDS) -> Iterator[None]:
        """Hold the lock of all files of power: a month of it reads the months beside it.

        Raises:
            LockedError: when another run still holds it after `timeout_seconds`.
        """
        with self._hold(POWER, "the house's power", timeout_seconds):
            yield

    @contextmanager
    def collector(self, timeout_seconds: float = NO_WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock of the one collector.

        Raises:
            LockedError: when another process collects.
        """
        with self._hold(COLLECTOR, "the collector", timeout_seconds):
            yield

    @contextmanager
    def home_collector(self, timeout_seconds: float = NO_WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock of the one collector of the house's meters.

        Raises:
            LockedError: when another process collects.
        """
        with self._hold(HOME_COLLECTOR, "the collector of the house's meters", timeout_seconds):
            yield

    @contextmanager
    def feed(self, name: str, timeout_seconds: float = NO_WAIT_SECONDS) -> Iterator[None]:
        """Hold the lock of the one poller of a feed of latest values.

        Raises:
            LockedError: when another process polls it.
            BadInputError: when no feed can be called that.
        """
        with self._hold(feed_lock_name(name), f"the poller of {name}", timeout_seconds):
            yield

    @contextmanager
    def maintenance(self) -> Iterator[None]:
        """Hold the lock of the one maintenance at work.

        Raises:
            LockedError: another process is at it.
        """
        with self._hold("maintenance", "maintenance", NO_WAIT_SECONDS):
            yield

    @contextmanager
    def spool(self, timeout_seconds: float = SPOOL_TIMEOUT_SECONDS) -> Iterator[None]:
        """Hold the lock of the collected readings that nobody took in yet, for an instant.

        Raises:
            LockedError: when another process still holds it after `timeout_seconds`.
        """
        with self._hold("spool", "the readings that wait to be taken in", timeout_seconds):
            yield

    def is_held(self, name: str) -> bool:
        """Whether some living process holds a lock.

        Args:
            name: `month_lock_name(…)`, `run_lock_name(…)`, `session_lock_name(…)`, `feed_lock_name(…)`,
                `REPOSITORY`, `COLLECTOR`, `HAND_EDITED`, `MODEL` or `POWER`.

        Raises:
            BadInputError: when no lock can be called that.
            PermanentError: when the lock's file cannot be opened.
        """
        if not self._path(name).exists():
            return False
        try:
            with self._hold(name, name, timeout_seconds=0):
                return False
        except TransientError:
            return True

    def forget_dead_runs(self) -> list[str]:
        """Remove the lock files that killed runs left behind; returns their run ids, sorted.

        Raises:
            PermanentError: when a lock's file cannot be opened.
        """
        return self._forget_dead(run_lock_name(""), lambda run_id: self.run(run_id, timeout_seconds=0))

    def forget_dead_launches(self) -> list[str]:
        """Remove the lock files that killed commands left behind; returns the ids of their runs, sorted.

        Raises:
            PermanentError: when a lock's file cannot be opened.
        """
        return self._forget_dead(launch_lock_name(""), self.launch)

    def _forget_dead(self, prefix: str, hold: Callable[[str], AbstractContextManager[None]]) -> list[str]:
        run_ids = sorted(path.stem.removeprefix(prefix) for path in self._folder.glob(f"{prefix}*.lock"))
        return [run_id for run_id in run_ids if _can_be_held(hold(run_id))]

    @contextmanager
    def _hold_and_remove(self, name: str, what: str, timeout_seconds: float) -> Iterator[None]:
        with self._hold(name, what, timeout_seconds):
            try:
                yield
            finally:
                self._path(name).unlink(missing_ok=True)

    @contextmanager
    def _hold(self, name: str, what: str, timeout_seconds: float) -> Iterator[int]:
        path = self._path(name)
        make_private_folder(self.private_dir)
        descriptors: list[int] = []
        try:
            path.parent.mkdir(exist_ok=True)
            # Where the file system knows no flock this fails: another kind of lock would outlive a kill.
            lock = FileLock(path, timeout_seconds, on_acquired=descriptors.append, fallback_to_soft=False)
            lock.acquire()
        except Timeout as error:
            raise LockedError(
                f"Waited {timeout_seconds:g} s for {what}: another run or command holds it",
                kept="Nothing was changed",
                remedy=f"Try again when that one has ended; {path} names the lock and is not to be removed",
            ) from error
        except OSError as error:
            raise file_error(error, "locked", str(path)) from error
        try:
            yield descriptors[0]
        finally:
            lock.release()

    def _path(self, name: str) -> Path:
        if not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z._-]*", name):
            raise BadInputError(
                f"{name!r} is not the name of a lock", remedy="Use letters, digits, '-' and '_'"
            )
        return self._folder / f"{name}.lock"


def _can_be_held(lock: AbstractContextManager[None]) -> bool:
    try:
        with lock:
            return True
    except TransientError:
        return False
