"""The data root: the same behaviour in a folder and in an object store."""

from __future__ import annotations

import hashlib
import os
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.storage.files import DataRoot, check_relative


@pytest.fixture(params=["folder", "object store"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> DataRoot:
    return DataRoot(str(tmp_path) if request.param == "folder" else f"memory://{uuid.uuid4()}/data")


def test_what_is_written_is_read_back(root: DataRoot) -> None:
    root.write("session_cache/2026-01.json", b"[]\n")
    assert root.read("session_cache/2026-01.json") == b"[]\n"


def test_an_absent_file_reads_as_none(root: DataRoot) -> None:
    assert root.read("session_cache/2026-01.json") is None


def test_a_write_tells_hash_size_and_whether_anything_changed(root: DataRoot) -> None:
    first, again, other = (root.write("runs.json", data) for data in (b"one", b"one", b"two!"))
    assert first.sha256 == hashlib.sha256(b"one").hexdigest()
    assert (first.path, first.size_bytes, other.size_bytes) == ("runs.json", 3, 4)
    assert [first.changed, again.changed, other.changed] == [True, False, True]


def test_files_are_listed_by_prefix_and_suffix_in_order(root: DataRoot) -> None:
    for path in (
        "sessions/2026/01/08/2.json",
        "session_cache/2026-02.json",
        "session_cache/2026-01.json",
        "runs.json",
    ):
        root.write(path, b"x")
    assert root.list("session_cache/") == ["session_cache/2026-01.json", "session_cache/2026-02.json"]
    assert root.list("session") == [
        "session_cache/2026-01.json", "session_cache/2026-02.json", "sessions/2026/01/08/2.json"
    ]  # fmt: skip
    assert root.list("sessions/2026/01/0", ".json") == ["sessions/2026/01/08/2.json"]
    assert root.list(suffix=".parquet") == []


def test_what_is_removed_is_absent_and_all_else_stays(root: DataRoot) -> None:
    for path in ("sessions/2026/01/08/1.json", "sessions/2026/01/08/2.json"):
        root.write(path, b"x")
    assert root.remove("sessions/2026/01/08/1.json")
    assert not root.remove("sessions/2026/01/08/1.json")
    assert not root.remove("never/was.json")
    assert root.read("sessions/2026/01/08/1.json") is None
    assert root.list() == ["sessions/2026/01/08/2.json"]


def test_what_cannot_be_removed_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "runs.json").mkdir()
    with pytest.raises(PermanentError, match=r"runs\.json could not be removed"):
        DataRoot(str(tmp_path)).remove("runs.json")
    assert (tmp_path / "runs.json").exists()


def test_a_folder_that_does_not_exist_lists_nothing(root: DataRoot) -> None:
    assert root.list("session_cache/") == []


def test_private_files_are_kept_but_never_listed(root: DataRoot) -> None:
    root.write("private/token.json", b"secret")
    root.write("runs.json", b"x")
    assert root.list() == ["runs.json"]
    assert root.list("private/") == []


def test_a_repositorys_own_files_and_unfinished_writes_are_never_listed(tmp_path: Path) -> None:
    for path in (
        ".git/config",
        "nested/.git/HEAD",
        f".runs.json.{os.getpid()}.0123456789abcd.tmp",
        "runs.json",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    assert DataRoot(str(tmp_path)).list() == ["runs.json"]


@pytest.mark.parametrize(
    "path", ["", "/etc/passwd", "../outside", "a/../../b", "a//b", "./a", "a/.", "a\\b", "a\0b", "a\nb", "a/"]
)
def test_a_path_that_may_lead_out_is_refused_everywhere(root: DataRoot, path: str) -> None:
    with pytest.raises(BadInputError, match="not a path inside the data root"):
        root.read(path)
    with pytest.raises(BadInputError, match="not a path inside the data root"):
        root.write(path, b"x")
    with pytest.raises(BadInputError, match="not a path inside the data root"):
        root.remove(path)


@given(st.text(alphabet="a./\\\n", max_size=12))
def test_no_accepted_path_leaves_the_data_root(path: str) -> None:
    try:
        check_relative(path)
    except BadInputError:
        return
    assert os.path.normpath(f"/root/{path}") == f"/root/{path}"


def test_only_a_folder_has_local_paths(tmp_path: Path) -> None:
    assert DataRoot(str(tmp_path)).local_path("runs.json") == tmp_path / "runs.json"
    assert DataRoot(str(tmp_path)).is_local
    store = DataRoot("memory://somewhere")
    assert not store.is_local
    with pytest.raises(PermanentError, match="CPH50_DATA_DIR"):
        store.local_path("runs.json")


def test_a_file_that_is_there_but_unreadable_is_an_error_and_not_an_absent_one(tmp_path: Path) -> None:
    (tmp_path / "runs.json").mkdir()
    with pytest.raises(PermanentError, match=r"runs\.json could not be read"):
        DataRoot(str(tmp_path)).read("runs.json")


def test_what_killed_writers_left_is_removed_and_all_else_stays(tmp_path: Path) -> None:
    root = DataRoot(str(tmp_path))
    root.write("session_cache/2026-01.json", b"x")
    dead = tmp_path / "session_cache" / ".2026-01.json.1.0123456789abcd.tmp"
    living = tmp_path / "private" / ".token.1.0123456789abcd.tmp"
    living.parent.mkdir()
    for path in (dead, living):
        path.write_bytes(b"half")
    os.utime(dead, (0, 0))
    assert root.remove_stale_temporaries() == ("session_cache/.2026-01.json.1.0123456789abcd.tmp",)
    assert living.exists()
    assert root.list() == ["session_cache/2026-01.json"]


def test_an_object_store_has_no_temporaries_to_remove() -> None:
    assert DataRoot("memory://somewhere").remove_stale_temporaries() == ()
