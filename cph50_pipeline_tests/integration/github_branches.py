"""Branches on the stand-in for GitHub, for the tests of what is committed through its API."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cph50_pipeline.http.retry import RetryPolicy
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.github.committing import GitHubRepository
from cph50_pipeline.storage.github.connection import GitHubLimits
from cph50_pipeline.storage.github.model import Edit, Made, Snapshot
from cph50_pipeline.storage.github.pace import WritingLimits

REPOSITORY = "household/data"
TOKEN = "ghp_canaryCANARYcanary"
AT = datetime(2026, 1, 7, 6, 0, 0, tzinfo=UTC)
QUICK = RetryPolicy(attempts=6, first_wait_seconds=0.001, longest_wait_seconds=0.01)
AT_ONCE = GitHubLimits(
    total_seconds=30.0,
    retry=QUICK,
    conflict=RetryPolicy(attempts=50, first_wait_seconds=0.001, longest_wait_seconds=0.02, jitter=1.0),
    writing=WritingLimits(per_minute=100_000, per_hour=100_000, secondary_wait_seconds=0.01),
)

PATIENT = replace(
    AT_ONCE,
    total_seconds=240.0,
    retry=RetryPolicy(attempts=30, first_wait_seconds=0.005, longest_wait_seconds=0.1),
    conflict=RetryPolicy(attempts=1000, first_wait_seconds=0.01, longest_wait_seconds=0.2, jitter=1.0),
)


def branch_of(
    hub: RunningGitHub,
    repository: str = REPOSITORY,
    branch: str = "main",
    token: str = TOKEN,
    limits: GitHubLimits = AT_ONCE,
) -> GitHubRepository:
    """A branch that is asked for without waits."""
    return GitHubRepository.of(hub.api_url, repository, branch, token, limits)


def publish(
    repository: GitHubRepository,
    files: Mapping[str, bytes | None],
    known: Snapshot | None = None,
    message: str = "Update",
) -> Made | None:
    """Commit files as a run leaves them; None removes one."""
    edits = [Edit(path, data) for path, data in files.items()]
    return repository.commit(lambda _: edits, lambda _: message, AT, known)


def begin(hub: RunningGitHub, files: Mapping[str, bytes], repository: str = REPOSITORY) -> Path:
    """A repository whose branch has one commit with these files; returns its folder."""
    git_dir = hub.create_repository(repository)
    hub.add_token(TOKEN)
    commit_by_hand(git_dir, files)
    return git_dir


def commit_by_hand(git_dir: Path, files: Mapping[str, bytes], branch: str = "main") -> str:
    """A person's commit on top of a branch, made in the bare repository itself; returns its id."""
    head = git(git_dir, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}", may_fail=True)
    entries = []
    for path, data in files.items():
        blob = git(git_dir, "hash-object", "-w", "--stdin", stdin=data)
        entries.append(f"100644 {blob}\t{path}\n")
    index = {"GIT_INDEX_FILE": str(git_dir / "index.by-hand")}
    git(git_dir, "read-tree", *([head] if head else ["--empty"]), env=index)
    git(git_dir, "update-index", "--add", "--index-info", stdin="".join(entries).encode(), env=index)
    tree = git(git_dir, "write-tree", env=index)
    parents = ["-p", head] if head else []
    commit = git(git_dir, "commit-tree", tree, *parents, "-m", "By hand")
    git(git_dir, "update-ref", f"refs/heads/{branch}", commit)
    return commit


def git(
    git_dir: Path,
    *arguments: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    may_fail: bool = False,
) -> str:
    """What git prints in a bare repository."""
    person = ("-c", "user.name=A Person", "-c", "user.email=person@example.org")
    done = subprocess.run(
        ["git", f"--git-dir={git_dir}", *person, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", "HOME": str(git_dir), **(env or {})},
    )
    assert may_fail or done.returncode == 0, done.stderr
    return done.stdout.decode().strip()


def subjects(git_dir: Path, branch: str = "main") -> list[str]:
    """The first lines of a branch's messages, oldest first."""
    return git(git_dir, "log", "--reverse", "--format=%s", branch).splitlines()


def files_at(git_dir: Path, branch: str = "main") -> dict[str, bytes]:
    """The files of a branch, with their bytes."""
    archived = subprocess.run(
        ["git", f"--git-dir={git_dir}", "archive", "--format=tar", branch], capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(archived.stdout)) as archive:
        return {
            member.name: content.read()
            for member in archive
            if member.isfile() and (content := archive.extractfile(member)) is not None
        }


def writes(hub: RunningGitHub) -> Sequence[str]:
    """What was asked of the stand-in that writes, by name."""
    return [request.operation for request in hub.requests if request.method != "GET"]


def publish_often(api_url: str, writer: int, times: int) -> None:
    """Publish files of one writer's own, a commit each, whatever goes wrong."""
    known: Snapshot | None = None
    with GitHubRepository.of(api_url, REPOSITORY, "main", TOKEN, PATIENT) as repository:
        for number in range(times):
            path = f"sessions/2026/01/{writer:02}/{number}.json"
            made = publish(repository, {path: f"{writer} {number}\n".encode()}, known, message=path)
            assert made is not None
            known = made.snapshot


def publish_once(api_url: str, repository: str, files: Mapping[str, bytes]) -> None:
    """Publish files from a process of its own, in which nothing is known of the branch."""
    with GitHubRepository.of(api_url, repository, "main", TOKEN, AT_ONCE) as branch:
        publish(branch, files)
