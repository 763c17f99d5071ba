"""Paging through the history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.answers import ActivityRow
from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.errors import TransientError
from cph50_pipeline.sources.activity_pages import HistoryPage, Offset, rows_since

NEWEST = datetime(2026, 1, 31, tzinfo=UTC)


def row(days_ago: float, session_id: str | None = None, **fields: object) -> ActivityRow:
    start = to_epoch_ms(NEWEST - timedelta(days=days_ago))
    return ActivityRow.model_validate(
        {"session_id": session_id or f"{days_ago}", "start_time": start, "energy_kwh": 1.0, **fields}
    )


def paged(*pages: list[ActivityRow]) -> tuple[Callable[[Offset | None], HistoryPage], list[Offset | None]]:
    asked: list[Offset | None] = []

    def read(offset: Offset | None) -> HistoryPage:
        asked.append(offset)
        number = 0 if offset is None else int(offset)
        return HistoryPage(pages[number], str(number + 1) if number + 1 < len(pages) else None)

    return read, asked


def since(days_ago: float) -> datetime:
    return NEWEST - timedelta(days=days_ago)


def test_all_pages_are_read_to_the_last() -> None:
    read, asked = paged([row(0), row(1)], [row(2)], [row(3)])
    assert [each.session_id for each in rows_since(read, since(99))] == ["0", "1", "2", "3"]
    assert asked == [None, "1", "2"]


def test_no_page_is_asked_for_beyond_the_first_that_lies_wholly_before() -> None:
    read, asked = paged([row(0)], [row(5), row(11)], [row(12), row(13)], [row(14)])
    assert [each.session_id for each in rows_since(read, since(10))] == ["0", "5"]
    assert asked == [None, "1", "2"]


def test_a_session_uploaded_late_does_not_end_the_paging() -> None:
    read, _ = paged([row(0), row(50)], [row(1)], [row(60)])
    assert [each.session_id for each in rows_since(read, since(10))] == ["0", "1"]


def test_an_empty_page_is_no_end() -> None:
    read, _ = paged([], [row(1)])
    assert [each.session_id for each in rows_since(read, since(10))] == ["1"]


def test_the_start_itself_is_included() -> None:
    read, _ = paged([row(3)])
    assert len(rows_since(read, since(3))) == 1


@pytest.mark.parametrize("newer_first", [True, False])
def test_a_session_on_two_pages_is_taken_once_as_it_was_last(newer_first: bool) -> None:
    older = row(1, "7", last_update_data_timestamp=1000, energy_kwh=2.0)
    newer = row(1, "7", last_update_data_timestamp=2000, energy_kwh=3.0)
    read, _ = paged(*([[newer], [older]] if newer_first else [[older], [newer]]))
    assert rows_since(read, since(10)) == [newer]


def test_a_source_that_repeats_an_offset_is_an_error_not_a_history() -> None:
    asked: list[Offset | None] = []

    def read(offset: Offset | None) -> HistoryPage:
        asked.append(offset)
        return HistoryPage([row(1)], "again")

    with pytest.raises(TransientError, match="repeats the same pages"):
        rows_since(read, since(10))
    assert asked == [None, "again"]


def test_a_source_that_never_ends_is_given_up() -> None:
    with pytest.raises(TransientError):
        rows_since(lambda offset: HistoryPage([row(1)], int(offset or 0) + 1), since(10))


@given(
    days=st.lists(st.integers(min_value=0, max_value=60), unique=True, max_size=40),
    page_size=st.integers(min_value=1, max_value=9),
    cut=st.integers(min_value=0, max_value=60),
)
def test_whatever_the_page_size_no_session_is_lost_or_doubled(
    days: list[int], page_size: int, cut: int
) -> None:
    rows = [row(day) for day in sorted(days)]
    pages = [rows[first : first + page_size] for first in range(0, len(rows), page_size)] or [[]]
    read, _ = paged(*pages)
    assert rows_since(read, since(cut)) == [each for each in rows if float(each.session_id) <= cut]
