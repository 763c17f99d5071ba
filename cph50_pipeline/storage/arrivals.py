"""What others changed in the repository, as the data root sees it: edits by hand are taken in, none is lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.damage import is_damaged
from cph50_pipeline.storage.layout import Cause, Group, kind_of
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.published import blob_id
from cph50_pipeline.storage.publisher import one_line


@dataclass(frozen=True, slots=True)
class Arrived:
    """A published file that others changed in the repository.

    Attributes:
        path: Relative to the data root.
        before: The id of its content when the repository was last looked at; None: there was none.
        after: The id of its content now; None: there is none.
        read: Reads its content as it is now; None: there is none.
    """

    path: str
    before: str | None
    after: str | None
    read: Callable[[], bytes] | None = field(default=None, compare=False, repr=False)


def take_in(data_root: Path, locks: Locks, arrived: Sequence[Arrived]) -> list[str]:
    """Take edits of the files that people edit over into the data root, where the file was not changed as well.

    Such an edit may be made on GitHub's own page; the sensor of these files sees it there as any other.

    Returns:
        What a person should know, a line each.

    Raises:
        LockedError: when another command edits for too long.
    """
    told = []
    changed_again = []
    for one in arrived:
        if (kind := kind_of(one.path)) is None:
            continue
        if kind.group is Group.REFERENCE and one.before is not None and one.read is not None:
            told.append(_take_over(data_root, locks, one, one.read))
        elif (
            one.before is not None and kind.cause is Cause.CHANGE and _here(data_root, one.path) != one.after
        ):
            changed_again.append(one.path)
    if changed_again:
        told.append(
            f"Somebody changed {one_line(changed_again)} in the repository; the pipeline makes these files, and "
            "publishes its own again. Their version stays in the history"
        )
    return [line for line in told if line]


def strangers(data_root: Path, arrived: Sequence[Arrived], seen: Collection[str]) -> list[str]:
    """The files that another data root published and that say something else here, by path."""
    return [
        one.path
        for one in arrived
        if one.path not in seen
        and one.before is None
        and (kind := kind_of(one.path)) is not None
        and kind.cause not in (Cause.STATE, Cause.NEVER)
        and _here(data_root, one.path) not in (None, one.after)
    ]


def refuse_strangers(paths: Sequence[str], repository: str) -> None:
    """Refuse to put the data root's files over those of another one.

    Raises:
        PermanentError: there are any.
    """
    if paths:
        raise PermanentError(
            f"{repository} holds {len(paths)} file(s) that another data root published and that say something else "
            f"here: {one_line(paths)}",
            kept="Nothing was uploaded; the data root and the repository stay as they are",
            remedy="`cph50 restore` into an empty data root brings theirs; `cph50 publish --replace` puts these in "
            "their place",
        )


def _take_over(data_root: Path, locks: Locks, one: Arrived, read: Callable[[], bytes]) -> str:
    if _here(data_root, one.path) == one.after:
        return ""
    content = read()  # before the lock: the network may take long, and people edit meanwhile
    with locks.hand_edited():
        if _here(data_root, one.path) != one.before:
            return (
                f"{one.path} was changed here and in the repository: what is here is published, the other version "
                "stays in the history"
            )
        if is_damaged(one.path, content):
            return f"{one.path} was changed in the repository and cannot be read: it was not taken over"
        atomic_write(data_root / one.path, content)
    return f"{one.path} was changed in the repository and taken over"


def _here(data_root: Path, path: str) -> str | None:
    try:
        return blob_id((data_root / path).read_bytes())
    except FileNotFoundError:
        return None
