"""A process killed at any step of a write leaves the file whole; a lock ends with its holder."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

import pytest

from cph50_pipeline.errors import TransientError
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.locks import Locks, month_lock_name, run_lock_name
from cph50_pipeline_tests.integration.kill_points import (
    edit_often,
    event,
    hold_locks,
    is_killed_at,
    start,
    write_file,
)

PATH = "session_cache/2026-01.json"
OLD, NEW = "old\n" * 1000, "new content\n" * 1000


@pytest.mark.parametrize("before", [None, OLD], ids=["a new file", "an existing file"])
def test_a_write_killed_at_any_step_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, before: str | None
) -> None:
    outcomes = set()
    for step in itertools.count(1):
        root = DataRoot(str(tmp_path / str(step)))
        if before is not None:
            root.write(PATH, before.encode())
        was_killed = is_killed_at(step, write_file, str(root.folder), PATH, NEW)
        found = root.read(PATH)
        assert found in (NEW.encode(), before.encode() if before is not None else None)
        outcomes.add(found)
        if not was_killed:
            break
        _assert_the_next_run_completes_it(root)
    assert step > 5
    assert len(outcomes) == 2


def _assert_the_next_run_completes_it(root: DataRoot) -> None:
    root.remove_stale_temporaries()
    root.write(PATH, NEW.encode())
    assert root.read(PATH) == NEW.encode()
    assert os.listdir(root.folder / "session_cache") == ["2026-01.json"]


def test_locks_hold_across_processes_and_end_with_a_killed_holder(tmp_path: Path) -> None:
    locks, is_held, may_end = Locks(tmp_path), event(), event()
    holder = start(hold_locks, str(tmp_path), ["2026-01", "2026-02"], is_held, may_end)
    assert is_held.wait(120)
    assert locks.is_held(month_lock_name("2026-02"))
    assert locks.is_held(run_lock_name("8f0c"))
    with pytest.raises(TransientError), locks.month(["2026-02"], timeout_seconds=0):
        pass

    holder.kill()
    holder.join()

    assert not locks.is_held(run_lock_name("8f0c"))
    assert locks.forget_dead_runs() == ["8f0c"]
    with locks.month(["2026-01", "2026-02"], timeout_seconds=0):
        pass


def test_processes_that_edit_one_file_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    workers = [start(edit_often, str(tmp_path), worker, 20) for worker in range(4)]
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    found = json.loads((tmp_path / "session_vehicle_map.json").read_bytes())
    assert found.keys() == {f"{worker}-{number}" for worker in range(4) for number in range(20)}
