"""What several processes at once remember of publications."""

from __future__ import annotations

from pathlib import Path

from cph50_pipeline.storage.known import Known, Memory
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.integration.kill_points import join, start

REPOSITORY = "household/data#main"
PROCESSES, RUNS_A_PROCESS = 4, 20


def remember(private_dir: str, number: int) -> None:
    """Note run after run and file after file, as the ends of runs do."""
    memory = Memory(Locks(Path(private_dir)), REPOSITORY)
    for name in names(number):
        memory.change(lambda known, name=name: _with_run(known, name))  # type: ignore[misc]
        memory.remember_seen([name])


def _with_run(known: Known, run: str) -> Known:
    return known.model_copy(update={"runs": (*known.runs, run)})


def names(number: int) -> list[str]:
    """What one process notes."""
    return [f"{number}-{run}" for run in range(RUNS_A_PROCESS)]


def test_no_update_of_several_processes_is_lost(tmp_path: Path) -> None:
    processes = [start(remember, str(tmp_path), number) for number in range(PROCESSES)]
    for process in processes:
        join(process)
    assert [process.exitcode for process in processes] == [0] * PROCESSES
    noted = sorted(name for number in range(PROCESSES) for name in names(number))
    known = Memory(Locks(tmp_path), REPOSITORY).read()
    assert sorted(known.runs) == noted
    assert known.seen == frozenset(noted)
