"""Clones, remote repositories on disk and other people, for the tests of what is pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cph50_pipeline.storage.arrivals import Arrived
from cph50_pipeline.storage.clone import Clone, Uploaded
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline_tests.integration.households import git, write

FIRST = "sessions/2026/01/07/1.json"
SECOND = "sessions/2026/01/07/2.json"
THIRD = "sessions/2026/01/07/3.json"
_STAMP = {"GIT_AUTHOR_DATE": "1767765600 +0000", "GIT_COMMITTER_DATE": "1767765600 +0000"}
_SOMEBODY = ("user.name=cph50_pipeline", "user.email=cph50@localhost")


@dataclass
class PushedHousehold:
    """A data root whose commits are pushed."""

    data_root: Path
    remote: Remote
    deadline_seconds: float = 60.0
    arrivals: list[Arrived] = field(default_factory=list)

    @property
    def locks(self) -> Locks:
        return Locks(self.data_root / "private")

    @property
    def clone(self) -> Clone:
        return Clone(self.data_root, self.data_root / "private", self.remote, self.locks)

    @property
    def git_dir(self) -> Path:
        return self.data_root / "private" / "publication.git"

    def run(self, *paths: str, content: str | None = None, message: str = "") -> str:
        """A run writes files and commits them, and nothing else; returns the commit."""
        for path in paths:
            write(self.data_root, path, content=f"{path}\n" if content is None else content)
        return self.commit(*paths, message=message)

    def commit(self, *paths: str, message: str = "") -> str:
        with self.locks.repository() as descriptor:
            root = Git(self.data_root, _SOMEBODY, _STAMP, (descriptor,))
            inside = self.clone.open(root).git
            inside.run("add", "--intent-to-add", "--", *paths)
            inside.run("commit", "--quiet", "--only", f"--message={message or ' '.join(paths)}", "--", *paths)
            return inside.run("rev-parse", "HEAD").text

    def has_committed(self, path: str) -> bool:
        """Whether a file is in the last commit."""
        return bool(self.git("ls-tree", "--name-only", "HEAD", "--", path))

    def differs(self, path: str) -> bool:
        """Whether a file is other than in the last commit, or has never been committed."""
        with self.locks.repository() as descriptor:
            inside = self.clone.open(Git(self.data_root, keep_open=(descriptor,))).git
            committed = inside.ask("cat-file", "blob", f"HEAD:{path}")
        return committed.code != 0 or committed.out != (self.data_root / path).read_bytes()

    def upload(self) -> Uploaded | None:
        return self.clone.upload(self._note, self.deadline_seconds)

    def _note(self, arrivals: Sequence[Arrived]) -> None:
        self.arrivals.extend(arrivals)

    def git(self, *arguments: str) -> str:
        """What git prints in the clone."""
        return git(self.data_root, f"--git-dir={self.git_dir}", *arguments)


@dataclass(frozen=True)
class Person:
    """Somebody else who commits to the remote repository, from a clone of their own."""

    folder: Path
    url: str

    def commit(self, files: dict[str, str], branch: str = "main") -> str:
        """Change files on top of what the remote has; returns the commit."""
        if not (self.folder / ".git").exists():
            self.folder.mkdir(parents=True)
            git(self.folder, "init", "--quiet", f"--initial-branch={branch}")
        if git(self.folder, "ls-remote", "--heads", self.url, branch):
            git(self.folder, "fetch", "--quiet", self.url, branch)
            git(self.folder, "reset", "--quiet", "--hard", "FETCH_HEAD")
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(content)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--message=By hand")
        git(self.folder, "push", "--quiet", self.url, f"HEAD:refs/heads/{branch}")
        return git(self.folder, "rev-parse", "HEAD").strip()


def bare_repository(folder: Path) -> Path:
    """An empty repository that can be pushed to, as at GitHub; returns it."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main")
    git(folder, "config", "receive.denyNonFastForwards", "true")
    return folder


def subjects(repository: Path, branch: str = "main") -> list[str]:
    """The first lines of the messages of a branch's commits, oldest first."""
    return git(repository, "log", "--reverse", "--format=%s", branch).splitlines()


def files_at(repository: Path, branch: str = "main") -> dict[str, str]:
    """The files of a branch with their content."""
    paths = git(repository, "ls-tree", "-r", "--name-only", branch).splitlines()
    return {path: git(repository, "cat-file", "blob", f"{branch}:{path}") for path in paths}


def is_linear(repository: Path, branch: str = "main") -> bool:
    """Whether every commit of a branch has one parent at most."""
    return not git(repository, "rev-list", "--merges", branch).strip()
