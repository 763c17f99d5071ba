"""What `dagster dev` costs while nothing happens, with our location and with an empty one."""

from __future__ import annotations

import socket
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from bench.daemons import EMPTY_LOCATION, OUR_LOCATION, instance_of, running, wait_for
from bench.empty_location import IDLE_SENSORS_VARIABLE
from bench.homes import outer_environment, scratch_home
from bench.row import Effort, Row
from bench.timing import tree_use

LIMIT = 1.1
SETTLE_SECONDS = 60.0
WINDOW_SECONDS = 60.0
HISTORY_MONTHS = 1


def measure(effort: Effort) -> Row:
    """CPU seconds of ours and of an empty one, side by side, so that both see the same machine.

    A third one, with two sensors that do nothing as often as ours look, tells what of the difference is Dagster's own.
    """
    seconds = WINDOW_SECONDS * effort.times(3, 1)
    with ExitStack() as stack:
        pids = [_ours(stack), _empty(stack), _empty(stack, {IDLE_SENSORS_VARIABLE: "yes"})]
        time.sleep(SETTLE_SECONDS)
        before = [tree_use(pid) for pid in pids]
        time.sleep(seconds)
        after = [tree_use(pid) for pid in pids]
    ours, empty, watching = (
        late.cpu_seconds - early.cpu_seconds for early, late in zip(before, after, strict=True)
    )
    memory = [f"{use.memory_mb:.0f} MB in {use.processes} processes" for use in after]
    detail = (
        f"{ours:.1f} s of CPU against {empty:.1f} s in {seconds:.0f} s; {ours / watching:.2f} x one with two sensors "
        f"that do nothing ({watching:.1f} s); {memory[0]} against {memory[1]}"
    )
    return Row("idle", ours / empty, LIMIT, "x", "`dagster dev` with an empty location", detail)


def _ours(stack: ExitStack) -> int:
    home = stack.enter_context(scratch_home(HISTORY_MONTHS))
    home.cph50("update", "current")  # what there is to do is done before
    home.renew_request_budget()
    return _dev(stack, OUR_LOCATION, home.environment, home.folder)


def _empty(stack: ExitStack, variables: Mapping[str, str] | None = None) -> int:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cph50-bench-")))
    return _dev(stack, EMPTY_LOCATION, {**outer_environment(), **(variables or {})}, folder)


def _dev(stack: ExitStack, location: str, environment: Mapping[str, str], folder: Path) -> int:
    """Start `dagster dev` on a scratch instance; returns its pid once its page answers."""
    instance = stack.enter_context(instance_of(folder / "data"))
    port = _free_port()
    command = ["dagster", "dev", "-m", location, "--port", str(port)]
    process = stack.enter_context(
        running(command, {**environment, "DAGSTER_HOME": instance.root_directory}, folder)
    )
    wait_for(lambda: _answers(port), "the page of `dagster dev`", process, folder)
    return process.pid


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
