"""`cph50 vehicles review` as a process: what it lists for people and for programs, and that it only reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cph50_pipeline.defs.document_files import UNCLASSIFIED_JSON
from cph50_pipeline.defs.jobs import ATTRIBUTION_JOB, VEHICLE_REPORT_JOB
from cph50_pipeline.defs.month_files import CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE, VEHICLES_FILE
from cph50_pipeline_tests.dagster.homes import EMBER, MONTHS, Home
from cph50_pipeline_tests.integration.commands import (
    DONE,
    FAILED,
    WRONG_USE,
    CommandHome,
    complaint,
    printed,
)


@pytest.fixture
def command(collected: Home) -> CommandHome:
    return CommandHome(collected.folder, collected.simulator, MONTHS[0])


def question(home: Home, **changes: Any) -> str:
    """Let a session of the last month be one that needs review; returns its id."""
    classified = home.store().need_month(CLASSIFICATIONS, "2026-01")
    seen = next(c for c in classified if c.labeled_by is None and "plateau" in c.reason)
    asked = seen.model_copy(update={"needs_review": True, **changes})
    changed = [asked if c.session_id == seen.session_id else c for c in classified]
    (home.folder / CLASSIFICATIONS.path("2026-01")).write_bytes(CLASSIFICATIONS.dump(changed))
    return str(seen.session_id)


def test_people_are_told_what_to_look_at_and_what_to_type(collected: Home, command: CommandHome) -> None:
    session_id = question(collected)
    before = collected.files()
    done = command.run("vehicles", "review")
    assert done.returncode == DONE, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"stranger: session {session_id}, 20")
    assert f"  cph50 label {session_id} CAR" in lines
    assert [line for line in lines if "which car?" in line]
    assert collected.files() == before


def test_programs_get_what_the_report_holds(collected: Home, command: CommandHome) -> None:
    question(collected)
    assert collected.run([], job=VEHICLE_REPORT_JOB).success
    assert printed(command.run("vehicles", "review", "--json")) == collected.json(UNCLASSIFIED_JSON)


def test_a_long_list_is_cut_and_says_so(command: CommandHome) -> None:
    done = command.run("vehicles", "review", "--limit", "1")
    assert len([line for line in done.stdout.splitlines() if line.startswith("group: ")]) == 1
    assert "more group(s)" in done.stdout
    assert command.run("vehicles", "review", "--limit", "0").returncode == WRONG_USE


def test_when_every_session_is_labelled_there_is_nothing_to_look_at(
    collected: Home, command: CommandHome
) -> None:
    ids = [s for month in MONTHS for s in collected.store().activity(month).sessions]
    (collected.folder / LABELS_FILE).write_text(json.dumps(dict.fromkeys(ids, "unknown")))
    assert collected.run(MONTHS, job=ATTRIBUTION_JOB).success
    assert command.run("vehicles", "review").stdout == "There is nothing to look at\n"


def test_what_people_wrote_does_not_steer_the_terminal(collected: Home, command: CommandHome) -> None:
    question(collected, reason="labelled by \x1b[2Jann")
    done = command.run("vehicles", "review")
    assert "labelled by ?[2Jann" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (SAMPLES.path("2026-01"), WRONG_USE),
        (CLASSIFIER_FILE, WRONG_USE),
        (VEHICLES_FILE, WRONG_USE),
    ],
)
def test_a_damaged_file_is_named_in_one_line(
    collected: Home, command: CommandHome, path: str, code: int
) -> None:
    (collected.folder / path).write_bytes(b"[")
    assert path in complaint(command.run("vehicles", "review"), code)


def test_a_household_without_sessions_is_told_what_to_do(home: Home) -> None:
    empty = CommandHome(home.folder, home.simulator, MONTHS[0])
    home.folder.mkdir()
    assert "cph50 backfill" in complaint(empty.run("vehicles", "review"), FAILED)


def test_one_may_type_what_the_list_says(collected: Home, command: CommandHome) -> None:
    session_id = question(collected)
    [item] = printed(command.run("vehicles", "review", "--json"))["queue"]
    typed = item["command"].replace("CAR", EMBER).split()[1:]
    assert command.run(*typed, "--no-run").returncode == DONE
    assert collected.json(LABELS_FILE)[session_id]["vehicle_id"] == EMBER
