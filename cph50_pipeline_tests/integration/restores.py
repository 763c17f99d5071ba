"""Repositories to restore from, and data roots to restore into, for the tests of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.git_reading import GitReading
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.restoring import Restored, commit_at, end_restore, restore
from cph50_pipeline_tests.integration.households import git

ZONE = ZoneInfo("America/Los_Angeles")


def make_repository(folder: Path) -> Path:
    """An empty repository with a work tree; returns its folder."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    return folder


def commit_files(
    repository: Path, files: Mapping[str, bytes | None], at: datetime, message: str = "Update (1 file)"
) -> str:
    """Commit files, None removes one; returns the commit."""
    for path, data in files.items():
        file = repository / path
        if data is None:
            file.unlink()
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    stamp = f"{int(at.timestamp())} +0000"
    own = Git(
        repository,
        ("user.name=cph50", "user.email=cph50@localhost"),
        {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp},
    )
    own.run("add", "--all")
    own.run("commit", "--quiet", "--allow-empty", f"--message={message}")
    return own.run("rev-parse", "HEAD").text


def reading_of(repository: Path) -> GitReading:
    """The repository as it is restored from."""
    return GitReading(Git(repository), "HEAD", "the repository")


def restore_from(
    repository: str, data_root: str, at: str | None = None, unedited: Mapping[str, bytes] | None = None
) -> Restored:
    """Restore into a data root, as the command does, and end it."""
    published, root = reading_of(Path(repository)), DataRoot(data_root)
    locks = Locks(Path(data_root) / "private")
    commit = commit_at(published, at, ZONE)
    restored = restore(published, root, locks, commit, unedited or {}, lambda done, of: None)
    end_restore(locks.private_dir)
    return restored
