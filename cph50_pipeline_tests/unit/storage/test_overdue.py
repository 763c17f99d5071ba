"""Since when something could have been published and was not."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.storage.overdue import overdue_since

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
MEMORY = "publication_overdue.json"
EARLIER_AND_LATER = st.lists(st.none() | st.integers(0, 100_000), min_size=1, max_size=8)


def test_the_earliest_time_is_remembered_until_nothing_is_due(tmp_path: Path) -> None:
    assert overdue_since(tmp_path, NOW) == NOW
    assert overdue_since(tmp_path, NOW + timedelta(hours=1)) == NOW
    assert overdue_since(tmp_path, None) is None
    assert overdue_since(tmp_path, NOW + timedelta(hours=2)) == NOW + timedelta(hours=2)


def test_nothing_due_and_nothing_remembered_makes_no_file(tmp_path: Path) -> None:
    assert overdue_since(tmp_path / "private", None) is None
    assert not (tmp_path / "private").exists()


@settings(max_examples=30)
@given(EARLIER_AND_LATER)
def test_it_is_always_the_earliest_since_something_was_last_not_due(
    tmp_path_factory: pytest.TempPathFactory, seconds: list[int | None]
) -> None:
    private_dir = tmp_path_factory.mktemp("private")
    since_nothing: list[int] = []
    for second in seconds:
        told = overdue_since(private_dir, None if second is None else NOW + timedelta(seconds=second))
        since_nothing = [] if second is None else [*since_nothing, second]
        assert told == (NOW + timedelta(seconds=min(since_nothing)) if since_nothing else None)


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b"{}", b'{"since": 5}', b'{"since": null}', b'{"since": "today"}', b"\xff"],
)
def test_a_damaged_memory_only_begins_the_time_anew(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / MEMORY).write_bytes(damage)
    assert overdue_since(tmp_path, NOW) == NOW
    assert overdue_since(tmp_path, NOW + timedelta(hours=1)) == NOW


def test_a_time_without_an_offset_is_not_taken_for_one_of_this_machines_zone(tmp_path: Path) -> None:
    (tmp_path / MEMORY).write_text('{"since": "2026-01-01T00:00:00"}')
    assert overdue_since(tmp_path, NOW) == NOW


def test_it_is_nobody_elses_to_read(tmp_path: Path) -> None:
    overdue_since(tmp_path, NOW)
    assert stat.S_IMODE((tmp_path / MEMORY).stat().st_mode) == 0o600
