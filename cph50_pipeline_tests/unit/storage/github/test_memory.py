"""What is remembered of a branch on GitHub and of the files here."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.storage.github.memory import Remembered, read_memory, write_memory
from cph50_pipeline.storage.github.model import Snapshot
from cph50_pipeline.storage.local_files import LocalFile, Look
from cph50_pipeline.storage.published import Blob

REPOSITORY = "household/data#main"
FILE = "publication_github.json"
STATE = "last_session.json"
paths = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
ids = st.text("0123456789abcdef", min_size=40, max_size=40)
sizes = st.integers(0, 2**63)
snapshots = st.builds(
    Snapshot, st.none() | ids, st.none() | ids, st.dictionaries(paths, st.builds(Blob, ids, sizes))
)
everything = st.builds(
    Remembered,
    snapshots,
    st.builds(
        Look,
        st.dictionaries(paths, st.builds(LocalFile, ids, sizes, sizes, sizes)),
        st.dictionaries(paths, sizes),
        sizes,
    ),
    st.dictionaries(paths, st.tuples(ids, st.text(st.characters(exclude_categories=["Cs"])))),
)
SOMETHING = Remembered(
    Snapshot("c" * 40, "d" * 40, {STATE: Blob("a" * 40, 3)}),
    Look({STATE: LocalFile("b" * 40, 4, 5, 6)}, {"sessions/2026/01/07": 7}, 8),
    {STATE: ("a" * 40, '{"connected": true, "name": "ü"}')},
)


@settings(max_examples=40)
@given(everything)
def test_what_was_remembered_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, remembered: Remembered
) -> None:
    private_dir = tmp_path_factory.mktemp("private")
    write_memory(private_dir, REPOSITORY, remembered)
    assert read_memory(private_dir, REPOSITORY) == remembered


def test_a_state_is_known_in_bytes_as_it_was_published() -> None:
    assert SOMETHING.state(STATE) == '{"connected": true, "name": "ü"}'.encode()
    assert SOMETHING.state("tariffs.json") is None


def test_nothing_is_known_of_another_repository_or_of_none(tmp_path: Path) -> None:
    assert read_memory(tmp_path, REPOSITORY) == Remembered()
    write_memory(tmp_path, REPOSITORY, SOMETHING)
    assert read_memory(tmp_path, "household/data#trunk") == Remembered()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"5",
        b"\xff",
        b"{}",
        b'{"repository": "household/data#main"}',
    ],
)
def test_a_damaged_memory_is_as_if_lost(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / FILE).write_bytes(damage)
    assert read_memory(tmp_path, REPOSITORY) == Remembered()


def test_a_part_that_is_not_what_it_should_be_is_as_if_all_was_lost(tmp_path: Path) -> None:
    write_memory(tmp_path, REPOSITORY, SOMETHING)
    document = json.loads((tmp_path / FILE).read_bytes())
    parts = [name for name, value in document.items() if not isinstance(value, str)]
    assert parts
    for name in parts:
        (tmp_path / FILE).write_text(json.dumps({**document, name: 5}))
        assert read_memory(tmp_path, REPOSITORY) == Remembered(), name


def test_a_file_that_ends_too_early_is_as_if_all_was_lost(tmp_path: Path) -> None:
    write_memory(tmp_path, REPOSITORY, SOMETHING)
    whole = (tmp_path / FILE).read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / FILE).write_bytes(whole[:length])
        assert read_memory(tmp_path, REPOSITORY) == Remembered(), length


def test_what_is_remembered_instead_is_read_at_once(tmp_path: Path) -> None:
    write_memory(tmp_path, REPOSITORY, SOMETHING)
    assert read_memory(tmp_path, REPOSITORY) == SOMETHING
    write_memory(tmp_path, REPOSITORY, Remembered())
    assert read_memory(tmp_path, REPOSITORY) == Remembered()


def test_it_is_nobody_elses_to_read(tmp_path: Path) -> None:
    write_memory(tmp_path / "private", REPOSITORY, SOMETHING)
    assert stat.S_IMODE((tmp_path / "private" / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o700
