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
from bench.homes import outer_environment, scratch_home
from bench.row import Effort, Row
from bench.timing import tree_use

LIMIT = 1.1
SETTLE_SECONDS = 60.0
WINDOW_SECONDS = 60.0
HISTORY_MONTHS = 1


def measure(effort: Effort) -> Row:
    """CPU seconds of both while they stand side by side, so that both see the same machine."""
    windows = effort.times(5, 1)
    with ExitStack() as stack:
        home = stack.enter_context(scratch_home(HISTORY_MONTHS))
        empty_folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cph50-bench-")))
        home.cph50("update", "current")  # what there is to do is done before
        home.renew_request_budget()
        ours = _dev(stack, OUR_LOCATION, home.environment, home.folder)
        empty = _dev(stack, EMPTY_LOCATION, outer_environment(), empty_folder)
        time.sleep(SETTLE_SECONDS)
        before = tree_use(ours), tree_use(empty)
        time.sleep(WINDOW_SECONDS * windows)
        after = tree_use(ours), tree_use(empty)
    our_cpu, empty_cpu = (
        late.cpu_seconds - early.cpu_seconds for early, late in zip(before, after, strict=True)
    )
    return Row(
        "idle",
        our_cpu / empty_cpu,
        LIMIT,
        "x",
        "`dagster dev` with an empty location",
        f"{our_cpu:.1f} s of CPU against {empty_cpu:.1f} s in {WINDOW_SECONDS * windows:.0f} s; "
        f"{after[0].memory_mb:.0f} MB in {after[0].processes} processes against {after[1].memory_mb:.0f} MB in "
        f"{after[1].processes}",
    )


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
