"""Dagster's own processes on a scratch instance: started, waited for by what they write, and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import dagster as dg

from cph50_pipeline.defs.instance import has_live_daemon, open_instance
from cph50_pipeline.settings import Settings

OUR_LOCATION = "cph50_pipeline.definitions"
EMPTY_LOCATION = "bench.empty_location"
PATIENCE_SECONDS = 300.0
_LOOK_SECONDS = 0.2
_STOP_SECONDS = 60
_LOG_BYTES = 3000

Found = TypeVar("Found")


@contextmanager
def instance_of(data: Path) -> Iterator[dg.DagsterInstance]:
    """The instance of a data root, with the profile that the project ships, as `cph50` opens it."""
    outer = os.environ.pop("DAGSTER_HOME", None)
    try:
        with open_instance(Settings(data_dir=str(data))) as instance:
            yield instance
    finally:
        os.environ.pop("DAGSTER_HOME", None)
        if outer is not None:
            os.environ["DAGSTER_HOME"] = outer


@contextmanager
def running(
    arguments: list[str], environment: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A `dagster …` command with all that it starts, for as long as the block lasts."""
    with (folder / "dagster.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


@contextmanager
def daemon(
    location: str, instance: dg.DagsterInstance, environment: Mapping[str, str], folder: Path
) -> Iterator[None]:
    """A live daemon with the location's code server.

    Raises:
        RuntimeError: it did not come up.
    """
    command = ["dagster._daemon", "run", "-m", location]
    with running(command, {**environment, "DAGSTER_HOME": instance.root_directory}, folder) as process:
        wait_for(lambda: has_live_daemon(instance), "a live daemon", process, folder)
        yield


def wait_for(
    look: Callable[[], Found | None],
    what: str,
    process: subprocess.Popen[bytes] | None = None,
    folder: Path | None = None,
) -> Found:
    """What `look` finds, as soon as it finds it in another process's files.

    Raises:
        RuntimeError: it found nothing for too long, or the process has ended; with the end of its log.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline or (process is not None and process.poll() is not None):
            log = (folder / "dagster.log").read_text(errors="replace")[-_LOG_BYTES:] if folder else ""
            raise RuntimeError(f"Waited in vain for {what}\n{log}")
        time.sleep(_LOOK_SECONDS)
    return found


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # nothing was left
    process.wait()
