"""Data roots and repositories for the tests of storage and publisher: real files, real git."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.git_publisher import GitPublisher
from cph50_pipeline.storage.layout import FileKind
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.messages import RunInfo
from cph50_pipeline.storage.presence import Presence, Verdict
from cph50_pipeline.storage.publisher import Publication
from cph50_pipeline.storage.selection import Selection

GIT_VARIABLES = ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL")
NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
RUN = RunInfo("8f0c", "charging_job", "a car left")


def selection(data_root: Path, publish_delay_minutes: int | None = None, **options: Any) -> Selection:
    """What is published of a data root."""
    locks = Locks(data_root / "private")
    return Selection(data_root, locks, Presence(locks.private_dir, publish_delay_minutes), **options)


def publisher(data_root: Path, publish_delay_minutes: int | None = None, **options: Any) -> GitPublisher:
    """The publisher of a data root that commits in its repository."""
    return GitPublisher(selection(data_root, publish_delay_minutes, **options))


def commit(
    data_root: Path, now: datetime = NOW, publish_delay_minutes: int | None = None
) -> Publication | None:
    """Commit as a run does at its end."""
    return publisher(data_root, publish_delay_minutes=publish_delay_minutes).commit(RUN, now)


@dataclass(frozen=True)
class OvertakenPresence(Presence):
    """A rule after whose judgement another process writes the file at once."""

    overtaken_by: str

    def judge(
        self, kind: FileKind, path: str, current: bytes | None, published: bytes | None, now: datetime
    ) -> Verdict:
        verdict = super().judge(kind, path, current, published, now)
        write(self.private_dir.parent, path, content=self.overtaken_by)
        return verdict


def write(data_root: Path, *paths: str, content: str = "[]\n") -> None:
    """Write files as a run does."""
    for path in paths:
        DataRoot(str(data_root)).write(path, content.encode())


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints, as a person would run it."""
    result = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return result.stdout


def committed_files(folder: Path) -> list[str]:
    """The files in the last commit's tree, from the folder on."""
    return git(folder, "ls-tree", "-r", "--name-only", "HEAD").splitlines()


def commit_count(folder: Path) -> int:
    """How many commits the branch has."""
    return int(git(folder, "rev-list", "--count", "HEAD"))


def persons_repository(folder: Path) -> Path:
    """A person's own repository with one commit; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "--quiet", "--initial-branch=home")
    (folder / "notes.txt").write_text("first\n")
    git(folder, "add", "notes.txt")
    git(folder, "commit", "--quiet", "--message=Mine")
    return folder


def persons_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let git find a person's home with a configuration of its own, and nothing of this machine."""
    (folder / ".gitconfig").write_text("[user]\n name = A Person\n email = person@home.example\n")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in GIT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return folder
