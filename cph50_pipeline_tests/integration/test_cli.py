"""The `cph50` command as people and cron use it: exit codes, one-line errors, output for programs, masked secrets."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.charging.collection import collection_path, new_record
from cph50_pipeline.civil_time import local_date, month_of, shift_month
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.dagster.homes import copy_home
from cph50_pipeline_tests.integration.commands import (
    COMMAND,
    DONE,
    FAILED,
    WRONG_USE,
    CommandHome,
    Finished,
    complaint,
    contents,
    printed,
)
from cph50_pipeline_tests.integration.households import commit_count, git

CURRENT = month_of(datetime.now(UTC), ZoneInfo("America/Los_Angeles"))
LAST = shift_month(CURRENT, -1)
FIRST = shift_month(CURRENT, -2)
PASSWORD = "canary-pa55word"
COMMANDS = [
    "demo",
    "dev",
    "simulate",
    "backfill",
    "update",
    "tick",
    "scheduler",
    "reconcile",
    "restore",
    "history",
    "rebuild",
    "label",
    "unlabel",
    "vehicles",
    "import",
    "train",
    "maintenance",
    "settings",
]


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_fault_is_left(simulator: RunningSimulator) -> Iterator[None]:
    yield
    simulator.faults.clear()


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator) -> CommandHome:
    """A household that has collected nothing."""
    return CommandHome(tmp_path / "data", simulator, FIRST)


@pytest.fixture(scope="module")
def backfilled(
    tmp_path_factory: pytest.TempPathFactory, simulator: RunningSimulator
) -> tuple[CommandHome, Finished]:
    """A household with the last two months, and what the command that collected them said."""
    made = CommandHome(tmp_path_factory.mktemp("home") / "data", simulator, FIRST)
    return made, made.run("backfill", "--from", FIRST, "--to", LAST, "--json")


@pytest.fixture
def stocked(backfilled: tuple[CommandHome, Finished]) -> CommandHome:
    """The household with two months."""
    made, done = backfilled
    assert done.returncode == DONE, done.stderr
    return made


def test_help_names_every_command(home: CommandHome) -> None:
    home.data.mkdir()
    done = home.run("--help")
    assert done.returncode == DONE
    listed = {line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ") and line.split()}
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize(
    "arguments",
    [
        ["charge"],
        ["backfill"],
        ["backfill", "--from", LAST],
        ["update", "everything"],
        ["scheduler", "pause"],
        ["tick", "--often"],
        ["simulate", "--port", "http"],
        ["label", "4711"],
        ["vehicles", "sell"],
        ["import"],
    ],
)
def test_what_no_command_understands_is_wrong_use_without_a_trace(
    home: CommandHome, arguments: list[str]
) -> None:
    done = home.run(*arguments)
    assert done.returncode == WRONG_USE
    assert "Usage: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not home.data.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backfill", "--from", "2025-13", "--to", LAST], "'2025-13' is not a month"),
        (["backfill", "--from", LAST, "--to", FIRST], f"--from {LAST} comes after --to {FIRST}"),
        (
            ["backfill", "--from", shift_month(FIRST, -1), "--to", LAST],
            f"months go from {FIRST} to {CURRENT}",
        ),
        (["update", "month"], "cph50 update month YYYY-MM"),
        (["update", "session"], "cph50 update session ID"),
        (["update", "current", LAST], f"not '{LAST}'"),
    ],
)
def test_a_month_or_session_that_cannot_be_is_named_in_one_line(
    home: CommandHome, arguments: list[str], words: str
) -> None:
    assert words in complaint(home.run(*arguments), WRONG_USE)


@pytest.mark.parametrize(
    "arguments",
    [["settings"], ["tick"], ["reconcile"], ["scheduler", "status"], ["update", "current"]],
    ids=lambda arguments: arguments[0],
)
def test_a_wrong_setting_is_one_line_whatever_the_command(home: CommandHome, arguments: list[str]) -> None:
    home.changes["CPH50_TIMEZONE"] = "Pacific"
    assert "CPH50_TIMEZONE: 'Pacific' is not a time zone" in complaint(home.run(*arguments), WRONG_USE)


def test_settings_show_every_value_in_force_and_no_secret(home: CommandHome) -> None:
    home.changes.update(CPH50_CHARGEPOINT_PASSWORD=PASSWORD, CPH50_CHARGEPOINT_TOKEN=PASSWORD)
    done = home.run("settings", "--json")
    rows = {row["setting"]: row["value"] for row in printed(done)}
    assert set(rows) == {f"CPH50_{name.upper()}" for name in Settings.model_fields}
    assert rows["CPH50_DATA_DIR"] == str(home.data)
    assert set(rows["CPH50_CHARGEPOINT_PASSWORD"]) == set(rows["CPH50_CHARGEPOINT_TOKEN"]) == {"*"}
    as_table = home.run("settings")
    assert "CPH50_HISTORY_START" in as_table.stdout
    assert PASSWORD not in done.stdout + done.stderr + as_table.stdout + as_table.stderr


def test_a_backfill_prints_how_its_run_ended(backfilled: tuple[CommandHome, Finished]) -> None:
    home, done = backfilled
    outcome = printed(done)
    assert outcome == {"run_id": outcome["run_id"], "succeeded": True, "failures": []}
    assert home.store().stored_months(CACHE) == [FIRST, LAST]
    assert f"Run: {outcome['run_id']}" in git(home.data, "log", "--format=%B")


def test_an_update_for_people_says_month_and_outcome_in_a_line(stocked: CommandHome) -> None:
    done = stocked.run("update", "last")
    assert done.returncode == DONE, done.stderr
    assert done.stdout.startswith(f"{LAST}: done (run ")
    assert len(done.stdout.splitlines()) == 1


def test_one_session_is_brought_up_to_date_in_its_month(stocked: CommandHome) -> None:
    session_id = min(stocked.store().activity(FIRST).sessions)
    commits = commit_count(stocked.data)
    assert printed(stocked.run("update", "session", session_id, "--json"))["succeeded"]
    assert commit_count(stocked.data) == commits, "an answer that says nothing new changes no file"


def test_an_unknown_session_is_named(stocked: CommandHome) -> None:
    assert "session 4711" in complaint(stocked.run("update", "session", "4711"), FAILED)


def test_a_charger_account_that_refuses_is_told_in_a_line_for_each_failed_step(
    home: CommandHome,
) -> None:
    home.changes["CPH50_CHARGEPOINT_PASSWORD"] = PASSWORD
    done = home.run("update", "month", LAST)
    assert done.returncode == FAILED
    assert f"{LAST}: failed" in done.stdout
    assert "chargepoint_activity: " in done.stderr
    assert "CPH50_CHARGEPOINT_PASSWORD" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert PASSWORD not in done.stderr + done.stdout


def test_a_failed_run_is_printed_for_programs_with_what_failed(home: CommandHome) -> None:
    home.simulator.faults.add(Fault(kind="bot_html", times=None))
    outcome = printed(home.run("update", "month", LAST, "--json"), FAILED)
    assert outcome["succeeded"] is False
    assert [failure.split(":")[0] for failure in outcome["failures"]] == ["chargepoint_activity"]


def test_a_tick_says_what_each_sensor_saw_and_fails_when_one_of_them_fails(stocked: CommandHome) -> None:
    ticked = printed(stocked.run("tick", "--json"))
    assert {"charger_sensor", "hand_edited_sensor", "live_sensor"} <= {row["name"] for row in ticked}
    assert all(row["said"] and isinstance(row["runs"], list) for row in ticked)
    stocked.simulator.faults.add(Fault(kind="bot_json", times=None))
    refused = stocked.run("tick", "--json")
    (stocked.data / "private" / "chargepoint_pause.json").unlink()  # others use this household, too
    names = {row["name"]: row["said"] for row in printed(refused, FAILED)}
    assert "bot" in names["charger_sensor"]
    assert "Traceback" not in refused.stderr


def test_the_scheduler_switches_what_a_tick_honours(stocked: CommandHome) -> None:
    def states(*arguments: str) -> set[str]:
        return {row["state"] for row in printed(stocked.run("scheduler", *arguments, "--json"))}

    assert states("stop") == {"off"}
    assert {row["said"] for row in printed(stocked.run("tick", "--json"))} == {"switched off"}
    assert states("start") == {"on"}


def test_reconcile_shows_a_new_dagster_home_what_the_files_hold_and_names_damage(
    stocked: CommandHome, tmp_path: Path
) -> None:
    clone = CommandHome(stocked.data, stocked.simulator, FIRST, {"DAGSTER_HOME": str(tmp_path / "dagster")})
    assert ACTIVITY.path(LAST) in printed(clone.run("reconcile", "--json"))["reported"]
    assert printed(clone.run("reconcile", "--json")) == {"reported": [], "damaged": []}

    clone.changes["DAGSTER_HOME"] = str(tmp_path / "another")
    path = stocked.data / CACHE.path(LAST)
    whole = path.read_bytes()
    path.write_text("[{")
    try:
        done = clone.run("reconcile")
    finally:
        path.write_bytes(whole)
    assert done.returncode == FAILED
    assert CACHE.path(LAST) in done.stderr
    assert "Traceback" not in done.stderr


def test_rebuild_only_says_what_it_would_do_until_it_is_told_to_apply_it(
    stocked: CommandHome, tmp_path: Path
) -> None:
    copy_home(stocked.data, tmp_path / "data")
    home = CommandHome(tmp_path / "data", stocked.simulator, FIRST)
    store, east = home.store(), ZoneInfo("Pacific/Kiritimati")  # most sessions start there on the day after
    session = next(
        s for s in store.sessions(LAST) if local_date(s.start, east) != local_date(s.start, store.zone)
    )
    path = store.collection_path(session)
    store.write_collection(path, new_record(session.session_id, session.start, session.start, 10))
    assert printed(home.run("rebuild", "--json"))["is_needed"] is False

    home.changes["CPH50_TIMEZONE"] = east.key
    before = contents(home.data)
    target = collection_path(session.session_id, session.start, east)
    assert printed(home.run("rebuild", "--json"))["files"] == [{"source": path, "target": target}]
    assert f"{path} -> {target}" in home.run("rebuild").stdout
    assert contents(home.data) == before

    done = home.run("rebuild", "--apply")
    assert done.returncode == DONE, done.stderr
    assert (home.data / target).exists()
    assert not (home.data / path).exists()
    assert home.run("rebuild", "--apply").stdout.endswith("nothing to do\n")


def start_simulate(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "simulate", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=hear_ctrl_c,
    )


def hear_ctrl_c() -> None:
    """Undo what a shell does to whatever it starts in the background, these tests included."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_the_simulator_says_how_to_use_it_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    with start_simulate(tmp_path, "--port", "0") as process:
        assert process.stderr is not None
        said = [process.stderr.readline() for _ in range(11)]
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=30)
    assert any("CPH50_CHARGEPOINT_DISCOVERY_URL=http://127.0.0.1:" in line for line in said)
    assert any("CPH50_HOME_ASSISTANT_URL=http://127.0.0.1:" in line for line in said)
    assert any("CPH50_HOME_ASSISTANT_TOKEN=" in line for line in said)
    assert any("CPH50_GITHUB_API_URL=http://127.0.0.1:" in line for line in said)
    assert any("CPH50_GIT_REMOTE=http://127.0.0.1:" in line for line in said)
    assert any("CPH50_GITHUB_TOKEN=" in line for line in said)
    assert process.returncode == DONE
    assert "Stopped" in rest
    assert "Traceback" not in rest


def test_a_port_that_is_taken_is_one_line(tmp_path: Path, simulator: RunningSimulator) -> None:
    port = simulator.base_url.rstrip("/").rpartition(":")[2]
    with start_simulate(tmp_path, "--port", port, "--github-port", "0") as process:
        out, err = process.communicate(timeout=60)
    said = complaint(Finished([], process.returncode, out, err), WRONG_USE)
    assert f"Port {port} for the simulator is taken" in said


def test_a_simulated_present_is_refused_to_a_real_charger(home: CommandHome) -> None:
    assert "CPH50_SOURCE" in complaint(home.run("dev"), WRONG_USE)


def run_demo(folder: Path, environment: dict[str, str]) -> Finished:
    return subprocess.run(
        [*COMMAND, "demo", "--json"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_the_demo_makes_four_months_in_a_repository_of_its_own_and_a_second_run_changes_nothing(
    home: CommandHome, tmp_path: Path
) -> None:
    environment = {name: value for name, value in home.environment.items() if not name.startswith("CPH50_")}
    summary = printed(run_demo(tmp_path, environment))
    assert summary["months"] == f"{shift_month(CURRENT, -3)} to {CURRENT}"
    assert summary["sessions"] > 30
    assert {name.split()[0] for name in summary["vehicles found"].split(", ")} == {
        "ember_hatch_2023",
        "tide_suv_2024",
    }
    assert summary["cost USD"] > 0
    data = tmp_path / ".cph50" / "demo" / "data"
    assert summary["house kWh"] > 0
    assert summary["commits"] == commit_count(data) == 2
    assert git(data, "status", "--porcelain") == ""
    assert [path.name for path in tmp_path.iterdir()] == [".cph50"]
    assert printed(run_demo(tmp_path, environment))["months"] == summary["months"]
    # Meanwhile the house may have been read once more, which waits for the night.
    assert git(data, "status", "--porcelain", "--", ".", ":(exclude)power") == ""
