from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cph50_pipeline.charging.activity import ActivityMonth, StoredSession
from cph50_pipeline.charging.cache import CacheRecord, cache_record
from cph50_pipeline.charging.model import Attribution
from cph50_pipeline.charging.rules import (
    Violation,
    activity_violations,
    attribution_violations,
    cache_violations,
    sample_violations,
    slot_violations,
)
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.charging.slots import charging_slots
from cph50_pipeline_tests.unit.charging.builders import (
    PACIFIC,
    START,
    month_of_answers,
    open_answer,
    reading,
    row,
    session,
    status,
)

MONTH = "2025-11"
CURVE = [(0, 0.0, 0.0), (1800, 4.0, 8.0), (3600, 8.0, 8.0)]


def rules_broken(violations: list[Violation]) -> list[str]:
    for violation in violations:
        assert violation.month == MONTH
        assert violation.message.startswith(f"{MONTH}: session {violation.subject}: ")
    return [violation.rule for violation in violations]


def cached(**fields: Any) -> CacheRecord:
    month = month_of_answers([], [status(CURVE)])
    charged = read_sessions(month)[0]
    slots = charging_slots(charged, charged.curve, "ember")
    made = cache_record(charged, month.sessions["501"], Attribution("ember", 0.9), slots, {})
    return made.model_copy(update=fields)


def test_a_sound_month_breaks_no_rule() -> None:
    month = month_of_answers([row()], [status(CURVE)])
    sessions = read_sessions(month)
    slots = charging_slots(sessions[0], sessions[0].curve, "ember")

    assert activity_violations(month, month, PACIFIC) == []
    assert sample_violations(MONTH, {"501": sessions[0].curve}, sessions) == []
    assert attribution_violations(["501"], sessions, month=MONTH) == []
    assert slot_violations(slots, sessions, month=MONTH) == []
    assert cache_violations([cached()], sessions, [cached()], PACIFIC, month=MONTH) == []


def test_a_session_of_another_month_is_found() -> None:
    strayed = ActivityMonth(
        month=MONTH, sessions={"501": StoredSession(activity=row(start=START - timedelta(days=9)))}
    )

    assert rules_broken(activity_violations(strayed, None, PACIFIC)) == ["inside_month"]


def test_a_negative_energy_is_found() -> None:
    assert rules_broken(activity_violations(month_of_answers([row(energy_kwh=-0.1)]), None, PACIFIC)) == [
        "no_negative_energy"
    ]


def test_a_lost_session_is_found() -> None:
    before = month_of_answers([row(), row(session_id="502")])

    assert rules_broken(activity_violations(month_of_answers([row()]), before, PACIFIC)) == ["none_lost"]


@pytest.mark.parametrize(
    "after",
    [
        month_of_answers([row()]),
        month_of_answers([row()], [status(CURVE[:2])]),
        month_of_answers([row(energy_kwh=7.0)], [status(CURVE)]),
    ],
    ids=["the curve is gone", "the curve is shorter", "the row counts less"],
)
def test_an_answer_that_says_less_than_before_is_found(after: ActivityMonth) -> None:
    before = month_of_answers([row()], [status(CURVE)])

    assert rules_broken(activity_violations(after, before, PACIFIC)) == ["none_lost"]


@pytest.mark.parametrize(
    ("readings", "rule"),
    [
        ([reading(0, 0.0), reading(60, 8.02)], "energy_conserved"),
        ([reading(60, 1.0), reading(0, 0.0)], "in_order"),
        ([reading(0, 0.0), reading(0, 0.0)], "unique_readings"),
        ([reading(0, -0.5)], "no_negative_energy"),
    ],
)
def test_readings_that_cannot_be_are_found(readings: list[Any], rule: str) -> None:
    assert rules_broken(sample_violations(MONTH, {"501": readings}, [session()])) == [rule]


def test_readings_of_a_stranger_are_found() -> None:
    assert rules_broken(sample_violations(MONTH, {"777": [reading(0, 0.0)]}, [session()])) == [
        "known_session"
    ]


def test_a_running_session_may_be_ahead_of_its_answer() -> None:
    running = session(seconds=None, energy_kwh=1.0)

    assert sample_violations(MONTH, {"501": [reading(600, 1.4)]}, [running]) == []


def test_slots_that_do_not_sum_to_their_session_are_found() -> None:
    charged = session(energy_kwh=8.0, cost=None)
    slots = charging_slots(charged, [], "ember")

    assert rules_broken(slot_violations(slots[1:], [charged], month=MONTH)) == ["energy_conserved"]
    assert rules_broken(slot_violations([], [charged], month=MONTH)) == ["energy_conserved"]


def test_slots_that_do_not_cost_what_their_session_costs_are_found() -> None:
    slots = [replace(slot, cost=0.0) for slot in charging_slots(session(), [], "ember")]

    assert rules_broken(slot_violations(slots, [session()], month=MONTH)) == ["cost_conserved"]


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda slots: [*slots, replace(slots[0], energy_kwh=0.0, cost=0.0)], "unique_slots"),
        (
            lambda slots: [
                replace(slots[0], slot_start=slots[0].slot_start + timedelta(seconds=1)),
                *slots[1:],
            ],
            "on_the_quarter_hour",
        ),
        (
            lambda slots: [
                replace(slots[0], energy_kwh=-1.0),
                replace(slots[1], energy_kwh=slots[0].energy_kwh + slots[1].energy_kwh + 1.0),
                *slots[2:],
            ],
            "no_negative_energy",
        ),
        (lambda slots: [replace(slots[0], coverage=1.1), *slots[1:]], "coverage_is_a_share"),
    ],
)
def test_malformed_slots_are_found(change: Any, rule: str) -> None:
    slots = charging_slots(session(), [], "ember")

    assert rules_broken(slot_violations(change(slots), [session()], month=MONTH)) == [rule]


def test_attributions_are_one_a_session() -> None:
    sessions = [session(), session(session_id="502")]

    assert rules_broken(attribution_violations(["501", "501", "777"], sessions, month=MONTH)) == [
        "unique_ids",
        "none_lost",
        "known_session",
    ]


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"session_start_time": START - timedelta(days=30)}, "inside_month"),
        ({"session_end_time": START - timedelta(seconds=1)}, "in_order"),
        ({"energy_kwh": 8.00001}, "energy_conserved"),
    ],
)
def test_records_that_contradict_their_session_are_found(fields: dict[str, Any], rule: str) -> None:
    assert rules_broken(cache_violations([cached(**fields)], [session()], [], PACIFIC, month=MONTH)) == [rule]


def test_doubled_strange_and_missing_records_are_found() -> None:
    records = [cached(), cached(), cached(session_id="777")]
    previous = [cached(session_id="503")]
    sessions = [session(), session(session_id="502")]

    assert rules_broken(cache_violations(records, sessions, previous, PACIFIC, month=MONTH)) == [
        "unique_ids",
        "none_lost",
        "none_lost",
        "known_session",
    ]


def test_a_record_that_by_the_zone_never_was_of_this_month_is_not_missed() -> None:
    moved = cached(session_id="503", session_start_time=START - timedelta(days=9))

    assert cache_violations([cached()], [session()], [cached(), moved], PACIFIC, month=MONTH) == []


def test_an_open_session_may_say_more_later() -> None:
    running = type(row()).model_validate(open_answer(minutes=10, energy_kwh=1.0))

    assert activity_violations(month_of_answers([row()]), month_of_answers([running]), PACIFIC) == []
