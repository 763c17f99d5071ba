"""The sensor of the files edited by hand: by content, every month that has sessions, again after a failure."""

from __future__ import annotations

import json
from datetime import timedelta

import dagster as dg

from cph50_pipeline.defs.hand_edited import FIRST_MONTH_TAG, LAST_MONTH_TAG, reference_hash
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB
from cph50_pipeline.defs.month_files import CACHE, SAMPLES
from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE
from cph50_pipeline_tests.dagster.homes import MONTHS, NOW, TIDE, Home, at

SENSOR = "hand_edited_sensor"


def label(home: Home, car: str = TIDE) -> str:
    session_id = max(home.store().activity("2026-01").sessions)
    document = {session_id: {"vehicle_id": car, "labeled_by": "ann"}}
    (home.folder / LABELS_FILE).write_text(json.dumps(document))
    return session_id


def requests(home: Home) -> list[dg.RunRequest]:
    return list(home.evaluate(SENSOR).run_requests or [])


def test_an_edited_label_names_the_sessions_of_all_months_again_and_then_nothing_is_due(
    collected: Home,
) -> None:
    session_id = label(collected)
    [request] = requests(collected)
    assert (request.tags[FIRST_MONTH_TAG], request.tags[LAST_MONTH_TAG]) == (MONTHS[0], MONTHS[-1])
    assert collected.run_request(request, ATTRIBUTION_JOB).success
    cars = {r.session_id: r.vehicle_id for r in collected.store().need_month(CACHE, "2026-01")}
    assert cars[session_id] == TIDE
    assert requests(collected) == []


def test_a_file_written_anew_with_the_same_content_asks_for_nothing(collected: Home) -> None:
    label(collected)
    [request] = requests(collected)
    assert collected.run_request(request, ATTRIBUTION_JOB).success
    label(collected)
    assert requests(collected) == []


def test_a_failed_run_is_tried_again(collected: Home) -> None:
    label(collected)
    broken = collected.folder / SAMPLES.path("2026-01")
    good = broken.read_bytes()
    broken.write_bytes(b"PAR1")
    [request] = requests(collected)
    assert not collected.run_request(request, ATTRIBUTION_JOB).success
    broken.write_bytes(good)
    [again] = requests(collected)
    assert again.tags == request.tags


def test_a_file_that_fails_for_good_is_tried_hourly_only(collected: Home) -> None:
    label(collected)
    (collected.folder / SAMPLES.path("2026-01")).write_bytes(b"PAR1")
    for _ in range(4):
        [request] = requests(collected)
        collected.run_request(request, ATTRIBUTION_JOB)
    assert requests(collected) == []
    with at(NOW + timedelta(hours=1, minutes=5)):
        assert len(requests(collected)) == 1


def test_a_gap_in_the_stored_months_makes_two_runs_so_that_none_needs_what_is_not_there(
    collected: Home,
) -> None:
    for file in (folder for folder in collected.folder.iterdir() if folder.is_dir()):
        for path in file.glob("2025-12.*"):
            path.unlink()
    label(collected)
    found = requests(collected)
    assert [(r.tags[FIRST_MONTH_TAG], r.tags[LAST_MONTH_TAG]) for r in found] == [
        ("2025-11", "2025-11"),
        ("2026-01", "2026-01"),
    ]
    assert all(collected.run_request(request, ATTRIBUTION_JOB).success for request in found)
    assert requests(collected) == []


def test_a_label_that_cannot_be_used_is_a_skip_that_says_why(collected: Home) -> None:
    session_id = label(collected, car="nobodys")
    result = collected.evaluate(SENSOR)
    assert not result.run_requests
    assert session_id in result.skip_message
    assert "stay in force" in result.skip_message


def test_nothing_is_due_before_there_are_sessions(home: Home) -> None:
    assert "no sessions" in home.evaluate(SENSOR).skip_message


def test_the_hash_changes_with_either_file_and_only_then(collected: Home) -> None:
    seen = {reference_hash(collected.store())}
    label(collected)
    seen.add(reference_hash(collected.store()))
    (collected.folder / VEHICLES_FILE).write_text('{"vehicles": {}}')
    seen.add(reference_hash(collected.store()))
    (collected.folder / LABELS_FILE).unlink()
    seen.add(reference_hash(collected.store()))
    assert len(seen) == 4
    assert reference_hash(collected.store()) in seen


def test_an_edit_that_is_taken_back_names_the_sessions_again(collected: Home) -> None:
    before = (collected.folder / LABELS_FILE).read_bytes()
    [first] = requests(collected)
    assert collected.run_request(first, ATTRIBUTION_JOB).success
    session_id = label(collected)
    [edited] = requests(collected)
    assert collected.run_request(edited, ATTRIBUTION_JOB).success
    (collected.folder / LABELS_FILE).write_bytes(before)
    with at(NOW + timedelta(minutes=6)):
        [back] = requests(collected)
        assert collected.run_request(back, ATTRIBUTION_JOB).success
    cars = {r.session_id: r.vehicle_id for r in collected.store().need_month(CACHE, "2026-01")}
    assert cars[session_id] != TIDE
