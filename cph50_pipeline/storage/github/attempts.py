"""A commit through GitHub's API, begun anew until it stands on the branch: never by force, never twice.

All objects are stored before the branch is moved, and are named by their content: whatever is cut off, the
branch stands either before the commit or after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from cph50_pipeline.errors import Cph50Error, NotFoundError, TransientError
from cph50_pipeline.storage.github.api import GitHubApi
from cph50_pipeline.storage.github.chunks import (
    LARGEST_FILE_BYTES,
    PlannedEdit,
    after,
    first_portion,
    in_chunks,
    plan,
    to_upload,
)
from cph50_pipeline.storage.github.failures import (
    EmptyRepositoryError,
    MissingObjectError,
    RedoError,
    UnclearError,
    damaged_content,
    oversized_file,
    withheld_workflows,
)
from cph50_pipeline.storage.github.model import Edit, Place, Snapshot

Decide = Callable[[Snapshot], Sequence[Edit]]
Describe = Callable[[Sequence[Edit]], str]
_WORKFLOWS = ".github/workflows/"
_COMMITS_LOOKED_THROUGH = 1000


class Looking(Protocol):
    """Reads the branch."""

    def snapshot(self, known: Snapshot | None = None) -> Snapshot:
        """The branch as it stands; what is known is not asked for again."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A commit that stands on the branch.

    Attributes:
        commit: Its id.
        snapshot: The branch as it was last seen.
        edits: What it changed; when more than one commit was made, what all of them did.
        message: Its message.
        link: Where a browser shows it.
        is_whole: Whether nothing was left over for another commit.
    """

    commit: str
    snapshot: Snapshot
    edits: tuple[Edit, ...]
    message: str
    link: str
    is_whole: bool


@dataclass
class Attempts:
    """The attempts at one commit.

    Attributes:
        api: The repository.
        place: For errors.
        look: Reads the branch.
        decide: What is to be changed of a snapshot.
        describe: The message of a commit.
        at: The time of the commit.
        stored: The ids of contents that GitHub has; kept from one commit to the next.
        known: The branch as it was last seen.
        begun: How often the work was begun.
    """

    api: GitHubApi
    place: Place
    look: Looking
    decide: Decide
    describe: Describe
    at: datetime
    stored: set[str]
    known: Snapshot | None
    begun: int = 0
    _unclear: dict[str, Standing] = field(default_factory=dict)
    _bases: set[str] = field(default_factory=set)
    _done: Standing | None = None

    def once(self) -> Standing | None:
        """Begin anew at the head of the branch; None when nothing differs from it.

        What is too much for one commit becomes several, so that what was sent is not lost when time runs out.

        Raises:
            RedoError: it is to be begun once more.
            TransientError, PermanentError: it cannot be done, now or at all.
        """
        self.begun += 1
        try:
            while self._advance():
                pass
        except EmptyRepositoryError as error:  # it was made anew, meanwhile
            raise _again(error) from error
        return self._done

    def _advance(self) -> bool:
        """Make the next commit; says whether there may be another one to make."""
        snapshot = self.known = self.look.snapshot(self.known)
        landed = self._landed(snapshot)
        if landed is not None:
            if landed.is_whole:
                self._keep(landed)  # what others did since is for the next publication to see
                return False
            self._keep(replace(landed, snapshot=snapshot))
        edits = self._differences(snapshot)
        if not edits:
            return False
        if snapshot.commit is None or snapshot.tree is None:
            self._begin_repository(snapshot, edits)
            return True
        portion = first_portion(edits, self.stored)
        tree = self._store_tree(snapshot.tree, portion)
        if tree == snapshot.tree:
            return False
        is_whole = len(portion) == len(edits)
        self._move(snapshot, snapshot.commit, tree, portion, is_whole=is_whole)
        return not is_whole

    def _differences(self, snapshot: Snapshot) -> list[PlannedEdit]:
        edits = plan(self.decide(snapshot), snapshot.files)
        for edit in edits:
            if edit.blob is not None and edit.blob.size > LARGEST_FILE_BYTES:
                raise oversized_file(edit.path, edit.blob.size, LARGEST_FILE_BYTES, self.place)
        return edits

    def _begin_repository(self, empty: Snapshot, edits: Sequence[PlannedEdit]) -> None:
        """Commit the smallest file, because GitHub stores no objects in a repository without commits."""
        smallest = min(edits, key=lambda edit: (len(edit.data or b""), edit.path))
        made = _as_edits([smallest])
        message = self.describe(made)
        try:
            commit = self.api.put_first_file(smallest.path, smallest.data or b"", message, self.at)
        except TransientError as error:
            raise _again(error) from error
        snapshot = Snapshot(commit.sha, commit.tree.sha, after(empty.files, [smallest]))
        self._keep(Standing(commit.sha, snapshot, made, message, commit.html_url, is_whole=False))

    def _store_tree(self, base: str, edits: Sequence[PlannedEdit]) -> str:
        try:
            for edit in to_upload(edits, self.stored):
                self._store_blob(edit)
            for chunk in in_chunks(edits):
                base = self._store_chunk(base, chunk)
        except MissingObjectError:
            self.stored.clear()
            raise
        return base

    def _store_blob(self, edit: PlannedEdit) -> None:
        if edit.data is None or edit.blob is None:
            return
        if self.api.create_blob(edit.data) != edit.blob.id:
            raise damaged_content(edit.blob.id, self.place)
        self.stored.add(edit.blob.id)

    def _store_chunk(self, base: str, chunk: Sequence[PlannedEdit]) -> str:
        try:
            tree = self.api.create_tree(base, [edit.entry(self.stored) for edit in chunk])
        except NotFoundError:
            workflows = [edit.path for edit in chunk if edit.path.startswith(_WORKFLOWS)]
            if workflows:  # GitHub says no more than "not found" of those
                raise withheld_workflows(workflows[0], self.place) from None
            raise
        self.stored.update(edit.blob.id for edit in chunk if edit.blob is not None)
        return tree

    def _move(
        self, base: Snapshot, parent: str, tree: str, edits: Sequence[PlannedEdit], *, is_whole: bool
    ) -> None:
        made = _as_edits(edits)
        message = self.describe(made)
        commit = self.api.create_commit(tree, parent, message, self.at)
        snapshot = Snapshot(commit.sha, tree, after(base.files, edits))
        standing = Standing(commit.sha, snapshot, made, message, commit.html_url, is_whole)
        try:
            self.api.move_branch(commit.sha)
        except TransientError as error:
            if isinstance(error, UnclearError):
                self._unclear[commit.sha] = standing
                self._bases.add(parent)
            raise _again(error) from error
        self._keep(standing)

    def _keep(self, standing: Standing) -> None:
        """Count a commit as made; several are told of as one."""
        earlier = self._done.edits if self._done else ()
        self._done = replace(standing, edits=(*earlier, *standing.edits))
        self.known = standing.snapshot

    def _landed(self, snapshot: Snapshot) -> Standing | None:
        """The commit of an earlier attempt, whose answer was lost, when it stands on the branch after all."""
        if not self._unclear or snapshot.commit is None or snapshot.commit in self._bases:
            return None
        for number, commit in enumerate(self.api.commits(snapshot.commit)):
            if commit.id in self._unclear:
                return self._unclear.pop(commit.id)
            if commit.id in self._bases or number == _COMMITS_LOOKED_THROUGH:
                return None
        return None


def _again(error: Cph50Error) -> RedoError:
    """A failure after which the branch is looked at anew, because what was asked is not asked twice."""
    if isinstance(error, RedoError):
        return error
    return RedoError(
        error.message,
        kept=error.kept,
        remedy=error.remedy,
        retry_after_seconds=error.retry_after_seconds if isinstance(error, TransientError) else None,
    )


def _as_edits(edits: Sequence[PlannedEdit]) -> tuple[Edit, ...]:
    return tuple(Edit(edit.path, edit.data) for edit in edits)
