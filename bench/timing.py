"""Timing of processes: seconds of a command, interleaved repetitions, CPU seconds and memory of a process tree."""

from __future__ import annotations

import os
import resource
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Compared:
    """Seconds of ours and of the alternative, of repetitions that took turns."""

    ours: Sequence[float]
    theirs: Sequence[float]

    @property
    def our_median(self) -> float:
        """Median seconds of ours."""
        return median(self.ours)

    @property
    def their_median(self) -> float:
        """Median seconds of the alternative."""
        return median(self.theirs)

    @property
    def ratio(self) -> float:
        """Ours over the alternative, of the medians."""
        return self.our_median / self.their_median

    def describe(self, unit: str = "s") -> str:
        """Both medians with their extremes."""
        return f"{spread(self.ours, unit)} against {spread(self.theirs, unit)}"


def take_turns(times: int, ours: Callable[[], float], theirs: Callable[[], float]) -> Compared:
    """Both measured alternately, so that what else the machine does falls on both."""
    pairs = [(theirs(), ours()) for _ in range(times)]
    return Compared(ours=[our for _, our in pairs], theirs=[their for their, _ in pairs])


def spread(values: Sequence[float], unit: str = "s") -> str:
    """The median of some figures and their extremes, in words."""
    return f"{median(values):.2f} {unit} ({min(values):.2f} to {max(values):.2f}, n={len(values)})"


def run_command(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end.

    Raises:
        RuntimeError: it failed; with the end of what it printed.
    """
    done = subprocess.run(
        command, env=dict(environment), cwd=folder, capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(command)} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done


def seconds_of(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> float:
    """How long a command takes, from its start to its end.

    Raises:
        RuntimeError: it failed.
    """
    started = time.perf_counter()
    run_command(command, environment, folder)
    return time.perf_counter() - started


def cpu_seconds() -> float:
    """CPU seconds that this process has used, and its children that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


@dataclass(frozen=True, slots=True)
class TreeUse:
    """What a process and all that it started have used.

    Attributes:
        cpu_seconds: Of living processes and of their children that have ended.
        memory_mb: Resident, shared pages counted in each process.
        processes: How many live.
    """

    cpu_seconds: float
    memory_mb: float
    processes: int


def tree_use(root_pid: int) -> TreeUse:
    """What the process tree under `root_pid` uses, from /proc; a process that ends meanwhile is left out."""
    stats = {pid: stat for path in Path("/proc").glob("[0-9]*") if (stat := _stat(pid := int(path.name)))}
    tree = _descendants(root_pid, {pid: int(stat[1]) for pid, stat in stats.items()})
    ticks = sum(int(field) for pid in tree for field in stats[pid][11:15])
    pages = sum(int(stats[pid][21]) for pid in tree)
    return TreeUse(ticks / TICKS_PER_SECOND, pages * PAGE_BYTES / 1e6, len(tree))


@dataclass(frozen=True, slots=True)
class CoreUse:
    """What a process has had of the cores, with all its threads.

    Attributes:
        running_seconds: On one of them.
        waiting_seconds: Ready, while others were on them.
    """

    running_seconds: float
    waiting_seconds: float

    def since(self, before: CoreUse) -> CoreUse:
        """What came after another look."""
        return CoreUse(
            self.running_seconds - before.running_seconds, self.waiting_seconds - before.waiting_seconds
        )


def core_use(pid: int) -> CoreUse:
    """How a living process has fared, from /proc."""
    threads = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return CoreUse(*(sum(int(thread[field]) for thread in threads) / 1e9 for field in (0, 1)))


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat after the name: state, parent, …"""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _descendants(root: int, parents: Mapping[int, int]) -> set[int]:
    tree = {root} if root in parents else set()
    while True:
        more = {pid for pid, parent in parents.items() if parent in tree} - tree
        if not more:
            return tree
        tree |= more
