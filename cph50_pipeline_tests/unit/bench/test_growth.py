"""What the bytes of a data repository are counted as."""

from __future__ import annotations

import pytest

from bench.growth import part_of


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("power/readings/2026-01-07.ndjson", "readings by day"),
        ("power/readings/2026-01.parquet", "readings by month"),
        ("power/daily.json", "daily"),
        ("power/yearly.json", "weekly, monthly, yearly"),
        ("power/events/2026-01.json", "events"),
        ("runs.json", "list of runs"),
        ("session_cache/2026-01.json", "charging"),
        ("power/readings", "git's own"),
        ("", "git's own"),
    ],
)
def test_every_object_is_counted_as_what_it_is_of(path: str, part: str) -> None:
    assert part_of(path) == part
