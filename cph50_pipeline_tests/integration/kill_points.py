"""Kill a process at a chosen step of its work, for the tests of storage and publisher.

A step is whatever the interpreter tells its audit hooks of: a file opened, renamed or removed, a folder made, a
process started. The killed process is a fork of a server that has imported everything, so that only steps of the
work itself are counted, and many kills take little time.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cph50_pipeline_tests.integration.households import commit, write

STEPS = frozenset(
    {
        "open",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.chmod",
        "shutil.rmtree",
        "subprocess.Popen",
    }
)
_TIMEOUT_SECONDS = 600
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


def is_killed_at(step: int, work: Callable[..., Any], *arguments: Any) -> bool:
    """Run the work in a process of its own, killed before its `step`-th step; False when it has fewer."""
    process = start(_die_at, step, work, arguments)
    process.join(_TIMEOUT_SECONDS)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


def _die_at(step: int, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    taken = 0

    def count(event: str, _: object) -> None:
        nonlocal taken
        if event not in STEPS:
            return
        taken += 1
        if taken == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    work(*arguments)


def write_file(data_root: str, path: str, content: str) -> None:
    """Write one file as a run does."""
    write(Path(data_root), path, content=content)


def commit_run(data_root: str) -> None:
    """Commit as a run does at its end."""
    commit(Path(data_root))


def commit_states(data_root: str) -> None:
    """The same where whether somebody is home is published at once."""
    commit(Path(data_root), publish_delay_minutes=0)


def write_and_commit(data_root: str, worker: int, times: int) -> None:
    """Write files of one worker's own, and commit after each as a run does."""
    for number in range(times):
        write(Path(data_root), f"sessions/2026/01/{worker + 1:02d}/{number}.json")
        commit(Path(data_root))


def edit_often(data_root: str, worker: int, times: int) -> None:
    """Put entries of one worker's own into a file that others edit at the same time."""
    from zoneinfo import ZoneInfo

    from cph50_pipeline.defs.store import Store
    from cph50_pipeline.storage.files import DataRoot
    from cph50_pipeline.storage.locks import Locks

    store = Store(DataRoot(data_root), Locks(Path(data_root) / "private"), ZoneInfo("UTC"))
    for number in range(times):
        key = f"{worker}-{number}"
        store.edit_document("session_vehicle_map.json", lambda document, key=key: {**document, key: "ember"})


def hold_locks(private_dir: str, months: list[str], is_held: Any, may_end: Any) -> None:
    """Hold months' locks and a run's until told otherwise, or killed."""
    from cph50_pipeline.storage.locks import Locks

    locks = Locks(Path(private_dir))
    with locks.month(months), locks.run("8f0c"):
        is_held.set()
        may_end.wait(_TIMEOUT_SECONDS)


def start(work: Callable[..., Any], *arguments: Any) -> Any:
    """Start the work in a process of its own, with the environment as it is now."""
    # What forks it has the environment of its first use, which may have been another test's.
    process = _processes.Process(target=_with_environment, args=(dict(os.environ), work, arguments))
    process.start()
    return process


def join(process: Any) -> None:
    """Wait until a process has ended; one that does not is killed and fails the test."""
    process.join(_TIMEOUT_SECONDS)
    if process.is_alive():
        process.kill()
        raise AssertionError(f"it went on for more than {_TIMEOUT_SECONDS} seconds")


def _with_environment(
    environment: dict[str, str], work: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    work(*arguments)


def event() -> Any:
    """An event that other processes can set and wait for."""
    return _processes.Event()
