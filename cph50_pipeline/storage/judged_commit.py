"""A commit in which some files are as they were judged, whatever they are in their folder by now.

Git's own commit takes a file as it is then, and a state that changed a moment ago has not waited for its delay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.git_objects import ABSENT
from cph50_pipeline.storage.repository import Repository

_INDEX = "cph50.index"


def commit_judged(
    repository: Repository, paths: Sequence[str], judged: Mapping[str, bytes | None], message: str
) -> str | None:
    """Commit files and nothing else; what a person has staged besides stays staged.

    The repository lock must be held. Killed on the way, it leaves the files staged for the next commit.

    Args:
        repository: Its git knows who commits.
        paths: The files, removed ones included, relative to the data root.
        judged: Of them, by path, those that are to have this content; None: to be removed.

    Returns:
        The commit; None when the last one has the files like that.

    Raises:
        PermanentError: when git refuses.
    """
    git, base = repository.git, repository.head()
    entries = _entries(git, judged)
    as_they_are = [path for path in paths if path not in judged]
    tree = _tree(repository, base, as_they_are, entries)
    if base is not None and git.run("rev-parse", f"{base}^{{tree}}").text == tree:
        return None
    _stage(git, as_they_are, entries)  # as git does: before the commit, so that nothing of it looks undone
    parents = () if base is None else ("-p", base)
    commit = git.run("commit-tree", tree, *parents, "-F", "-", stdin=message.encode()).text
    git.run("update-ref", "-m", f"commit: {message.splitlines()[0]}", "HEAD", commit, base or ABSENT)
    return commit


def _tree(repository: Repository, base: str | None, paths: Sequence[str], entries: Sequence[str]) -> str:
    """The tree of the last commit with these files changed, made in an index of its own."""
    index = repository.git_dir / _INDEX
    for left_by_a_kill in (index, index.with_name(f"{_INDEX}.lock")):
        left_by_a_kill.unlink(missing_ok=True)
    git = repository.git.with_variables(GIT_INDEX_FILE=str(index))
    git.run("read-tree", base or "--empty")
    _stage(git, paths, entries)
    tree = git.run("write-tree").text
    index.unlink()
    return tree


def _stage(git: Git, paths: Sequence[str], entries: Sequence[str]) -> None:
    git.run("update-index", "-z", "--add", "--remove", "--stdin", stdin="\0".join(paths).encode())
    git.run("update-index", "-z", "--index-info", stdin="\0".join(entries).encode())


def _entries(git: Git, judged: Mapping[str, bytes | None]) -> list[str]:
    """What git's index is to hold of the judged files, in its own words: from the top of the repository."""
    prefix = git.run("rev-parse", "--show-prefix").text
    ids = {path: None if data is None else _stored(git, data) for path, data in judged.items()}
    return [
        f"100644 {id_}\t{prefix}{path}" if id_ else f"0 {ABSENT}\t{prefix}{path}" for path, id_ in ids.items()
    ]


def _stored(git: Git, data: bytes) -> str:
    return git.run("hash-object", "-w", "--stdin", stdin=data).text
