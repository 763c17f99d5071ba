"""The routes of GitHub's API that are used, with typed answers. What is done with them, `committing.py` decides."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from cph50_pipeline.errors import NotFoundError
from cph50_pipeline.storage.github.answers import (
    BlobContent,
    GitCommit,
    ListedCommit,
    Named,
    PutContent,
    Ref,
    RepositoryInfo,
    Tree,
    TreeEntry,
)
from cph50_pipeline.storage.github.connection import GitHubConnection, Question
from cph50_pipeline.storage.github.failures import (
    EmptyRepositoryError,
    damaged_content,
    missing_branch,
    unlistable_folder,
)
from cph50_pipeline.storage.published import Blob, Commit, blob_id

_PER_PAGE = 100
_AUTHOR = {"name": "cph50_pipeline", "email": "cph50@localhost"}
_REF = TypeAdapter(Ref)
_NAMED = TypeAdapter(Named)
_TREE = TypeAdapter(Tree)
_BLOB = TypeAdapter(BlobContent)
_GIT_COMMIT = TypeAdapter(GitCommit)
_LISTED_COMMIT = TypeAdapter(ListedCommit)
_LISTED_COMMITS = TypeAdapter(list[ListedCommit])
_REPOSITORY = TypeAdapter(RepositoryInfo)
_PUT_CONTENT = TypeAdapter(PutContent)


class GitHubApi:
    """What can be asked of one repository; each method fails as `GitHubConnection.ask` does."""

    def __init__(self, connection: GitHubConnection) -> None:
        self._connection = connection
        self._place = connection.place
        self._branch = quote(self._place.branch, safe="/")

    def head(self) -> str | None:
        """The commit that the branch stands at; None for a repository without commits.

        Raises:
            PermanentError: the repository has commits, but not on this branch.
        """
        question = Question(f"the branch {self._place.branch}", f"git/ref/heads/{self._branch}")
        try:
            return self._connection.ask(question, _REF).object.sha
        except EmptyRepositoryError:
            return None
        except NotFoundError:
            default_branch = self.repository().default_branch  # tells a missing repository from a branch
            raise missing_branch(self._place, default_branch) from None

    def repository(self) -> RepositoryInfo:
        """What the repository says of itself."""
        return self._connection.ask(Question("the repository", ""), _REPOSITORY)

    def git_commit(self, commit: str) -> GitCommit:
        """A commit with its tree."""
        return self._connection.ask(Question(f"the commit {commit}", f"git/commits/{commit}"), _GIT_COMMIT)

    def files(self, tree: str) -> dict[str, Blob]:
        """All files of a tree, by path.

        Raises:
            PermanentError: one of its folders is more than GitHub lists.
        """
        return {path: Blob(entry.sha, entry.size) for path, entry in self._walk(tree) if entry.is_file}

    def content(self, content_id: str) -> bytes:
        """The content of a file.

        Raises:
            PermanentError: it is another content.
        """
        question = Question(f"the content {content_id}", f"git/blobs/{content_id}")
        answer = self._connection.ask(question, _BLOB)
        try:
            data = (
                base64.b64decode(answer.content) if answer.encoding == "base64" else answer.content.encode()
            )
        except ValueError:
            raise damaged_content(content_id, self._place) from None
        if blob_id(data) != content_id:
            raise damaged_content(content_id, self._place)
        return data

    def create_blob(self, data: bytes) -> str:
        """Store a content, and return its id."""
        body = {"content": base64.b64encode(data).decode(), "encoding": "base64"}
        return self._connection.ask(Question("storing a file", "git/blobs", "POST", body), _NAMED).sha

    def create_tree(self, base: str, entries: Sequence[Mapping[str, Any]]) -> str:
        """Store a tree that differs from a base, and return its id."""
        body = {"base_tree": base, "tree": list(entries)}
        return self._connection.ask(Question("storing the folders", "git/trees", "POST", body), _NAMED).sha

    def create_commit(self, tree: str, parent: str, message: str, at: datetime) -> GitCommit:
        """Store a commit. Made again from the same, it is the same."""
        person = _person(at)
        body = {
            "message": message,
            "tree": tree,
            "parents": [parent],
            "author": person,
            "committer": person,
        }
        question = Question("storing a commit", "git/commits", "POST", body)
        return self._connection.ask(question, _GIT_COMMIT)

    def move_branch(self, commit: str) -> None:
        """Let the branch stand at a commit that follows its own; never by force, and asked once only.

        Raises:
            ConflictError: the commit does not follow.
        """
        question = Question(
            f"moving the branch {self._place.branch}",
            f"git/refs/heads/{self._branch}",
            "PATCH",
            {"sha": commit, "force": False},
            is_repeatable=False,
        )
        self._connection.ask(question, _REF)

    def put_first_file(self, path: str, data: bytes, message: str, at: datetime) -> GitCommit:
        """Commit one file to a repository without commits, where nothing else works; asked once only."""
        person = _person(at)
        body = {
            "message": message,
            "content": base64.b64encode(data).decode(),
            "branch": self._place.branch,
            "author": person,
            "committer": person,
        }
        question = Question("the first commit", f"contents/{quote(path)}", "PUT", body, is_repeatable=False)
        return self._connection.ask(question, _PUT_CONTENT).commit

    def commit(self, name: str) -> Commit:
        """A commit by its id, whole or abbreviated."""
        question = Question(f"the commit {name}", f"commits/{name}")
        return self._connection.ask(question, _LISTED_COMMIT).as_commit()

    def commits(self, start: str, path: str | None = None, until: datetime | None = None) -> Iterator[Commit]:
        """A commit and those before it, newest first.

        Args:
            start: The commit's id.
            path: Only those that changed this file.
            until: Only those committed at this instant or before.
        """
        narrowed = {"path": path, "until": None if until is None else _instant(until)}
        query = {name: value for name, value in narrowed.items() if value is not None}
        page, has_more = 1, True
        while has_more:
            numbers = {"sha": start, "per_page": str(_PER_PAGE), "page": str(page)}
            question = Question("its commits", "commits", query={**query, **numbers})
            answer, has_more = self._connection.ask_page(question, _LISTED_COMMITS)
            yield from (commit.as_commit() for commit in answer)
            page += 1

    def _walk(self, tree: str, prefix: str = "") -> Iterator[tuple[str, TreeEntry]]:
        whole = self._tree(tree, {"recursive": "1"})
        if not whole.truncated:
            yield from ((prefix + entry.path, entry) for entry in whole.tree)
            return
        level = self._tree(tree, None)
        if level.truncated:
            raise unlistable_folder(self._place, tree)
        for entry in level.tree:
            if entry.type == "tree":
                yield from self._walk(entry.sha, f"{prefix}{entry.path}/")
            else:
                yield prefix + entry.path, entry

    def _tree(self, tree: str, query: Mapping[str, str] | None) -> Tree:
        return self._connection.ask(Question(f"the tree {tree}", f"git/trees/{tree}", query=query), _TREE)


def _person(at: datetime) -> dict[str, str]:
    return {**_AUTHOR, "date": _instant(at)}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
