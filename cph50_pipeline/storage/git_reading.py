"""A branch of a git repository on this machine, to be read: the data root's own, the clone, or a copy just fetched.

Nothing is written. What is read of it, and what for, is decided elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cph50_pipeline.errors import NotFoundError, PermanentError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.storage.exchange import Exchange
from cph50_pipeline.storage.git import TIMEOUT_SECONDS, Git, GitAnswer
from cph50_pipeline.storage.git_objects import read_objects
from cph50_pipeline.storage.published import Blob, Commit
from cph50_pipeline.storage.remote import Remote

_FORMAT = "--format=%H%n%ct%n%P%n%B"
_ID = re.compile(r"[0-9a-f]{4,40}")
_KEPT = "Nothing was changed"


@dataclass(frozen=True, slots=True)
class GitReading:
    """A branch, read by git; it is a `Published`.

    Attributes:
        git: Git in the repository. In a folder of a person's own repository, the files are those of that folder.
        ref: The branch as git names it: "HEAD", "refs/heads/main", "refs/remotes/origin/main".
        name: What messages call it.
    """

    git: Git
    ref: str
    name: str

    def head(self) -> str | None:
        """The commit that the branch stands at; None before the first.

        Raises:
            PermanentError: when the repository cannot be read.
        """
        answer = self.git.ask("rev-parse", "--verify", "--quiet", f"{self.ref}^{{commit}}")
        if answer.code != 0 and answer.complaint:
            raise self._refusal(answer, "rev-parse")
        return answer.text or None

    def resolve(self, name: str) -> Commit:
        """The commit of the branch that an id, whole or abbreviated, stands for.

        Raises:
            NotFoundError: when there is none, or several begin like that.
            PermanentError: when the repository cannot be read.
        """
        wanted = name.lower()
        head = self.head() if _ID.fullmatch(wanted) else None
        commit = self._commit_at(wanted) if head else None
        if head is None or commit is None or not self._is_on_branch(commit, head):
            raise NotFoundError(
                f"{self.name} has no commit {name!r}, or several that begin like that",
                kept=_KEPT,
                remedy="Name one of those that cph50 restore --list prints",
            )
        return next(self._log("--no-walk", commit))

    def commits(self, path: str | None = None, until: datetime | None = None) -> Iterator[Commit]:
        """The commits of the branch, newest first.

        Args:
            path: Only those that changed this file.
            until: Only those committed at this instant or before.

        Raises:
            PermanentError: when the repository cannot be read.
        """
        head = self.head()
        if head is None:
            return
        only = ("--", f":(literal){path}") if path else ("--",)
        for commit in self._log("--first-parent", head, *only):
            if until is None or commit.at <= until:
                yield commit

    def files(self, commit: str) -> Mapping[str, Blob]:
        """All files at a commit, by path; a symbolic link is none.

        Raises:
            NotFoundError: when there is no such commit.
            PermanentError: when it cannot be read.
        """
        if self._commit_at(commit) is None:
            raise NotFoundError(f"{self.name} has no commit {commit}", kept=_KEPT)
        listed = self._run("ls-tree", "-r", "-l", "-z", commit).paths
        entries = (line.partition("\t") for line in listed)
        fields = ((path, told.split()) for told, _, path in entries)
        return {path: Blob(id_, int(size)) for path, (mode, _, id_, size) in fields if mode.startswith("100")}

    def read(self, blob_ids: Sequence[str]) -> Iterator[bytes]:
        """The contents with these ids, in this order, each verified against its id.

        Raises:
            NotFoundError: when one does not exist.
            PermanentError: when one cannot be read, or is not what its id says.
        """
        return (found.data for found in read_objects(self.git, blob_ids))

    def _log(self, *arguments: str) -> Iterator[Commit]:
        answer = self._run("log", "-z", "--no-show-signature", "--encoding=UTF-8", _FORMAT, *arguments)
        for record in answer.paths:
            id_, at, parents, message = record.split("\n", 3)
            yield Commit(id_, datetime.fromtimestamp(int(at), UTC), message, tuple(parents.split()))

    def _commit_at(self, id_: str) -> str | None:
        answer = self.git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{id_}^{{commit}}")
        return answer.text if answer.code == 0 else None

    def _is_on_branch(self, commit: str, head: str) -> bool:
        return self.git.ask("merge-base", "--is-ancestor", commit, head).code == 0

    def _run(self, *arguments: str) -> GitAnswer:
        answer = self.git.ask(*arguments)
        if answer.code != 0:
            raise self._refusal(answer, arguments[0])
        return answer

    def _refusal(self, answer: GitAnswer, command: str) -> PermanentError:
        said = " ".join(answer.complaint.split())
        return PermanentError(f"{self.name} cannot be read: git {command} says {said}", kept=_KEPT)


def fetch_copy(remote: Remote, folder: Path, timeout_seconds: float = TIMEOUT_SECONDS) -> GitReading:
    """Fetch a remote branch, with all its history, into a folder.

    Args:
        remote: The remote branch.
        folder: An empty folder; it becomes a bare repository.
        timeout_seconds: How long it may take.

    Raises:
        NotFoundError: when the remote repository is missing, or the token has no access to it.
        PermanentError: when it may not be read, or has other branches, but not this one.
        TransientError: when it does not answer.
    """
    Git(folder).run("init", "--quiet", "--bare", "--template=", f"--initial-branch={remote.branch}", ".")
    head = Exchange(remote, remote.git(folder), Deadline(timeout_seconds)).fetch()
    reading = GitReading(Git(folder), "HEAD", remote.url)
    if head is not None:
        reading.git.run("update-ref", f"refs/heads/{remote.branch}", head)
    return reading
