"""Processes that commit to one branch on GitHub at the same time, while much goes wrong."""

from __future__ import annotations

from pathlib import Path

from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline_tests.integration.github_branches import (
    TOKEN,
    begin,
    files_at,
    git,
    publish_often,
    subjects,
)
from cph50_pipeline_tests.integration.kill_points import start

WRITERS = 6
COMMITS = 50
_PATIENCE_SECONDS = 300


def test_of_six_processes_that_commit_at_once_no_file_is_lost_under_faults(tmp_path: Path) -> None:
    with RunningGitHub(tmp_path) as hub:
        git_dir = begin(hub, {"README.md": b"A person's own\n"})
        base = git(git_dir, "rev-parse", "main")
        hub.fault_rate(0.2, seed=7, retry_after_seconds=0)
        for status_code, after in ((409, 5), (422, 25), (409, 60), (422, 90)):
            fault = Fault(kind="status", status_code=status_code, operation="update_ref", after=after)
            hub.faults.add(fault.model_copy(update={"body": '{"message": "Reference cannot be updated"}'}))
        writers = [start(publish_often, hub.api_url, writer, COMMITS) for writer in range(WRITERS)]
        for process in writers:
            process.join(_PATIENCE_SECONDS)
        assert [process.exitcode for process in writers] == [0] * WRITERS
        counts = hub.requests.counts()
        assert all(TOKEN not in request.path for request in hub.requests)
    expected = {
        f"sessions/2026/01/{writer:02}/{number}.json": f"{writer} {number}\n".encode()
        for writer in range(WRITERS)
        for number in range(COMMITS)
    }
    assert files_at(git_dir) == expected | {"README.md": b"A person's own\n"}
    parents = git(git_dir, "rev-list", "--parents", "main").splitlines()
    assert all(len(line.split()) == 2 for line in parents[:-1])
    assert parents[-1] == base
    assert sorted(subjects(git_dir)[1:]) == sorted(expected)
    assert counts["update_ref"] > WRITERS * COMMITS
