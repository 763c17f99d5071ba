"""What git keeps, read through git: objects by id, and what differs between two trees."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cph50_pipeline.errors import NotFoundError
from cph50_pipeline.storage.git import DamagedRepositoryError, Git

_AT_ONCE = 256
ABSENT = "0" * 40
"""What git writes where there is no object."""


@dataclass(frozen=True, slots=True)
class GitObject:
    """One object.

    Attributes:
        id: Its id, 40 hexadecimal digits.
        kind: "blob", "tree" or "commit".
        data: Its content, verified against the id.
    """

    id: str
    kind: str
    data: bytes


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """What a path stands for: its mode as git writes it ("100644" for a plain file) and the id of its content."""

    mode: str
    id: str


@dataclass(frozen=True, slots=True)
class TreeChange:
    """One path that two trees have otherwise; None where a tree has it not."""

    path: str
    before: TreeEntry | None
    after: TreeEntry | None


def read_objects(git: Git, ids: Sequence[str]) -> Iterator[GitObject]:
    """The objects with these ids, in this order; some hundred of them are in memory at a time.

    Raises:
        NotFoundError: when one does not exist.
        DamagedRepositoryError: when one cannot be read, or is not what its id says.
    """
    for start in range(0, len(ids), _AT_ONCE):
        wanted = ids[start : start + _AT_ONCE]
        out = git.run("cat-file", "--batch", stdin="".join(f"{id_}\n" for id_ in wanted).encode()).out
        yield from _objects(git, out, wanted)


def _objects(git: Git, out: bytes, wanted: Sequence[str]) -> Iterator[GitObject]:
    position = 0
    for id_ in wanted:
        end = out.index(b"\n", position)
        words = out[position:end].decode().split()
        if words[-1] == "missing":
            raise NotFoundError(f"The repository in {git.folder} has no object {id_}")
        kind, size = words[1], int(words[2])
        data = out[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
        if _id_of(kind, data) != words[0]:
            raise DamagedRepositoryError(f"Object {id_} in {git.folder} is corrupt")
        yield GitObject(words[0], kind, data)


def _id_of(kind: str, data: bytes) -> str:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data, usedforsecurity=False).hexdigest()


def sizes(git: Git, ids: Sequence[str]) -> list[int]:
    """The sizes, in bytes, of the objects with these ids, in this order.

    Raises:
        NotFoundError: when one does not exist.
        DamagedRepositoryError: when one cannot be read.
    """
    given = "".join(f"{id_}\n" for id_ in ids).encode()
    told = git.run("cat-file", "--batch-check=%(objectsize)", stdin=given).text.splitlines()
    missing = next((line for line in told if line.endswith(" missing")), None)
    if missing:
        raise NotFoundError(f"The repository in {git.folder} has no object {missing.split()[0]}")
    return [int(size) for size in told]


def empty_tree(git: Git) -> str:
    """The id of the tree with nothing in it."""
    return git.run("hash-object", "-t", "tree", "--stdin").text


def tree_changes(git: Git, before: str, after: str) -> list[TreeChange]:
    """The paths that two commits or trees have otherwise, in git's order.

    Raises:
        DamagedRepositoryError: when one of them cannot be read.
    """
    parts = git.run("diff-tree", "-r", "-z", "--no-renames", before, after).out.split(b"\0")[:-1]
    return [_change(told, path) for told, path in zip(parts[::2], parts[1::2], strict=True)]


def first_parent_changes(git: Git, commits: Sequence[tuple[str, str | None]]) -> list[list[TreeChange]]:
    """What each commit changed, given with its first parent (None: it has none).

    Raises:
        DamagedRepositoryError: when one of them cannot be read.
    """
    given = "".join(f"{commit} {parent}\n" if parent else f"{commit}\n" for commit, parent in commits)
    answer = git.run(
        "diff-tree", "-r", "-z", "--root", "--no-renames", "--always", "--stdin", stdin=given.encode()
    )
    found: list[list[TreeChange]] = []
    parts = iter(answer.out.split(b"\0")[:-1])
    for part in parts:
        if part.startswith(b":"):
            found[-1].append(_change(part, next(parts)))
        else:  # the commit that the changes after it are of
            found.append([])
    return found


def _change(told: bytes, path: bytes) -> TreeChange:
    mode_before, mode_after, before, after, _ = told.decode().removeprefix(":").split(" ")
    return TreeChange(os.fsdecode(path), _entry(mode_before, before), _entry(mode_after, after))


def _entry(mode: str, id_: str) -> TreeEntry | None:
    return None if id_ == ABSENT else TreeEntry(mode, id_)
