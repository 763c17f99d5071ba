"""Publishing by `git push`: a commit a run into the pipeline's own clone, which is uploaded now and then."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.errors import Cph50Error, TransientError
from cph50_pipeline.storage.arrivals import Arrived, refuse_strangers, strangers, take_in
from cph50_pipeline.storage.clone import Clone, Uploaded
from cph50_pipeline.storage.git import DamagedRepositoryError, Git
from cph50_pipeline.storage.git_publisher import GitPublisher, differences
from cph50_pipeline.storage.known import Memory
from cph50_pipeline.storage.layout import Cause, kind_of
from cph50_pipeline.storage.locks import REPOSITORY_TIMEOUT_SECONDS
from cph50_pipeline.storage.messages import Change, RunInfo
from cph50_pipeline.storage.presence import is_same_state
from cph50_pipeline.storage.publisher import Author, Insistence, Publication, Waiting
from cph50_pipeline.storage.repository import Repository
from cph50_pipeline.storage.selection import Selection

T = TypeVar("T")


class PushPublisher(GitPublisher):
    """Commits the published files of one data root into the pipeline's clone, and pushes them.

    Args:
        selection: What of the differences is published; it has a rhythm.
        clone: The pipeline's clone.
        zone: The household's zone, by which a month is over.
        author: Who commits where git knows nobody.
    """

    def __init__(
        self, selection: Selection, clone: Clone, zone: ZoneInfo, author: Author | None = None
    ) -> None:
        super().__init__(selection, author)
        assert selection.rhythm is not None, "uploads have a rhythm"
        self._rhythm = selection.rhythm
        self._clone = clone
        self._zone = zone
        self._memory = Memory(selection.locks, f"{clone.remote.url}#{clone.remote.branch}")

    def commit(self, run: RunInfo, now: datetime) -> Publication | None:
        """As of `GitPublisher`; a clone that turns out to be damaged is made anew."""
        return self._on_a_whole_clone(lambda: GitPublisher.commit(self, run, now))

    def upload(self, run: RunInfo, now: datetime, insistence: Insistence) -> Publication | None:
        """Push the commits that wait, when any of their files is due.

        Raises:
            TransientError: the remote repository did not answer; tried again later.
            PermanentError: it refuses; says what to do.
        """
        if not insistence.is_asked_for and not self._is_upload_due(now):
            return None
        self._told = ()
        if insistence.may_replace:  # what was withheld as another data root's goes along
            self._selection = replace(self._selection, may_replace=True)
            self.commit(run, now)
        try:
            ours = self._on_a_whole_clone(self._clone.pending_files)
            uploaded = self._clone.upload(
                lambda arrived: self._receive(arrived, insistence), insistence.seconds
            )
        except Cph50Error as error:
            wait = error.retry_after_seconds if isinstance(error, TransientError) else None
            self._memory.change(lambda known: known.after_failure(now, wait))
            raise
        self._memory.remember_seen({*ours, *(uploaded.files if uploaded else ())})
        there, alike = self._compared(now)
        self._memory.change(
            lambda known: known.after_success(now, did_upload=uploaded is not None).model_copy(
                # What is gone or otherwise here by now stays ours until that is published, too.
                update={"seen": alike | ((known.seen or frozenset()) & there)}
            )
        )
        return None if uploaded is None else self._as_publication(uploaded)

    def waiting(self, now: datetime, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS) -> Waiting:
        """What is not committed yet, or committed and not pushed; asks nothing of the network."""
        return self._on_a_whole_clone(lambda: self._waiting(now, timeout_seconds))

    def _waiting(self, now: datetime, timeout_seconds: float) -> Waiting:
        not_committed = super().waiting(now, timeout_seconds)
        if not_committed.is_due:
            return not_committed
        return self._waiting_for_upload(now, timeout_seconds, not_committed.withheld)

    def _is_upload_due(self, now: datetime) -> bool:
        waiting = self._on_a_whole_clone(
            lambda: self._waiting_for_upload(now, REPOSITORY_TIMEOUT_SECONDS, withheld={})
        )
        return waiting.is_due

    def _waiting_for_upload(
        self, now: datetime, timeout_seconds: float, withheld: Mapping[str, str]
    ) -> Waiting:
        """What is committed and not pushed."""
        known = self._memory.read()
        causes = self._pending_causes(now, timeout_seconds)
        due_at = self._rhythm.due_at(causes, known.uploaded_at, month_of(now, self._zone))
        return known.waiting(len(causes), due_at, now, withheld)

    def _on_a_whole_clone(self, act: Callable[[], T]) -> T:
        """Do something with the clone; once more with one made anew, when it turns out to be damaged."""
        try:
            return act()
        except DamagedRepositoryError as error:
            with self._selection.locks.repository() as descriptor:
                git = Git(self._selection.data_root, keep_open=(descriptor,))
                self._clone.make_anew(git, error.message)
            return act()

    def _open(self, git: Git) -> Repository:
        return self._clone.open(git)

    def _seen(self, repository: Repository) -> Collection[str] | None:
        seen = self._memory.read().seen
        return {*(seen or ()), *self._clone.pending_files()}

    def _pending_causes(self, now: datetime, timeout_seconds: float) -> list[Change]:
        """What is committed, not pushed, and does not only travel along."""
        kinds = [(path, kind) for path in self._clone.pending_files() if (kind := kind_of(path)) is not None]
        causes = [Change(path, "M", kind) for path, kind in kinds if kind.cause is Cause.CHANGE]
        states = [Change(path, "M", kind) for path, kind in kinds if kind.cause is Cause.STATE]
        if states:
            with self._opened(now, timeout_seconds) as repository:
                causes += [change for change in states if not self._is_refresh(repository.git, change)]
        return causes

    def _is_refresh(self, git: Git, change: Change) -> bool:
        """Whether a state file that was committed says no more than the one that was pushed."""
        pushed = f"refs/remotes/origin/{self._clone.remote.branch}"
        versions = [git.ask("cat-file", "blob", f"{commit}:{change.path}") for commit in (pushed, "HEAD")]
        before, after = (answer.out if answer.code == 0 else None for answer in versions)
        return is_same_state(change.kind, change.path, before, after)

    def _receive(self, arrived: Sequence[Arrived], insistence: Insistence) -> None:
        """Deal with what others changed since the remote branch was last seen."""
        seen = self._memory.read().seen
        if not insistence.may_replace:
            found = strangers(self._selection.data_root, arrived, seen or ())
            refuse_strangers(found, f"{self._clone.remote.url}, branch {self._clone.remote.branch},")
        told = take_in(self._selection.data_root, self._selection.locks, arrived)
        self._told = tuple(dict.fromkeys([*self._told, *told]))

    def _compared(self, now: datetime) -> tuple[frozenset[str], frozenset[str]]:
        """The files that the repository holds, and those of them that are the same here."""
        with self._opened(now) as repository:
            if repository.head() is None:
                return frozenset(), frozenset()
            listed = repository.git.run("ls-tree", "-r", "-z", "--name-only", "HEAD").paths
            differing = {change.path for change in differences(repository, also_untracked=False)}
        there = frozenset(path for path in listed if kind_of(path) is not None)
        return there, there - differing

    def _as_publication(self, uploaded: Uploaded) -> Publication:
        remote = self._clone.remote
        return Publication(
            commit=uploaded.commit,
            branch=remote.branch,
            files=uploaded.files,
            bytes=uploaded.bytes,
            message=self._clone.message(uploaded.commit),
            commits=len(uploaded.commits),
            retries=uploaded.retries,
            link=remote.link(uploaded.commit),
        )
