"""A process killed after any request of a publication through GitHub's API."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline_tests.integration.github_branches import (
    TOKEN,
    begin,
    files_at,
    git,
    publish_once,
    subjects,
)
from cph50_pipeline_tests.integration.kill_points import start

BEFORE = {"README.md": b"A person's own\n", "runs.json": b"0\n"}
FILES = {
    "runs.json": b"1\n",
    "session_samples/2026-01.parquet": b"PAR1\x00\xff",
    "session_samples/2026-02.parquet": b"PAR1\x01\xff",
    **{f"sessions/2026/01/07/{number}.json": b"%d\n" % number for number in range(120)},
}
_PATIENCE_SECONDS = 60


def is_killed_after(hub: RunningGitHub, request: int, repository: str) -> bool:
    """Publish in a process of its own, killed after the request was carried out; False when it makes fewer."""
    is_started = threading.Event()
    seen: list[int] = []

    def kill(number: int) -> None:
        is_started.wait(_PATIENCE_SECONDS)
        seen.append(number)
        if len(seen) == request:
            os.kill(process.pid, signal.SIGKILL)

    hub.on_request = kill
    process = start(publish_once, hub.api_url, repository, FILES)
    is_started.set()
    process.join(_PATIENCE_SECONDS)
    hub.on_request = None
    assert process.exitcode in (0, -signal.SIGKILL)
    return bool(process.exitcode != 0)


def test_a_kill_after_any_request_leaves_a_whole_branch_and_the_next_publication_one_commit(
    tmp_path: Path,
) -> None:
    ends: list[int] = []
    with RunningGitHub(tmp_path) as hub:
        request, was_killed = 0, True
        while was_killed:
            request += 1
            repository = f"household/data-{request}"
            git_dir = begin(hub, BEFORE, repository)
            was_killed = is_killed_after(hub, request, repository)
            ends.append(len(subjects(git_dir)))
            assert files_at(git_dir) in (BEFORE, BEFORE | FILES)
            publish_once(hub.api_url, repository, FILES)
            publish_once(hub.api_url, repository, FILES)
            assert files_at(git_dir) == BEFORE | FILES
            assert subjects(git_dir) == ["By hand", "Update"]
            git(git_dir, "fsck", "--strict")
    # Head, commit, tree, two contents, two portions of the tree, commit: eight kills before the move, one after.
    assert ends == [1] * 8 + [2, 2]


def test_a_kill_while_an_empty_repository_is_filled_makes_no_content_twice(tmp_path: Path) -> None:
    with RunningGitHub(tmp_path) as hub:
        hub.add_token(TOKEN)
        request, was_killed = 0, True
        while was_killed:
            request += 1
            repository = f"household/data-{request}"
            git_dir = hub.create_repository(repository)
            was_killed = is_killed_after(hub, request, repository)
            publish_once(hub.api_url, repository, FILES)
            assert files_at(git_dir) == FILES
            assert len(subjects(git_dir)) == 2
            git(git_dir, "fsck", "--strict")
    assert request > 8
