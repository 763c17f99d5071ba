"""The private folder."""

from __future__ import annotations

import stat
from pathlib import Path

from cph50_pipeline.storage.private import make_private_folder


def test_the_private_folder_is_its_owners_alone_and_ignored_by_git(tmp_path: Path) -> None:
    folder = make_private_folder(tmp_path / "data" / "private")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_persons_own_ignore_list_there_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*\n!notes.txt\n")
    make_private_folder(tmp_path)
    assert (tmp_path / ".gitignore").read_text() == "*\n!notes.txt\n"
