"""Paging through the history: when to stop, and one row a session. Pages are asked for elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from cph50_pipeline.charging.answers import ActivityRow
from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.errors import TransientError

Offset = str | int
MOST_PAGES = 2000  # 100,000 sessions at the usual page size: beyond, the server goes round in circles


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of sessions, newest first.

    Attributes:
        rows: The sessions.
        next_offset: Where the next page begins, None when this is the last.
    """

    rows: list[ActivityRow]
    next_offset: Offset | None


def rows_since(read_page: Callable[[Offset | None], HistoryPage], since: datetime) -> list[ActivityRow]:
    """The sessions that started at or after `since`, newest first, each once.

    Args:
        read_page: Asks for the page at an offset, the first one for None.
        since: An aware instant.

    Raises:
        TransientError: when the pages go round in a circle, so that the history would be incomplete.
    """
    since_ms = to_epoch_ms(since)
    rows: dict[str, ActivityRow] = {}
    seen: set[Offset | None] = set()
    offset: Offset | None = None
    while offset not in seen and len(seen) < MOST_PAGES:
        seen.add(offset)
        page = read_page(offset)
        for row in page.rows:
            rows[row.session_id] = _later(rows.get(row.session_id), row)
        # A whole page, not a row: a session that was uploaded late stands out of order.
        is_past = bool(page.rows) and all(row.start_time < since_ms for row in page.rows)
        if page.next_offset is None or is_past:
            return _newest_first(row for row in rows.values() if row.start_time >= since_ms)
        offset = page.next_offset
    raise TransientError(
        "ChargePoint repeats the same pages of the charging activity, so that older sessions cannot be read",
        kept="What is stored stays as it is",
        remedy="Try again later",
    )


def _later(known: ActivityRow | None, row: ActivityRow) -> ActivityRow:
    """Of two rows of one session, seen while it moved to the next page, the one that knows more."""
    if known is None:
        return row
    return max(known, row, key=lambda each: (each.last_update_data_timestamp or 0, each.energy_kwh))


def _newest_first(rows: Iterable[ActivityRow]) -> list[ActivityRow]:
    return sorted(rows, key=lambda row: (-row.start_time, row.session_id))
