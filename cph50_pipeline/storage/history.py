"""The versions of files over the commits of a repository. What is different in them is told elsewhere."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cph50_pipeline.storage.published import Commit, Published


@dataclass(frozen=True, slots=True)
class Step:
    """One commit, with the files that it left otherwise than the commit before.

    Attributes:
        commit: The commit.
        contents: The content of these files by path; None where it removed the file.
    """

    commit: Commit
    contents: Mapping[str, bytes | None]


def steps(published: Published, paths: Sequence[str]) -> Iterator[Step]:
    """The commits that changed some files, oldest first; a content that stayed the same is no change.

    Args:
        paths: The files; one that never existed is no fault.

    Raises:
        PermanentError, TransientError: when the repository cannot be read, or does not answer.
    """
    standing: dict[str, str] = {}
    for commit, touched in _commits(published, paths):
        files = published.files(commit.id)
        ids = {path: files[path].id if path in files else None for path in touched}
        changed = {path: id_ for path, id_ in ids.items() if id_ != standing.get(path)}
        if not changed:
            continue
        standing = {path: id_ for path, id_ in {**standing, **changed}.items() if id_ is not None}
        yield Step(commit, _contents(published, changed))


def _commits(published: Published, paths: Sequence[str]) -> list[tuple[Commit, list[str]]]:
    """The commits that changed any of the files, oldest first, each with the files that it changed."""
    by_path = [[(commit, path) for commit in published.commits(path)][::-1] for path in paths]
    commits: dict[str, Commit] = {}
    touched: dict[str, list[str]] = {}
    for commit, path in heapq.merge(*by_path, key=lambda found: found[0].at):
        commits[commit.id] = commit
        touched.setdefault(commit.id, []).append(path)
    return [(commit, touched[id_]) for id_, commit in commits.items()]


def _contents(published: Published, ids: Mapping[str, str | None]) -> dict[str, bytes | None]:
    present = {path: id_ for path, id_ in ids.items() if id_ is not None}
    read = dict(zip(present, published.read([*present.values()]), strict=True))
    return {path: read.get(path) for path in ids}
