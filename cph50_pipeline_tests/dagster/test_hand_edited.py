"""The sensor of what sessions are named by: only the months that an edit concerns, again after a failure."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.events import StepMaterializationData

from cph50_pipeline.defs.assets.external import VEHICLE_LABELS
from cph50_pipeline.defs.hand_edited import IN_FORCE
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, SESSION_JOB
from cph50_pipeline.defs.month_files import CACHE, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.partitions import FIRST_MONTH_TAG, LAST_MONTH_TAG
from cph50_pipeline.defs.reconcile import reconcile
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE, VEHICLES_FILE
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline_tests.dagster.homes import EMBER, MONTHS, NOW, TIDE, Home, at, materializations

SENSOR = "hand_edited_sensor"
NOVEMBER, DECEMBER, JANUARY = MONTHS
Span = tuple[str, str]


@pytest.fixture
def named(collected: Home) -> Home:
    """A household whose months are named by the files as they are, and Dagster knows it."""
    assert collected.run(MONTHS, job=ATTRIBUTION_JOB).success
    assert requests(collected) == []
    return collected


def a_session(home: Home, month: str) -> str:
    return max(home.store().activity(month).sessions)


def label(home: Home, *months: str, car: str = TIDE, **fields: str) -> dict[str, str]:
    """Label a session of each month, and none else; the sessions by month."""
    chosen = {month: a_session(home, month) for month in months}
    entry = {"vehicle_id": car, "labeled_by": "ann", **fields}
    (home.folder / LABELS_FILE).write_text(json.dumps(dict.fromkeys(chosen.values(), entry)))
    return chosen


def evaluate(home: Home, cursor: str | None = None) -> Any:
    return home.evaluate(SENSOR, cursor)


def requests(home: Home) -> list[dg.RunRequest]:
    return list(evaluate(home).run_requests or [])


def spans(found: list[dg.RunRequest]) -> list[Span]:
    return [(request.tags[FIRST_MONTH_TAG], request.tags[LAST_MONTH_TAG]) for request in found]


def run(home: Home, request: dg.RunRequest) -> bool:
    return home.run_request(request, ATTRIBUTION_JOB).success


def car_of(home: Home, month: str, session_id: str) -> str:
    cars = {r.session_id: r.vehicle_id for r in home.store().need_month(CACHE, month)}
    return str(cars[session_id])


def files_of_other_months(home: Home, month: str) -> dict[str, bytes]:
    return {
        path: data
        for path, data in home.files().items()
        if month not in path and any(m in path for m in MONTHS)
    }


def test_an_edited_label_names_the_month_of_its_session_again_and_no_other(named: Home) -> None:
    before = files_of_other_months(named, DECEMBER)
    session_id = label(named, DECEMBER)[DECEMBER]
    [request] = requests(named)
    assert spans([request]) == [(DECEMBER, DECEMBER)]
    assert run(named, request)
    assert car_of(named, DECEMBER, session_id) == TIDE
    assert files_of_other_months(named, DECEMBER) == before
    assert requests(named) == []


def test_neighbouring_months_share_a_run(named: Home) -> None:
    label(named, DECEMBER, JANUARY)
    [request] = requests(named)
    assert spans([request]) == [(DECEMBER, JANUARY)]
    assert run(named, request)
    assert requests(named) == []


def test_a_label_that_is_taken_back_names_its_month_again(named: Home) -> None:
    before = (named.folder / LABELS_FILE).read_bytes()
    session_id = label(named, JANUARY)[JANUARY]
    [edited] = requests(named)
    assert run(named, edited)
    (named.folder / LABELS_FILE).write_bytes(before)
    [back] = requests(named)
    assert spans([back]) == [(JANUARY, JANUARY)]
    assert run(named, back)
    assert car_of(named, JANUARY, session_id) != TIDE
    assert requests(named) == []


def test_a_label_that_is_confirmed_names_its_month_again(named: Home) -> None:
    session_id = label(named, JANUARY)[JANUARY]
    [edited] = requests(named)
    assert run(named, edited)
    entry = named.json(LABELS_FILE)[session_id]
    (named.folder / LABELS_FILE).write_text(json.dumps({session_id: {**entry, "confirmed": True}}))
    [request] = requests(named)
    assert spans([request]) == [(JANUARY, JANUARY)]
    assert run(named, request)
    [now] = [c for c in named.store().need_month(CLASSIFICATIONS, JANUARY) if c.session_id == session_id]
    assert (now.confirmed, now.needs_review) == (True, False)
    assert requests(named) == []


def rename_a_car(home: Home) -> None:
    document = home.json(VEHICLES_FILE)
    document["vehicles"][TIDE]["nickname"] = "Wave"
    (home.folder / VEHICLES_FILE).write_text(json.dumps(document))


def test_an_edited_car_concerns_every_stored_month(named: Home) -> None:
    rename_a_car(named)
    [request] = requests(named)
    assert spans([request]) == [(NOVEMBER, JANUARY)]
    assert run(named, request)
    assert requests(named) == []


def test_a_released_model_concerns_every_stored_month(named: Home) -> None:
    (named.folder / CLASSIFIER_FILE).unlink()
    [request] = requests(named)
    assert spans([request]) == [(NOVEMBER, JANUARY)]
    assert run(named, request)
    assert requests(named) == []


def test_what_says_the_same_in_another_form_asks_for_nothing(named: Home) -> None:
    label(named, DECEMBER)
    [request] = requests(named)
    assert run(named, request)
    label(named, DECEMBER, note="saw it myself")
    vehicles = named.json(VEHICLES_FILE)
    (named.folder / VEHICLES_FILE).write_text(json.dumps({**vehicles, "last_updated": None}, indent=7))
    assert requests(named) == []


def test_a_run_that_names_months_for_another_reason_leaves_nothing_due(collected: Home) -> None:
    label(collected, DECEMBER)
    assert collected.run(MONTHS).success
    assert requests(collected) == []


def test_a_label_of_a_session_that_no_month_has_yet_waits_for_it(named: Home) -> None:
    session_id = str(named.simulator.plug_in(EMBER, 60, NOW - timedelta(hours=2)).session_id)
    (named.folder / LABELS_FILE).write_text(json.dumps({session_id: TIDE}))
    assert requests(named) == []
    assert named.run([JANUARY], UpdateConfig(session_id=session_id), SESSION_JOB).success
    assert car_of(named, JANUARY, session_id) == TIDE
    assert requests(named) == []


def test_months_that_dagster_was_only_told_of_count_as_not_named(collected: Home) -> None:
    reconcile(collected.instance, collected.store(), MONTHS[0])
    assert spans(requests(collected)) == [(NOVEMBER, JANUARY)]


def test_a_month_whose_run_died_before_people_could_read_of_it_is_named_again(named: Home) -> None:
    session_id = label(named, DECEMBER)[DECEMBER]
    assert named.run([DECEMBER], job=ATTRIBUTION_JOB, only=["vehicle_classifications"]).success
    assert car_of(named, DECEMBER, session_id) != TIDE
    [request] = requests(named)
    assert spans([request]) == [(DECEMBER, DECEMBER)]
    assert run(named, request)
    assert car_of(named, DECEMBER, session_id) == TIDE
    assert requests(named) == []


def at_work(home: Home, job: str, **tags: str) -> dg.DagsterRun:
    run_at_work = dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus.STARTED, tags=tags)
    home.instance.add_run(run_at_work)
    return run_at_work


def test_a_month_that_a_run_is_at_is_left_to_it_and_not_forgotten_when_it_fails(named: Home) -> None:
    label(named, JANUARY)
    run_at_work = at_work(named, ATTRIBUTION_JOB, **{"dagster/partition": JANUARY})
    waiting = evaluate(named)
    assert not waiting.run_requests
    assert JANUARY in waiting.skip_message
    named.instance.report_run_failed(run_at_work)
    assert spans(evaluate(named, waiting.cursor).run_requests) == [(JANUARY, JANUARY)]


def test_its_neighbours_do_not_wait_for_it(named: Home) -> None:
    label(named, DECEMBER, JANUARY)
    at_work(named, ATTRIBUTION_JOB, **{"dagster/partition": JANUARY})
    assert spans(requests(named)) == [(DECEMBER, DECEMBER)]


def test_a_run_that_has_named_a_month_and_not_cached_it_yet_is_let_finish(named: Home) -> None:
    run_at_work = at_work(named, SESSION_JOB)
    naming = StepMaterializationData(dg.AssetMaterialization(CLASSIFICATIONS.asset, partition=JANUARY), [])
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    event = dg.DagsterEvent(kind.value, run_at_work.job_name, event_specific_data=naming)
    named.instance.report_dagster_event(event, run_at_work.run_id)
    assert requests(named) == []
    named.instance.report_run_failed(run_at_work)
    assert spans(requests(named)) == [(JANUARY, JANUARY)]


def test_a_month_that_cannot_be_named_holds_up_no_other(named: Home) -> None:
    rename_a_car(named)
    chosen = label(named, DECEMBER, JANUARY)
    damaged = named.folder / SAMPLES.path(DECEMBER)
    good = damaged.read_bytes()
    damaged.write_bytes(b"PAR1")
    for _ in range(3):
        for request in requests(named):
            run(named, request)
    assert car_of(named, JANUARY, chosen[JANUARY]) == TIDE
    assert spans(requests(named)) == [(DECEMBER, DECEMBER)]
    damaged.write_bytes(good)
    assert all(run(named, request) for request in requests(named))
    assert car_of(named, DECEMBER, chosen[DECEMBER]) == TIDE
    assert requests(named) == []


def test_a_month_that_fails_for_good_is_tried_hourly_only(named: Home) -> None:
    label(named, JANUARY)
    (named.folder / SAMPLES.path(JANUARY)).write_bytes(b"PAR1")
    for _ in range(4):
        [request] = requests(named)
        assert not run(named, request)
    result = evaluate(named)
    assert not result.run_requests
    assert JANUARY in result.skip_message
    with at(NOW + timedelta(hours=1, minutes=5)):
        assert len(requests(named)) == 1


def test_a_gap_in_the_stored_months_makes_two_runs_so_that_none_needs_what_is_not_there(
    collected: Home,
) -> None:
    for folder in (path for path in collected.folder.iterdir() if path.is_dir()):
        for path in folder.glob("2025-12.*"):
            path.unlink()
    found = requests(collected)
    assert spans(found) == [(NOVEMBER, NOVEMBER), (JANUARY, JANUARY)]
    assert all(run(collected, request) for request in found)
    assert requests(collected) == []


def test_a_label_that_cannot_be_used_is_a_skip_that_says_why(named: Home) -> None:
    session_id = label(named, DECEMBER, car="nobodys")[DECEMBER]
    result = evaluate(named)
    assert not result.run_requests
    assert session_id in result.skip_message
    assert "stay in force" in result.skip_message


def test_months_named_while_the_labels_were_broken_are_named_again_when_they_are_mended(named: Home) -> None:
    label(named, DECEMBER, car="nobodys")
    assert named.run([DECEMBER, JANUARY], job=ATTRIBUTION_JOB).success
    label(named)
    assert spans(requests(named)) == [(DECEMBER, JANUARY)]


def test_a_damaged_model_keeps_no_label_out_of_force(named: Home) -> None:
    (named.folder / CLASSIFIER_FILE).write_text('{"version": ')
    session_id = label(named, DECEMBER)[DECEMBER]
    assert all(run(named, request) for request in requests(named))
    assert car_of(named, DECEMBER, session_id) == TIDE
    assert requests(named) == []


def test_nothing_is_due_before_there_are_sessions(home: Home) -> None:
    assert "no sessions" in evaluate(home).skip_message


def test_an_idle_tick_looks_at_no_month(named: Home) -> None:
    cursor = evaluate(named).cursor
    assert cursor
    (named.folder / CLASSIFICATIONS.path(DECEMBER)).write_text("[]")
    assert evaluate(named, cursor).skip_message == IN_FORCE
    assert spans(requests(named)) == []


def test_the_cursor_hides_no_news(named: Home) -> None:
    cursor = evaluate(named).cursor
    label(named, DECEMBER)
    due = evaluate(named, cursor)
    assert spans(due.run_requests) == [(DECEMBER, DECEMBER)]
    assert due.cursor == cursor, "what is due stays due until it is done"
    label(named)
    reconcile(named.instance, named.store(), MONTHS[0])
    named.run([JANUARY], job=ATTRIBUTION_JOB, only=["vehicle_classifications"])
    assert spans(evaluate(named, cursor).run_requests) == [(JANUARY, JANUARY)]


def test_dagster_shows_once_that_labels_were_edited(named: Home) -> None:
    def report() -> None:
        for event in evaluate(named).asset_events:
            named.instance.report_runless_asset_event(event)

    report()
    label(named, DECEMBER)
    report()
    report()
    shown = materializations(named.instance, VEHICLE_LABELS.to_user_string())
    assert len({event.metadata["content"].value for event in shown}) == len(shown) == 2
