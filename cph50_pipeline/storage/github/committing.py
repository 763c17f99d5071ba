"""A branch on GitHub, read and committed to without a clone.

How requests get there and back is `connection.py`, how a commit is begun anew `attempts.py`. Import this module
inside functions: it brings the HTTP library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Self

from cph50_pipeline.errors import NotFoundError
from cph50_pipeline.http.client import Client
from cph50_pipeline.http.retry import retrying
from cph50_pipeline.storage.github.api import GitHubApi
from cph50_pipeline.storage.github.attempts import Attempts
from cph50_pipeline.storage.github.connection import GitHubConnection, GitHubLimits
from cph50_pipeline.storage.github.failures import RedoError, unknown_commit
from cph50_pipeline.storage.github.model import Edit, Made, Place, Snapshot
from cph50_pipeline.storage.published import Blob, Commit

_COMMIT_ID = re.compile(r"[0-9a-f]{4,40}")


class GitHubRepository(Client[GitHubConnection]):
    """One branch of a repository on GitHub: a `Published` that can be committed to.

    Safe to share between threads; closed when the `with` block ends.

    Args:
        connection: The way there.
        limits: The limits that it was made with.
    """

    def __init__(self, connection: GitHubConnection, limits: GitHubLimits) -> None:
        super().__init__(connection)
        self._limits = limits
        self._api = GitHubApi(connection)
        self._stored: set[str] = set()

    @classmethod
    def of(
        cls, api_url: str, repository: str, branch: str, token: str, limits: GitHubLimits | None = None
    ) -> Self:
        """A branch by its names.

        Args:
            api_url: Where the API answers, such as https://api.github.com/.
            repository: As "owner/name".
            token: A personal access token with Contents: read and write.
            limits: Timeouts, retries and pace.

        Raises:
            BadInputError: when the token cannot be one.
        """
        chosen = limits or GitHubLimits()
        return cls(GitHubConnection(api_url, Place(repository, branch), token, chosen), chosen)

    @property
    def name(self) -> str:
        """The repository as "owner/name"."""
        return self._connection.place.repository

    @property
    def branch(self) -> str:
        """The name of the branch."""
        return self._connection.place.branch

    def head(self) -> str | None:
        """The commit that the branch stands at; None before the first. Errors as of `Published`."""
        return self._api.head()

    def resolve(self, name: str) -> Commit:
        """The commit of the branch that an id, whole or abbreviated, stands for.

        Raises:
            NotFoundError: there is none.
            TransientError, PermanentError: as of `Published`.
        """
        head = self._api.head()
        if head is None or not _COMMIT_ID.fullmatch(name):
            raise unknown_commit(name, self._connection.place)
        try:
            commit = self._api.commit(name)
        except NotFoundError:
            raise unknown_commit(name, self._connection.place) from None
        before = self._api.commits(head, until=commit.at)
        if all(one.id != commit.id for one in takewhile(lambda one: one.at == commit.at, before)):
            raise unknown_commit(name, self._connection.place)
        return commit

    def commits(self, path: str | None = None, until: datetime | None = None) -> Iterator[Commit]:
        """The commits of the branch, newest first; arguments and errors as of `Published`."""
        head = self._api.head()
        if head is not None:
            yield from self._api.commits(head, path, until)

    def files(self, commit: str) -> Mapping[str, Blob]:
        """All files at a commit, by path; errors as of `Published`."""
        return self._api.files(self._api.git_commit(commit).tree.sha)

    def read(self, blob_ids: Sequence[str]) -> Iterator[bytes]:
        """The contents with these ids, in this order, each verified; errors as of `Published`."""
        return map(self._api.content, blob_ids)

    def snapshot(self, known: Snapshot | None = None) -> Snapshot:
        """The branch as it stands.

        Args:
            known: What it was like before; when it has not moved, this is it, and nothing more is asked.

        Raises:
            PermanentError: access is refused, or there is no such repository or branch.
            TransientError: GitHub does not answer, or limits us.
        """
        head = self._api.head()
        if head is None:
            return Snapshot()
        if known is not None and known.commit == head:
            return known
        tree = self._api.git_commit(head).tree.sha
        is_same_tree = known is not None and known.tree == tree
        return Snapshot(head, tree, known.files if known and is_same_tree else self._api.files(tree))

    def commit(
        self,
        decide: Callable[[Snapshot], Sequence[Edit]],
        message: Callable[[Sequence[Edit]], str],
        at: datetime,
        known: Snapshot | None = None,
    ) -> Made | None:
        """Commit what differs, on top of whatever the branch stands at by then.

        A commit that others were quicker than is begun anew from the head. A repository without commits gets a first
        commit with the smallest file, because GitHub's API can fill it in no other way. What GitHub's limits do not let
        pass at once, such as the first publication of years, becomes several commits, each of whole files: when time
        runs out, the next call goes on from there.

        Args:
            decide: What is to be changed of a snapshot; asked anew for each head. What is so already makes no commit.
            message: The message for the edits that remain.
            at: The time of the commit.
            known: The branch as it was last seen.

        Returns:
            None when nothing differed.

        Raises:
            PermanentError: access is refused, a rule forbids it, a file is too large, the branch is missing.
            TransientError: GitHub does not answer, limits us, or others were quicker all the time there was.
        """
        requests_before = self.requests_made
        attempts = Attempts(self._api, self._connection.place, self, decide, message, at, self._stored, known)
        with self.within(self._limits.total_seconds):
            standing = retrying(
                attempts.once,
                policy=self._limits.conflict,
                deadline=self._connection.deadline(),
                on=RedoError,
            )
        if standing is None:
            return None
        return Made(
            commit=standing.commit,
            snapshot=standing.snapshot,
            edits=standing.edits,
            message=standing.message,
            retries=attempts.begun - 1,
            requests=self.requests_made - requests_before,
            link=standing.link,
        )
