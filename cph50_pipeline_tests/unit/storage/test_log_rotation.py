"""Logs of days gone by: rolled, compressed, removed, and what is left to the next rotation."""

from __future__ import annotations

import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cph50_pipeline.storage.log_rotation import KEPT_DAYS, log_path, rotate_logs

ZONE = ZoneInfo("America/Los_Angeles")
NOW = datetime(2026, 1, 20, 18, 0, tzinfo=UTC)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    (tmp_path / "private" / "logs").mkdir(parents=True)
    return tmp_path / "private"


def wrote(private: Path, name: str, when: datetime, content: str = "line\n") -> Path:
    path = private / "logs" / name
    path.write_text(content)
    os.utime(path, (when.timestamp(), when.timestamp()))
    return path


def names(private: Path) -> list[str]:
    return sorted(path.name for path in (private / "logs").iterdir())


def test_a_log_of_yesterday_gets_its_day_and_is_compressed(private: Path) -> None:
    wrote(private, "api.log", NOW - timedelta(days=1), "yesterday\n" * 100)
    rotated = rotate_logs(private, NOW, ZONE)
    assert names(private) == ["api.2026-01-19.log.gz"]
    packed = private / "logs" / "api.2026-01-19.log.gz"
    assert gzip.decompress(packed.read_bytes()).decode() == "yesterday\n" * 100
    assert packed.stat().st_mode & 0o077 == 0
    assert (rotated.rolled, rotated.compressed, rotated.removed) == (1, 1, 0)
    assert rotated.bytes_before == 1000
    assert rotated.bytes_after == packed.stat().st_size


def test_the_log_of_today_and_an_empty_one_stay(private: Path) -> None:
    wrote(private, "api.log", NOW)
    wrote(private, "live.log", NOW - timedelta(days=5), "")
    assert rotate_logs(private, NOW, ZONE).rolled == 0
    assert names(private) == ["api.log", "live.log"]


def test_a_day_is_the_households(private: Path) -> None:
    wrote(private, "api.log", datetime(2026, 1, 20, 7, 59, tzinfo=UTC))
    rotate_logs(private, NOW, ZONE)
    assert names(private) == ["api.2026-01-19.log.gz"]


def test_what_was_written_to_within_an_hour_waits(private: Path) -> None:
    midnight = datetime(2026, 1, 20, 8, 0, tzinfo=UTC)
    wrote(private, "api.log", midnight - timedelta(minutes=1))
    rotate_logs(private, midnight + timedelta(minutes=1), ZONE)
    assert names(private) == ["api.2026-01-19.log"]
    rotate_logs(private, midnight + timedelta(hours=2), ZONE)
    assert names(private) == ["api.2026-01-19.log.gz"]


def test_after_thirty_days_a_log_is_removed_compressed_or_not(private: Path) -> None:
    oldest = NOW.astimezone(ZONE).date() - timedelta(days=KEPT_DAYS)
    wrote(private, f"api.{oldest}.log.gz", NOW)
    wrote(private, f"api.{oldest - timedelta(days=1)}.log.gz", NOW)
    wrote(private, f"live.{oldest - timedelta(days=1)}.log", NOW)
    assert rotate_logs(private, NOW, ZONE).removed == 2
    assert names(private) == [f"api.{oldest}.log.gz"]


def test_what_is_no_log_of_ours_stays(private: Path) -> None:
    for name in ("notes.txt", "api.2020-99-99.log.gz", "a.b.log", "api.2020-01-01.log.bak"):
        wrote(private, name, NOW - timedelta(days=400))
    before = names(private)
    rotate_logs(private, NOW, ZONE)
    assert names(private) == before


def test_a_days_name_that_is_taken_is_not_written_over(private: Path) -> None:
    wrote(private, "api.2026-01-19.log.gz", NOW, "first")
    wrote(private, "api.log", NOW - timedelta(days=1))
    rotate_logs(private, NOW, ZONE)
    assert names(private) == ["api.2026-01-19.1.log.gz", "api.2026-01-19.log.gz"]
    assert (private / "logs" / "api.2026-01-19.log.gz").read_text() == "first"


def test_a_compression_that_was_killed_before_the_original_went_is_made_again(private: Path) -> None:
    wrote(private, "api.2026-01-18.log", NOW - timedelta(days=2), "whole\n")
    wrote(private, "api.2026-01-18.log.gz", NOW, "torn")
    rotate_logs(private, NOW, ZONE)
    assert names(private) == ["api.2026-01-18.log.gz"]
    packed = private / "logs" / "api.2026-01-18.log.gz"
    assert gzip.decompress(packed.read_bytes()) == b"whole\n"


def test_where_nothing_was_ever_logged_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert rotate_logs(tmp_path / "private", NOW, ZONE).bytes_before == 0
    assert not (tmp_path / "private").exists()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(ages_days=st.lists(st.integers(0, KEPT_DAYS), min_size=1, max_size=8))
def test_no_line_is_lost_within_thirty_days_however_often_it_is_rotated(
    tmp_path_factory: pytest.TempPathFactory, ages_days: list[int]
) -> None:
    private = tmp_path_factory.mktemp("private")
    path = log_path(private, "api")
    path.parent.mkdir()
    lines = []
    for number, age in enumerate(sorted(ages_days, reverse=True)):
        then = NOW - timedelta(days=age)
        rotate_logs(private, then, ZONE)
        with path.open("a") as file:
            file.write(f"{number}\n")
        os.utime(path, (then.timestamp(), then.timestamp()))
        lines.append(str(number))
    rotate_logs(private, NOW, ZONE)
    rotate_logs(private, NOW, ZONE)
    found = []
    for file in path.parent.iterdir():
        data = file.read_bytes()
        found += (gzip.decompress(data) if file.suffix == ".gz" else data).decode().split()
    assert sorted(found, key=int) == lines
