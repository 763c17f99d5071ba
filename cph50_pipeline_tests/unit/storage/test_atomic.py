"""The atomic write and what it leaves behind when its process is killed."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cph50_pipeline.errors import PermanentError, TransientError
from cph50_pipeline.storage.atomic import ABANDONED_AFTER_SECONDS, atomic_write, is_abandoned, is_temporary


def test_a_new_file_is_written_with_its_folders(tmp_path: Path) -> None:
    assert atomic_write(tmp_path / "a" / "b" / "file.json", b"one")
    assert (tmp_path / "a" / "b" / "file.json").read_bytes() == b"one"


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file.json", b"one")
    atomic_write(tmp_path / "file.json", b"two")
    assert os.listdir(tmp_path) == ["file.json"]


def test_equal_bytes_leave_the_file_untouched(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    atomic_write(path, b"same")
    before = path.stat()
    assert not atomic_write(path, b"same")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_secret_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    atomic_write(tmp_path / "token", b"secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600


def test_a_rewritten_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"one")
    path.chmod(0o640)
    atomic_write(path, b"two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_symbolic_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_bytes(b"one")
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere.json")
    atomic_write(tmp_path / "link.json", b"two")
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "elsewhere.json").read_bytes() == b"two"


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, PermanentError), (errno.EIO, TransientError), (errno.EACCES, PermanentError)],
)
def test_a_disk_that_fails_before_the_rename_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    path = tmp_path / "file.json"
    atomic_write(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind, match=r"file\.json could not be written"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.json"]


def test_a_file_where_a_folder_belongs_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "session_cache").write_bytes(b"")
    with pytest.raises(PermanentError, match="A file stands where a folder belongs"):
        atomic_write(tmp_path / "session_cache" / "2026-01.json", b"x")


def left_by_a_killed_writer(folder: Path) -> Path:
    """The temporary of a process that died between the write and the rename."""
    script = (
        "import os, sys, pathlib; from cph50_pipeline.storage.atomic import atomic_write\n"
        "os.replace = lambda *_: os._exit(9)\n"
        "atomic_write(pathlib.Path(sys.argv[1]) / 'file.json', b'half')"
    )
    subprocess.run([sys.executable, "-c", script, str(folder)], check=False, timeout=60)
    (left,) = folder.iterdir()
    return left


def test_what_a_dead_process_left_is_abandoned(tmp_path: Path) -> None:
    left = left_by_a_killed_writer(tmp_path)
    assert is_temporary(left.name)
    assert is_abandoned(left, left.stat().st_mtime)


def test_what_a_living_process_writes_is_not_abandoned_until_an_hour_has_passed(tmp_path: Path) -> None:
    left = left_by_a_killed_writer(tmp_path)
    pid = left.name.split(".")[-3]
    ours = left.rename(left.with_name(left.name.replace(f".{pid}.", f".{os.getpid()}.")))
    written_at = ours.stat().st_mtime
    assert not is_abandoned(ours, written_at + ABANDONED_AFTER_SECONDS)
    assert is_abandoned(ours, written_at + ABANDONED_AFTER_SECONDS + 1)


def test_a_process_number_of_another_machine_says_nothing(tmp_path: Path) -> None:
    left = left_by_a_killed_writer(tmp_path)
    head, pid, token = left.name.removesuffix(".tmp").rsplit(".", 2)
    foreign = left.rename(left.with_name(f"{head}.{pid}.{'0' * 6}{token[6:]}.tmp"))
    assert not is_abandoned(foreign, foreign.stat().st_mtime)


@pytest.mark.parametrize(
    "name", ["2026-01.json", "notes.tmp", ".notes.tmp", ".a.json.12.tmp", "a.12.0123456789abcd.tmp"]
)
def test_a_persons_file_is_never_taken_for_a_temporary(name: str) -> None:
    assert not is_temporary(name)
