"""The table of published files."""

from __future__ import annotations

import pytest

from cph50_pipeline.storage.layout import KINDS, Cause, FileKind, is_day_folder, kind_of, published_places


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.pattern)
def test_every_kind_knows_a_file_of_its_own_and_where_it_lies(kind: FileKind) -> None:
    assert kind_of(kind.example) == kind
    assert any(kind.example == place or kind.example.startswith(f"{place}/") for place in published_places())


@pytest.mark.parametrize(
    "path",
    [
        "private/token.json",
        "private/session_cache/2026-01.json",
        "README.md",
        "vehicle_config.example.json",
        "session_cache/2026-13.json",
        "session_cache/2026-01.json.bak",
        "session_cache/.2026-01.json.12.0123456789abcd.tmp",
        "sessions/2026/01/07/../7.json",
        "sessions/2026/01/32/1.json",
        "power/readings/2026-01-07.parquet",
        "old/session_cache/2026-01.json",
        "session_cache/2026-01.json\n",
    ],
)
def test_a_persons_own_file_is_of_no_kind(path: str) -> None:
    assert kind_of(path) is None


@pytest.mark.parametrize(
    ("path", "month"),
    [
        ("session_cache/2026-01.json", "2026-01"),
        ("sessions/2026/01/07/4751613101.json", "2026-01"),
        ("power/readings/2026-01-31.ndjson", "2026-01"),
        ("reports/2026.html", None),
        ("tariffs.json", None),
    ],
)
def test_a_file_belongs_to_the_month_in_its_name(path: str, month: str | None) -> None:
    kind = kind_of(path)
    assert kind is not None
    assert kind.month_of(path) == month


def test_the_files_that_do_not_cause_a_commit_by_any_change() -> None:
    special = {kind.example: kind.cause for kind in KINDS if kind.cause is not Cause.CHANGE}
    assert special == {
        "last_session.json": Cause.STATE,
        ".last_session_id.json": Cause.STATE,
        "runs.json": Cause.NEVER,
        "power/readings/2026-01-07.ndjson": Cause.NIGHT,
        "power/rollups/2026-01.parquet": Cause.NIGHT,
        "power/windows/2026-01.parquet": Cause.NIGHT,
        "power/events/2026-01.json": Cause.NIGHT,
        "power/daily.json": Cause.NIGHT,
        "power/event_totals.json": Cause.NIGHT,
        "power/weekly.json": Cause.NIGHT,
    }


@pytest.mark.parametrize(
    ("folder", "is_one"),
    [
        ("sessions/2026/01/07", True),
        ("sessions/2026/01", False),
        ("sessions/2026/13/07", False),
        ("sessions/2026/01/07/more", False),
        ("site/2026/01/07", False),
    ],
)
def test_only_sessions_lie_in_folders_of_days(folder: str, is_one: bool) -> None:
    assert is_day_folder(folder) is is_one
