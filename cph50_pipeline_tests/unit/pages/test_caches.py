"""How entries stand, for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.defs.caches.registry import ALL_TYPES
from cph50_pipeline.pages.caches import (
    STATE_WORDS,
    EntryRow,
    State,
    attention,
    groups,
    measure,
    progress,
    state_of,
    title_of,
)

NOW = datetime(2026, 1, 7, 18, tzinfo=UTC)
STATES: list[State] = list(STATE_WORDS)


def row(type_: str, month: str | None, state: State = "valid", built_at: datetime | None = NOW) -> EntryRow:
    return EntryRow(
        type=type_,
        key=month or "a-file",
        month=month,
        state=state,
        why=None,
        error=None,
        built_at=built_at,
        valid_until=None,
        next_refresh=NOW,
        size_bytes=1000,
        duration_seconds=1.0,
        run=None,
    )


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(["session_cache", "power_files"]),
        st.sampled_from(["2026-01", "2026-02"]),
        st.sampled_from(STATES),
    )
)


@given(ROWS)
def test_every_entry_is_counted_once_and_shown_in_its_type(rows: list[EntryRow]) -> None:
    found = groups(rows)
    assert sum(group.total for group in found) == len(rows)
    assert [one for group in found for one in group.rows] == sorted(
        (one for group in found for one in group.rows),
        key=lambda one: ([group.type for group in found].index(one.type), _newest_first(one)),
    )


def _newest_first(one: EntryRow) -> int:
    return -int((one.month or "0").replace("-", ""))


@given(ROWS)
def test_only_what_is_not_valid_leaves_the_counts_as_they_are(rows: list[EntryRow]) -> None:
    whole = {group.type: group.counts for group in groups(rows)}
    bad = groups(rows, only_bad=True)
    assert all(one.state != "valid" for group in bad for one in group.rows)
    assert all(group.counts == whole[group.type] for group in bad)
    assert {group.type for group in bad} == {one.type for one in rows if one.state != "valid"}


def test_a_type_is_well_while_what_is_not_valid_is_being_made() -> None:
    [group] = groups([row("site", None, "at work"), row("site", None)])
    assert group.is_well
    [group] = groups([row("site", None, "stale")])
    assert not group.is_well


@pytest.mark.parametrize(
    ("is_valid", "is_there", "run", "state"),
    [
        (True, True, None, "valid"),
        (False, True, None, "stale"),
        (False, False, None, "missing"),
        (False, False, "a-run", "at work"),
    ],
)
def test_a_state_is_one_of_four_and_told_in_words(
    is_valid: bool, is_there: bool, run: str | None, state: State
) -> None:
    assert state_of(is_valid=is_valid, is_there=is_there, run=run) == state
    assert all(STATE_WORDS[state])


def test_a_refresh_is_as_far_as_what_was_built_since_it_began() -> None:
    rows = [
        row("a", "2026-01", built_at=NOW + timedelta(seconds=1)),
        row("a", "2026-02", built_at=NOW - timedelta(seconds=1)),
        row("a", "2026-03", built_at=None),
        row("b", "2026-01", built_at=NOW + timedelta(seconds=1)),
    ]
    wanted = [("a", "2026-01"), ("a", "2026-02"), ("a", "2026-03")]
    found = progress(rows, wanted, NOW)
    assert (found.done, found.total) == (1, 3)


def test_every_type_that_is_built_has_a_title_of_its_own() -> None:
    titles = [title_of(type_) for type_ in ALL_TYPES]
    assert len({*titles}) == len(titles)
    assert all(title != type_ for title, type_ in zip(titles, ALL_TYPES, strict=True))


def test_numbers_are_told_in_percent_and_seconds_with_a_verdict_in_words() -> None:
    share = measure("cph50_x_ratio", 0.987, "> 95%", True, "Runs")
    assert share.value == pytest.approx(98.7)
    assert (share.unit, share.words) == ("%", ("good", "met"))
    assert measure("cph50_x_seconds", None, "< 3 s", None, "Takes").words == ("dim", "not known yet")
    assert measure("cph50_x_seconds", 9.0, "< 3 s", False, "Takes").words == ("bad", "missed")


def test_what_is_not_well_and_not_up_to_date_needs_attention() -> None:
    found = groups([row("site", "a"), row("site", "b", state="stale"), row("latest_values", "c")])
    findings = [("chargepoint", True, "it answers"), ("cars", False, "run `cph50 vehicles`")]
    assert attention(found, findings) == [
        "cars: run `cph50 vehicles`",
        "Static site: 1 of 2 not up to date",
    ]
    assert attention([], []) == []
