"""Training as an asset: from labels to a released file, what the gate refuses, the way back, when it is asked for."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.defs.assets.vehicles import RELEASE_GATE
from cph50_pipeline.defs.document_files import CLASSIFIER_HTML
from cph50_pipeline.defs.jobs import TRAINING_JOB, training_run_config
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.reconcile import reconcile
from cph50_pipeline.defs.store import (
    CLASSIFIER_FILE,
    LABELS_FILE,
    PREVIOUS_CLASSIFIER_FILE,
    VEHICLES_FILE,
)
from cph50_pipeline.defs.training import gather, run_training
from cph50_pipeline.defs.training_inputs import TrainingConfig, TrainingInputs
from cph50_pipeline.errors import LockedError
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.features import fingerprint
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

SENSOR = "training_sensor"
JANUARY = "2026-01"
OTHER = {EMBER: TIDE, TIDE: EMBER}
Cars = Mapping[str, str]


@pytest.fixture
def truth(collected: Home, household: Household) -> dict[str, str]:
    """The true car of every session with steady charging at home, in order of time."""
    store = collected.store()
    found = {}
    for month in MONTHS:
        readings = store.need_month(SAMPLES, month)
        for session in sorted(store.sessions(month), key=lambda one: one.start):
            if session.is_home and fingerprint(readings[session.session_id]) is not None:
                found[session.session_id] = household.true_vehicle(session.session_id)
    return found


def first(truth: Cars, count: int) -> dict[str, str]:
    """The first sessions of each car."""
    chosen: dict[str, list[str]] = defaultdict(list)
    for session_id, car in truth.items():
        if len(chosen[car]) < count:
            chosen[car].append(session_id)
    assert {len(ids) for ids in chosen.values()} == {count}, "the household has not so many sessions"
    return {session_id: car for session_id, car in truth.items() if session_id in chosen[car]}


def poisoned(truth: Cars) -> dict[str, str]:
    """A third of each car's labels name the other one."""
    return {id_: OTHER[car] if place % 3 == 0 else car for place, (id_, car) in enumerate(truth.items())}


def label(home: Home, cars: Cars) -> None:
    labels = {id_: {"vehicle_id": car, "labeled_by": "ann"} for id_, car in cars.items()}
    (home.folder / LABELS_FILE).write_text(json.dumps(labels))


def train(home: Home, **config: bool) -> dg.ExecuteInProcessResult:
    request = dg.RunRequest(run_config=training_run_config(TrainingConfig(**config)))
    return home.run_request(request, TRAINING_JOB)


def released(home: Home, cars: Cars) -> bytes:
    """Label, train and release; the bytes of the model then in force."""
    label(home, cars)
    assert train(home).success
    assert noted(home)["outcome"].value == "released"
    return (home.folder / CLASSIFIER_FILE).read_bytes()


def noted(home: Home) -> Mapping[str, Any]:
    """What the newest training says of itself."""
    return materializations(home.instance, "vehicle_classifier")[0].metadata  # type: ignore[no-any-return]


def gate(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    [evaluation] = result.get_asset_check_evaluations()
    assert evaluation.check_name == RELEASE_GATE
    return evaluation


def model(home: Home, path: str = CLASSIFIER_FILE) -> VehicleModel:
    return VehicleModel.read(home.json(path), path)


def page(home: Home) -> str:
    return (home.folder / CLASSIFIER_HTML).read_text()


def test_ten_labels_a_car_are_learned_and_released(collected: Home, truth: Cars) -> None:
    label(collected, first(truth, 10))
    result = train(collected)
    assert result.success
    assert gate(result).passed
    assert {id_: v.label_count for id_, v in model(collected).vehicles.items()} == {EMBER: 10, TIDE: 10}
    assert noted(collected)["version"].value == model(collected).version
    assert f"{model(collected).version} was released" in noted(collected)["said"].value
    assert f"{model(collected).version} is in force." in page(collected)


def test_the_pictures_are_shown_with_the_materialization(collected: Home, truth: Cars) -> None:
    released(collected, first(truth, 10))
    for name in ("levels", "figures", "confusion", "reliability", "class_separation"):
        assert isinstance(noted(collected)[name], dg.MarkdownMetadataValue)
    assert "data:image/svg+xml;base64," in noted(collected)["class_separation"].value


def test_what_is_released_names_the_sessions_of_the_same_run(collected: Home, truth: Cars) -> None:
    label(collected, first(truth, 10))
    assert collected.run(MONTHS).success
    named = [c for month in MONTHS for c in collected.store().need_month(CLASSIFICATIONS, month)]
    by_classifier = {c.session_id: c.vehicle_id for c in named if c.labeled_by == "classifier"}
    assert len(by_classifier) >= 5
    assert all(truth[id_] == car for id_, car in by_classifier.items())


def test_too_few_labels_are_refused_with_reasons_and_no_run_fails(collected: Home, truth: Cars) -> None:
    before = (collected.folder / CLASSIFIER_FILE).read_bytes()
    label(collected, first(truth, 5))
    result = train(collected)
    assert result.success
    evaluation = gate(result)
    assert not evaluation.passed
    assert evaluation.severity is dg.AssetCheckSeverity.WARN
    assert "has 5 labelled session(s) with steady charging, 10 are needed" in str(evaluation.description)
    assert any("was refused" in line for line in log_lines(collected, result.run_id))
    assert (collected.folder / CLASSIFIER_FILE).read_bytes() == before
    assert "10 are needed" in page(collected)


def test_a_person_releases_few_labels_and_the_reasons_are_kept(collected: Home, truth: Cars) -> None:
    label(collected, first(truth, 5))
    result = train(collected, release=True)
    assert gate(result).passed
    assert model(collected).vehicles.keys() == {EMBER, TIDE}
    assert "was released, by hand, although:" in noted(collected)["said"].value
    assert "5 labelled session(s)" in " ".join(noted(collected)["reasons"].value)


def test_poisoned_labels_after_a_good_release_leave_the_model_in_force_byte_for_byte(
    collected: Home, truth: Cars
) -> None:
    good = released(collected, first(truth, 10))
    label(collected, poisoned(truth))
    result = train(collected)
    assert result.success
    assert not gate(result).passed
    assert (collected.folder / CLASSIFIER_FILE).read_bytes() == good
    assert not (collected.folder / PREVIOUS_CLASSIFIER_FILE).exists()
    wrong = next(id_ for id_, car in poisoned(truth).items() if truth[id_] != car)
    assert wrong in str(gate(result).description)
    assert f"cph50 label {wrong} {truth[wrong]}" in page(collected)


def test_labels_that_are_all_taken_back_do_not_take_the_model_with_them(collected: Home, truth: Cars) -> None:
    good = released(collected, first(truth, 10))
    label(collected, {})
    for config in ({}, {"release": True}):
        assert not gate(train(collected, **config)).passed
        assert (collected.folder / CLASSIFIER_FILE).read_bytes() == good


def test_a_new_release_keeps_the_one_before(collected: Home, truth: Cars) -> None:
    first_version = json.loads(released(collected, first(truth, 10)))["version"]
    assert not (collected.folder / PREVIOUS_CLASSIFIER_FILE).exists(), "no car was known before"
    released(collected, truth)
    assert model(collected, PREVIOUS_CLASSIFIER_FILE).version == first_version
    assert model(collected).version != first_version


def test_a_rollback_puts_the_one_before_in_force_and_only_a_person_brings_the_other_back(
    collected: Home, truth: Cars
) -> None:
    older = json.loads(released(collected, first(truth, 10)))["version"]
    newer = json.loads(released(collected, truth))["version"]
    result = train(collected, rollback=True)
    assert gate(result).passed
    assert noted(collected)["outcome"].value == "rolled back"
    assert (model(collected).version, model(collected).rolled_back) == (older, (newer,))
    assert model(collected, PREVIOUS_CLASSIFIER_FILE).version == newer
    assert f"{newer} was taken back" in page(collected)

    again = train(collected)
    assert "was taken back by a person" in str(gate(again).description)
    assert model(collected).version == older
    assert gate(train(collected, release=True)).passed
    assert (model(collected).version, model(collected).rolled_back) == (newer, ())


def test_a_kill_between_two_files_never_leaves_a_model_in_neither(collected: Home, truth: Cars) -> None:
    """A release keeps the old one before the new one takes its place; a rollback puts the old one in place first."""
    released(collected, first(truth, 10))
    label(collected, truth)
    log = dg.get_dagster_logger()
    with collected.store().open() as store:
        assert [*run_training(store, TrainingConfig(), log).files][:2] == [
            PREVIOUS_CLASSIFIER_FILE,
            CLASSIFIER_FILE,
        ]
    released(collected, truth)
    with collected.store().open() as store:
        assert [
            path for path in run_training(store, TrainingConfig(rollback=True), log).files if "json" in path
        ] == [
            CLASSIFIER_FILE,
            PREVIOUS_CLASSIFIER_FILE,
        ]


def test_no_other_run_puts_a_model_in_force_between_the_decision_and_the_end_of_the_run(
    collected: Home,
) -> None:
    with collected.store().open() as store:
        run_training(store, TrainingConfig(), dg.get_dagster_logger())
        with pytest.raises(LockedError, match="the classifier"), store.locks.model(timeout_seconds=0):
            pass
    with store.locks.model(timeout_seconds=0):
        pass


def test_two_rollbacks_end_where_they_began(collected: Home, truth: Cars) -> None:
    released(collected, first(truth, 10))
    newer = json.loads(released(collected, truth))["version"]
    assert train(collected, rollback=True).success
    assert train(collected, rollback=True).success
    assert model(collected).version == newer


def test_without_an_earlier_model_a_rollback_fails_and_says_what_stays(collected: Home, truth: Cars) -> None:
    good = released(collected, first(truth, 10))
    [text] = failure_texts(train(collected, rollback=True))
    assert PREVIOUS_CLASSIFIER_FILE in text
    assert "stays in force" in text
    assert (collected.folder / CLASSIFIER_FILE).read_bytes() == good


def test_a_rollback_heals_a_damaged_model_and_needs_no_labels(collected: Home, truth: Cars) -> None:
    older = json.loads(released(collected, first(truth, 10)))["version"]
    released(collected, truth)
    (collected.folder / CLASSIFIER_FILE).write_text('{"vehicles": ')
    (collected.folder / LABELS_FILE).write_text("[]")
    assert train(collected, rollback=True).success
    assert model(collected).version == older
    assert model(collected, PREVIOUS_CLASSIFIER_FILE).version == older


def test_release_and_rollback_together_are_refused(collected: Home) -> None:
    [text] = failure_texts(train(collected, release=True, rollback=True))
    assert "not both" in text


def test_a_damaged_model_is_replaced_by_what_passes_the_gate_and_kept_from_what_does_not(
    collected: Home, truth: Cars
) -> None:
    (collected.folder / CLASSIFIER_FILE).write_text('{"vehicles": ')
    label(collected, first(truth, 5))
    result = train(collected)
    assert result.success
    assert (collected.folder / CLASSIFIER_FILE).read_text() == '{"vehicles": '
    assert any(CLASSIFIER_FILE in line for line in log_lines(collected, result.run_id))
    released(collected, first(truth, 10))
    assert model(collected).vehicles.keys() == {EMBER, TIDE}


def test_a_damaged_model_without_any_label_is_replaced_when_a_person_insists(collected: Home) -> None:
    (collected.folder / CLASSIFIER_FILE).write_text('{"vehicles": ')
    label(collected, {})
    assert train(collected).success
    assert (collected.folder / CLASSIFIER_FILE).read_text() == '{"vehicles": '
    assert train(collected, release=True).success
    assert model(collected).vehicles == {}


def test_the_same_labels_again_change_no_byte_and_make_no_commit(collected: Home, truth: Cars) -> None:
    released(collected, first(truth, 10))
    released(collected, truth)
    files, commits = collected.files(), collected.commit_count()
    result = train(collected)
    assert gate(result).passed
    assert noted(collected)["outcome"].value == "unchanged"
    assert collected.commit_count() == commits
    assert collected.files() == files


def test_a_refused_candidate_learned_again_makes_no_commit_either(collected: Home, truth: Cars) -> None:
    label(collected, first(truth, 5))
    assert not gate(train(collected)).passed
    files, commits = collected.files(), collected.commit_count()
    assert not gate(train(collected)).passed
    assert (collected.files(), collected.commit_count()) == (files, commits)


def test_labels_that_are_mended_after_a_refusal_bring_the_page_back(collected: Home, truth: Cars) -> None:
    released(collected, first(truth, 10))
    good = page(collected)
    label(collected, poisoned(first(truth, 10)))
    assert not gate(train(collected)).passed
    assert page(collected) != good
    label(collected, first(truth, 10))
    assert gate(train(collected)).passed
    assert page(collected) == good


def test_a_release_is_committed_with_its_page_and_the_model_before(collected: Home, truth: Cars) -> None:
    released(collected, first(truth, 10))
    released(collected, truth)
    committed = collected.git("show", "--name-only", "--format=", "HEAD").split()
    assert {CLASSIFIER_FILE, PREVIOUS_CLASSIFIER_FILE, CLASSIFIER_HTML} <= {*committed}


def test_labels_that_cannot_be_read_stop_no_month_and_change_no_model(collected: Home, truth: Cars) -> None:
    good = released(collected, first(truth, 10))
    (collected.folder / LABELS_FILE).write_text(json.dumps({next(iter(truth)): "no_such_car"}))
    result = collected.run([JANUARY])
    assert result.success, failure_texts(result)
    assert (collected.folder / CLASSIFIER_FILE).read_bytes() == good
    assert noted(collected)["outcome"].value == "not trained"
    assert any("no_such_car" in line for line in log_lines(collected, result.run_id))


def test_a_month_that_cannot_be_read_is_named_and_nothing_is_released_without_it(
    collected: Home, truth: Cars
) -> None:
    good = released(collected, first(truth, 10))
    label(collected, truth)
    (collected.folder / SAMPLES.path("2025-12")).write_bytes(b"PAR1")
    result = train(collected)
    assert result.success
    assert f"labelled sessions are left out: {SAMPLES.path('2025-12')} is not" in str(
        gate(result).description
    )
    assert (collected.folder / CLASSIFIER_FILE).read_bytes() == good


def test_a_file_that_two_months_need_is_named_once_and_the_month_that_is_whole_is_not_blamed(
    collected: Home, truth: Cars
) -> None:
    good = released(collected, first(truth, 10))
    label(collected, truth)
    (collected.folder / ACTIVITY.path(JANUARY)).write_text("{")
    assert train(collected).success
    [objection] = [reason for reason in noted(collected)["reasons"].value if "left out" in reason]
    assert ACTIVITY.path(JANUARY) in objection
    assert "2025-12" not in objection
    assert (collected.folder / CLASSIFIER_FILE).read_bytes() == good


def test_sessions_are_learned_from_with_limit_plug_in_and_the_cars_of_their_day(
    collected: Home, truth: Cars
) -> None:
    config = collected.json(VEHICLES_FILE)
    config["vehicles"][EMBER]["valid_periods"] = [{"from": "2026-01-01", "to": None}]
    (collected.folder / VEHICLES_FILE).write_text(json.dumps(config))
    by_hand = {id_: car for id_, car in truth.items() if car == TIDE}
    label(collected, by_hand)
    store = collected.store()
    found = gather(store, TrainingInputs.of(store), dg.get_dagster_logger()).sessions
    assert {one.session_id for one in found} == set(by_hand)
    plug_ins = {r.session_id: r.plug_in_id for month in MONTHS for r in store.need_month(CACHE, month)}
    for one in found:
        new_year = one.start >= datetime(2026, 1, 1, tzinfo=store.zone)
        assert (EMBER in one.candidates) == new_year
        assert one.plug_in_id <= plug_ins[one.session_id]


def test_a_label_of_a_session_that_is_not_stored_waits(collected: Home, truth: Cars) -> None:
    label(collected, {**first(truth, 10), "1": TIDE})
    assert train(collected).success
    assert noted(collected)["waiting"].value == ["1"]
    assert noted(collected)["outcome"].value == "released"


def requests(home: Home, cursor: str | None = None) -> list[dg.RunRequest]:
    return list(home.evaluate(SENSOR, cursor).run_requests or [])


def test_changed_labels_ask_for_one_training_and_then_for_none(collected: Home, truth: Cars) -> None:
    assert collected.run(MONTHS).success
    assert requests(collected) == []
    label(collected, first(truth, 10))
    [request] = requests(collected)
    assert collected.run_request(request, TRAINING_JOB).success
    assert noted(collected)["outcome"].value == "released"
    assert requests(collected) == []


def test_a_refused_candidate_is_not_tried_again_until_the_labels_change(collected: Home, truth: Cars) -> None:
    label(collected, first(truth, 5))
    [request] = requests(collected)
    assert not gate(collected.run_request(request, TRAINING_JOB)).passed
    with at(NOW + timedelta(days=2)):
        assert requests(collected) == []
        assert "was refused" in collected.evaluate(SENSOR).skip_message
        label(collected, first(truth, 6))
        assert len(requests(collected)) == 1


def test_a_note_or_a_file_written_anew_asks_for_nothing(collected: Home, truth: Cars) -> None:
    released(collected, first(truth, 10))
    labels = collected.json(LABELS_FILE)
    for entry in labels.values():
        entry["note"] = "seen from the window"
    (collected.folder / LABELS_FILE).write_text(json.dumps(labels, indent=4))
    assert requests(collected) == []


def test_a_car_that_was_there_on_other_days_asks_for_a_training(collected: Home, truth: Cars) -> None:
    released(collected, first(truth, 10))
    config = collected.json(VEHICLES_FILE)
    config["vehicles"][EMBER]["valid_periods"] = [{"from": "2026-01-01", "to": None}]
    (collected.folder / VEHICLES_FILE).write_text(json.dumps(config))
    assert len(requests(collected)) == 1


def test_labels_that_cannot_be_used_are_a_skip_that_says_why(collected: Home) -> None:
    (collected.folder / LABELS_FILE).write_text(json.dumps({"7": "no_such_car"}))
    result = collected.evaluate(SENSOR)
    assert not result.run_requests
    assert "no_such_car" in result.skip_message


def test_without_any_label_nothing_is_asked_for(home: Home) -> None:
    assert requests(home) == []
    assert "Nobody has labelled" in home.evaluate(SENSOR).skip_message


def test_a_training_that_fails_is_tried_again_and_hourly_in_the_end(collected: Home, truth: Cars) -> None:
    label(collected, first(truth, 10))
    (collected.folder / CLASSIFIER_FILE).unlink()
    (collected.folder / CLASSIFIER_FILE).mkdir()  # cannot be read as a file, nor replaced
    for _ in range(4):
        [request] = requests(collected)
        assert not collected.run_request(request, TRAINING_JOB).success
    assert requests(collected) == []
    with at(NOW + timedelta(hours=1, minutes=5)):
        assert len(requests(collected)) == 1


def test_a_labelled_session_is_learned_from_once_its_month_is_stored(collected: Home, truth: Cars) -> None:
    late = next(id_ for id_ in reversed(truth) if truth[id_] == EMBER)
    month = {path: (collected.folder / path).read_bytes() for path in _files_of(JANUARY)}
    for path in month:
        (collected.folder / path).unlink()
    label(collected, {late: EMBER})
    [request] = requests(collected)
    assert collected.run_request(request, TRAINING_JOB).success
    assert noted(collected)["waiting"].value == [late]
    cursor = collected.evaluate(SENSOR).cursor
    assert requests(collected, cursor) == []
    assert collected.run([JANUARY], only=["chargepoint_activity", "session_samples"]).success
    with at(NOW + timedelta(minutes=6)):
        [again] = requests(collected, cursor)
        assert collected.run_request(again, TRAINING_JOB).success
    assert noted(collected)["waiting"].value == []
    assert requests(collected, cursor) == []


def test_a_model_found_on_disk_is_trained_anew_once_because_nobody_knows_what_it_was_learned_from(
    collected: Home, truth: Cars
) -> None:
    label(collected, first(truth, 10))
    reconcile(collected.instance, collected.store(), MONTHS[0])
    [request] = requests(collected)
    assert collected.run_request(request, TRAINING_JOB).success
    assert requests(collected) == []


def test_sessions_that_were_none_of_the_cars_are_learned_as_such(collected: Home, truth: Cars) -> None:
    stranger = next(id_ for id_ in reversed(truth) if truth[id_] == TIDE)
    label(collected, {**truth, stranger: UNKNOWN_VEHICLE})
    result = train(collected)
    assert gate(result).passed, gate(result).description
    assert UNKNOWN_VEHICLE not in model(collected).vehicles
    assert model(collected).training.labels[UNKNOWN_VEHICLE] == 1


def _files_of(month: str) -> list[str]:
    return [
        f"chargepoint_activity/{month}.json",
        *(file.path(month) for file in (SAMPLES, CLASSIFICATIONS, CACHE)),
    ]
