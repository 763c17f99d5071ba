"""The shapes of GitHub's answers. Values in, JSON out."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from cph50_pipeline.simulator.github.commits import CommitContent, Person
from cph50_pipeline.simulator.github.rate import RateState
from cph50_pipeline.simulator.github.repository import BareRepository, ListedEntry, Reference

JsonObject = dict[str, Any]

_SHOWN_BYTES = 1024 * 1024  # the contents of larger files are not told in JSON
_UNSIGNED = {
    "verified": False,
    "reason": "unsigned",
    "signature": None,
    "payload": None,
    "verified_at": None,
}


class Answers:
    """Answers about one repository.

    Args:
        api_url: The API's root, ending in "/".
        web_url: Where git and people find repositories, ending in "/".

    Attributes:
        api: Where the API answers about this repository, without "/" at the end.
        web: Where people find it, likewise.
    """

    def __init__(self, repository: BareRepository, api_url: str, web_url: str) -> None:
        self._repository = repository
        self.api = f"{api_url}repos/{repository.name}"
        self.web = f"{web_url}{repository.name}"

    def reference(self, reference: Reference) -> JsonObject:
        """One reference."""
        return {
            "ref": reference.name,
            "node_id": _node_id("REF", reference.name),
            "url": f"{self.api}/git/{reference.name}",
            "object": {
                "type": reference.kind,
                "sha": reference.id,
                "url": f"{self.api}/git/{reference.kind}s/{reference.id}",
            },
        }

    def git_commit(self, commit_id: str, commit: CommitContent) -> JsonObject:
        """A commit as the Git Data API tells it."""
        return {
            "sha": commit_id,
            "node_id": _node_id("C", commit_id),
            "url": f"{self.api}/git/commits/{commit_id}",
            "html_url": f"{self.web}/commit/{commit_id}",
            "author": _person(commit.author),
            "committer": _person(commit.committer),
            "tree": self._tree_link(commit.tree),
            "message": commit.message,
            "parents": [
                {
                    "sha": parent,
                    "url": f"{self.api}/git/commits/{parent}",
                    "html_url": f"{self.web}/commit/{parent}",
                }
                for parent in commit.parents
            ],
            "verification": _UNSIGNED,
        }

    def commit(self, commit_id: str, commit: CommitContent) -> JsonObject:
        """A commit as history tells it."""
        url = f"{self.api}/commits/{commit_id}"
        return {
            "url": url,
            "sha": commit_id,
            "node_id": _node_id("C", commit_id),
            "html_url": f"{self.web}/commit/{commit_id}",
            "comments_url": f"{url}/comments",
            "commit": {
                "url": f"{self.api}/git/commits/{commit_id}",
                "author": _person(commit.author),
                "committer": _person(commit.committer),
                "message": commit.message,
                "comment_count": 0,
                "tree": self._tree_link(commit.tree),
                "verification": _UNSIGNED,
            },
            "author": None,
            "committer": None,
            "parents": [
                {
                    "sha": parent,
                    "url": f"{self.api}/commits/{parent}",
                    "html_url": f"{self.web}/commit/{parent}",
                }
                for parent in commit.parents
            ],
        }

    def tree(self, tree_id: str, entries: Sequence[ListedEntry], *, truncated: bool) -> JsonObject:
        """A tree's listing."""
        return {
            **self._tree_link(tree_id),
            "tree": [self._tree_entry(entry) for entry in entries],
            "truncated": truncated,
        }

    def blob(self, blob_id: str, data: bytes) -> JsonObject:
        """A blob with its content."""
        return {
            **self.blob_link(blob_id),
            "node_id": _node_id("B", blob_id),
            "size": len(data),
            "content": _wrapped(data),
            "encoding": "base64",
        }

    def blob_link(self, blob_id: str) -> JsonObject:
        """A blob without its content."""
        return {"sha": blob_id, "url": f"{self.api}/git/blobs/{blob_id}"}

    def file(self, path: str, ref: str, blob_id: str, data: bytes) -> JsonObject:
        """A file with its content, unless it is large."""
        is_shown = len(data) <= _SHOWN_BYTES
        return {
            **self._content(path, ref, "file", blob_id, len(data)),
            "content": _wrapped(data) if is_shown else "",
            "encoding": "base64" if is_shown else "none",
        }

    def folder(self, path: str, ref: str, entries: Sequence[ListedEntry]) -> list[JsonObject]:
        """What is in a folder."""
        prefix = f"{path}/" if path else ""
        kinds = {"blob": "file", "tree": "dir"}
        return [
            self._content(prefix + entry.path, ref, kinds[entry.kind], entry.id, entry.size or 0)
            for entry in entries
        ]

    def file_commit(
        self, path: str, ref: str, blob_id: str, size: int, commit_id: str, commit: CommitContent
    ) -> JsonObject:
        """A file that was just written, and the commit that did."""
        return {
            "content": self._content(path, ref, "file", blob_id, size),
            "commit": self.git_commit(commit_id, commit),
        }

    def _content(self, path: str, ref: str, kind: str, object_id: str, size: int) -> JsonObject:
        place = quote(path)
        url = f"{self.api}/contents/{place}?ref={quote(ref)}"
        is_file = kind == "file"
        git_url = f"{self.api}/git/{'blobs' if is_file else 'trees'}/{object_id}"
        html_url = f"{self.web}/{'blob' if is_file else 'tree'}/{quote(ref)}/{place}"
        return {
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": object_id,
            "size": size,
            "url": url,
            "html_url": html_url,
            "git_url": git_url,
            "download_url": f"{self.web}/raw/{quote(ref)}/{place}" if is_file else None,
            "type": kind,
            "_links": {"self": url, "git": git_url, "html": html_url},
        }

    def _tree_link(self, tree_id: str) -> JsonObject:
        return {"sha": tree_id, "url": f"{self.api}/git/trees/{tree_id}"}

    def _tree_entry(self, entry: ListedEntry) -> JsonObject:
        size = {} if entry.size is None else {"size": entry.size}
        url = f"{self.api}/git/{entry.kind}s/{entry.id}"
        return {
            "path": entry.path,
            "mode": entry.mode,
            "type": entry.kind,
            "sha": entry.id,
            **size,
            "url": url,
        }


def rate_limit(state: RateState) -> JsonObject:
    """How many requests are left."""
    core = {
        "limit": state.limit,
        "used": state.used,
        "remaining": state.remaining,
        "reset": state.reset,
    }
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": state.reset}
    return {"resources": {"core": core, "search": search}, "rate": core}


def utc_text(instant: datetime) -> str:
    """An instant as GitHub writes it."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _person(person: Person) -> JsonObject:
    return {"name": person.name, "email": person.email, "date": utc_text(person.at)}


def _wrapped(data: bytes) -> str:
    """Base64 in lines of 60 characters, as GitHub sends it."""
    text = base64.b64encode(data).decode()
    return "".join(f"{text[at : at + 60]}\n" for at in range(0, len(text), 60))


def _node_id(kind: str, name: str) -> str:
    return f"{kind}_" + base64.urlsafe_b64encode(name.encode()).decode().rstrip("=")
