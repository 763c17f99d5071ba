"""What importing the code location costs, against importing Dagster and nothing else."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.homes import outer_environment
from bench.row import Effort, Row
from bench.timing import Compared, run_command, take_turns

LIMIT = 1.3
BARE = "import dagster"
LOCATION = "import cph50_pipeline.definitions"
LOADED = "from cph50_pipeline.definitions import defs; defs()"
# Seconds of CPU: an import waits for nothing, and what else runs on the machine stays out of the figure.
_TIMED = "import time; started = time.process_time(); {}; print(time.process_time() - started)"


def measure_import(effort: Effort) -> Row:
    """Import of the code location."""
    return _row("import", LOCATION, effort)


def measure_load(effort: Effort) -> Row:
    """Import of the code location, and its definitions built."""
    return _row("load", LOADED, effort)


def _row(name: str, ours: str, effort: Effort) -> Row:
    compared = _compare(ours, effort.times(15, 7))
    return Row(name, compared.ratio, LIMIT, "x", f"bare `{BARE}`", compared.describe())


def _compare(ours: str, times: int) -> Compared:
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as folder:
        environment = {**outer_environment(), "CPH50_DATA_DIR": f"{folder}/data"}

        def seconds(statement: str) -> float:
            command = [sys.executable, "-c", _TIMED.format(statement)]
            return float(run_command(command, environment, Path(folder)).stdout.split()[-1])

        seconds(ours)  # the files come from the disk once
        return take_turns(times, lambda: seconds(ours), lambda: seconds(BARE))
