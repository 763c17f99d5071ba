"""The publisher: what a run wrote becomes one git commit.

It looks at what differs from the last commit, not at what it is told was written: so a run also commits what
an earlier one wrote and could not commit. Only the files that `layout` knows are ever touched.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.storage.damage import is_damaged
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.layout import NIGHTLY, SAMPLED, Cause, Group, kind_of, published_places
from cph50_pipeline.storage.locks import (
    POWER,
    REPOSITORY_TIMEOUT_SECONDS,
    Locks,
    month_lock_name,
    session_lock_name,
)
from cph50_pipeline.storage.messages import Change, RunInfo, commit_message
from cph50_pipeline.storage.presence import Presence, Verdict
from cph50_pipeline.storage.repository import Repository, open_repository

OFF = "off"
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits where git knows nobody."""

    name: str = "cph50_pipeline"
    email: str = "cph50@localhost"


@dataclass(frozen=True, slots=True)
class Publication:
    """One commit.

    Attributes:
        commit: Its id.
        branch: The branch it is on.
        files: The files in it, relative to the data root, sorted; deleted ones included.
        bytes: The size of these files.
        message: The whole message.
    """

    commit: str
    branch: str
    files: tuple[str, ...]
    bytes: int
    message: str


class Publisher:
    """Commits the published files of one data root.

    Args:
        data_root: The data root, a folder of this machine.
        mode: "off" or "local".
        locks: The locks of the data root.
        publish_delay_minutes: How old a state must be before `last_session.json` is published; None: never.
        author: Who commits where git knows nobody.
        own_months: Months that the caller holds locked. Files of a month that another run holds are that run's to
            commit, when it is done with them.
        owns_power: Whether the caller holds the lock of the power files; the same holds for these.

    Raises:
        BadInputError: for another mode.
    """

    def __init__(
        self,
        data_root: Path,
        mode: str,
        locks: Locks,
        publish_delay_minutes: int | None = None,
        author: Author | None = None,
        own_months: Collection[str] = (),
        *,
        owns_power: bool = False,
    ) -> None:
        if mode not in (OFF, LOCAL):
            raise BadInputError(
                f"CPH50_PUBLISH: {mode!r} is not a way to publish", remedy="Set it to off or local"
            )
        self._data_root = data_root
        self._mode = mode
        self._locks = locks
        self._presence = Presence(locks.private_dir, publish_delay_minutes)
        self._author = author or Author()
        self._own_locks = {*map(month_lock_name, own_months), *([POWER] if owns_power else [])}
        self._withheld: tuple[str, ...] = ()

    @property
    def withheld(self) -> tuple[str, ...]:
        """The damaged files that the last look at the data root kept out of a commit, sorted."""
        return self._withheld

    def commit(self, run: RunInfo, now: datetime) -> Publication | None:
        """Commit every published file that differs from the last commit; waits for other runs that commit.

        Args:
            run: Who commits, for the message.
            now: The time of the commit.

        Returns:
            None when publishing is off, or nothing changed that causes a commit.

        Raises:
            TransientError: when another run or git is at work for too long, or git is too slow.
            PermanentError: when git is missing or refuses, or the repository is not fit for a commit.
        """
        if self._mode == OFF or not self._has_files():
            return None
        with self._opened(now) as (repository, changes):
            return self._commit(repository, changes, run) if changes else None

    def has_changes(
        self, now: datetime | None = None, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS
    ) -> bool:
        """Whether `commit` would make a commit now; waits so long for another run that commits.

        Raises:
            TransientError, PermanentError: as `commit`.
        """
        if self._mode == OFF or not self._has_files():
            return False
        with self._opened(now or datetime.now(UTC), timeout_seconds) as (_, changes):
            return bool(changes)

    def _has_files(self) -> bool:
        return any((self._data_root / place).exists() for place in published_places())

    @contextmanager
    def _opened(
        self, now: datetime, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS
    ) -> Iterator[tuple[Repository, list[Change]]]:
        """The repository, under its lock, with the changes that go into a commit."""
        stamp = f"{int(now.timestamp())} +0000"  # the machine's own offset would tell where it stands
        dates = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        with self._locks.repository(timeout_seconds) as descriptor:
            git = Git(self._data_root, environment=dates, keep_open=(descriptor,))
            repository = open_repository(self._data_root, git)
            yield repository, self._to_publish(repository, _differences(repository), now)

    def _to_publish(self, repository: Repository, changes: Sequence[Change], now: datetime) -> list[Change]:
        """The changes that go into a commit; none when nothing of them causes one."""
        published: list[Change] = []
        is_caused = False
        self._withheld = tuple(sorted(change.path for change in changes if self._is_damaged(change)))
        at_work = self._locks_of_others(changes)
        for change in changes:
            if change.path in self._withheld or at_work.intersection(_locks_of(change)):
                continue
            verdict = self._judge(repository, change, now)
            if verdict is not Verdict.HOLD:
                published.append(change)
            is_caused = is_caused or verdict is Verdict.CAUSE
        if not is_caused:
            return []
        is_night = any(change.kind.name == NIGHTLY for change in published)
        return [change for change in published if is_night or change.kind.cause is not Cause.NIGHT]

    def _judge(self, repository: Repository, change: Change, now: datetime) -> Verdict:
        if change.kind.cause is Cause.CHANGE:
            return Verdict.CAUSE
        if change.kind.cause in (Cause.NEVER, Cause.NIGHT):
            return Verdict.TRAVEL
        committed = repository.git.ask("cat-file", "blob", f"HEAD:./{change.path}")
        before = committed.out if committed.code == 0 else None
        return self._presence.judge(change.kind, change.path, self._current(change), before, now)

    def _locks_of_others(self, changes: Sequence[Change]) -> set[str]:
        """The locks by which other runs, now at work, hold some of the files."""
        others = {name for change in changes for name in _locks_of(change)} - self._own_locks
        return {name for name in others if self._locks.is_held(name)}

    def _is_damaged(self, change: Change) -> bool:
        data = self._current(change)
        return data is not None and is_damaged(change.path, data)

    def _current(self, change: Change) -> bytes | None:
        try:
            return (self._data_root / change.path).read_bytes()
        except FileNotFoundError:
            return None

    def _commit(self, repository: Repository, changes: list[Change], run: RunInfo) -> Publication | None:
        repository.free_index()
        branch = repository.branch()
        git = self._as_somebody(repository.git)
        untracked = [change.path for change in changes if change.status == "?"]
        changes = [replace(change, status="A") if change.status == "?" else change for change in changes]
        if untracked:  # `commit --only` takes only what git knows
            git.run("add", "--intent-to-add", *_FROM_STDIN, stdin=_as_input(untracked))
        message = commit_message(changes, run)
        paths = [change.path for change in changes]
        answer = git.ask("commit", *_COMMIT, f"--message={message}", *_FROM_STDIN, stdin=_as_input(paths))
        if answer.code != 0:
            if not {change.path for change in _differences(repository)}.intersection(paths):
                return None  # put back, or committed by a person, since we looked
            raise git.refusal(answer, "commit")
        commit = repository.head()
        if commit is None:
            raise PermanentError(
                f"The branch {branch} in {repository.top} has no commit after a commit was made"
            )
        return Publication(commit, branch, tuple(paths), sum(map(self._size, paths)), message)

    def _as_somebody(self, git: Git) -> Git:
        """Git with an author: a person's own, else ours; never one made up of the host's name."""
        named = git.with_options("user.useConfigOnly=true")
        if named.ask("var", "GIT_COMMITTER_IDENT").code == 0:
            return named
        return git.with_options(f"user.name={self._author.name}", f"user.email={self._author.email}")

    def _size(self, path: str) -> int:
        try:
            return (self._data_root / path).stat().st_size
        except FileNotFoundError:
            return 0


_FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")
_COMMIT = ("--quiet", "--only", "--no-verify", "--cleanup=verbatim")


def _locks_of(change: Change) -> Iterator[str]:
    """The locks under which a file is written, by a run that takes some time."""
    if change.kind.group is Group.POWER:
        yield POWER
    elif change.month:
        yield month_lock_name(change.month)
    if change.kind.name == SAMPLED:
        yield session_lock_name(PurePosixPath(change.path).stem)


def _as_input(paths: Sequence[str]) -> bytes:
    return "\0".join(paths).encode()


def _differences(repository: Repository) -> list[Change]:
    """The published files that differ from the last commit, by path; status "?" when git knows it not."""
    git, places = repository.git, published_places()
    base = repository.head() or git.run("hash-object", "-t", "tree", "--stdin").text
    compared = git.run(
        "diff", "--name-status", "-z", "--no-renames", "--no-ext-diff", "--relative", base, "--", *places
    )
    answers = compared.paths
    found = dict(zip(answers[1::2], answers[0::2], strict=True))
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
