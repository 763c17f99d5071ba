"""How edits travel: which contents go along in a tree's request, which by themselves, and in what portions.

Pure: edits in, what is to be sent out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cph50_pipeline.storage.github.model import Edit
from cph50_pipeline.storage.published import Blob, blob_id

FILE_MODE = "100644"
# GitHub gives up on trees of some 200 entries now and then, and cuts off what takes it 10 s.
ENTRIES_PER_TREE = 100
BYTES_PER_TREE = 10_000_000
LONGEST_INLINE_BYTES = 1_000_000
# What a minute takes at once, less the commit itself: more would have to wait.
WRITES_PER_COMMIT = 70
# GitHub takes no larger file.
LARGEST_FILE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class PlannedEdit:
    """One edit that makes a difference.

    Attributes:
        path: In the repository.
        blob: The content's id and size; None removes the file.
        data: The content; None removes the file.
    """

    path: str
    blob: Blob | None
    data: bytes | None = field(repr=False)

    @property
    def text(self) -> str | None:
        """The content as it can stand in a tree's request; None when it must travel by itself."""
        if self.data is None or len(self.data) > LONGEST_INLINE_BYTES or b"\0" in self.data:
            return None
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def entry(self, stored: Collection[str]) -> dict[str, Any]:
        """The entry of a tree's request, by content unless it is stored already.

        Args:
            stored: The ids of contents that GitHub has.
        """
        entry = {"path": self.path, "mode": FILE_MODE, "type": "blob"}
        if self.blob is None:
            return {**entry, "sha": None}
        text = None if self.blob.id in stored else self.text
        return {**entry, "sha": self.blob.id} if text is None else {**entry, "content": text}


def plan(edits: Sequence[Edit], files: Mapping[str, Blob]) -> list[PlannedEdit]:
    """The edits that make a difference to the files there are, by path."""
    planned: dict[str, PlannedEdit] = {}
    for edit in edits:
        blob = None if edit.data is None else Blob(blob_id(edit.data), len(edit.data))
        there = files.get(edit.path)
        if (blob and blob.id) != (there and there.id):
            planned[edit.path] = PlannedEdit(edit.path, blob, edit.data)
    return [planned[path] for path in sorted(planned)]


def to_upload(edits: Sequence[PlannedEdit], stored: Collection[str]) -> list[PlannedEdit]:
    """The edits whose content must travel by itself, each content once.

    Args:
        stored: The ids of contents that GitHub has.
    """
    by_content = {
        edit.blob.id: edit
        for edit in edits
        if edit.blob is not None and edit.blob.id not in stored and edit.text is None
    }
    return list(by_content.values())


def first_portion(
    edits: Sequence[PlannedEdit], stored: Collection[str], writes: int = WRITES_PER_COMMIT
) -> Sequence[PlannedEdit]:
    """As many of the edits, from the first, as a commit may take: all of them but in a first publication.

    Args:
        stored: The ids of contents that GitHub has.
        writes: How many requests may store something; one edit at least is taken.
    """
    if _writes(edits, stored) <= writes:
        return edits
    least, most = 1, len(edits)
    while least < most:
        middle = (least + most + 1) // 2
        if _writes(edits[:middle], stored) <= writes:
            least = middle
        else:
            most = middle - 1
    return edits[:least]


def in_chunks(edits: Sequence[PlannedEdit]) -> Iterator[list[PlannedEdit]]:
    """Portions that fit into one request for a tree each, in order."""
    chunk: list[PlannedEdit] = []
    chunk_bytes = 0
    for edit in edits:
        size = 0 if edit.text is None else len(edit.text.encode())
        if chunk and (len(chunk) == ENTRIES_PER_TREE or chunk_bytes + size > BYTES_PER_TREE):
            yield chunk
            chunk, chunk_bytes = [], 0
        chunk.append(edit)
        chunk_bytes += size
    if chunk:
        yield chunk


def _writes(edits: Sequence[PlannedEdit], stored: Collection[str]) -> int:
    return len(to_upload(edits, stored)) + sum(1 for _ in in_chunks(edits))


def after(files: Mapping[str, Blob], edits: Sequence[PlannedEdit]) -> dict[str, Blob]:
    """The files once the edits are made."""
    then = dict(files)
    for edit in edits:
        if edit.blob is None:
            then.pop(edit.path, None)
        else:
            then[edit.path] = edit.blob
    return then
