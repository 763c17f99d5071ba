"""The published files of a data root, and the ids of their contents."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.storage.atomic import atomic_remove, atomic_write
from cph50_pipeline.storage.layout import KINDS
from cph50_pipeline.storage.local_files import LocalFile, local_files
from cph50_pipeline.storage.published import blob_id

PATHS = sorted({kind.example for kind in KINDS})
steps = st.lists(
    st.tuples(st.sampled_from(PATHS[:6]), st.none() | st.binary(max_size=3)), min_size=1, max_size=10
)


def write(root: Path, *paths: str, content: bytes = b"[]\n") -> None:
    for path in paths:
        atomic_write(root / path, content)


def test_every_kind_of_published_file_is_found_sorted_with_the_id_that_git_gives_it(tmp_path: Path) -> None:
    write(tmp_path, *reversed(PATHS))
    found = local_files(tmp_path, {})
    assert list(found) == PATHS
    counted = subprocess.run(
        ["git", "hash-object", "--stdin"], input=b"[]\n", capture_output=True, check=True
    )
    assert {file.id for file in found.values()} == {counted.stdout.decode().strip()}
    assert {file.size for file in found.values()} == {3}


def test_private_temporary_and_a_persons_own_files_are_not_found(tmp_path: Path) -> None:
    write(
        tmp_path,
        "private/token",
        "README.md",
        "sessions/notes.txt",
        "sessions/2026/01/07/.1.json.4711.abcdef01234567.tmp",
        "sessions/2026/13/07/1.json",
        "power/readings/2026-01-07.ndjson.bak",
        ".git/config",
    )
    assert local_files(tmp_path, {}) == {}


def test_a_data_root_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert local_files(tmp_path / "nowhere", {}) == {}


def test_a_folder_under_a_files_name_and_a_link_to_nothing_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "tariffs.json" / "inside").mkdir(parents=True)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "2026-01.json").symlink_to(tmp_path / "nowhere")
    assert local_files(tmp_path, {}) == {}


def test_what_was_not_written_since_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, "tariffs.json")
    status = (tmp_path / "tariffs.json").stat()
    known = LocalFile("as remembered", status.st_size, status.st_mtime_ns, status.st_ino)
    assert local_files(tmp_path, {"tariffs.json": known}) == {"tariffs.json": known}


@pytest.mark.parametrize("stale", [(1, 0, 0), (0, 1, 0), (0, 0, 1)], ids=["size", "time", "inode"])
def test_a_file_that_is_another_or_was_written_since_is_read_again(
    tmp_path: Path, stale: tuple[int, int, int]
) -> None:
    write(tmp_path, "tariffs.json")
    status = (tmp_path / "tariffs.json").stat()
    size, time, inode = stale
    known = LocalFile(
        "as remembered", status.st_size + size, status.st_mtime_ns + time, status.st_ino + inode
    )
    assert local_files(tmp_path, {"tariffs.json": known})["tariffs.json"].id == blob_id(b"[]\n")


@settings(max_examples=30)
@given(steps)
def test_what_is_remembered_never_changes_what_is_found(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bytes | None]]
) -> None:
    root = tmp_path_factory.mktemp("data")
    remembered: dict[str, LocalFile] = {}
    for path, content in steps:
        if content is None:
            atomic_remove(root / path)
        else:
            atomic_write(root / path, content)
            os.utime(root / path, ns=(1, 1))  # a file system whose clock stands still
        remembered = local_files(root, remembered)
        assert remembered == local_files(root, {})
        assert remembered.keys() == {one for one in PATHS if (root / one).exists()}
