"""What is committed through GitHub's API, and what came of it. Values only; no network is needed for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from cph50_pipeline.storage.published import Blob

_NO_FILES: Mapping[str, Blob] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Place:
    """A branch on GitHub, as messages call it.

    Attributes:
        repository: As "owner/name".
        branch: Its name.
    """

    repository: str
    branch: str


@dataclass(frozen=True, slots=True)
class Edit:
    """One file that is to be as the data root has it.

    Attributes:
        path: In the repository.
        data: The whole content; None removes the file.
    """

    path: str
    data: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A branch at one commit.

    Attributes:
        commit: Its id; None before the first.
        tree: The id of the commit's tree; None before the first commit.
        files: All files, by path.
    """

    commit: str | None = None
    tree: str | None = None
    files: Mapping[str, Blob] = field(default_factory=lambda: _NO_FILES, repr=False)


@dataclass(frozen=True, slots=True)
class Made:
    """A commit that was made. When the edits were too many for one, or the repository was empty, the last of several.

    Attributes:
        commit: Its id.
        snapshot: The branch as it left it.
        edits: What was changed, by all of them.
        message: Its message.
        retries: How often the work was begun anew, because the branch had moved or an answer was lost.
        requests: Requests sent for it, all retries included.
        link: Where a browser shows it.
    """

    commit: str
    snapshot: Snapshot
    edits: tuple[Edit, ...]
    message: str
    retries: int
    requests: int
    link: str
