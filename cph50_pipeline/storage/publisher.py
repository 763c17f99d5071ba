"""What every way of publishing has in common: what runs wrote becomes commits, and these get to where they are read.

The ways are `git_publisher` (a commit in the data root), `push_publisher` (the same, pushed) and `github_publisher`
(GitHub's API). Each looks at what differs from what is published, not at what it is told was written: so it also
publishes what an earlier run wrote and could not. Only the files that `layout` knows are ever touched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from cph50_pipeline.storage.locks import REPOSITORY_TIMEOUT_SECONDS
from cph50_pipeline.storage.messages import RunInfo


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits where git knows nobody."""

    name: str = "cph50_pipeline"
    email: str = "cph50@localhost"


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published: one commit, or by `push` all that were waiting.

    Attributes:
        commit: The id of the newest one.
        branch: The branch it is on.
        files: The files in it, relative to the data root, sorted; deleted ones included.
        bytes: The size of these files.
        message: Its whole message.
        commits: How many.
        retries: How often it was begun again, because of others or of failures.
        link: Where it can be looked at; empty when nowhere.
    """

    commit: str
    branch: str
    files: tuple[str, ...]
    bytes: int
    message: str
    commits: int = 1
    retries: int = 0
    link: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not published yet and causes a commit or an upload.

    Attributes:
        changes: How many files.
        due_at: From when on it may be published, None when nothing waits.
        is_due: Whether it is to be tried now; not yet, for a while, after a failed upload.
        withheld: Files that are kept back, with the reason.
    """

    changes: int = 0
    due_at: datetime | None = None
    is_due: bool = False
    withheld: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Insistence:
    """How an upload goes about it.

    Attributes:
        seconds: How long it may take, waits included.
        is_asked_for: A person wants it now: no rhythm, and no waiting after failures.
        compares_all: Whether every file is read again, whatever is remembered of it.
        may_replace: What another data root published may be replaced by what this one holds.
    """

    seconds: float = 30.0
    is_asked_for: bool = False
    compares_all: bool = False
    may_replace: bool = False


class Publisher(Protocol):
    """One way of publishing one data root.

    Each method raises `TransientError` for what may pass by itself and `PermanentError` for what needs a person; the
    files stay as they are, and the next publication takes along what this one could not.
    """

    @property
    def withheld(self) -> Mapping[str, str]:
        """The files that the last look at the data root kept back, with the reason, by path."""

    @property
    def told(self) -> Sequence[str]:
        """What a person should know of what others changed, as the last upload found it, a line each."""

    def commit(self, run: RunInfo, now: datetime) -> Publication | None:
        """Make a commit of what a run wrote, on this machine; waits for other runs that commit.

        The locks of the run must still be held: what others are writing is left to them.

        Returns:
            None when nothing changed that causes a commit, or commits are not made here.
        """

    def upload(self, run: RunInfo, now: datetime, insistence: Insistence) -> Publication | None:
        """Bring what waits to where it is read, when it is due. Takes as long as the network does.

        Returns:
            None when nothing is due, or nothing is uploaded in this way of publishing.
        """

    def waiting(self, now: datetime, timeout_seconds: float = REPOSITORY_TIMEOUT_SECONDS) -> Waiting:
        """What is not published yet, without asking the network; waits so long for another run that commits."""


def one_line(files: Sequence[str], named: int = 3) -> str:
    """Some files in words: "a, b, c and 4 more"."""
    rest = len(files) - named
    return ", ".join(files[:named]) + (f" and {rest} more" if rest > 0 else "")
