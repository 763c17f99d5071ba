"""What others changed in the repository, as the data root sees it."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from cph50_pipeline.errors import PermanentError
from cph50_pipeline.storage.arrivals import Arrived, refuse_strangers, strangers, take_in
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.published import blob_id

CONFIG, TARIFFS = "vehicle_config.json", "tariffs.json"
SESSION, CACHE, RUNS, STATE = (
    "sessions/2026/01/05/1.json",
    "session_cache/2026-01.json",
    "runs.json",
    "last_session.json",
)
OLD, NEW, OURS = b'["old"]\n', b'["new"]\n', b'["ours"]\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root whose files are as they were when the repository was last looked at."""
    for path in (CONFIG, SESSION, RUNS, STATE):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(OLD)
    return tmp_path


def arrived(path: str, before: bytes | None = OLD, after: bytes | None = NEW) -> Arrived:
    return Arrived(
        path,
        None if before is None else blob_id(before),
        None if after is None else blob_id(after),
        None if after is None else lambda: after,
    )


def taken_in(root: Path, *changes: Arrived) -> list[str]:
    return take_in(root, Locks(root / "private"), changes)


# --- edits by hand ---


def test_an_edit_by_hand_is_taken_over_and_told(root: Path) -> None:
    assert taken_in(root, arrived(CONFIG)) == [f"{CONFIG} was changed in the repository and taken over"]
    assert (root / CONFIG).read_bytes() == NEW


def test_a_second_time_nothing_is_told(root: Path) -> None:
    taken_in(root, arrived(CONFIG))
    assert taken_in(root, arrived(CONFIG)) == []


def test_where_both_were_edited_ours_stays_and_that_is_told(root: Path) -> None:
    (root / CONFIG).write_bytes(OURS)
    [line] = taken_in(root, arrived(CONFIG))
    assert "changed here and in the repository" in line
    assert (root / CONFIG).read_bytes() == OURS


def test_a_file_that_was_removed_here_meanwhile_is_not_put_back(root: Path) -> None:
    (root / CONFIG).unlink()
    [line] = taken_in(root, arrived(CONFIG))
    assert "changed here and in the repository" in line
    assert not (root / CONFIG).exists()


def test_an_edit_that_cannot_be_read_is_told_and_not_taken_over(root: Path) -> None:
    assert "cannot be read" in taken_in(root, arrived(CONFIG, after=b'["new"'))[0]
    assert (root / CONFIG).read_bytes() == OLD


def test_a_file_that_somebody_removed_there_stays_here(root: Path) -> None:
    taken_in(root, arrived(CONFIG, after=None))
    assert (root / CONFIG).read_bytes() == OLD


def test_a_file_that_nobody_had_before_is_no_edit(root: Path) -> None:
    assert taken_in(root, arrived(TARIFFS, before=None)) == []
    assert not (root / TARIFFS).exists()


def test_an_edit_waits_for_another_command_that_edits_and_does_not_undo_it(root: Path) -> None:
    told: list[str] = []
    taking = Thread(target=lambda: told.extend(taken_in(root, arrived(CONFIG))))
    with Locks(root / "private").hand_edited():
        taking.start()
        (root / CONFIG).write_bytes(OURS)
    taking.join()
    assert "changed here and in the repository" in told[0]
    assert (root / CONFIG).read_bytes() == OURS


# --- files that the pipeline makes ---


@pytest.mark.parametrize("after", [NEW, None])
def test_a_file_that_the_pipeline_makes_stays_as_it_is_and_is_told(root: Path, after: bytes | None) -> None:
    [line] = taken_in(root, arrived(SESSION, after=after))
    assert f"Somebody changed {SESSION} in the repository" in line
    assert (root / SESSION).read_bytes() == OLD


def test_of_many_files_that_the_pipeline_makes_three_are_named(root: Path) -> None:
    many = [f"session_cache/2025-{month:02}.json" for month in range(1, 8)]
    [line] = taken_in(root, *map(arrived, many))
    assert f"{', '.join(many[:3])} and 4 more" in line


@pytest.mark.parametrize("path", [RUNS, STATE, "README.md"])
def test_what_is_rewritten_all_the_time_and_what_is_a_persons_own_is_not_told(root: Path, path: str) -> None:
    assert taken_in(root, arrived(path)) == []


def test_what_says_the_same_here_is_not_told(root: Path) -> None:
    (root / SESSION).write_bytes(NEW)
    assert taken_in(root, arrived(SESSION)) == []


# --- another data root ---


def test_a_file_that_another_data_root_published_and_says_something_else_is_a_strangers(root: Path) -> None:
    assert strangers(root, [arrived(SESSION, before=None), arrived(CONFIG, before=None)], ()) == [
        SESSION,
        CONFIG,
    ]


@pytest.mark.parametrize(
    ("one", "seen"),
    [
        (arrived(SESSION, before=None), [SESSION]),
        (arrived(SESSION, before=OLD), []),
        (arrived(SESSION, before=None, after=OLD), []),
        (arrived(CACHE, before=None), []),
        (arrived(RUNS, before=None), []),
        (arrived(STATE, before=None), []),
        (arrived("README.md", before=None), []),
    ],
    ids=["seen here", "an edit", "the same", "not here", "run log", "state", "a person's own"],
)
def test_what_is_ours_alike_or_nobodys_is_no_strangers(root: Path, one: Arrived, seen: list[str]) -> None:
    assert strangers(root, [one], seen) == []


def test_strangers_files_are_refused_in_one_line_that_names_them_and_two_ways_out() -> None:
    with pytest.raises(PermanentError) as caught:
        refuse_strangers([SESSION, CONFIG, CACHE, TARIFFS], "household/data, branch main,")
    said = str(caught.value)
    assert "household/data, branch main, holds 4 file(s)" in said
    assert f"{SESSION}, {CONFIG}, {CACHE} and 1 more" in said
    assert "Nothing was uploaded" in said
    assert "cph50 restore" in said
    assert "cph50 publish --replace" in said
    assert "\n" not in said
    refuse_strangers([], "household/data")
