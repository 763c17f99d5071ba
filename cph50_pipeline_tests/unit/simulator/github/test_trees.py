"""Trees of the simulated GitHub, changed along paths, against what git itself makes of the same files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.github.objects import ObjectStore
from cph50_pipeline.simulator.github.trees import (
    FILE,
    Entry,
    find_entry,
    parse_tree,
    tree_bytes,
    write_changed,
)

NAMES = st.sampled_from(["a", "a-b", "a.b", "b", "ä", "z z"])
FOLDERS = st.lists(st.sampled_from(["f", "f.g", "g"]), max_size=3)
PATHS = st.builds(lambda folders, name: "/".join([*folders, name]), FOLDERS, NAMES)
FILES = st.dictionaries(PATHS, st.binary(max_size=4), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def git_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository.git")
    subprocess.run(["git", "init", "--quiet", "--bare", str(folder)], check=True)
    return folder


@pytest.fixture(scope="module")
def store(git_dir: Path) -> Iterator[ObjectStore]:
    opened = ObjectStore(git_dir)
    yield opened
    opened.close()


def write(store: ObjectStore, files: dict[str, bytes], base: str | None = None) -> str:
    entries = {path: Entry(FILE, store.write("blob", data)) for path, data in files.items()}
    return write_changed(store, base, entries)


def tree_of_git(git_dir: Path, store: ObjectStore, files: dict[str, bytes]) -> str:
    """The tree that git's own index makes of files."""
    lines = "".join(f"100644 {store.write('blob', data)}\t{path}\0" for path, data in files.items())
    index = {"GIT_DIR": str(git_dir), "GIT_INDEX_FILE": str(git_dir / "index")}
    (git_dir / "index").unlink(missing_ok=True)
    subprocess.run(["git", "update-index", "-z", "--index-info"], input=lines.encode(), env=index, check=True)
    written = subprocess.run(["git", "write-tree"], env=index, check=True, capture_output=True)
    return written.stdout.decode().strip()


@settings(max_examples=25, deadline=None)
@given(FILES)
def test_a_tree_is_the_one_that_git_makes(git_dir: Path, store: ObjectStore, files: dict[str, bytes]) -> None:
    assert write(store, files) == tree_of_git(git_dir, store, files)


@settings(max_examples=60, deadline=None)
@given(FILES, FILES, st.data())
def test_a_changed_tree_is_the_one_made_anew(
    store: ObjectStore, before: dict[str, bytes], added: dict[str, bytes], data: st.DataObject
) -> None:
    base = write(store, before)
    removed = data.draw(st.sets(st.sampled_from(sorted(before))))
    less = write_changed(store, base, dict.fromkeys(removed)) if removed else base
    after = {path: text for path, text in before.items() if path not in removed} | added
    assert write(store, added, less) == write(store, after)
    assert all(find_entry(store, write(store, after), path) for path in after)


@given(st.dictionaries(NAMES, st.builds(Entry, st.sampled_from([FILE, "040000"]), st.just("ab" * 20))))
def test_what_is_written_of_a_tree_is_read_again(entries: dict[str, Entry]) -> None:
    assert parse_tree(tree_bytes(entries)) == entries


@pytest.mark.parametrize("path", ["", "/a", "a//b", "a/", "./a", "a/..", ".git/config"])
def test_a_path_that_is_none_is_refused(store: ObjectStore, path: str) -> None:
    with pytest.raises(BadInputError, match="malformed"):
        write(store, {path: b""})


def test_what_is_not_there_cannot_be_removed(store: ObjectStore) -> None:
    base = write(store, {"a/b": b""})
    for path in ("c", "a/c", "a/b/c"):
        with pytest.raises(BadInputError, match="BadObjectState"):
            write_changed(store, base, {path: None})


def test_objects_are_found_by_id_and_by_nothing_else(store: ObjectStore) -> None:
    blob = store.write("blob", b"text\n")
    assert store.read(blob, "blob") == b"text\n"
    assert store.read(blob, "tree") is None
    found = store.info(blob[:12])
    assert found is not None
    assert (found.id, found.size) == (blob, 5)
    for name in ("", "0" * 40, "refs/heads/none", f"{blob}\n{blob}", f"{blob} x"):
        assert store.info(name) is None
    assert store.read(blob, "blob") == b"text\n"
