from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.chains import LONGEST_GAP, PlugIn, by_session, chains, plug_ins
from cph50_pipeline.charging.model import Session
from cph50_pipeline_tests.unit.charging.builders import START, session

CARS = ("ember", "tide")
Households = tuple[list[Session], dict[str, str]]


def follow_each_other(*cars: str) -> Households:
    """Sessions of an hour, five minutes apart, named by their place; an empty car is not known to anybody."""
    sessions = [
        session(session_id=str(place), start=START + place * timedelta(minutes=65))
        for place in range(len(cars))
    ]
    return sessions, {str(place): car for place, car in enumerate(cars) if car}


def ids(events: Sequence[PlugIn]) -> list[tuple[str, ...]]:
    return [event.session_ids for event in events]


def one_after(gap: timedelta, **fields: object) -> list[PlugIn]:
    """The chains of two sessions of an hour with a gap between them; the second has these fields."""
    second = session(session_id="2", start=START + timedelta(hours=1) + gap, **fields)  # type: ignore[arg-type]
    return chains([session(session_id="1"), second])


@pytest.mark.parametrize(
    ("gap", "is_joined"),
    [
        (timedelta(0), True),
        (timedelta(minutes=15), True),
        (timedelta(minutes=15, milliseconds=1), False),
        (timedelta(minutes=-10), True),
    ],
)
def test_sessions_at_most_a_quarter_of_an_hour_apart_are_one_event(gap: timedelta, is_joined: bool) -> None:
    assert ids(one_after(gap)) == ([("1", "2")] if is_joined else [("1",), ("2",)])


def test_a_chain_may_last_longer_than_its_longest_gap() -> None:
    sessions, _ = follow_each_other("", "", "", "")

    assert ids(chains(sessions)) == [("0", "1", "2", "3")]


def test_an_event_is_named_after_its_earliest_session_also_when_that_has_a_later_id() -> None:
    late_upload = [session(session_id="9"), session(session_id="2", start=START + timedelta(hours=1))]

    [event] = chains(late_upload)
    assert event.plug_in_id == "9"


def test_another_charger_is_another_event() -> None:
    assert ids(one_after(timedelta(0), charger_label="charger-2")) == [("1",), ("2",)]


def test_a_public_session_joins_none_and_parts_none() -> None:
    sessions, _ = follow_each_other("", "")
    public = [
        session(session_id=name, start=START + timedelta(minutes=minutes), seconds=60, is_home=False)
        for name, minutes in (("p", 61), ("q", 62))
    ]

    assert ids(chains([*sessions, *public])) == [("0", "1"), ("p",), ("q",)]


def test_a_session_that_still_runs_belongs_to_the_event_that_it_continues() -> None:
    assert ids(one_after(timedelta(minutes=5), seconds=None)) == [("1", "2")]


@pytest.mark.parametrize(
    ("last_minute", "is_joined"), [(59, True), (10, False), (None, False)], ids=["late", "early", "never"]
)
def test_an_open_session_reaches_as_far_as_the_charger_reported(
    last_minute: int | None, is_joined: bool
) -> None:
    last_update = None if last_minute is None else START + timedelta(minutes=last_minute)
    left_open = session(session_id="1", seconds=None, last_update=last_update)
    following = session(session_id="2", start=START + timedelta(hours=1))

    assert len(chains([left_open, following])) == (1 if is_joined else 2)


def test_a_swap_of_cars_begins_an_event_and_says_so() -> None:
    assert plug_ins(*follow_each_other("ember", "tide", "tide")) == [
        PlugIn(("0",)),
        PlugIn(("1", "2"), is_swap=True),
    ]


def test_another_car_after_a_longer_pause_is_no_swap() -> None:
    sessions = [session(session_id="1"), session(session_id="2", start=START + timedelta(hours=2))]

    assert [event.is_swap for event in plug_ins(sessions, {"1": "ember", "2": "tide"})] == [False, False]


def test_cars_that_take_turns_are_an_event_each() -> None:
    events = plug_ins(*follow_each_other("ember", "tide", "ember"))

    assert [(event.plug_in_id, event.is_swap) for event in events] == [("0", False), ("1", True), ("2", True)]


@pytest.mark.parametrize("unknown", ["", "unknown"])
@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("ember", "ember", [("0", "1", "2")]),
        ("ember", "tide", [("0", "1"), ("2",)]),
    ],
)
def test_an_unknown_car_stays_with_the_one_before(
    unknown: str, first: str, last: str, expected: list[tuple[str, ...]]
) -> None:
    assert ids(plug_ins(*follow_each_other(first, unknown, last))) == expected


def test_an_unknown_car_at_the_beginning_is_the_one_that_follows() -> None:
    assert ids(plug_ins(*follow_each_other("unknown", "ember", "tide"))) == [("0", "1"), ("2",)]


def test_no_sessions_are_no_events() -> None:
    assert chains([]) == []


@st.composite
def households(draw: st.DrawFn) -> Households:
    """Sessions near each other in time, at two chargers or elsewhere, open or overlapping; some cars known."""
    count = draw(st.integers(0, 9))
    sessions = []
    for number in range(count):
        start = START + timedelta(minutes=draw(st.integers(0, 240)))
        seconds = draw(st.none() | st.integers(0, 7200))
        last_update = draw(st.none() | st.just(start + timedelta(minutes=20)))
        sessions.append(
            session(
                session_id=str(number),
                start=start,
                seconds=seconds,
                is_home=draw(st.sampled_from((True, True, True, False))),
                charger_label=draw(st.sampled_from((None, "charger-1"))),
                **({"last_update": last_update} if seconds is None else {}),
            )
        )
    known = st.sampled_from((*CARS, "unknown", None))
    cars = {one.session_id: draw(known) for one in sessions}
    return sessions, {session_id: car for session_id, car in cars.items() if car is not None}


def known_until(one: Session) -> datetime:
    return one.end or one.last_update or one.start


@given(households())
def test_every_session_is_in_one_event(household: Households) -> None:
    sessions, cars = household
    for events in (chains(sessions), plug_ins(sessions, cars)):
        assert sorted(name for event in events for name in event.session_ids) == sorted(
            one.session_id for one in sessions
        )
        assert by_session(events).keys() == {one.session_id for one in sessions}


@given(households(), st.randoms(use_true_random=False))
def test_the_order_in_which_sessions_are_given_does_not_matter(household: Households, random: object) -> None:
    sessions, cars = household
    shuffled = list(sessions)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    assert plug_ins(shuffled, cars) == plug_ins(sessions, cars)


@given(households())
def test_each_member_starts_soon_after_the_one_before_at_the_same_charger(household: Households) -> None:
    sessions, cars = household
    by_id = {one.session_id: one for one in sessions}
    for event in plug_ins(sessions, cars):
        members = [by_id[name] for name in event.session_ids]
        for before, after in pairwise(members):
            assert after.start >= before.start
            assert after.start - known_until(before) <= LONGEST_GAP
            assert before.is_home
            assert after.is_home
            assert before.charger_label == after.charger_label


@given(households())
def test_no_event_is_cut_where_nothing_but_its_id_differs(household: Households) -> None:
    """Neighbours at a charger in two events are far apart in time, or the second begins with another car."""
    sessions, cars = household
    event_of = by_session(plug_ins(sessions, cars))
    at_charger = defaultdict(list)
    for one in sorted(sessions, key=lambda one: (one.start, one.session_id)):
        if one.is_home:
            at_charger[one.charger_label].append(one)
    for ordered in at_charger.values():
        for before, after in pairwise(ordered):
            left, right = event_of[before.session_id], event_of[after.session_id]
            if left != right:
                assert right.is_swap == (after.start - known_until(before) <= LONGEST_GAP)
                if right.is_swap:
                    assert cars[after.session_id] not in {cars.get(name) for name in left.session_ids}


@given(households())
def test_no_event_holds_two_known_cars(household: Households) -> None:
    sessions, cars = household
    for event in plug_ins(sessions, cars):
        assert len({cars.get(name, "unknown") for name in event.session_ids} - {"unknown"}) <= 1


@given(households())
def test_events_are_pieces_of_the_chains_of_time(household: Households) -> None:
    sessions, cars = household
    pieces: list[tuple[str, ...]] = []
    for event in plug_ins(sessions, cars):
        if event.is_swap:
            pieces[-1] += event.session_ids
        else:
            pieces.append(event.session_ids)

    assert pieces == ids(chains(sessions))
