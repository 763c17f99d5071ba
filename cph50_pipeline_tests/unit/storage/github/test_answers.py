"""GitHub's answers, as far as they are read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cph50_pipeline.storage.github.answers import ListedCommit, Tree, TreeEntry
from cph50_pipeline.storage.published import Commit


def test_a_commit_in_a_list_is_a_commit_in_utc_with_its_parents_in_order() -> None:
    listed = ListedCommit.model_validate(
        {
            "sha": "c" * 40,
            "commit": {
                "message": "Add session_cache: 2026-01 (1 file)\n\nRun: 8f0c\n",
                "author": {"date": "2026-01-01T00:00:00Z"},
                "committer": {"name": "A Person", "date": "2026-01-06T22:00:00-08:00"},
            },
            "parents": [{"sha": "b" * 40, "url": ""}, {"sha": "a" * 40, "url": ""}],
        }
    )
    at = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
    message = "Add session_cache: 2026-01 (1 file)\n\nRun: 8f0c\n"
    assert listed.as_commit() == Commit("c" * 40, at, message, ("b" * 40, "a" * 40))
    assert listed.as_commit().at.tzinfo is UTC


@pytest.mark.parametrize(
    ("mode", "kind", "is_file"),
    [
        ("100644", "blob", True),
        ("100755", "blob", True),
        ("120000", "blob", False),
        ("040000", "tree", False),
        ("160000", "commit", False),
    ],
    ids=["file", "program", "symbolic link", "folder", "submodule"],
)
def test_only_a_regular_file_is_a_file(mode: str, kind: str, is_file: bool) -> None:
    assert TreeEntry(path="a", mode=mode, type=kind, sha="a" * 40).is_file is is_file


def test_a_tree_that_does_not_say_so_is_whole() -> None:
    tree = Tree.model_validate({"sha": "d" * 40, "url": "", "tree": []})
    assert not tree.truncated
