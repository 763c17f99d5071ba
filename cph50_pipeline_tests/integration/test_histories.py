"""What the commits of a repository say of a session or a file."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cph50_pipeline.defs.histories import UNREADABLE, file_history, session_history
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError, NotFoundError
from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.integration.restores import commit_files, make_repository, reading_of

NOW = datetime(2026, 1, 7, 20, 0, tzinfo=UTC)
JANUARY, FEBRUARY = "session_cache/2026-01.json", "session_cache/2026-02.json"
NAMED = "classifications/2026-01.json"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Of a data root that is gone."""
    return Store.of(Settings(data_dir=str(tmp_path / "data")))


def month(**energies_kwh: float) -> bytes:
    """A month's cache with sessions a, b, …"""
    records = [{"session_id": id_, "energy_kwh": energy} for id_, energy in energies_kwh.items()]
    return json.dumps(records).encode()


def commit_each(
    repository: Path, *steps: dict[str, bytes | None], apart: timedelta = timedelta(hours=1)
) -> list[str]:
    return [commit_files(repository, files, NOW + number * apart) for number, files in enumerate(steps)]


def table(rows: int) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(rows))}), out)
    return out.getvalue()


def told(repository: Path, store: Store, session_id: str = "a", of: str | None = None) -> list[Any]:
    return session_history(reading_of(repository), store, session_id, of)


def test_a_session_is_followed_through_its_versions_and_into_another_month(
    repository: Path, store: Store
) -> None:
    commits = commit_each(
        repository,
        {JANUARY: month(a=1, b=1), NAMED: b"[]"},
        {JANUARY: month(a=1, b=2)},
        {JANUARY: month(a=2, b=2)},
        {NAMED: json.dumps([{"session_id": "a", "labeled_by": "manual"}]).encode()},
        {JANUARY: month(b=2), FEBRUARY: month(a=2)},
    )
    versions = told(repository, store)
    assert [one.commit.id for one in versions] == [commits[0], commits[2], commits[3], commits[4]]
    assert [one.turn.event for one in versions] == ["appeared", "changed", "changed", "moved"]
    assert versions[-1].turn.state.months == ("2026-02",)


def test_commits_of_the_same_second_keep_their_order(repository: Path, store: Store) -> None:
    steps = [{JANUARY: month(a=number)} for number in range(1, 6)]
    commits = commit_each(repository, *steps, apart=timedelta())
    assert [one.commit.id for one in told(repository, store)] == commits


def test_a_session_that_vanished_is_found_by_the_month_that_had_it(repository: Path, store: Store) -> None:
    commit_each(repository, {JANUARY: month(a=1, b=1)}, {JANUARY: month(b=1)}, {JANUARY: None})
    with pytest.raises(NotFoundError, match="--month"):
        told(repository, store)
    assert [one.turn.event for one in told(repository, store, of="2026-01")] == ["appeared", "vanished"]
    assert [one.turn.event for one in told(repository, store, "b", "2026-01")] == ["appeared", "vanished"]
    with pytest.raises(NotFoundError, match="never had the session"):
        told(repository, store, "c", "2026-01")


def test_a_version_that_cannot_be_read_says_nothing(repository: Path, store: Store) -> None:
    commit_each(repository, {JANUARY: month(a=1)}, {JANUARY: b"<<<<<<<"}, {JANUARY: month(a=1)})
    assert [one.turn.event for one in told(repository, store, of="2026-01")] == ["appeared"]
    words = [one.changes for one in file_history(reading_of(repository), JANUARY)]
    assert words == ["appears: 1 session(s) added: a", UNREADABLE, "1 session(s) added: a"]


def test_a_file_of_sessions_says_which_came_went_and_changed(repository: Path) -> None:
    commit_each(repository, {JANUARY: month(a=1, b=1)}, {JANUARY: month(b=2, c=1)}, {JANUARY: None})
    versions = file_history(reading_of(repository), JANUARY)
    assert [one.changes for one in versions] == [
        "appears: 2 session(s) added: a, b",
        "1 session(s) added: c; 1 session(s) removed: a; 1 session(s) changed: b",
        "removed",
    ]
    assert [one.bytes for one in versions] == [len(month(a=1, b=1)), len(month(b=2, c=1)), None]


def test_a_table_says_its_rows_and_another_file_its_size(repository: Path) -> None:
    slots, answers = "charging_energy/2026-01.parquet", "chargepoint_activity/2026-01.json"
    commit_each(
        repository,
        {slots: table(3), "tariffs.json": b"{}", answers: b'{"sessions": {"a": 1}}'},
        {slots: table(5), "tariffs.json": b'{"a": 1}', answers: b'{"sessions": {}}'},
    )
    published = reading_of(repository)
    assert [one.changes for one in file_history(published, slots)] == ["appears: 3 row(s)", "3 -> 5 row(s)"]
    assert [one.changes for one in file_history(published, "tariffs.json")][1] == "2 -> 8 byte(s)"
    assert [one.changes for one in file_history(published, answers)][1] == "1 session(s) removed: a"


def test_what_is_no_published_file_or_was_never_there_is_said(repository: Path) -> None:
    commit_each(repository, {JANUARY: month(a=1), "notes.txt": b"Mine\n"})
    with pytest.raises(BadInputError, match=r"notes\.txt"):
        file_history(reading_of(repository), "notes.txt")
    with pytest.raises(NotFoundError, match=FEBRUARY):
        file_history(reading_of(repository), FEBRUARY)
