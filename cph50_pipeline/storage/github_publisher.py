"""Publishing through GitHub's API: no repository on this machine, a commit a publication."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.errors import Cph50Error, NotFoundError, TransientError
from cph50_pipeline.storage.arrivals import Arrived, refuse_strangers, strangers, take_in
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.github.committing import GitHubRepository
from cph50_pipeline.storage.github.memory import Remembered, read_memory, write_memory
from cph50_pipeline.storage.github.model import Edit, Made, Snapshot
from cph50_pipeline.storage.known import Known, Memory
from cph50_pipeline.storage.layout import Cause, kind_of
from cph50_pipeline.storage.local_files import LocalFile, Look, look_at_files
from cph50_pipeline.storage.locks import REPOSITORY_TIMEOUT_SECONDS
from cph50_pipeline.storage.messages import Change, RunInfo, commit_message
from cph50_pipeline.storage.provenance import checked_out
from cph50_pipeline.storage.published import Blob, blob_id
from cph50_pipeline.storage.publisher import Insistence, Publication, Waiting
from cph50_pipeline.storage.selection import Chosen, Selection


class GitHubPublisher:
    """Publishes one data root to a branch on GitHub.

    Args:
        selection: What of the differences is published; it has a rhythm.
        repository: The branch.
        zone: The household's zone, by which a month is over.
    """

    def __init__(self, selection: Selection, repository: GitHubRepository, zone: ZoneInfo) -> None:
        assert selection.rhythm is not None, "uploads have a rhythm"
        self._selection = selection
        self._rhythm = selection.rhythm
        self._repository = repository
        self._zone = zone
        self._name = place_of(repository)
        self._memory = Memory(selection.locks, self._name)
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
        """Nothing is committed here; that the run wrote something is noted for the next publication."""
        self._memory.change(
            lambda known: (
                known.model_copy(update={"runs": (*known.runs, run.run_id)})
                if run.run_id not in known.runs
                else known
            )
        )
        return None

    def upload(self, run: RunInfo, now: datetime, insistence: Insistence) -> Publication | None:
        """Publish all that differs, when any of it is due.

        Raises:
            TransientError: GitHub did not answer, or its limits are reached; tried again later.
            PermanentError: GitHub refuses; says what to do.
        """
        looked: Look | None = None
        if not insistence.is_asked_for:
            waiting, looked = self._look(now)
            if not waiting.is_due:
                return None
        with self._selection.locks.uploading(insistence.seconds), closing(self._repository):
            publication = _Publication(
                self._selection, self._repository, self._memory, run, now, insistence, looked
            )
            try:
                with self._repository.within(insistence.seconds):
                    made = publication.make()
            except Cph50Error as error:
                wait = error.retry_after_seconds if isinstance(error, TransientError) else None
                self._memory.change(lambda known: known.after_failure(now, wait))
                raise
            finally:
                self._withheld, self._told = publication.chosen.withheld, publication.told
            self._memory.change(lambda known: publication.known_after(known, made))
        return None if made is None else publication.as_publication(made, self._repository.branch)

    def waiting(self, now: datetime, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS) -> Waiting:
        """What differs from the repository as it was last seen."""
        return self._look(now)[0]

    def _look(self, now: datetime) -> tuple[Waiting, Look]:
        """What waits, and the files as they are."""
        known = self._memory.read()
        remembered = read_memory(self._selection.locks.private_dir, self._name)
        here = look_at_files(self._selection.data_root, remembered.here, time.time_ns())
        changes = _differences(here.files, remembered.snapshot.files)
        chosen = self._selection.choose(changes, remembered.state, now, known.seen)
        self._withheld = chosen.withheld
        due_at = self._rhythm.due_at(chosen.causes, known.uploaded_at, month_of(now, self._zone))
        return known.waiting(len(chosen.causes), due_at, now, chosen.withheld), here


@dataclass
class _Publication:
    """One publication, through all its attempts.

    Attributes:
        looked: The files as they were just looked at, so that years of them are not looked through twice where the
            branch stands as it did. What was written since goes now or with the next publication.
        chosen: What was chosen in the last attempt.
        told: What a person should know of what others changed, a line each.
    """

    selection: Selection
    repository: GitHubRepository
    memory: Memory
    run: RunInfo
    now: datetime
    insistence: Insistence
    looked: Look | None = None
    chosen: Chosen = field(default_factory=Chosen)
    told: tuple[str, ...] = ()
    _known: Known = field(init=False)
    _before: Remembered = field(init=False)
    _here: Look = field(default_factory=Look)
    _snapshot: Snapshot = field(default_factory=Snapshot)
    _last_seen: Snapshot = field(init=False)

    def __post_init__(self) -> None:
        self._known = self.memory.read()
        private_dir = self.selection.locks.private_dir
        self._before = read_memory(private_dir, place_of(self.repository))
        if self.insistence.compares_all:
            self._before, self.looked = replace(self._before, here=Look()), None
        self._last_seen = self._before.snapshot
        self.selection = replace(self.selection, may_replace=self.insistence.may_replace)

    def make(self) -> Made | None:
        """The commit; None when there is nothing to publish."""
        if self._known.seen is None:
            self._begin()
        known = None if self.insistence.compares_all else self._before.snapshot
        made: Made | None = None
        try:
            made = self.repository.commit(self._decide, self._message, self.now, known)
        finally:
            if (published := self._published(made)).commit is not None:
                self._remember(published, made.edits if made else ())
        return made

    def known_after(self, known: Known, made: Made | None) -> Known:
        """What is known of the repository after the publication."""
        after = known.after_success(
            self.now, did_upload=made is not None, named={*self._known.runs, self.run.run_id}
        )
        published = self._published(made)
        same = {path for path, file in self._here.files.items() if file.id == _id(published.files, path)}
        # What is gone or otherwise here by now stays ours until that is published, too.
        still_ours = self._seen(published) & published.files.keys()
        return after.model_copy(update={"seen": frozenset(same | still_ours), "sent": {}})

    def as_publication(self, made: Made, branch: str) -> Publication:
        """The publication, for people."""
        paths = sorted(edit.path for edit in made.edits)
        return Publication(
            commit=made.commit,
            branch=branch,
            files=tuple(paths),
            bytes=sum(len(edit.data or b"") for edit in made.edits),
            message=made.message,
            retries=made.retries,
            link=made.link,
        )

    def _published(self, made: Made | None) -> Snapshot:
        return self._snapshot if made is None else made.snapshot

    def _decide(self, snapshot: Snapshot) -> Sequence[Edit]:
        """What is to be changed in the branch as it is now."""
        self._receive(snapshot)
        self._snapshot = self._last_seen = snapshot
        self._here, self.looked = self.looked or self._look(), None
        seen = self._seen(snapshot)
        changes = _differences(self._here.files, snapshot.files)
        self.chosen = self.selection.choose(changes, self._state, self.now, seen)
        edits = [Edit(change.path, self._content(change.path)) for change in self.chosen.changes]
        self._announce(edits, seen)
        return edits

    def _content(self, path: str) -> bytes | None:
        """What is published of a chosen file."""
        judged = self.chosen.judged
        return judged[path] if path in judged else self.selection.current(path)

    def _announce(self, edits: Sequence[Edit], seen: frozenset[str]) -> None:
        """Remember what is sent before it is: a kill, or a lost answer, makes it nobody else's."""
        sent = {edit.path: blob_id(edit.data) for edit in edits if edit.data is not None}
        if sent:
            news = {"seen": seen, "sent": sent}
            self.memory.change(lambda known: known.model_copy(update=news))
            self._known = self._known.model_copy(update=news)

    def _look(self) -> Look:
        return look_at_files(self.selection.data_root, self._before.here, time.time_ns())

    def _state(self, path: str) -> bytes | None:
        """A state file as it is in the branch."""
        blob = self._snapshot.files.get(path)
        if blob is None:
            return None
        known = self._before.states.get(path)
        return known[1].encode() if known and known[0] == blob.id else self._read(blob)

    def _read(self, blob: Blob) -> bytes:
        return next(self.repository.read([blob.id]))

    def _receive(self, snapshot: Snapshot) -> None:
        """Deal with what others changed since the branch was last seen."""
        before = self._last_seen
        if snapshot.commit == before.commit:
            return
        self.looked = None
        ours = self._landed(snapshot)
        arrived = [
            Arrived(
                path,
                _id(before.files, path),
                None if after is None else after.id,
                None if after is None else partial(self._read, after),
            )
            for path in sorted({*before.files, *snapshot.files} - ours)
            if before.files.get(path) != (after := snapshot.files.get(path))
        ]
        told = take_in(self.selection.data_root, self.selection.locks, arrived)
        self.told = tuple(dict.fromkeys([*self.told, *told]))
        if not self.insistence.may_replace:
            found = strangers(self.selection.data_root, arrived, self._seen(snapshot))
            refuse_strangers(found, f"{self.repository.name}, branch {self.repository.branch},")

    def _seen(self, snapshot: Snapshot) -> frozenset[str]:
        """The published files that were in this data root."""
        seen = self._known.seen
        if seen is None:
            seen = frozenset(
                path for path, file in self._here.files.items() if file.id == _id(snapshot.files, path)
            )
        return seen | self._landed(snapshot)

    def _landed(self, snapshot: Snapshot) -> frozenset[str]:
        """The files that are there as they were sent from here."""
        sent = self._known.sent.items()
        return frozenset(path for path, id_ in sent if id_ == _id(snapshot.files, path))

    def _begin(self) -> None:
        """Go on from what the data root is known to come from, where nothing else is known of the branch.

        That is the repository or the branch under its former name, or a checkout.
        """
        former = read_memory(self.selection.locks.private_dir, None)
        if self._is_on_branch(former.snapshot.commit):
            self._go_on(former.snapshot, former.snapshot.files.keys() & former.here.files.keys())
            return
        commit = checked_out(Git(self.selection.data_root))
        if commit is not None and self._is_on_branch(commit):
            files = self.repository.files(commit)
            self._go_on(Snapshot(commit, files=files), files.keys())

    def _go_on(self, last_seen: Snapshot, seen: Collection[str]) -> None:
        self._known = self._known.model_copy(update={"seen": frozenset(seen)})
        self._last_seen = last_seen

    def _is_on_branch(self, commit: str | None) -> bool:
        try:
            return commit is not None and self.repository.resolve(commit).id == commit
        except NotFoundError:
            return False

    def _message(self, edits: Sequence[Edit]) -> str:
        paths = {edit.path for edit in edits}
        changes = [change for change in self.chosen.changes if change.path in paths]
        earlier = tuple(run for run in self._known.runs if run != self.run.run_id)
        return commit_message(changes, replace(self.run, earlier=earlier))

    def _remember(self, snapshot: Snapshot, edits: Sequence[Edit]) -> None:
        states = {
            path: known
            for path, known in self._before.states.items()
            if known[0] == _id(snapshot.files, path)
        }
        for edit in edits:
            if edit.data is not None and _is_state(edit.path):
                states[edit.path] = (blob_id(edit.data), edit.data.decode())
        remembered = Remembered(snapshot, self._here, states)
        write_memory(self.selection.locks.private_dir, place_of(self.repository), remembered)


def place_of(repository: GitHubRepository) -> str:
    """What is remembered is about this branch."""
    return f"{repository.name}#{repository.branch}"


def _differences(here: Mapping[str, LocalFile], there: Mapping[str, Blob]) -> list[Change]:
    """The published files that differ, by path."""
    paths = {path for path, file in here.items() if file.id != _id(there, path)} | (
        there.keys() - here.keys()
    )
    return [
        Change(path, "D" if path not in here else "A" if path not in there else "M", kind)
        for path in sorted(paths)
        if (kind := kind_of(path)) is not None
    ]


def _id(files: Mapping[str, Blob], path: str) -> str | None:
    blob = files.get(path)
    return None if blob is None else blob.id


def _is_state(path: str) -> bool:
    kind = kind_of(path)
    return kind is not None and kind.cause is Cause.STATE
