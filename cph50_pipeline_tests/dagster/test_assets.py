"""What the assets make of what the charger answers, through real runs against the simulated ChargePoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.jobs import MONTHLY_CLOSURE_JOB, SESSION_JOB
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, CLASSIFICATIONS, SAMPLES, SLOTS
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.household import Household
from cph50_pipeline_tests.dagster.homes import (
    EMBER,
    MONTHS,
    NOW,
    TIDE,
    Home,
    at,
    failure_texts,
    log_lines,
    materializations,
)

JANUARY = ["2026-01"]
ACTIVITY_ONLY = ["chargepoint_activity"]
TOLERANCE_KWH = 1e-6


def activity(home: Home, month: str = "2026-01") -> ActivityMonth:
    return home.store().activity(month)


def answered(home: Home) -> dict[str, int]:
    return dict(home.simulator.requests.counts())


def test_a_month_holds_every_session_of_the_household_with_its_true_energy(
    collected: Home, household: Household
) -> None:
    for month in MONTHS:
        start, end = month_bounds(month, collected.settings.zone)
        truth = {
            str(s.session_id): s.energy_kwh
            for s in household.sessions_between(start, min(end, NOW))
            if not s.is_open(NOW)
        }
        cached = {r.session_id: r.energy_kwh for r in collected.store().need_month(CACHE, month)}
        assert cached == pytest.approx(truth, abs=TOLERANCE_KWH)


def test_slots_sum_to_each_sessions_energy_in_the_cache(collected: Home) -> None:
    for month in MONTHS:
        slots: list[ChargingSlot] = collected.store().need_month(SLOTS, month)
        for record in collected.store().need_month(CACHE, month):
            energy_kwh = sum(slot.energy_kwh for slot in slots if slot.session_id == record.session_id)
            assert energy_kwh == pytest.approx(record.energy_kwh, abs=TOLERANCE_KWH)


def test_a_month_without_sessions_has_all_its_files(collected: Home) -> None:
    for file in (ACTIVITY, SAMPLES, CLASSIFICATIONS, SLOTS, CACHE):
        assert file.rows(collected.store().need_month(file, MONTHS[0])) == 0


def test_a_session_over_new_year_stays_whole_in_the_month_of_its_local_start(home: Home) -> None:
    evening = datetime(2026, 1, 1, 6, 0, tzinfo=UTC)  # 22:00 on 31 December in the Pacific zone
    planned = home.simulator.plug_in(TIDE, minutes=300, at=evening)
    assert home.run(MONTHS[1:]).success
    session_id = str(planned.session_id)
    in_december = [r for r in home.store().need_month(CACHE, "2025-12") if r.session_id == session_id]
    slots = [s for s in home.store().need_month(SLOTS, "2025-12") if s.session_id == session_id]
    _, new_year = month_bounds("2025-12", home.settings.zone)
    assert [r.energy_kwh for r in in_december] == pytest.approx([planned.energy_kwh], abs=TOLERANCE_KWH)
    assert max(slot.slot_start for slot in slots) > new_year
    assert sum(slot.energy_kwh for slot in slots) == pytest.approx(planned.energy_kwh, abs=TOLERANCE_KWH)
    assert session_id not in activity(home).sessions


def test_a_later_fuller_answer_replaces_an_earlier_one(collected: Home) -> None:
    session_id = str(
        collected.simulator.plug_in(EMBER, minutes=90, at=NOW - timedelta(minutes=20)).session_id
    )
    records = []
    for moment in (NOW, NOW + timedelta(hours=3)):
        collected.simulator.clock.move_to(moment)
        assert collected.run(JANUARY).success
        found = [r for r in collected.store().need_month(CACHE, "2026-01") if r.session_id == session_id]
        records += found
    early, late = records
    assert early.session_end_time is None
    assert late.session_end_time is not None
    assert late.energy_kwh > early.energy_kwh > 0


def test_an_interrupted_fetch_keeps_what_was_answered_and_the_next_run_asks_only_for_the_rest(
    home: Home,
) -> None:
    home.simulator.faults.fail(503, operation="charging_status", after=4, times=None)
    failed = home.run(JANUARY, only=ACTIVITY_ONLY)
    kept = activity(home).sessions
    [text] = failure_texts(failed)
    assert "session" in text
    assert sum(stored.status is not None for stored in kept.values()) == 4
    assert len(kept) > 10

    home.simulator.faults.clear()
    home.simulator.requests.clear()
    assert home.run(JANUARY, only=ACTIVITY_ONLY).success
    assert answered(home)["charging_status"] == len(kept) - 4
    assert all(stored.status is not None for stored in activity(home).sessions.values())


def test_a_failed_read_of_the_sessions_changes_nothing(collected: Home) -> None:
    before = collected.files()
    collected.simulator.faults.fail(503, operation="charging_activity_monthly", times=None)
    assert not collected.run(JANUARY).success
    assert collected.files() == before


def test_a_session_without_a_curve_is_kept_and_counted_by_an_estimate(home: Home) -> None:
    home.simulator.faults.fail(404, operation="charging_status", times=1)
    result = home.run(JANUARY)
    assert result.success
    bare = [stored for stored in activity(home).sessions.values() if stored.status is None]
    [session_id] = [stored.answers[0].session_id for stored in bare]
    slots = [s for s in home.store().need_month(SLOTS, "2026-01") if s.session_id == session_id]
    assert {slot.coverage for slot in slots} == {0.0}
    assert any("no curve" in line and session_id in line for line in log_lines(home, result.run_id))


def test_closure_waits_for_an_open_session_says_so_and_then_ends_polling(home: Home) -> None:
    late = datetime(2026, 2, 1, 7, 0, tzinfo=UTC)  # 23:00 on 31 January in the Pacific zone
    session_id = str(home.simulator.plug_in(TIDE, minutes=240, at=late).session_id)
    config = UpdateConfig(close=True)
    with at(late + timedelta(hours=2)):
        home.simulator.clock.move_to(late + timedelta(hours=2))
        waiting = home.run(JANUARY, config, MONTHLY_CLOSURE_JOB, only=ACTIVITY_ONLY)
        assert waiting.success
        assert not activity(home).closed
        assert any(session_id in line and "open" in line for line in log_lines(home, waiting.run_id))
    with at(late + timedelta(days=1)):
        home.simulator.clock.move_to(late + timedelta(days=1))
        assert home.run(JANUARY, config, MONTHLY_CLOSURE_JOB, only=ACTIVITY_ONLY).success
        assert activity(home).closed
        assert activity(home).sessions[session_id].status.end_time is not None  # type: ignore[union-attr]

        home.simulator.requests.clear()
        assert home.run(JANUARY, only=ACTIVITY_ONLY).success
        assert len(home.simulator.requests) == 0

        assert home.run(JANUARY, UpdateConfig(refresh_closed=True), only=ACTIVITY_ONLY).success
        assert answered(home)["charging_activity_monthly"] > 0
        assert activity(home).closed


def test_a_month_that_is_not_over_is_not_closed(collected: Home) -> None:
    result = collected.run(JANUARY, UpdateConfig(close=True), MONTHLY_CLOSURE_JOB, only=ACTIVITY_ONLY)
    assert not activity(collected).closed
    assert any("not over" in line for line in log_lines(collected, result.run_id))


def test_a_run_for_one_session_asks_for_that_session_alone(collected: Home) -> None:
    before = set(activity(collected).sessions)
    session_id = str(collected.simulator.plug_in(EMBER, minutes=60, at=NOW - timedelta(hours=2)).session_id)
    assert collected.run(JANUARY, UpdateConfig(session_id=session_id), SESSION_JOB).success
    assert "charging_activity_monthly" not in answered(collected)
    assert answered(collected)["charging_status"] == 1
    assert set(activity(collected).sessions) == before | {session_id}


def test_a_run_for_a_session_of_another_month_changes_nothing_and_names_the_right_month(
    collected: Home,
) -> None:
    before = collected.files()
    session_id = next(iter(activity(collected, "2025-12").sessions))
    result = collected.run(JANUARY, UpdateConfig(session_id=session_id), SESSION_JOB)
    assert "2025-12" in failure_texts(result)[0]
    assert collected.files() == before


def test_a_session_is_sampled_while_it_runs_and_named_for_good_when_it_has_ended(collected: Home) -> None:
    # Ten hours pass in 18 seconds, so that a machine that is slow gets its three readings, too.
    planned = collected.simulator.plug_in(EMBER, minutes=600, at=NOW - timedelta(minutes=15))
    session_id = str(planned.session_id)
    path = f"sessions/2026/01/20/{session_id}.json"
    label = {
        session_id: {"vehicle_id": EMBER, "labeled_by": "ann", "labeled_at": "2026-01-20T18:00:00+00:00"}
    }
    (collected.folder / LABELS_FILE).write_text(json.dumps(label))

    collected.simulator.clock.run_at(2000)
    sampled = collected.run(JANUARY, UpdateConfig(session_id=session_id, sample=True), SESSION_JOB)
    collected.simulator.clock.run_at(0)
    assert sampled.success
    record = collected.json(path)
    origins = [r.origin for r in collected.store().need_month(SAMPLES, "2026-01")[session_id]]
    assert record["sample_count"] == 3
    assert record["distinct_sample_count"] <= 3
    assert record["collection_delay_seconds"] >= 900
    assert record["labeled_by"] is None, "a car is final only when the session has ended"
    assert origins.count("window") == record["distinct_sample_count"]

    collected.simulator.clock.move_to(NOW + timedelta(hours=12))
    assert collected.run(JANUARY, UpdateConfig(session_id=session_id), SESSION_JOB).success
    ended = collected.json(path)
    assert ended["samples"] == record["samples"]
    assert (ended["vehicle_id"], ended["labeled_by"]) == (EMBER, "manual")


def label(home: Home, cars: Mapping[str, str]) -> None:
    """Let a person name the cars of these sessions, and of no others."""
    labels = {session_id: {"vehicle_id": car, "labeled_by": "ann"} for session_id, car in cars.items()}
    (home.folder / LABELS_FILE).write_text(json.dumps(labels))


def cached(home: Home, month: str) -> dict[str, CacheRecord]:
    return {record.session_id: record for record in home.store().need_month(CACHE, month)}


def test_a_swap_of_cars_at_the_plug_begins_a_plug_in_event_of_its_own(
    collected: Home, household: Household
) -> None:
    """Cars that take turns within minutes are two events; so they are seen only once their cars are known."""
    planned = [s for s in household.sessions_between(datetime(2026, 1, 2, tzinfo=UTC), NOW) if s.is_home]
    quick = [
        (str(first.session_id), str(second.session_id))
        for first, second in pairwise(planned)
        if second.start - first.end <= timedelta(minutes=15)
    ]
    assert quick, "the household takes turns at the plug"
    before = cached(collected, "2026-01")
    assert [before[second].plug_in_id for _, second in quick] == [first for first, _ in quick]
    assert not any("swap" in record.flags for record in before.values())

    label(collected, {id_: household.true_vehicle(id_) for pair in quick for id_ in pair})
    assert collected.run(JANUARY, job=SESSION_JOB).success
    after = cached(collected, "2026-01")
    assert [after[second].plug_in_id for _, second in quick] == [second for _, second in quick]
    assert {id_ for id_, record in after.items() if "swap" in record.flags} == {id_ for _, id_ in quick}


def stays_over_new_year(home: Home) -> tuple[str, str]:
    """A car that is plugged in until five minutes before the local new year and again when that begins."""
    _, new_year = month_bounds("2025-12", home.settings.zone)
    evening = home.simulator.plug_in(EMBER, minutes=85, at=new_year - timedelta(minutes=90))
    morning = home.simulator.plug_in(EMBER, minutes=60, at=new_year)
    return str(evening.session_id), str(morning.session_id)


def test_a_plug_in_event_goes_on_over_the_end_of_a_month(home: Home) -> None:
    evening, morning = stays_over_new_year(home)
    assert home.run(MONTHS[1:]).success
    assert cached(home, "2025-12")[evening].plug_in_id == evening
    assert cached(home, "2026-01")[morning].plug_in_id == evening


def test_a_swap_at_the_turn_of_a_month_is_found_by_what_is_stored_of_the_month_before(home: Home) -> None:
    evening, morning = stays_over_new_year(home)
    assert home.run(MONTHS[1:2]).success
    label(home, {evening: EMBER, morning: TIDE})
    for month in MONTHS[1:]:
        assert home.run([month]).success
    record = cached(home, "2026-01")[morning]
    assert (record.plug_in_id, "swap" in record.flags) == (morning, True)


def test_a_damaged_month_keeps_the_next_only_from_going_on_with_its_plug_in_event(home: Home) -> None:
    _, morning = stays_over_new_year(home)
    assert home.run(MONTHS[1:]).success
    (home.folder / CLASSIFICATIONS.path("2025-12")).write_text("[")
    result = home.run(JANUARY)
    assert result.success
    assert cached(home, "2026-01")[morning].plug_in_id == morning
    assert any(CLASSIFICATIONS.path("2025-12") in line for line in log_lines(home, result.run_id))


def test_a_classifier_that_cannot_be_read_stops_no_month_and_no_label_is_lost(collected: Home) -> None:
    session_id = max(activity(collected).sessions)
    label = {session_id: {"vehicle_id": TIDE, "labeled_by": "ann"}}
    (collected.folder / LABELS_FILE).write_text(json.dumps(label))
    (collected.folder / CLASSIFIER_FILE).write_text('{"version": ')
    result = collected.run(JANUARY, job=SESSION_JOB)
    assert result.success
    cars = {r.session_id: r.vehicle_id for r in collected.store().need_month(CACHE, "2026-01")}
    assert cars[session_id] == TIDE
    assert any(CLASSIFIER_FILE in line for line in log_lines(collected, result.run_id))


def test_running_again_changes_no_byte_and_makes_no_commit(collected: Home) -> None:
    before, commits = collected.files(), collected.commit_count()
    assert collected.run(MONTHS).success
    assert collected.files() == before
    assert collected.commit_count() == commits


def test_each_month_of_a_range_run_is_described_in_dagsters_records(collected: Home) -> None:
    assert collected.run(MONTHS, only=["session_cache", "charging_energy"]).success
    for month in MONTHS:
        [cache] = materializations(collected.instance, "session_cache", month)
        assert cache.metadata["sessions"].value == len(collected.store().need_month(CACHE, month))
        assert isinstance(cache.metadata["by_vehicle"], dg.MarkdownMetadataValue)
        [slots] = materializations(collected.instance, "charging_energy", month)
        assert slots.metadata["energy_kwh"].value == pytest.approx(
            cache.metadata["energy_kwh"].value, abs=1e-3
        )


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(kind="bot_json", times=None), "bot"),
        (Fault(kind="broken_json", operation="charging_activity_monthly", times=None), "broken"),
    ],
)
def test_a_failed_run_says_in_one_line_what_happened_and_what_was_kept(
    home: Home, fault: Fault, words: str
) -> None:
    home.simulator.faults.add(fault)
    [text] = failure_texts(home.run(JANUARY, only=ACTIVITY_ONLY))
    assert words.lower() in text.lower()
    assert "\n" not in text
    assert "stays" in text or "kept" in text.lower()


def test_a_label_that_cannot_be_used_stops_no_month_and_what_was_said_before_stands(collected: Home) -> None:
    session_id = max(activity(collected).sessions)
    (collected.folder / LABELS_FILE).write_text(json.dumps({session_id: TIDE}))
    assert collected.run(JANUARY).success
    model = collected.json(CLASSIFIER_FILE)
    (collected.folder / LABELS_FILE).write_text(json.dumps({session_id: "no_such_car"}))
    assert collected.run(JANUARY).success
    named = {c.session_id: c for c in collected.store().need_month(CLASSIFICATIONS, "2026-01")}
    assert (named[session_id].vehicle_id, named[session_id].labeled_by) == (TIDE, "manual")
    assert collected.json(CLASSIFIER_FILE) == model
