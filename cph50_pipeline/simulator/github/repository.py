"""One bare repository as GitHub keeps it: branches that move by compare-and-swap, listings, history."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.simulator.github.commits import CommitContent, parse_commit
from cph50_pipeline.simulator.github.objects import ObjectStore, git_environment

BRANCHES = "refs/heads/"
_NOTHING = "0" * 40
_SETTINGS = {
    "http.receivepack": "true",
    "receive.denyNonFastForwards": "true",
    "receive.autogc": "false",  # a repository must not change its form in the middle of a test
    "gc.auto": "0",
    "uploadpack.allowAnySHA1InWant": "true",
}


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """One line of a tree's listing.

    Attributes:
        kind: `blob`, `tree` or `commit`.
        size: In bytes; None for what is no file.
    """

    path: str
    mode: str
    kind: str
    id: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Reference:
    """A name in the repository, such as `refs/heads/main`, and the object that it stands at."""

    name: str
    id: str
    kind: str


class BareRepository:
    """A repository on disk. Safe to use from several threads and beside other git processes.

    Args:
        name: As `owner/name`.
        git_dir: Its folder; made into an empty repository when it is none.
        default_branch: What it calls its first branch.
    """

    def __init__(self, name: str, git_dir: Path, *, default_branch: str, private: bool) -> None:
        self.name = name
        self.git_dir = git_dir
        self.default_branch = default_branch
        self.private = private
        self.protected: frozenset[str] = frozenset()
        self.objects = ObjectStore(git_dir)
        self._had_branches = False
        if not (git_dir / "HEAD").exists():
            git_dir.mkdir(parents=True, exist_ok=True)
            self._git("init", "--quiet", "--bare", f"--initial-branch={default_branch}")
            for setting, value in _SETTINGS.items():
                self._git("config", setting, value)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever committed."""
        if not self._had_branches:
            self._had_branches = bool(self._git("for-each-ref", "--count=1"))
        return not self._had_branches

    def branch_head(self, branch: str) -> str | None:
        """The commit that a branch stands at; None when there is no such branch."""
        info = self.objects.info(BRANCHES + branch)
        return None if info is None else info.id

    def commit(self, name: str) -> tuple[str, CommitContent] | None:
        """The id and content of the commit that an id, its beginning or a reference's name stands for."""
        info = self.objects.info(name)
        if info is None or info.kind != "commit":
            return None
        return info.id, parse_commit(self.objects.read(info.id, "commit") or b"")

    def move_branch(self, branch: str, new: str, expected: str | None) -> bool:
        """Let a branch stand at another commit, if it still stands where it is expected to; whether it did.

        Args:
            expected: None for a branch that must not exist yet.
        """
        command = ["update-ref", BRANCHES + branch, new, expected or _NOTHING]
        return self._run(command).returncode == 0

    def is_descendant(self, commit: str, ancestor: str) -> bool:
        """Whether a commit has another one, or is it, in its history."""
        found = self.commit(commit)
        if commit == ancestor or (found is not None and ancestor in found[1].parents):
            return True
        return self._run(["merge-base", "--is-ancestor", ancestor, commit]).returncode == 0

    def references(self, prefix: str) -> list[Reference]:
        """The references whose names begin so, sorted by name."""
        lines = self._git("for-each-ref", "--format=%(refname) %(objectname) %(objecttype)").splitlines()
        return [Reference(*line.split(" ")) for line in lines if line.startswith(prefix)]

    def listing(self, tree: str, *, recursive: bool) -> list[ListedEntry]:
        """What a tree holds, in git's order; recursively, folders stand before what is in them."""
        options = ["-r", "-t"] if recursive else []
        lines = self._git("ls-tree", "-l", "-z", *options, tree).split("\0")
        return [_listed(line) for line in lines if line]

    def history(
        self,
        start: str,
        *,
        path: str | None,
        since: datetime | None,
        until: datetime | None,
        skip: int,
        count: int,
    ) -> list[str]:
        """The ids of commits before and with `start`, newest first."""
        limits = [f"--skip={skip}", f"--max-count={count}"]
        limits += [f"--since={since.isoformat()}"] if since else []
        limits += [f"--until={until.isoformat()}"] if until else []
        return self._git("rev-list", *limits, start, "--", *([path] if path else [])).split()

    def rename_branch(self, old: str, new: str) -> None:
        """Call a branch otherwise; the default branch stays the default one."""
        self._git("branch", "-m", old, new)
        if self.default_branch == old:
            self.default_branch = new

    def close(self) -> None:
        """End the git process."""
        self.objects.close()

    def _git(self, *arguments: str) -> str:
        done = self._run(arguments)
        if done.returncode != 0:
            raise PermanentError(f"git {arguments[0]} failed in {self.name}: {done.stderr.strip()}")
        return done.stdout

    def _run(self, arguments: Iterable[str]) -> subprocess.CompletedProcess[str]:
        command = ["git", "--git-dir", str(self.git_dir), "-c", "core.quotePath=false", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=git_environment())


def _listed(line: str) -> ListedEntry:
    head, _, path = line.partition("\t")
    mode, kind, object_id, size = head.split()
    return ListedEntry(path, mode, kind, object_id, None if size == "-" else int(size))
