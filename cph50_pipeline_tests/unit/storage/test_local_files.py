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
from cph50_pipeline.storage.local_files import LocalFile, Look, look_at_files
from cph50_pipeline.storage.published import blob_id

PATHS = sorted({kind.example for kind in KINDS})
DAY = "sessions/2026/01/07"
ONE, OTHER, NEXT_DAY = f"{DAY}/1.json", f"{DAY}/2.json", "sessions/2026/01/08/3.json"
SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
DAILY = 24 * 3600 * SECOND
steps = st.lists(
    st.tuples(st.sampled_from(PATHS[:6]), st.none() | st.binary(max_size=3)), min_size=1, max_size=10
)
writes = st.lists(
    st.tuples(st.sampled_from([ONE, OTHER, NEXT_DAY, "tariffs.json"]), st.none() | st.binary(max_size=3)),
    max_size=3,
)
times = st.lists(st.tuples(writes, st.integers(0, 5 * SECOND) | st.just(DAILY)), min_size=1, max_size=12)


def write(root: Path, *paths: str, content: bytes = b"[]\n") -> None:
    for path in paths:
        atomic_write(root / path, content)


def files(root: Path, known: Look | None = None) -> dict[str, LocalFile]:
    return dict(look_at_files(root, known or Look(), NOW).files)


def set_folder_times(root: Path, changed: list[str], at_ns: int) -> None:
    """As a file system would whose clock ticks every two seconds."""
    for path in changed:
        if (folder := (root / path).parent).exists():
            os.utime(folder, ns=(at_ns, at_ns - at_ns % (2 * SECOND)))


def change(root: Path, path: str, content: bytes | None) -> None:
    """Write or remove as the pipeline does."""
    if content is None:
        atomic_remove(root / path)
    else:
        atomic_write(root / path, content)


def settled(root: Path) -> Look:
    """A look at a day that changed a minute before."""
    set_folder_times(root, [ONE], NOW - 60 * SECOND)
    look = look_at_files(root, Look(), NOW)
    assert DAY in look.folders
    return look


def edit_in_place(path: Path) -> None:
    """As no pipeline does: the folder does not show it."""
    with path.open("ab") as file:
        file.write(b" ")


def test_every_kind_of_published_file_is_found_sorted_with_the_id_that_git_gives_it(tmp_path: Path) -> None:
    write(tmp_path, *reversed(PATHS))
    found = files(tmp_path)
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
    assert files(tmp_path) == {}


def test_a_data_root_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert files(tmp_path / "nowhere") == {}


def test_a_folder_under_a_files_name_and_a_link_to_nothing_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "tariffs.json" / "inside").mkdir(parents=True)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "2026-01.json").symlink_to(tmp_path / "nowhere")
    assert files(tmp_path) == {}


def test_what_was_not_written_since_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path, "tariffs.json")
    status = (tmp_path / "tariffs.json").stat()
    known = LocalFile("as remembered", status.st_size, status.st_mtime_ns, status.st_ino)
    assert files(tmp_path, Look({"tariffs.json": known})) == {"tariffs.json": known}


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
    assert files(tmp_path, Look({"tariffs.json": known}))["tariffs.json"].id == blob_id(b"[]\n")


@settings(max_examples=30)
@given(steps)
def test_what_is_remembered_never_changes_what_is_found(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bytes | None]]
) -> None:
    root = tmp_path_factory.mktemp("data")
    remembered = Look()
    for path, content in steps:
        change(root, path, content)
        if content is not None:
            os.utime(root / path, ns=(1, 1))  # a file system whose clock stands still
        remembered = look_at_files(root, remembered, NOW)
        assert remembered.files == files(root)
        assert remembered.files.keys() == {one for one in PATHS if (root / one).exists()}


@settings(max_examples=200)
@given(times)
def test_what_is_remembered_of_folders_never_changes_what_is_found(
    tmp_path_factory: pytest.TempPathFactory, times: list[tuple[list[tuple[str, bytes | None]], int]]
) -> None:
    root = tmp_path_factory.mktemp("data")
    remembered, now_ns = Look(), NOW
    for writes, pause_ns in times:
        for path, content in writes:
            change(root, path, content)
        set_folder_times(root, [path for path, _ in writes], now_ns)
        remembered = look_at_files(root, remembered, now_ns)
        assert list(remembered.files.items()) == list(files(root).items())
        now_ns += pause_ns


def test_a_days_folder_that_did_not_change_is_not_listed_again(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    before = settled(tmp_path)
    edit_in_place(tmp_path / ONE)
    assert look_at_files(tmp_path, before, NOW + SECOND) == before


@pytest.mark.parametrize("path", [ONE, OTHER], ids=["replaced", "added"])
def test_what_is_written_into_a_days_folder_is_found(tmp_path: Path, path: str) -> None:
    write(tmp_path, ONE)
    before = settled(tmp_path)
    write(tmp_path, path, content=b"[1]\n")
    assert files(tmp_path, before)[path].id == blob_id(b"[1]\n")


def test_what_is_written_right_after_a_look_and_gets_the_same_time_is_found(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    set_folder_times(tmp_path, [ONE], NOW)
    before = look_at_files(tmp_path, Look(), NOW)
    write(tmp_path, OTHER)
    set_folder_times(tmp_path, [OTHER], NOW)
    assert files(tmp_path, before).keys() == {ONE, OTHER}


def test_days_and_months_that_go_or_come_are_noticed(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    before = settled(tmp_path)
    (tmp_path / "sessions/2026").rename(tmp_path / "sessions/2025")
    moved = ONE.replace("2026", "2025")
    assert files(tmp_path, before).keys() == {moved}


def test_an_edit_in_place_is_found_when_all_is_compared_and_otherwise_within_a_day(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    before = settled(tmp_path)
    edit_in_place(tmp_path / ONE)
    edited = blob_id(b"[]\n ")
    assert look_at_files(tmp_path, Look(), NOW).files[ONE].id == edited
    soon = look_at_files(tmp_path, before, NOW + DAILY - 1)
    assert soon.files[ONE].id == blob_id(b"[]\n")
    assert look_at_files(tmp_path, soon, NOW + DAILY).files[ONE].id == edited


def test_a_clock_that_was_set_back_is_not_trusted(tmp_path: Path) -> None:
    write(tmp_path, ONE)
    before = settled(tmp_path)
    edit_in_place(tmp_path / ONE)
    assert look_at_files(tmp_path, before, NOW - SECOND).files[ONE].id == blob_id(b"[]\n ")


def test_files_outside_of_days_folders_are_always_looked_at(tmp_path: Path) -> None:
    write(tmp_path, "reports/2026-01.json")
    os.utime(tmp_path / "reports", ns=(1, 1))
    before = look_at_files(tmp_path, Look(), NOW)
    edit_in_place(tmp_path / "reports/2026-01.json")
    assert files(tmp_path, before)["reports/2026-01.json"].id == blob_id(b"[]\n ")


def test_a_file_that_a_link_in_a_days_folder_names_is_looked_at_each_time(tmp_path: Path) -> None:
    (tmp_path / DAY).mkdir(parents=True)
    write(tmp_path, "elsewhere/1.json")
    (tmp_path / ONE).symlink_to(tmp_path / "elsewhere/1.json")
    set_folder_times(tmp_path, [ONE], NOW - 60 * SECOND)
    before = look_at_files(tmp_path, Look(), NOW)
    write(tmp_path, ONE, content=b"[1]\n")
    assert (tmp_path / ONE).is_symlink()
    assert files(tmp_path, before)[ONE].id == blob_id(b"[1]\n")
