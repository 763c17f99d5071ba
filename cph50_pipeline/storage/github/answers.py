"""GitHub's answers, as far as they are read."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel

from cph50_pipeline.storage.published import Commit


class Named(BaseModel):
    """An object that only its id is wanted of."""

    sha: str


class Ref(BaseModel):
    """Where a branch stands."""

    object: Named


class Signature(BaseModel):
    """When something was done."""

    date: datetime


class GitCommit(BaseModel):
    """A commit as an object."""

    sha: str
    tree: Named
    html_url: str = ""


class CommitDetails(BaseModel):
    """What a commit in a list says."""

    message: str
    committer: Signature


class ListedCommit(BaseModel):
    """A commit in a list."""

    sha: str
    commit: CommitDetails
    parents: list[Named]

    def as_commit(self) -> Commit:
        """The commit, whoever it is read from."""
        at = self.commit.committer.date.astimezone(UTC)
        return Commit(self.sha, at, self.commit.message, tuple(parent.sha for parent in self.parents))


class TreeEntry(BaseModel):
    """A file or folder in a tree."""

    path: str
    mode: str
    type: str
    sha: str
    size: int = 0

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file; a symbolic link is none."""
        return self.type == "blob" and self.mode.startswith("100")


class Tree(BaseModel):
    """A tree, whole or as far as GitHub lists it."""

    sha: str
    truncated: bool = False
    tree: list[TreeEntry] = []


class BlobContent(BaseModel):
    """The content of a file."""

    sha: str
    content: str
    encoding: str


class RepositoryInfo(BaseModel):
    """What a repository says of itself."""

    full_name: str
    default_branch: str


class PutContent(BaseModel):
    """The commit that a single file was written by."""

    commit: GitCommit
