"""Publishing by `git push`: a commit a run into the pipeline's own clone, which is uploaded now and then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.errors import Cph50Error, TransientError
from cph50_pipeline.storage.arrivals import Arrived, refuse_strangers, strangers, take_in
from cph50_pipeline.storage.clone import Arrival, Clone, Uploaded
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.git_publisher import GitPublisher
from cph50_pipeline.storage.known import Known, Memory
from cph50_pipeline.storage.layout import kind_of
from cph50_pipeline.storage.locks import REPOSITORY_TIMEOUT_SECONDS
from cph50_pipeline.storage.messages import Change, RunInfo
from cph50_pipeline.storage.published import blob_id
from cph50_pipeline.storage.publisher import Author, Insistence, Publication, Waiting
from cph50_pipeline.storage.repository import Repository
from cph50_pipeline.storage.selection import Selection


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

    def upload(self, run: RunInfo, now: datetime, insistence: Insistence) -> Publication | None:
        """Push the commits that wait, when any of their files is due.

        Raises:
            TransientError: the remote repository did not answer; tried again later.
            PermanentError: it refuses; says what to do.
        """
        if not insistence.is_asked_for and not self.waiting(now).is_due:
            return None
        told: list[str] = []
        try:
            uploaded = self._clone.upload(
                lambda arrivals: told.extend(self._receive(arrivals, insistence)), insistence.seconds
            )
        except Cph50Error as error:
            wait = error.retry_after_seconds if isinstance(error, TransientError) else None
            self._memory.change(lambda known: known.after_failure(now, wait))
            raise
        self._memory.change(lambda known: self._known_after(known, uploaded, now))
        return None if uploaded is None else self._told_of(uploaded, told)

    def waiting(self, now: datetime, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS) -> Waiting:
        """What is not committed yet, or committed and not pushed; asks nothing of the network."""
        not_committed = super().waiting(now, timeout_seconds)
        if not_committed.is_due:
            return not_committed
        known = self._memory.read()
        changes = self._pending_changes()
        due_at = self._rhythm.due_at(changes, known.uploaded_at, month_of(now, self._zone))
        return known.waiting(len(changes), due_at, now, not_committed.withheld)

    def _open(self, git: Git) -> Repository:
        return self._clone.open(git)

    def _seen(self, repository: Repository) -> Collection[str] | None:
        seen = self._memory.read().seen
        return {*(seen or ()), *self._clone.pending_files()}

    def _pending_changes(self) -> list[Change]:
        return [
            Change(path, "M", kind)
            for path in self._clone.pending_files()
            if (kind := kind_of(path)) is not None
        ]

    def _receive(self, arrivals: Sequence[Arrival], insistence: Insistence) -> list[str]:
        """Deal with what others changed since the remote branch was last seen."""
        arrived = [_arrived(arrival) for arrival in arrivals]
        seen = self._memory.read().seen
        if not insistence.may_replace:
            found = strangers(self._selection.data_root, arrived, seen or ())
            refuse_strangers(found, f"{self._clone.remote.url}, branch {self._clone.remote.branch},")
        return take_in(self._selection.data_root, self._selection.locks, arrived)

    def _known_after(self, known: Known, uploaded: Uploaded | None, now: datetime) -> Known:
        after = known.after_success(now, did_upload=uploaded is not None)
        if uploaded is None:
            return after
        here = {path for path in uploaded.files if (self._selection.data_root / path).exists()}
        seen = ((known.seen or frozenset()) | here) - (frozenset(uploaded.files) - here)
        return after.model_copy(update={"seen": seen})

    def _told_of(self, uploaded: Uploaded, told: Sequence[str]) -> Publication:
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
            told=tuple(dict.fromkeys(told)),
        )


def _arrived(arrival: Arrival) -> Arrived:
    return Arrived(
        arrival.path,
        None if arrival.before is None else blob_id(arrival.before),
        None if arrival.after is None else blob_id(arrival.after),
        None if arrival.after is None else partial(bytes, arrival.after),
    )
