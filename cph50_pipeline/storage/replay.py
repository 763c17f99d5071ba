"""Commits made again on top of another commit, as `git rebase` would, but without a work tree or an index.

Only the files that `layout` knows are taken along. A commit keeps its author, its dates and its message, and is the
same each time it is made on the same ground. When this is done, and what becomes of it, is decided in `clone`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.git_objects import TreeChange, TreeEntry, first_parent_changes, read_objects
from cph50_pipeline.storage.layout import kind_of

SCRATCH = "refs/cph50/replayed"
"""Where the new commits stand until a branch does; left behind by a kill, it says nothing."""


@dataclass(frozen=True, slots=True)
class _Commit:
    """What of a commit stays as it was.

    Attributes:
        parent: The id of its first parent; None for the first commit.
        author: Name, address and date as git writes them.
        committer: The same of who committed it.
        message: The whole message.
    """

    id: str
    parent: str | None
    author: bytes
    committer: bytes
    message: bytes

    @property
    def identity(self) -> tuple[bytes, bytes]:
        """By which it is recognised where it has another id: a run commits once in an instant, and names itself."""
        return self.author, self.message


def replay(git: Git, commits: Sequence[str], onto: str, there: Sequence[str] = ()) -> str:
    """Make commits again on top of another. No branch moves.

    Args:
        git: Git in the repository.
        commits: Those to be made again, oldest first.
        onto: The commit they are to stand on.
        there: Commits below `onto` that may be some of them already, made again earlier.

    Returns:
        The last one made; `onto` itself when all they say is there already.

    Raises:
        DamagedRepositoryError: when one of them cannot be read.
        PermanentError: when git refuses.
    """
    if not commits:
        return onto
    made_already = {commit.identity for commit in _read(git, there)}
    wanted = [commit for commit in _read(git, commits) if commit.identity not in made_already]
    steps = list(_steps(git, wanted, _published_files(git, onto)))
    if not steps:
        return onto
    git.run("fast-import", "--quiet", "--force", "--done", stdin=b"".join(_stream(steps, onto)))
    return git.run("rev-parse", "--verify", SCRATCH).text


def _read(git: Git, ids: Sequence[str]) -> list[_Commit]:
    return [_commit(found.id, found.data) for found in read_objects(git, ids)]


def _commit(id_: str, data: bytes) -> _Commit:
    head, _, message = data.partition(b"\n\n")
    fields: dict[str, bytes] = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        fields.setdefault(name.decode("ascii", "replace"), value)  # of several parents the first
    parent = fields.get("parent")
    return _Commit(id_, parent.decode() if parent else None, fields["author"], fields["committer"], message)


def _published_files(git: Git, commit: str) -> dict[str, TreeEntry]:
    listed = git.run("ls-tree", "-r", "-z", "--full-tree", commit).paths
    entries = (line.partition("\t") for line in listed)
    return {path: _tree_entry(told) for told, _, path in entries if kind_of(path)}


def _tree_entry(told: str) -> TreeEntry:
    mode, _, id_ = told.split(" ")
    return TreeEntry(mode, id_)


def _steps(
    git: Git, commits: Sequence[_Commit], files: dict[str, TreeEntry]
) -> Iterator[tuple[_Commit, list[TreeChange]]]:
    """Each commit with what of it is not so in the files yet; those without anything are left out."""
    changed = first_parent_changes(git, [(commit.id, commit.parent) for commit in commits])
    for commit, changes in zip(commits, changed, strict=True):
        new = [
            change for change in changes if kind_of(change.path) and files.get(change.path) != change.after
        ]
        if new:
            yield commit, new
        _apply(new, files)


def _apply(changes: Iterable[TreeChange], files: dict[str, TreeEntry]) -> None:
    for change in changes:
        if change.after is None:
            del files[change.path]
        else:
            files[change.path] = change.after


def _stream(steps: Sequence[tuple[_Commit, list[TreeChange]]], onto: str) -> Iterator[bytes]:
    """What `git fast-import` is told."""
    ground = f"from {onto}\n".encode()
    for commit, changes in steps:
        yield b"commit %s\nauthor %s\ncommitter %s\n" % (SCRATCH.encode(), commit.author, commit.committer)
        yield b"data %d\n%s\n" % (len(commit.message), commit.message)
        yield ground
        yield from map(_line, changes)
        ground = b""
    yield b"done\n"


def _line(change: TreeChange) -> bytes:
    # The paths are of `layout`: there is nothing in them to quote.
    if change.after is None:
        return f"D {change.path}\n".encode()
    return f"M {change.after.mode} {change.after.id} {change.path}\n".encode()
