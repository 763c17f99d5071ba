"""What is uploaded, and how soon after the upload before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.layout import KINDS, Group
from cph50_pipeline.storage.messages import Change
from cph50_pipeline.storage.rhythm import DEFAULT_RHYTHM, LONGEST_MINUTES, Rhythm, parse_rhythm

NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
OPEN = "2026-01"
SETTABLE = (Group.SESSIONS, Group.POWER, Group.REPORTS, Group.SITE)
ALL_CHANGES = [Change(kind.example, "M", kind) for kind in KINDS]
rhythms = st.fixed_dictionaries(
    {group: st.none() | st.integers(0, LONGEST_MINUTES) for group in SETTABLE}
).map(Rhythm)
several_changes = st.lists(st.sampled_from(ALL_CHANGES), max_size=6)


def of(*groups: Group) -> list[Change]:
    """A change of the month that is not over yet for each group."""
    return [next(change for change in ALL_CHANGES if change.kind.group is group) for group in groups]


def closed(group: Group) -> Change:
    """A change in a month that is over."""
    found = next(
        change for change in ALL_CHANGES if change.kind.group is group and "{month}" in change.kind.pattern
    )
    return Change(found.path.replace("2026-01", "2025-12"), "M", found.kind)


# --- as it is set ---


@given(rhythms)
def test_a_rhythm_is_read_as_it_is_shown(rhythm: Rhythm) -> None:
    assert parse_rhythm(str(rhythm)) == rhythm


def test_a_group_that_is_not_named_keeps_the_default() -> None:
    changed = parse_rhythm(" power = off , sessions=5,")
    assert changed.minutes == {**DEFAULT_RHYTHM.minutes, Group.POWER: None, Group.SESSIONS: 5}
    assert parse_rhythm("") == DEFAULT_RHYTHM


@pytest.mark.parametrize(
    "text",
    [
        "sessions",
        "sessions=",
        "=15",
        "session=15",
        "vehicles=15",
        "runs=1",
        "Sessions=15",
        "power=-1",
        "power=1.5",
        "power=1h",
        "power=OFF",
        "power=²",
        "power=\u0661\u0665",
        f"power={LONGEST_MINUTES + 1}",
        f"power={'9' * 5000}",
        "power=1;site=2",
        "sessions=15 power=60",
    ],
)
def test_what_is_no_rhythm_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInputError) as caught:
        parse_rhythm(text)
    assert str(DEFAULT_RHYTHM) in caught.value.remedy


@given(st.text(alphabet="sesionpwrtum=,0159 f-", max_size=40))
def test_any_text_is_a_rhythm_that_says_when_or_is_refused(text: str) -> None:
    try:
        rhythm = parse_rhythm(text)
    except BadInputError:
        return
    rhythm.due_at(ALL_CHANGES, NOW, OPEN)
    assert parse_rhythm(str(rhythm)) == rhythm


# --- when an upload is due ---


def test_what_is_uploaded_at_most_so_often_waits_for_the_upload_before() -> None:
    due = [
        DEFAULT_RHYTHM.due_at(of(group), NOW, OPEN) for group in (Group.SESSIONS, Group.VEHICLES, Group.POWER)
    ]
    assert due == [NOW + timedelta(minutes=minutes) for minutes in (15, 15, 60)]


@pytest.mark.parametrize("group", [Group.REFERENCE, Group.STATE])
def test_what_has_no_rhythm_goes_at_once(group: Group) -> None:
    due_at = DEFAULT_RHYTHM.due_at(of(group), NOW, OPEN)
    assert due_at is not None
    assert due_at < NOW


@pytest.mark.parametrize("group", [Group.SESSIONS, Group.VEHICLES, Group.POWER, Group.REPORTS])
def test_what_changes_in_a_month_that_is_over_goes_at_once(group: Group) -> None:
    due_at = DEFAULT_RHYTHM.due_at([closed(group)], NOW, OPEN)
    assert due_at is not None
    assert due_at < NOW


@given(rhythms, several_changes)
def test_the_first_upload_waits_for_nothing(rhythm: Rhythm, changes: list[Change]) -> None:
    due_at = rhythm.due_at(changes, None, OPEN)
    assert due_at is None or due_at < NOW
    assert (due_at is None) == (not any(rhythm.takes(change.kind.group) for change in changes))


@given(rhythms, several_changes, st.sampled_from(ALL_CHANGES))
def test_one_more_change_never_makes_an_upload_later(
    rhythm: Rhythm, changes: list[Change], more: Change
) -> None:
    before = rhythm.due_at(changes, NOW, OPEN)
    after = rhythm.due_at([*changes, more], NOW, OPEN)
    assert before is None or (after is not None and after <= before)


@given(rhythms, several_changes, st.timedeltas(timedelta(), timedelta(days=400)))
def test_a_later_upload_never_makes_the_next_one_earlier(
    rhythm: Rhythm, changes: list[Change], later: timedelta
) -> None:
    before = rhythm.due_at(changes, NOW, OPEN)
    after = rhythm.due_at(changes, NOW + later, OPEN)
    assert (before is None) == (after is None)
    assert before is None or (after is not None and after >= before)


@given(rhythms, st.sampled_from(SETTABLE))
def test_what_is_off_is_never_due_and_not_taken(rhythm: Rhythm, group: Group) -> None:
    off = Rhythm({**rhythm.minutes, group: None})
    assert not off.takes(group)
    assert off.due_at(of(group), None, OPEN) is None
    if any(change.kind.group is group and "{month}" in change.kind.pattern for change in ALL_CHANGES):
        assert off.due_at([closed(group)], None, OPEN) is None


def test_vehicles_are_off_with_the_sessions_that_they_are_said_of() -> None:
    assert not parse_rhythm("sessions=off").takes(Group.VEHICLES)
