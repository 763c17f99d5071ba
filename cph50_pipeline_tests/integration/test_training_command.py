"""`cph50 train` as people use it: what it puts in force, what it refuses and why, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import month_of, shift_month
from cph50_pipeline.defs.document_files import CLASSIFIER_HTML
from cph50_pipeline.defs.month_files import CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE, PREVIOUS_CLASSIFIER_FILE
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.vehicles.features import fingerprint
from cph50_pipeline_tests.dagster.homes import EMBER, TIDE, copy_home
from cph50_pipeline_tests.integration.commands import (
    DONE,
    FAILED,
    WRONG_USE,
    CommandHome,
    complaint,
    contents,
    printed,
)
from cph50_pipeline_tests.integration.households import commit_count, git

LAST = shift_month(month_of(datetime.now(UTC), ZoneInfo("America/Los_Angeles")), -1)
FIRST = shift_month(LAST, -1)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator() as running:
        yield running


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, simulator: RunningSimulator) -> Path:
    """The files of a household with two months, without Dagster's records."""
    made = CommandHome(tmp_path_factory.mktemp("home") / "data", simulator, FIRST)
    made.changes["DAGSTER_HOME"] = str(tmp_path_factory.mktemp("dagster"))
    done = made.run("backfill", "--from", FIRST, "--to", LAST)
    assert done.returncode == DONE, done.stderr
    return made.data


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator, template: Path) -> CommandHome:
    copy_home(template, tmp_path / "data")
    return CommandHome(tmp_path / "data", simulator, FIRST)


def truths(home: CommandHome) -> dict[str, str]:
    """The true car of every session with steady charging at home."""
    store, found = home.store(), {}
    for month in (FIRST, LAST):
        readings = store.need_month(SAMPLES, month)
        for session in store.sessions(month):
            if session.is_home and fingerprint(readings[session.session_id]) is not None:
                found[session.session_id] = home.simulator.household.true_vehicle(session.session_id)
    return found


def label(home: CommandHome, count: int) -> None:
    """Label so many sessions of each car."""
    chosen = {
        session_id: car
        for wanted in (EMBER, TIDE)
        for session_id, car in [(id_, car) for id_, car in truths(home).items() if car == wanted][:count]
    }
    (home.data / LABELS_FILE).write_text(json.dumps(chosen))


def model(home: CommandHome, path: str = CLASSIFIER_FILE) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((home.data / path).read_text())
    return document


def test_enough_labels_are_learned_released_committed_and_name_the_sessions_by_the_next_tick(
    home: CommandHome,
) -> None:
    label(home, 12)
    done = home.run("train")
    assert done.returncode == DONE, done.stderr
    assert done.stdout == f"{model(home)['version']} was released.\n"
    assert "every month is named again" in done.stderr.lower()
    assert {CLASSIFIER_FILE, CLASSIFIER_HTML} <= {
        *git(home.data, "show", "--name-only", "--format=", "HEAD").split()
    }
    assert home.run("tick").returncode == DONE
    named = [c for month in (FIRST, LAST) for c in home.store().need_month(CLASSIFICATIONS, month)]
    by_classifier = {c.session_id: c.vehicle_id for c in named if c.labeled_by == "classifier"}
    assert len(by_classifier) > 10
    assert all(truths(home)[session_id] == car for session_id, car in by_classifier.items())


def test_too_few_labels_are_refused_with_the_reason_and_a_person_may_insist(home: CommandHome) -> None:
    label(home, 5)
    before = (home.data / CLASSIFIER_FILE).read_bytes()
    refused = home.run("train")
    assert refused.returncode == DONE, "what was asked for, learning, is done"
    assert f"{EMBER} has 5 labelled session(s)" in refused.stdout
    assert "cph50 train --release" in refused.stderr
    assert (home.data / CLASSIFIER_FILE).read_bytes() == before
    said = printed(home.run("train", "--release", "--json"))
    assert said["outcome"] == "released"
    assert any("10 are needed" in reason for reason in said["reasons"])
    assert said["version"] == model(home)["version"]
    assert set(model(home)["vehicles"]) == {EMBER, TIDE}


def test_the_same_labels_again_change_no_file_and_make_no_commit(home: CommandHome) -> None:
    label(home, 12)
    assert home.run("train").returncode == DONE
    before, commits = contents(home.data), commit_count(home.data)
    assert printed(home.run("train", "--json"))["outcome"] == "unchanged"
    assert contents(home.data) == before
    assert commit_count(home.data) == commits


def test_a_rollback_brings_the_model_before_back_and_names_the_one_taken_back(home: CommandHome) -> None:
    label(home, 10)
    assert home.run("train").returncode == DONE
    older = model(home)["version"]
    label(home, 14)
    assert home.run("train").returncode == DONE
    newer = model(home)["version"]
    assert model(home, PREVIOUS_CLASSIFIER_FILE)["version"] == older
    done = home.run("train", "--rollback")
    assert done.stdout == f"{newer} was taken back; {older} is in force again.\n"
    assert (model(home)["version"], model(home)["rolled_back"]) == (older, [newer])


def test_what_cannot_be_is_refused_in_one_line_before_a_run_is_started(home: CommandHome) -> None:
    before = contents(home.data)
    assert PREVIOUS_CLASSIFIER_FILE in complaint(home.run("train", "--rollback"), WRONG_USE)
    assert "--rollback" in complaint(home.run("train", "--release", "--rollback"), WRONG_USE)
    (home.data / LABELS_FILE).write_text('{"1": "no_such_car"}')
    assert "no_such_car" in complaint(home.run("train"), WRONG_USE)
    (home.data / LABELS_FILE).write_text("{}")
    assert {path: digest for path, digest in contents(home.data).items() if path != LABELS_FILE} == {
        path: digest for path, digest in before.items() if path != LABELS_FILE
    }


def test_a_model_of_another_kind_is_named_and_replaced_by_the_one_that_a_person_releases(
    home: CommandHome,
) -> None:
    label(home, 5)
    (home.data / CLASSIFIER_FILE).write_text('{"kind": "nearest_plateau"}')
    refused = home.run("train")
    assert f"{CLASSIFIER_FILE} holds a model of another kind" in refused.stderr
    assert home.run("train", "--release").returncode == DONE
    assert set(model(home)["vehicles"]) == {EMBER, TIDE}


def test_a_release_of_nothing_over_something_fails_and_says_so(home: CommandHome) -> None:
    label(home, 12)
    assert home.run("train").returncode == DONE
    good = (home.data / CLASSIFIER_FILE).read_bytes()
    (home.data / LABELS_FILE).write_text("{}")
    done = home.run("train", "--release")
    assert done.returncode == FAILED
    assert "no car has labelled sessions" in done.stdout
    assert (home.data / CLASSIFIER_FILE).read_bytes() == good
