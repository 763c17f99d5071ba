"""A repository that holds the household's files, to be read: by git or through GitHub's API, it looks the same.

What is written there is decided in `publisher`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit.

    Attributes:
        id: Its id, 40 hexadecimal digits.
        at: When it was committed, in UTC.
        message: The whole message.
        parents: The ids of the commits before it.
    """

    id: str
    at: datetime
    message: str
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blob:
    """The content of one file, by its id.

    Attributes:
        id: As git counts it, 40 hexadecimal digits.
        size: In bytes.
    """

    id: str
    size: int


class Published(Protocol):
    """A branch of a repository.

    Each method raises `NotFoundError` for what the repository does not have, `PermanentError` where access is refused
    or something is damaged, and `TransientError` when it does not answer.
    """

    @property
    def name(self) -> str:
        """What messages call it; no credentials in it."""

    def head(self) -> str | None:
        """The commit that the branch stands at; None before the first."""

    def resolve(self, name: str) -> Commit:
        """The commit of the branch that an id, whole or abbreviated, stands for."""

    def commits(self, path: str | None = None, until: datetime | None = None) -> Iterator[Commit]:
        """The commits of the branch, newest first.

        Args:
            path: Only those that changed this file.
            until: Only those committed at this instant or before.
        """

    def files(self, commit: str) -> Mapping[str, Blob]:
        """All files at a commit, by path."""

    def read(self, blob_ids: Sequence[str]) -> Iterator[bytes]:
        """The contents with these ids, in this order, each verified against its id."""


def blob_id(data: bytes) -> str:
    """The id that git gives a content: the SHA-1 of its kind, its length and itself."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
