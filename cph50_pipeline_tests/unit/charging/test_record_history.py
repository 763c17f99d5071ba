"""How what is stored of a session changes from version to version."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.record_history import (
    Difference,
    SessionHistory,
    Turn,
    changed_sessions,
    sessions_by_id,
)

DECEMBER, JANUARY = "2025-12", "2026-01"


def record(
    session_id: str = "1", energy_kwh: float = 10.0, vehicle: str = "ember", **more: Any
) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "energy_kwh": energy_kwh,
        "session_end_time": "2026-01-01T06:00:00+00:00",
        "vehicle_id": vehicle,
        "vehicle_confidence": 0.9,
        "vehicle": {"id": vehicle, "vehicle_id": vehicle, "vehicle_name": vehicle.title(), "confidence": 0.9},
        "session": {"energy_kwh": energy_kwh, "cost": 1.0},
        **more,
    }


def named(by: str | None) -> list[dict[str, Any]]:
    return [{"session_id": "1", "labeled_by": by}]


def turn_of(found: Turn | None) -> Turn:
    assert found is not None
    return found


def test_a_record_appears_with_who_named_its_car() -> None:
    turn = turn_of(
        SessionHistory("1").next({JANUARY: [record("2"), record()]}, {JANUARY: named("classifier")})
    )
    assert (turn.event, turn.differences) == ("appeared", ())
    assert turn.state.months == (JANUARY,)
    assert (turn.state.energy_kwh, turn.state.vehicle_id, turn.state.vehicle_name) == (10.0, "ember", "Ember")
    assert turn.state.labeled_by == "classifier"


def test_what_is_different_is_told_by_field_and_once() -> None:
    followed = SessionHistory("1")
    followed.next({JANUARY: [record()]}, {})
    turn = turn_of(followed.next({JANUARY: [record(energy_kwh=12.5, vehicle="tide")]}, {}))
    assert turn.event == "changed"
    assert turn.differences == (
        Difference("energy_kwh", 10.0, 12.5),
        Difference("vehicle.vehicle_name", "Ember", "Tide"),
        Difference("vehicle_id", "ember", "tide"),
    )


def test_a_label_alone_is_a_change() -> None:
    followed = SessionHistory("1")
    followed.next({JANUARY: [record()]}, {JANUARY: named("classifier")})
    turn = turn_of(followed.next({}, {JANUARY: named("manual")}))
    assert turn.differences == (Difference("labeled_by", "classifier", "manual"),)


def test_what_changes_of_other_sessions_is_no_change() -> None:
    followed = SessionHistory("1")
    followed.next({JANUARY: [record()]}, {})
    assert followed.next({JANUARY: [record(), record("2")], DECEMBER: [record("3")]}, {}) is None


def test_a_record_vanishes_and_says_what_it_was() -> None:
    followed = SessionHistory("1")
    followed.next({JANUARY: [record()]}, {})
    turn = turn_of(followed.next({JANUARY: []}, {}))
    assert (turn.event, turn.state.energy_kwh) == ("vanished", 10.0)
    assert followed.next({JANUARY: []}, {}) is None


def test_a_move_to_another_month_is_told_in_one_commit_or_two() -> None:
    at_once = SessionHistory("1")
    at_once.next({JANUARY: [record()]}, {})
    turn = turn_of(at_once.next({JANUARY: [], DECEMBER: [record()]}, {}))
    assert (turn.event, turn.state.months) == ("moved", (DECEMBER,))
    in_two = SessionHistory("1")
    in_two.next({JANUARY: [record()]}, {})
    assert turn_of(in_two.next({DECEMBER: [record()]}, {})).state.months == (DECEMBER, JANUARY)
    assert turn_of(in_two.next({JANUARY: []}, {})).state.months == (DECEMBER,)


energies = st.lists(st.one_of(st.none(), st.sampled_from([1.0, 2.0, 3.0])), max_size=12)


@given(energies)
def test_the_turns_are_the_versions_that_differ_from_the_one_before(versions: list[float | None]) -> None:
    followed = SessionHistory("1")
    turns = [
        followed.next({JANUARY: [] if energy is None else [record(energy_kwh=energy)]}, {})
        for energy in versions
    ]
    expected = [now != before for before, now in zip([None, *versions], versions, strict=False)]
    assert [turn is not None for turn in turns] == expected


@given(
    st.dictionaries(st.text("123", max_size=2), st.integers(0, 2)),
    st.dictionaries(st.text("123", max_size=2), st.integers(0, 2)),
)
def test_each_session_that_is_otherwise_is_told_once(before: dict[str, int], after: dict[str, int]) -> None:
    told = [id_ for ids in changed_sessions(before, after).values() for id_ in ids]
    assert sorted(told) == sorted(
        id_ for id_ in before.keys() | after.keys() if before.get(id_) != after.get(id_)
    )


def test_sessions_are_known_by_their_id_as_text() -> None:
    assert sessions_by_id([{"session_id": 7}]) == {"7": {"session_id": 7}}
