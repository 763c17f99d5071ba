"""Publishing by git: what a run wrote becomes one commit on this machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.judged_commit import commit_judged
from cph50_pipeline.storage.layout import kind_of, published_places
from cph50_pipeline.storage.locks import REPOSITORY_TIMEOUT_SECONDS
from cph50_pipeline.storage.messages import Change, RunInfo, commit_message
from cph50_pipeline.storage.publisher import Author, Insistence, Publication, Waiting
from cph50_pipeline.storage.repository import Repository, open_repository
from cph50_pipeline.storage.selection import Chosen, Selection


class GitPublisher:
    """Commits the published files of one data root into the repository that it belongs to.

    Args:
        selection: What of the differences is published.
        author: Who commits where git knows nobody.
    """

    def __init__(self, selection: Selection, author: Author | None = None) -> None:
        self._selection = selection
        self._author = author or Author()
        self._withheld: Mapping[str, str] = {}
        self._told: Sequence[str] = ()

    @property
    def withheld(self) -> Mapping[str, str]:
        """The files that the last look at the data root kept back, with the reason, by path."""
        return self._withheld

    @property
    def told(self) -> Sequence[str]:
        """What a person should know of what others changed, as the last upload found it, a line each."""
        return self._told

    def commit(self, run: RunInfo, now: datetime) -> Publication | None:
        """Commit every published file that differs from the last commit; waits for other runs that commit.

        Returns:
            None when nothing changed that causes a commit.

        Raises:
            TransientError: when another run or git is at work for too long, or git is too slow.
            PermanentError: when git is missing or refuses, or the repository is not fit for a commit.
        """
        if not self._has_files():
            return None
        with self._opened(now) as repository:
            chosen = self._choose(repository, now)
            return self._commit(repository, chosen, run) if chosen.changes else None

    def upload(self, run: RunInfo, now: datetime, insistence: Insistence) -> Publication | None:
        """Nothing: the commits stay here."""
        return None

    def waiting(self, now: datetime, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS) -> Waiting:
        """What would be committed now; waits so long for another run that commits.

        Raises:
            TransientError, PermanentError: as `commit`.
        """
        if not self._has_files():
            return Waiting()
        with self._opened(now, timeout_seconds) as repository:
            chosen = self._choose(repository, now)
        is_due = bool(chosen.causes)
        return Waiting(len(chosen.causes), now if is_due else None, is_due, chosen.withheld)

    def _open(self, git: Git) -> Repository:
        return open_repository(self._selection.data_root, git)

    def _seen(self, repository: Repository) -> Collection[str] | None:
        """The published files that were in this data root; None: the repository is its alone."""
        return None

    def _has_files(self) -> bool:
        return any((self._selection.data_root / place).exists() for place in published_places())

    def _choose(self, repository: Repository, now: datetime) -> Chosen:
        def committed(path: str) -> bytes | None:
            answer = repository.git.ask("cat-file", "blob", f"HEAD:./{path}")
            return answer.out if answer.code == 0 else None

        changes = differences(repository)
        chosen = self._selection.choose(changes, committed, now, self._seen(repository))
        self._withheld = chosen.withheld
        return chosen

    @contextmanager
    def _opened(
        self, now: datetime, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS
    ) -> Iterator[Repository]:
        """The repository, under its lock."""
        stamp = f"{int(now.timestamp())} +0000"  # the machine's own offset would tell where it stands
        dates = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        with self._selection.locks.repository(timeout_seconds) as descriptor:
            yield self._open(Git(self._selection.data_root, environment=dates, keep_open=(descriptor,)))

    def _commit(self, repository: Repository, chosen: Chosen, run: RunInfo) -> Publication | None:
        repository.free_index()
        branch = repository.branch()
        repository = replace(repository, git=self._as_somebody(repository.git))
        untracked = [change.path for change in chosen.changes if change.status == "?"]
        changes = [
            replace(change, status="A") if change.status == "?" else change for change in chosen.changes
        ]
        message = commit_message(changes, run)
        paths = [change.path for change in changes]
        if chosen.judged:
            commit = commit_judged(repository, paths, chosen.judged, message)
        else:
            commit = _commit_as_they_are(repository, paths, untracked, message)
        if commit is None:
            return None  # put back, or committed by a person, since we looked
        return Publication(commit, branch, tuple(paths), sum(map(self._selection.size, paths)), message)

    def _as_somebody(self, git: Git) -> Git:
        """Git with an author: a person's own, else ours; never one made up of the host's name."""
        named = git.with_options("user.useConfigOnly=true")
        if named.ask("var", "GIT_COMMITTER_IDENT").code == 0:
            return named
        return git.with_options(f"user.name={self._author.name}", f"user.email={self._author.email}")


_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")
_COMMIT = ("--quiet", "--only", "--no-verify", "--cleanup=verbatim")


def _commit_as_they_are(
    repository: Repository, paths: Sequence[str], untracked: Sequence[str], message: str
) -> str | None:
    """Commit files as they are now; None when they are so in the last commit."""
    git = repository.git
    if untracked:  # `commit --only` takes only what git knows
        git.run("add", "--intent-to-add", *_FROM_STDIN, stdin=_as_input(untracked))
    answer = git.ask("commit", *_COMMIT, f"--message={message}", *_FROM_STDIN, stdin=_as_input(paths))
    if answer.code != 0:
        if not {change.path for change in differences(repository)}.intersection(paths):
            return None
        raise git.refusal(answer, "commit")
    commit = repository.head()
    if commit is None:
        raise PermanentError(f"The branch in {repository.top} has no commit after a commit was made")
    return commit


def _as_input(paths: Sequence[str]) -> bytes:
    return "\0".join(paths).encode()


def differences(repository: Repository, *, also_untracked: bool = True) -> list[Change]:
    """The published files that differ from the last commit, by path; status "?" when git knows it not.

    Args:
        also_untracked: Whether those are looked for, for which git opens each folder.
    """
    git, places = repository.git, published_places()
    base = repository.head() or git.run("hash-object", "-t", "tree", "--stdin").text
    compared = git.run(
        "diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", "--relative", base, "--", *places
    )
    answers = compared.paths
    found = dict(zip(answers[1::2], answers[0::2], strict=True))
    if also_untracked:
        untracked = git.run("ls-files", "-z", "--others", "--exclude-standard", "--", *places)
        found.update({path: "?" for path in untracked.paths if path not in found})
    changes = [
        Change(path, status, kind)
        for path, status in sorted(found.items())
        if (kind := kind_of(path)) is not None
    ]
    return [change for change in changes if not _is_only_forgotten(repository, change)]


def _is_only_forgotten(repository: Repository, change: Change) -> bool:
    """Whether a person took a file out of git's index and left it in its folder: that is theirs to commit."""
    return change.status == "D" and (repository.git.folder / change.path).exists()
