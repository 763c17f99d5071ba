"""What only SQLite's files can do, and addresses that are none; the rest is in `integration/test_live_store.py`."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cph50_pipeline.errors import BadInputError, LockedError, PermanentError
from cph50_pipeline.live import database
from cph50_pipeline.live.model import Device, DeviceKind, Reading
from cph50_pipeline.live.store import LiveStore

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
TRUCK = Device("truck-7", DeviceKind.TELEMETRY, "Truck 7", "telemetry")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "live.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[LiveStore]:
    store = LiveStore.of(f"sqlite:///{path}")
    yield store
    store.close()


def write(store: LiveStore, value: float = 1.0) -> int:
    return store.write([TRUCK], [Reading("truck-7", "fuel", value, "l", NOW)], "telemetry", NOW)


def move_away(path: Path) -> None:
    for each in path.parent.glob(f"{path.name}*"):
        each.rename(each.with_name(f"old-{each.name}"))


def test_nothing_is_made_before_it_is_used(path: Path) -> None:
    LiveStore.of(f"sqlite:///{path}")
    assert not path.parent.exists()


def test_its_files_are_readable_by_their_owner_alone(store: LiveStore, path: Path) -> None:
    write(store)
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.glob("live.sqlite*")}
    assert modes == dict.fromkeys(["live.sqlite", "live.sqlite-wal", "live.sqlite-shm"], 0o600)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (path.parent / ".gitignore").read_text() == "*\n"


def test_a_folder_that_is_there_already_is_left_as_it_is(tmp_path: Path) -> None:
    store = LiveStore.of(f"sqlite:///{tmp_path / 'live.sqlite'}")
    write(store)
    assert {each.name for each in tmp_path.iterdir() if "live" not in each.name} == set()
    store.close()


def test_who_reads_waits_for_no_writer(store: LiveStore, path: Path) -> None:
    write(store)
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM live_values")
        assert [each.value for each in store.latest("truck-7")] == [1.0]
        writer.execute("ROLLBACK")


def test_a_database_that_another_process_keeps_locked_is_told_and_stays_as_it_is(
    store: LiveStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store)
    store.close()
    monkeypatch.setattr(database, "_PRAGMAS", ("PRAGMA busy_timeout=1",))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LockedError, match="locked by another process") as locked:
            write(store, 2.0)
        other.execute("ROLLBACK")
    assert "\n" not in str(locked.value)
    assert [each.value for each in store.latest("truck-7")] == [1.0]


def test_it_answers_at_once_only_while_it_is_a_file_that_is_well(store: LiveStore, path: Path) -> None:
    assert not store.answers_at_once  # nothing is there yet
    write(store)
    assert store.answers_at_once
    store.close()
    damaged = path.read_bytes()[:50] + b"\xa5" * 8000
    path.write_bytes(damaged)
    with pytest.raises(PermanentError, match="damaged"):
        store.all_latest()
    assert not store.answers_at_once
    move_away(path)
    assert not store.answers_at_once
    store.check()
    assert store.answers_at_once
    assert not LiveStore.of("postgresql://somebody@localhost/live").answers_at_once


@pytest.mark.parametrize("where", [0, 4096])
def test_a_damaged_file_is_told_and_moved_away_it_heals(store: LiveStore, path: Path, where: int) -> None:
    write(store)
    store.close()
    with path.open("r+b") as file:
        file.seek(where)
        file.write(b"\xa5" * (path.stat().st_size - where))
    with pytest.raises(PermanentError, match="damaged") as damaged:
        store.all_latest()
    assert "\n" not in str(damaged.value)
    assert "Move the file away" in str(damaged.value)
    move_away(path)
    assert write(store, 2.0) == 1


def test_a_file_that_is_moved_away_under_way_is_written_no_more(store: LiveStore, path: Path) -> None:
    write(store)
    move_away(path)
    assert store.latest("truck-7") == []
    assert write(store, 2.0) == 1
    assert path.exists()


def test_a_file_that_is_replaced_under_way_is_the_one_that_is_read(
    store: LiveStore, path: Path, tmp_path: Path
) -> None:
    other = LiveStore.of(f"sqlite:///{tmp_path / 'other.sqlite'}")
    write(other, 5.0)
    other.close()
    write(store, 1.0)
    move_away(path)
    shutil.move(tmp_path / "other.sqlite", path)
    assert [each.value for each in store.latest("truck-7")] == [5.0]


def test_a_maker_that_was_killed_leaves_an_empty_file_which_is_filled(store: LiveStore, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert write(store) == 1


def test_a_folder_in_its_place_is_told_in_one_line(store: LiveStore, path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(PermanentError, match=r"live\.sqlite could not be opened"):
        store.check()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("not an address of s3cret", "no address"),
        ("mysql://user:s3cret@host/live", "names 'mysql'"),
        ("sqlite://", "no SQLite file"),
        ("sqlite:///:memory:", "no SQLite file"),
        ("sqlite:////folder/live.sqlite?mode=ro", "no SQLite file"),
        ("postgresql://user:s3cret@host:port/live", "no address"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_without_what_is_in_it(url: str, why: str) -> None:
    with pytest.raises(BadInputError, match=why) as refused:
        LiveStore.of(url)
    assert "CPH50_LIVE_DATABASE_URL" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_password_is_not_part_of_where_it_is() -> None:
    assert "s3cret" not in LiveStore.of("postgresql://user:s3cret@host/live").where
