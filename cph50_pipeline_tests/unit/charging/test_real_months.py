"""The rules of charging on recorded answers of one household, where these lie beside the checkout."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from cph50_pipeline.charging.activity import ActivityMonth, merge, open_sessions
from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus
from cph50_pipeline.charging.cache import CacheRecord, cache_record
from cph50_pipeline.charging.chains import chains, plug_ins
from cph50_pipeline.charging.counter import EnergyCounter
from cph50_pipeline.charging.model import Attribution, Session
from cph50_pipeline.charging.privacy import scrub
from cph50_pipeline.charging.rules import (
    activity_violations,
    cache_violations,
    sample_violations,
    slot_violations,
)
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.charging.slots import ChargingSlot, charging_slots
from cph50_pipeline_tests.unit.charging.builders import PACIFIC

MONTHS = {"2025-10": 45, "2025-12": 23}
ReadMonth = Callable[[str], ActivityMonth]


@pytest.fixture(scope="module")
def read_month(real_answers: Path) -> ReadMonth:
    statuses = [
        ChargingStatus.model_validate(scrub(json.loads(path.read_text())["charging_status"], "public"))
        for path in sorted((real_answers / "status").iterdir())
    ]

    def read(month: str) -> ActivityMonth:
        answer = json.loads((real_answers / "activity" / f"{month}.json").read_text())
        rows = [
            ActivityRow.model_validate(scrub(fields, "public"))
            for part in answer["charging_activity_monthly"]["month_info"]
            for fields in part["sessions"]
        ]
        return merge(ActivityMonth(month=month), rows, statuses, PACIFIC)

    return read


def slots_of(session: Session) -> list[ChargingSlot]:
    return charging_slots(session, distinct_readings(session, None), "unknown")


@pytest.mark.parametrize(("month", "count"), MONTHS.items())
def test_every_session_is_found_and_over(read_month: ReadMonth, month: str, count: int) -> None:
    answers = read_month(month)

    assert len(read_sessions(answers)) == count
    assert open_sessions(answers) == []


@pytest.mark.parametrize("month", MONTHS)
def test_slots_and_cache_carry_the_answered_energy(read_month: ReadMonth, month: str) -> None:
    answers = read_month(month)
    for session in read_sessions(answers):
        stored = answers.sessions[session.session_id]
        slots = slots_of(session)
        record = cache_record(session, stored, Attribution(), slots, {})

        assert stored.activity is not None
        assert record.energy_kwh == pytest.approx(stored.activity.energy_kwh, abs=1e-6)
        assert sum(slot.energy_kwh for slot in slots) == pytest.approx(stored.activity.energy_kwh, abs=1e-6)
        assert record.session.cost == pytest.approx(stored.activity.total_amount, abs=1e-6)


@pytest.mark.parametrize("month", MONTHS)
def test_no_rule_is_broken(read_month: ReadMonth, month: str) -> None:
    answers = read_month(month)
    sessions = read_sessions(answers)
    readings = {session.session_id: distinct_readings(session, None) for session in sessions}
    slots = [slot for session in sessions for slot in slots_of(session)]
    records: list[CacheRecord] = [
        cache_record(session, answers.sessions[session.session_id], Attribution(), slots_of(session), {})
        for session in sessions
    ]

    assert activity_violations(answers, answers, PACIFIC) == []
    assert sample_violations(month, readings, sessions) == []
    assert slot_violations(slots, sessions, month=month) == []
    assert cache_violations(records, sessions, records, PACIFIC, month=month) == []


def test_the_two_wrong_ends_are_corrected_and_no_other(read_month: ReadMonth) -> None:
    corrected = {
        session.session_id: session.end
        for month in MONTHS
        for session in read_sessions(read_month(month))
        if session.end != session.reported_end
    }

    assert corrected == {
        "4495840451": datetime(2025, 10, 10, 11, 15, 6, tzinfo=UTC),
        "4505857251": datetime(2025, 10, 14, 9, 35, 50, tzinfo=UTC),
    }


def test_no_session_overlaps_the_next_once_ends_are_corrected(read_month: ReadMonth) -> None:
    for month in MONTHS:
        home = [session for session in read_sessions(read_month(month)) if session.is_home]
        for session, following in pairwise(home):
            assert session.end is not None
            assert session.end <= following.start


@pytest.mark.parametrize(("month", "pairs", "triples"), [("2025-10", 5, 2), ("2025-12", 2, 1)])
def test_plug_ins_were_answered_as_one_to_three_sessions(
    read_month: ReadMonth, month: str, pairs: int, triples: int
) -> None:
    home = [session for session in read_sessions(read_month(month)) if session.is_home]
    sizes = [len(chain.session_ids) for chain in chains(home)]

    assert (sizes.count(2), sizes.count(3)) == (pairs, triples)
    assert len(sizes) == len(home) - pairs - 2 * triples


def test_half_of_the_links_whose_cars_are_told_by_their_power_are_swaps(read_month: ReadMonth) -> None:
    """The two cars charge at 8.5 and at 9.0 kW; which name they have does not matter here."""
    sessions = read_sessions(read_month("2025-12"))
    levels = {s.session_id: steady_power_kw(s) for s in sessions}
    cars = {id_: "upper" if level > 8.75 else "lower" for id_, level in levels.items() if level is not None}
    chained = [event.session_ids for event in plug_ins(sessions, cars) if len(event.session_ids) > 1]
    swaps = [event.plug_in_id for event in plug_ins(sessions, cars) if event.is_swap]

    assert swaps == ["4657914181", "4676172431"]
    assert chained == [("4667842801", "4667920941"), ("4676172431", "4676273651")]


def steady_power_kw(session: Session) -> float | None:
    """The middle of the powers at which a car charges; a car that idles or trickles has none."""
    powers = [reading.power_kw for reading in session.curve if reading.power_kw and reading.power_kw > 8]
    return median(powers) if powers else None


def test_an_event_is_named_after_its_first_session_in_time_not_after_its_lowest_id(
    read_month: ReadMonth,
) -> None:
    sessions = read_sessions(read_month("2025-10"))

    assert ("4477973781", "4477973741") in [chain.session_ids for chain in chains(sessions)]


def test_a_wrong_end_chains_nothing_once_it_is_corrected(read_month: ReadMonth) -> None:
    alone = [chain.session_ids for chain in chains(read_sessions(read_month("2025-10")))]

    assert ("4495840451",) in alone
    assert ("4505857251",) in alone


def test_a_session_across_midnight_is_split_by_its_counter(read_month: ReadMonth) -> None:
    session = next(s for s in read_sessions(read_month("2025-12")) if s.session_id == "4660049831")
    counter = EnergyCounter.of(session, distinct_readings(session, None))
    midnight = datetime(2025, 12, 5, 8, tzinfo=UTC)

    assert counter.energy_at(midnight) == pytest.approx(60.71, abs=0.01)


def test_a_curve_that_begins_late_puts_the_energy_before_the_tariffs_hour(read_month: ReadMonth) -> None:
    """Its first point comes after six o'clock and counts all but 0.02 kWh; the car was full before six."""
    session = next(s for s in read_sessions(read_month("2025-12")) if s.session_id == "4664745481")
    counter = EnergyCounter.of(session, distinct_readings(session, None))

    assert counter.energy_at(datetime(2025, 12, 6, 14, tzinfo=UTC)) == pytest.approx(53.17, abs=0.01)
    assert counter.coverage_between(session.start, datetime(2025, 12, 6, 14, tzinfo=UTC)) < 0.1


def test_public_sessions_are_told_from_those_at_home(read_month: ReadMonth) -> None:
    public = [s.session_id for s in read_sessions(read_month("2025-10")) if not s.is_home]

    assert public == ["4468328701", "4469113931"]
