"""Labels and cars by command, as people use them: what is said, what is refused, what lands in files and commits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import month_of, shift_month
from cph50_pipeline.defs.month_files import CACHE, SAMPLES
from cph50_pipeline.defs.store import LABELS_FILE, VEHICLES_FILE
from cph50_pipeline.simulator.server import RunningSimulator
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
from cph50_pipeline_tests.integration.households import git

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


def sessions(home: CommandHome, month: str = LAST) -> list[str]:
    return sorted(home.store().activity(month).sessions)


def labels(home: CommandHome) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((home.data / LABELS_FILE).read_text())
    return document


def car_of(home: CommandHome, session_id: str, month: str = LAST) -> str:
    cars = {record.session_id: record.vehicle_id for record in home.store().need_month(CACHE, month)}
    return str(cars[session_id])


def without_runs(home: CommandHome) -> dict[str, str]:
    return {path: digest for path, digest in contents(home.data).items() if path != "runs.json"}


def test_a_label_names_its_session_at_once_and_taking_it_back_leaves_no_trace(home: CommandHome) -> None:
    session_id, before = sessions(home)[0], without_runs(home)
    done = home.run("label", session_id, TIDE, "--by", "ann", "--note", "saw it")
    assert done.returncode == DONE, done.stderr
    assert done.stdout.startswith(f"session {session_id} of {LAST}: {TIDE} (labelled by ann)")
    assert car_of(home, session_id) == TIDE
    assert {**labels(home)[session_id], "labeled_at": None} == {
        "vehicle_id": TIDE,
        "labeled_by": "ann",
        "labeled_at": None,
        "note": "saw it",
    }
    changed = {path for path, digest in without_runs(home).items() if before[path] != digest}
    assert {path for path in changed if FIRST in path} == set(), "no other month was named again"
    assert {LABELS_FILE, CACHE.path(LAST)} <= changed
    assert changed <= set(git(home.data, "show", "--name-only", "--format=", "HEAD").split())

    taken_back = printed(home.run("unlabel", session_id, "--json"))
    assert taken_back["run"]["succeeded"]
    assert taken_back["classification"]["labeled_by"] != "manual"
    assert without_runs(home) == before
    assert git(home.data, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["label", "4711", TIDE], "has a session 4711"),
        (["label", "{session}", "bus"], f"There is no vehicle 'bus'. Name one of {VEHICLES_FILE} ({EMBER}"),
        (["label", "{session}", "van"], "van was not in the household on"),
        (["label", "{labelled}", TIDE], f"is labelled {EMBER} by ann, not {TIDE}"),
        (["label", "{session}", TIDE, "--by", "classifier"], "not somebody who can label"),
        (["unlabel", "{session}"], "has no label"),
    ],
    ids=["session", "car", "day", "contradiction", "machine", "unlabel"],
)
def test_a_bad_label_is_refused_in_one_line_and_the_file_stays_as_it_is(
    home: CommandHome, arguments: list[str], words: str
) -> None:
    session_id, labelled = sessions(home)[:2]
    (home.data / LABELS_FILE).write_text(json.dumps({labelled: {"vehicle_id": EMBER, "labeled_by": "ann"}}))
    document = json.loads((home.data / VEHICLES_FILE).read_text())
    document["vehicles"]["van"] = {"valid_periods": [{"to": "2020-01-01"}]}
    (home.data / VEHICLES_FILE).write_text(json.dumps(document))
    before = contents(home.data)
    given = [argument.format(session=session_id, labelled=labelled) for argument in arguments]
    assert words in complaint(home.run(*given), WRONG_USE)
    assert contents(home.data) == before


@pytest.mark.parametrize("command", ["label", "unlabel", "import"])
def test_a_broken_labels_file_is_left_to_its_owner(home: CommandHome, command: str) -> None:
    session_id, broken = sessions(home)[0], '{"41": {"vehicle_id": "nobodys"}}'
    (home.data / LABELS_FILE).write_text(broken)
    (home.data.parent / "map.json").write_text(json.dumps({session_id: TIDE}))
    given = {"label": [session_id, TIDE], "unlabel": ["41"], "import": ["map.json"]}[command]
    line = complaint(home.run(command, *given), WRONG_USE)
    assert f"{LABELS_FILE}: session 41: there is no vehicle 'nobodys'" in line
    assert (home.data / LABELS_FILE).read_text() == broken


def test_what_another_person_said_is_replaced_when_told_to(home: CommandHome) -> None:
    session_id = sessions(home)[0]
    for arguments in (["--by", "ann"], ["--by", "bo", "--replace"]):
        car = TIDE if "--replace" in arguments else EMBER
        done = home.run("label", session_id, car, *arguments, "--no-run")
        assert done.returncode == DONE, done.stderr
    assert (labels(home)[session_id]["vehicle_id"], labels(home)[session_id]["labeled_by"]) == (TIDE, "bo")


def test_a_label_is_confirmed_by_whoever_stands_by_it_and_stays_as_it_was_said(home: CommandHome) -> None:
    first, second = sessions(home)[:2]
    assert home.run("label", first, TIDE, "--by", "ann", "--note", "saw it", "--no-run").returncode == DONE
    before = labels(home)[first]
    confirmed = printed(home.run("label", first, TIDE, "--confirm", "--json"))
    assert confirmed["run"]["succeeded"]
    assert confirmed["classification"]["confirmed"]
    assert confirmed["classification"]["reason"].startswith("labelled by ann and confirmed")
    assert labels(home)[first] == {**before, "confirmed": True}

    assert home.run("label", second, EMBER, "--confirm", "--no-run").returncode == DONE
    assert labels(home)[second]["confirmed"] is True
    assert home.run("label", second, TIDE, "--no-run").returncode == DONE
    assert "confirmed" not in labels(home)[second]


def test_a_label_whose_run_fails_is_kept_and_the_failure_is_told(home: CommandHome) -> None:
    session_id, samples = sessions(home)[0], home.data / SAMPLES.path(LAST)
    samples.write_bytes(b"PAR1")
    done = home.run("label", session_id, TIDE)
    assert done.returncode == FAILED
    assert SAMPLES.path(LAST) in done.stderr
    assert "Written down" in done.stderr
    assert "Traceback" not in done.stderr
    assert labels(home)[session_id]["vehicle_id"] == TIDE


def test_labels_at_the_same_time_all_count(home: CommandHome) -> None:
    first, second, *others = sessions(home)[:6]
    running = [home.start("label", session_id, TIDE) for session_id in (first, second)]
    running += [home.start("label", session_id, EMBER, "--no-run") for session_id in others]
    ends = [process.communicate(timeout=300) for process in running]
    assert [process.returncode for process in running] == [DONE] * 6, ends
    assert labels(home).keys() == {first, second, *others}
    assert [car_of(home, session_id) for session_id in (first, second)] == [TIDE, TIDE]
    assert git(home.data, "fsck", "--strict", "--no-dangling") == ""


def test_a_label_without_a_run_is_put_into_force_by_the_next_tick(home: CommandHome) -> None:
    session_id = sessions(home)[0]
    waiting = printed(home.run("label", session_id, "unknown", "--no-run", "--json"))
    assert waiting["run"] is None
    assert car_of(home, session_id) == waiting["classification"]["vehicle_id"]
    ticked = {row["name"]: row for row in printed(home.run("tick", "--json"))}
    assert [run["succeeded"] for run in ticked["hand_edited_sensor"]["runs"]] == [True]
    again = printed(home.run("label", session_id, "unknown", "--no-run", "--json"))
    assert again["classification"]["reason"] == "labelled by manual"


def test_cars_come_change_and_go(home: CommandHome) -> None:
    def van(*arguments: str) -> dict[str, Any]:
        [row] = printed(home.run("vehicles", *arguments, "--json"))
        return {name: row[name] for name in ("name", "year", "valid_periods", "is_here")}

    period = {"from": "2025-01-02", "to": None}
    before = json.loads((home.data / VEHICLES_FILE).read_text())["vehicles"]
    added = van("add", "van_2019", "nickname=Van", "year=2019", "--from", "2025-01-02")
    assert added == {"name": "Van", "year": 2019, "valid_periods": [period], "is_here": True}
    assert van("edit", "van_2019", "nickname=Bus") == {**added, "name": "Bus"}
    retired = {**added, "name": "Bus", "valid_periods": [{**period, "to": "2025-06-30"}], "is_here": False}
    assert van("retire", "van_2019", "--on", "2025-06-30") == retired
    listed = {row["vehicle_id"]: row["labels"] for row in printed(home.run("vehicles", "--json"))}
    assert listed == {EMBER: 0, TIDE: 0, "van_2019": 0}
    after = json.loads((home.data / VEHICLES_FILE).read_text())["vehicles"]
    assert {id_: after[id_] for id_ in before} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["add", EMBER], f"'{EMBER}' already"),
        (["add", "van", "year=soon"], "vehicles.van.year"),
        (["edit", "van", "year=2019"], f"There are: {EMBER}, {TIDE}"),
        (["edit", EMBER], "Say what to change"),
        (["edit", EMBER, "year"], "needs a name, `=` and a value"),
        (["edit", EMBER, "--from", "02.01.2025"], "'02.01.2025' is not a day"),
        (["retire", EMBER, "--on", "2001-01-01"], "cannot leave on 2001-01-01"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_edit_of_a_car_is_one_line_and_changes_nothing(
    home: CommandHome, arguments: list[str], words: str
) -> None:
    before = contents(home.data)
    assert words in complaint(home.run("vehicles", *arguments), WRONG_USE)
    assert contents(home.data) == before


def test_the_old_programs_labels_are_taken_in_whole_and_its_classifiers_are_not(home: CommandHome) -> None:
    said, guessed, *_ = sessions(home)
    entries = {
        said: {"vehicle": "volvo", "source": "manual", "labeled_at": "2026-01-09T17:30:00Z"},
        guessed: {"vehicle": "volvo", "source": "classifier", "confidence": 1.0},
        "4711": "equinox",
    }
    file = home.data.parent / "old_map.json"
    file.write_text(json.dumps({"sessions": entries, "statistics": {"total_sessions": 3}}))
    refused = home.run("import", str(file), "--map", f"volvo={TIDE}")
    assert refused.returncode == WRONG_USE
    [line, summary] = refused.stderr.splitlines()
    assert line.strip() == "session 4711: there is no vehicle 'equinox'"
    assert "Nothing was imported" in summary
    assert labels(home) == {}

    command = ["import", str(file), "--map", f"volvo={TIDE}", "--map", f"equinox={EMBER}", "--json"]
    done = printed(home.run(*command))
    assert (done["added"], done["by_machine"], done["waiting"]) == (["4711", said], [guessed], ["4711"])
    assert done["months"] == [LAST]
    assert {id_: label["vehicle_id"] for id_, label in labels(home).items()} == {said: TIDE, "4711": EMBER}
    assert printed(home.run(*command))["already_there"] == ["4711", said]


def test_what_holds_no_labels_is_refused_with_what_can_be_imported(home: CommandHome) -> None:
    for name in (VEHICLES_FILE, CACHE.path(LAST), f"session_samples/{LAST}.parquet"):
        line = complaint(home.run("import", str(home.data / name)), WRONG_USE)
        assert "What can be imported is a map of labels" in line
    assert "no_map.json cannot be read" in complaint(home.run("import", "no_map.json"), WRONG_USE)
