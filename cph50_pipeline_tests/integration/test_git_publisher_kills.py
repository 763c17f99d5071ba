"""A publisher killed at any step, alone or with its git, loses nothing: the next run's commit is complete."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cph50_pipeline.errors import TransientError
from cph50_pipeline.storage.locks import REPOSITORY, Locks
from cph50_pipeline_tests.integration.households import commit, commit_count, committed_files, git, write
from cph50_pipeline_tests.integration.kill_points import (
    commit_run,
    commit_states,
    is_killed_at,
    start,
    write_and_commit,
)

FIRST = ["session_cache/2026-01.json", "sessions/2026/01/07/1.json"]
SECOND = ["classifications/2026-01.json", "session_cache/2026-01.json"]
STATE, AWAY = "last_session.json", '{"connected": false}\n'
STATE_STEPS = 2
COMMIT_RUN = "import sys; from cph50_pipeline_tests.integration.kill_points import *; commit_run(sys.argv[1])"


@pytest.fixture
def committed_root(tmp_path: Path) -> Path:
    """A data root with one commit and, since then, a changed, a new and a removed file."""
    return _change(_first_commit(tmp_path / "template"))


def _first_commit(folder: Path) -> Path:
    write(folder, *FIRST)
    commit(folder)
    return folder


def _change(folder: Path) -> Path:
    write(folder, "session_cache/2026-01.json", content="[1]\n")
    write(folder, "classifications/2026-01.json")
    (folder / "sessions/2026/01/07/1.json").unlink()
    return folder


def _assert_all_is_committed(folder: Path, commits: int) -> None:
    commit(folder)  # waits for the git of the killed one, which holds its lock
    assert committed_files(folder) == SECOND
    assert git(folder, "show", "HEAD:session_cache/2026-01.json") == "[1]\n"
    assert git(folder, "status", "--porcelain") == ""
    assert commit_count(folder) == commits
    git(folder, "fsck", "--strict", "--no-dangling")
    assert commit(folder) is None
    assert not list((folder / ".git").glob("*.lock"))


def test_a_publisher_killed_at_any_step_is_completed_by_the_next(
    tmp_path: Path, committed_root: Path
) -> None:
    for step in itertools.count(1):
        folder = Path(shutil.copytree(committed_root, tmp_path / str(step)))
        was_killed = is_killed_at(step, commit_run, str(folder))
        _assert_all_is_committed(folder, commits=2)
        if not was_killed:
            break
    assert step > 10


def test_a_publisher_killed_while_it_makes_a_repository_is_completed_by_the_next(tmp_path: Path) -> None:
    for step in itertools.count(1):
        folder = tmp_path / str(step)
        write(folder, *SECOND[:1])
        write(folder, *SECOND[1:], content="[1]\n")
        was_killed = is_killed_at(step, commit_run, str(folder))
        _assert_all_is_committed(folder, commits=1)
        if not was_killed:
            break
    assert step > 10


def test_a_publisher_of_states_killed_at_any_step_is_completed_by_the_next(
    tmp_path: Path, committed_root: Path
) -> None:
    write(committed_root, STATE, content=AWAY)
    for step in itertools.count(1, STATE_STEPS):
        folder = Path(shutil.copytree(committed_root, tmp_path / str(step)))
        was_killed = is_killed_at(step, commit_states, str(folder))
        commit_states(str(folder))
        assert committed_files(folder) == sorted([*SECOND, STATE])
        assert git(folder, "show", f"HEAD:{STATE}") == AWAY
        assert git(folder, "status", "--porcelain") == ""
        assert commit_count(folder) == 2
        git(folder, "fsck", "--strict", "--no-dangling")
        assert not list((folder / ".git").glob("*.lock"))
        if not was_killed:
            break
    assert step > 10


@pytest.fixture
def trace_folder() -> Iterator[Path]:
    """A folder with a path short enough for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def _kill_with_its_git_at(folder: Path, trace_folder: Path, event_count: int) -> bool:
    """Run the publisher and kill it with all its children once git has told of so many steps; False when fewer."""
    address = str(trace_folder / "socket")
    Path(address).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        process = subprocess.Popen(
            [sys.executable, "-c", COMMIT_RUN, str(folder)],
            env={**os.environ, "GIT_TRACE2_EVENT": f"af_unix:stream:{address}"},
            start_new_session=True,
        )
        reached = _wait_for_events(listener, process, event_count)
    if reached:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(120)
    return reached


def _wait_for_events(listener: socket.socket, process: subprocess.Popen[bytes], event_count: int) -> bool:
    seen = 0
    listener.settimeout(0.05)
    while process.poll() is None:
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            continue
        with connection:
            while data := connection.recv(4096):
                seen += data.count(b"\n")
                if seen >= event_count:
                    return True
    return False


def test_a_publisher_killed_together_with_its_git_is_completed_by_the_next(
    tmp_path: Path, committed_root: Path, trace_folder: Path
) -> None:
    killed = 0
    for event_count in range(3, 400, 12):
        folder = Path(shutil.copytree(committed_root, tmp_path / str(event_count)))
        was_killed = _kill_with_its_git_at(folder, trace_folder, event_count)
        _assert_all_is_committed(folder, commits=2)
        if not was_killed:
            break
        killed += 1
    assert killed > 8


def _wrap_git(folder: Path, on_commit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `git` before the real one that does something of its own before it commits."""
    real = shutil.which("git")
    folder.mkdir()
    script = f'#!/bin/sh\ncase " $* " in *" commit "*) {on_commit} ;; esac\nexec {real} "$@"\n'
    (folder / "git").write_text(script)
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_git_that_outlives_its_killed_parent_keeps_the_repository_lock(
    tmp_path: Path, committed_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, go_on = tmp_path / "reached", tmp_path / "go_on"
    os.mkfifo(reached)
    os.mkfifo(go_on)
    locks = Locks(committed_root / "private")
    with monkeypatch.context() as during:
        _wrap_git(tmp_path / "bin", f"echo > {reached}; read line < {go_on}", during)
        process = subprocess.Popen([sys.executable, "-c", COMMIT_RUN, str(committed_root)])
        reached.read_text()
        process.kill()
        process.wait(120)
    assert locks.is_held(REPOSITORY)
    go_on.write_text("\n")
    with locks.repository():
        assert committed_files(committed_root) == SECOND
    _assert_all_is_committed(committed_root, commits=2)


def test_a_person_who_is_committing_in_our_repository_is_not_disturbed(
    tmp_path: Path, committed_root: Path
) -> None:
    reached, go_on = tmp_path / "reached", tmp_path / "go_on"
    os.mkfifo(reached)
    os.mkfifo(go_on)
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\necho > {reached}; read line < {go_on}; echo "Mine" > "$1"\n')
    editor.chmod(0o755)
    person = subprocess.Popen(
        ["git", "commit", "--all"], cwd=committed_root, env={**os.environ, "GIT_EDITOR": str(editor)}
    )
    reached.read_text()
    with pytest.raises(TransientError, match="Another git is at work"):
        commit(committed_root)
    assert (committed_root / ".git" / "index.lock").exists()
    go_on.write_text("\n")
    assert person.wait(120) == 0
    assert git(committed_root, "log", "-1", "--format=%s").strip() == "Mine"
    assert commit(committed_root) is not None


def test_runs_that_end_at_once_lose_nothing_and_commit_one_after_the_other(tmp_path: Path) -> None:
    workers, times = 6, 5
    processes = [start(write_and_commit, str(tmp_path), worker, times) for worker in range(workers)]
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    expected = [
        f"sessions/2026/01/{day + 1:02d}/{number}.json" for day in range(workers) for number in range(times)
    ]
    assert committed_files(tmp_path) == expected
    assert git(tmp_path, "status", "--porcelain") == ""
    assert git(tmp_path, "rev-list", "--merges", "HEAD") == ""
    assert times <= commit_count(tmp_path) <= workers * times
