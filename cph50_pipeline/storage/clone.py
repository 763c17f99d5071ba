"""The pipeline's clone: runs commit to it as to a local repository, and now and then what it has is uploaded.

An upload fetches, makes what the remote branch does not have again on top of it, and pushes. Never by force: what
others committed stays, ours comes on top. Network and commits do not wait for each other. Which files a commit has,
and when there is an upload, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.http.retry import RetryPolicy, retrying
from cph50_pipeline.storage.arrivals import Arrived
from cph50_pipeline.storage.clone_making import CloneFolder, forget_staged
from cph50_pipeline.storage.exchange import Exchange
from cph50_pipeline.storage.git import DamagedRepositoryError, Git
from cph50_pipeline.storage.git_objects import (
    ABSENT,
    TreeChange,
    empty_tree,
    read_objects,
    sizes,
    tree_changes,
)
from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline.storage.replay import replay
from cph50_pipeline.storage.repository import Repository

# Others push, too: each attempt that lost the race waits longer, by chance, so that all get their turn.
POLICY = RetryPolicy(attempts=1000, first_wait_seconds=0.1, longest_wait_seconds=10.0, jitter=1.0)


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What came to the remote branch.

    Attributes:
        commit: The commit that the branch stands at.
        commits: The commits, oldest first.
        files: The files that they change, relative to the data root, sorted; removed ones included.
        bytes: The size of these files as they are at the end.
        retries: How often it was tried again.
    """

    commit: str
    commits: tuple[str, ...]
    files: tuple[str, ...]
    bytes: int
    retries: int


class Clone:
    """The clone that a data root is pushed from.

    Args:
        data_root: The data root, a folder of this machine.
        private_dir: The private folder, which the clone is in.
        remote: The remote branch.
        locks: The locks of the data root.
    """

    def __init__(self, data_root: Path, private_dir: Path, remote: Remote, locks: Locks) -> None:
        self._folder = CloneFolder(data_root.absolute(), private_dir.absolute(), remote)
        self._locks = locks

    @property
    def remote(self) -> Remote:
        """The remote branch."""
        return self._folder.remote

    def open(self, git: Git) -> Repository:
        """The clone as a repository to commit to: made when there is none, mended when it is not fit for a commit.

        Nothing is asked of the network. The repository lock must be held.

        Args:
            git: Git in the data root.

        Raises:
            PermanentError: when it can neither be read nor made.
        """
        return self._folder.open(git)

    def make_anew(self, git: Git, why: str) -> Repository:
        """The clone after it turned out that it cannot be read: made anew of what can be.

        What is lost of it, the next commit makes up for from the data root. The repository lock must be held.

        Args:
            git: Git in the data root.
            why: What git said.

        Raises:
            PermanentError: when it cannot be made.
        """
        self._folder.set_aside(why)
        return self._folder.open(git)

    def pending(self) -> tuple[str, ...]:
        """The commits that are not known to be in the remote repository, oldest first; asks nothing of the network.

        Raises:
            DamagedRepositoryError: when the clone cannot be read.
        """
        if not self._folder.git_dir.is_dir():
            return ()
        git = self._folder.inside(Git(self._folder.data_root))
        head, known = self._folder.standing(git)
        return _commits(git, head, known) if head else ()

    def pending_files(self) -> tuple[str, ...]:
        """The files that the commits change which are not known to be in the remote repository, sorted.

        Raises:
            DamagedRepositoryError: when the clone cannot be read.
        """
        if not self._folder.git_dir.is_dir():
            return ()
        git = self._folder.inside(Git(self._folder.data_root))
        head, known = self._folder.standing(git)
        if head is None:
            return ()
        return tuple(sorted(change.path for change in tree_changes(git, known or empty_tree(git), head)))

    def message(self, commit: str) -> str:
        """The whole message of a commit.

        Raises:
            PermanentError: when there is no such commit.
        """
        git = self._folder.inside(Git(self._folder.data_root))
        return git.run("log", "-1", "--format=%B", commit).text.rstrip("\n") + "\n"

    def upload(
        self, before_replay: Callable[[Sequence[Arrived]], None], deadline_seconds: float
    ) -> Uploaded | None:
        """Bring every commit that the remote branch does not have there, on top of what is there.

        Waits for another process that uploads. Where somebody else is quicker, or the network fails, it is tried
        again until the time is over.

        Args:
            before_replay: Told what others changed and is other than in our last commit, before that has it. The
                repository lock is free meanwhile. What was told is told again when the upload is killed before it
                took that in.
            deadline_seconds: How long all of it may take.

        Returns:
            None when the remote branch had everything.

        Raises:
            PermanentError: when the remote refuses, or the clone can be neither read nor made.
            TransientError: when the remote did not answer in time, or others were always quicker.
        """
        deadline = Deadline(deadline_seconds)
        with self._locks.uploading(deadline_seconds) as descriptor:
            try:
                return self._upload(before_replay, descriptor, deadline)
            except DamagedRepositoryError as error:
                with self._locks.repository(deadline.remaining_seconds) as repository_lock:
                    git = Git(self._folder.data_root, keep_open=(repository_lock,))
                    self.make_anew(git, error.message)
                return self._upload(before_replay, descriptor, deadline)

    def _upload(
        self, before_replay: Callable[[Sequence[Arrived]], None], descriptor: int, deadline: Deadline
    ) -> Uploaded | None:
        upload = _Upload(self._folder, self._locks, deadline, before_replay, descriptor)
        return retrying(upload.attempt, policy=POLICY, deadline=deadline)


@dataclass(slots=True)
class _Upload:
    """One upload, through all its attempts.

    Attributes:
        folder: The clone.
        locks: The locks of the data root.
        deadline: When it is given up.
        before_replay: Told what others changed.
        descriptor: Holds the lock of uploads: a git that outlives us keeps it.
    """

    folder: CloneFolder
    locks: Locks
    deadline: Deadline
    before_replay: Callable[[Sequence[Arrived]], None]
    descriptor: int
    _attempts: int = 0
    _base: str | None = None
    _sent: str | None = None

    def attempt(self) -> Uploaded | None:
        """Fetch, make again what has to be, push."""
        self._attempts += 1
        self._prepare()
        there = self._exchange().fetch()
        was_taken = self._sent is not None and there is not None and _is_below(self._git(), self._sent, there)
        arrivals = self._arrivals(there)
        if arrivals:
            self.before_replay(arrivals)
        tip = self._rebuild(there)
        if was_taken and self._sent:  # only the answer to our push was lost
            return self._uploaded(self._base, self._sent)
        if tip is None or tip == there:
            return None
        self._base, self._sent = there, tip
        self._exchange().push(tip)
        self._remember(tip)
        return self._uploaded(there, tip)

    def _git(self, *descriptors: int) -> Git:
        return self.folder.inside(Git(self.folder.data_root, keep_open=descriptors))

    def _exchange(self) -> Exchange:
        git = self.folder.remote.git(self.folder.git_dir, keep_open=(self.descriptor,))
        return Exchange(self.folder.remote, git, self.deadline)

    @contextmanager
    def _alone(self) -> Iterator[Git]:
        """Git in the clone, while no run commits."""
        with self.locks.repository(self.deadline.remaining_seconds) as descriptor:
            yield self._git(descriptor)

    def _prepare(self) -> None:
        with self._alone() as git:
            self._mend(git)

    def _mend(self, git: Git) -> None:
        self.folder.open(Git(self.folder.data_root, keep_open=git.keep_open))

    def _arrivals(self, there: str | None) -> list[Arrived]:
        """What others changed since the remote branch was last seen, as far as our last commit has it otherwise."""
        git = self._git()
        head, known = self.folder.standing(git)
        if there in (None, known) or (head is not None and _is_below(git, there, head)):
            return []
        base = _last_seen(git, there, head, known)
        changed = tree_changes(git, base or empty_tree(git), there)
        differing = {change.path for change in tree_changes(git, head or empty_tree(git), there)}
        return [
            _arrived(git, change) for change in changed if kind_of(change.path) and change.path in differing
        ]

    def _rebuild(self, there: str | None) -> str | None:
        """Put our branch on top of the remote one; returns where it stands then."""
        with self._alone() as git:
            head, known = self.folder.standing(git)
            if there is None:
                return head
            if head is not None and _is_below(git, there, head):
                self._move(git, [(self.folder.known_ref, there, known)])
                return head
            self._mend(git)  # a commit that was killed since may be in the way
            head, known = self.folder.standing(git)
            tip = self._on_top(git, head, known, there)
            self._move(git, [(self.folder.branch_ref, tip, head), (self.folder.known_ref, there, known)])
            forget_staged(git)
            return tip

    def _on_top(self, git: Git, head: str | None, known: str | None, there: str) -> str:
        if head is None:
            return there
        return replay(git, _commits(git, head, there, known), there, _commits(git, there, head))

    def _move(self, git: Git, moves: Sequence[tuple[str, str, str | None]]) -> None:
        """Move references together or not at all: each to a commit, from where it stands (None: it is new)."""
        told = "".join(f"update {ref} {new} {old or ABSENT}\n" for ref, new, old in moves if new != old)
        if told:
            git.run("update-ref", "--stdin", stdin=told.encode())

    def _remember(self, tip: str) -> None:
        with self._alone() as git:
            git.run("update-ref", self.folder.known_ref, tip)

    def _uploaded(self, base: str | None, tip: str) -> Uploaded:
        git = self._git()
        changes = tree_changes(git, base or empty_tree(git), tip)
        ids = [change.after.id for change in changes if change.after]
        return Uploaded(
            tip,
            _commits(git, tip, base),
            tuple(sorted(change.path for change in changes)),
            sum(sizes(git, ids)),
            self._attempts - 1,
        )


def _commits(git: Git, tip: str, *without: str | None) -> tuple[str, ...]:
    """The commits up to one that are not below others, oldest first; of a merge only the branch it was made on."""
    excluded = [f"^{commit}" for commit in without if commit]
    return tuple(git.run("rev-list", "--reverse", "--first-parent", tip, *excluded).text.split())


def _is_below(git: Git, commit: str, tip: str) -> bool:
    """Whether a commit is another or one of those before it."""
    answer = git.ask("merge-base", "--is-ancestor", commit, tip)
    if answer.code > 1:
        raise git.refusal(answer, "merge-base")
    return answer.code == 0


def _last_seen(git: Git, there: str, head: str | None, known: str | None) -> str | None:
    """From where on commits of the remote branch are others'; None: from its first.

    That is where it was known to stand, or further: when a push of ours arrived whose answer was lost.
    """
    if head is None or (known is not None and not _is_below(git, known, there)):
        return known
    return git.ask("merge-base", head, there).text or None


def _arrived(git: Git, change: TreeChange) -> Arrived:
    before = None if change.before is None else change.before.id
    if change.after is None:
        return Arrived(change.path, before, None)
    after = change.after.id
    return Arrived(change.path, before, after, lambda: next(read_objects(git, [after])).data)
