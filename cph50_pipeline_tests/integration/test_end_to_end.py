"""The whole line through the command: replay, repetition, concurrency, damage, privacy."""

from __future__ import annotations

import json
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import month_of, shift_month
from cph50_pipeline.defs.month_files import CACHE, SLOTS
from cph50_pipeline.simulator.identity import IDENTIFYING_VALUES
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.simulator.state import Account
from cph50_pipeline_tests.integration.commands import CommandHome, contents
from cph50_pipeline_tests.integration.households import commit_count, committed_files, git

ZONE = ZoneInfo("America/Los_Angeles")


@pytest.fixture
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator) -> CommandHome:
    return CommandHome(tmp_path / "data", simulator, shift_month(month_of(datetime.now(UTC), ZONE), -2))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory, real_answers: Path) -> Iterator[CommandHome]:
    with RunningSimulator(replay=real_answers) as simulator:
        home = CommandHome(tmp_path_factory.mktemp("replay") / "data", simulator, "2025-09")
        done = home.run("backfill", "--from", "2025-10", "--to", "2025-12")
        assert done.returncode == 0, done.stderr
        yield home


def _answered(real_answers: Path, month: str) -> dict[str, dict[str, object]]:
    answer = json.loads((real_answers / "activity" / f"{month}.json").read_text())
    infos = answer["charging_activity_monthly"]["month_info"]
    return {str(session["session_id"]): session for info in infos for session in info["sessions"]}


@pytest.mark.parametrize(("month", "count"), [("2025-10", 45), ("2025-12", 23)])
def test_every_recorded_session_is_cached_with_its_energy_and_split_without_loss(
    replayed: CommandHome, real_answers: Path, month: str, count: int
) -> None:
    answered = _answered(real_answers, month)
    records = {record.session_id: record for record in replayed.store().need_month(CACHE, month)}
    by_session: dict[str, list[ChargingSlot]] = defaultdict(list)
    for slot in replayed.store().need_month(SLOTS, month):
        by_session[slot.session_id].append(slot)
    assert len(records) == count
    assert records.keys() == answered.keys() == by_session.keys()
    for session_id, answer in answered.items():
        energy_kwh = answer["energy_kwh"]
        assert records[session_id].energy_kwh == pytest.approx(energy_kwh, abs=1e-6)
        assert sum(slot.energy_kwh for slot in by_session[session_id]) == pytest.approx(energy_kwh, abs=1e-6)


def test_recorded_ends_that_contradict_the_time_plugged_in_are_corrected_and_flagged(
    replayed: CommandHome, real_answers: Path
) -> None:
    answered = _answered(real_answers, "2025-10")
    corrected = [r for r in replayed.store().need_month(CACHE, "2025-10") if "end_corrected" in r.flags]
    assert len(corrected) == 2
    for record in corrected:
        plugged_in = timedelta(milliseconds=float(str(answered[record.session_id]["session_time"])))
        assert record.session_end_time - record.session_start_time == plugged_in


def test_both_documented_readers_find_their_fields_with_the_right_types(replayed: CommandHome) -> None:
    records = json.loads((replayed.data / "session_cache" / "2025-12.json").read_text())
    assert isinstance(records, list)
    for record in records:
        assert isinstance(record["session_id"], str)
        assert datetime.fromisoformat(record["session_start_time"]).utcoffset() == timedelta(0)
        assert datetime.fromisoformat(record["session_end_time"]).utcoffset() == timedelta(0)
        assert isinstance(record["energy_kwh"], float)
        assert isinstance(record["vehicle"]["id"], str)
        assert isinstance(record["vehicle"]["confidence"], float)
        assert record["vehicle_id"] == record["vehicle"]["vehicle_id"]
        assert record["session"]["energy_kwh"] == record["energy_kwh"]
        assert isinstance(record["session"]["duration_seconds"], int)
        assert record["session"]["status"] == "completed"
        assert {"vehicle_name", "model", "vin", "make"} <= record["vehicle"].keys()
        assert {"location_id", "name", "address", "city", "state", "zip_code"} <= record["location"].keys()
        assert {"charger_id", "connector_type", "charger_model", "level"} <= record["charger"].keys()
        assert {"utility_name", "utility_company"} <= record["utility"].keys()


def test_running_the_same_months_again_changes_no_byte_and_makes_no_commit(replayed: CommandHome) -> None:
    before, commits = contents(replayed.data), commit_count(replayed.data)
    done = replayed.run("backfill", "--from", "2025-10", "--to", "2025-12", "--refresh-closed")
    assert done.returncode == 0, done.stderr
    assert contents(replayed.data) == before
    assert commit_count(replayed.data) == commits
    assert git(replayed.data, "status", "--porcelain") == ""


def test_runs_on_one_month_at_the_same_time_lose_nothing(
    home: CommandHome, simulator: RunningSimulator
) -> None:
    month = shift_month(home.history_start, 1)
    alone = CommandHome(home.data.parent / "alone", simulator, home.history_start)
    assert alone.run("update", "month", month).returncode == 0
    wanted = {record.session_id for record in alone.store().need_month(CACHE, month)}
    some = sorted(wanted)[:2]
    running = [home.start("update", "session", session_id) for session_id in some]
    running.append(home.start("update", "month", month))
    ends = [process.communicate(timeout=180) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], ends
    assert {record.session_id for record in home.store().need_month(CACHE, month)} == wanted
    assert contents(home.data).keys() == contents(alone.data).keys()
    assert _without_runs(home) == _without_runs(alone)
    assert git(home.data, "status", "--porcelain") == ""
    assert git(home.data, "fsck", "--strict", "--no-dangling") == ""


def _without_runs(home: CommandHome) -> dict[str, str]:
    # The row that a month's list has of a session is not in its own answer, and runs differ by their ids.
    return {path: digest for path, digest in contents(home.data).items() if path != "runs.json"}


def test_a_damaged_month_stops_its_run_with_one_clear_line_and_stays_as_it_is(home: CommandHome) -> None:
    month = shift_month(home.history_start, 1)
    assert home.run("update", "month", month).returncode == 0
    damaged = home.data / "chargepoint_activity" / f"{month}.json"
    damaged.write_text(damaged.read_text()[:1000])
    before = contents(home.data)
    done = home.run("update", "month", month)
    assert done.returncode == 1
    assert f"chargepoint_activity/{month}.json" in done.stderr
    assert "Traceback" not in done.stderr
    assert contents(home.data) == before
    git(home.data, "checkout", "--", f"chargepoint_activity/{month}.json")
    assert home.run("update", "month", month).returncode == 0


def test_a_damaged_derived_file_is_made_again(home: CommandHome) -> None:
    month = shift_month(home.history_start, 1)
    assert home.run("update", "month", month).returncode == 0
    before = _without_runs(home)
    (home.data / "charging_energy" / f"{month}.parquet").write_bytes(b"PAR1 torn")
    (home.data / "session_cache" / f"{month}.json").write_text("[{")
    assert home.run("update", "month", month).returncode == 0
    assert _without_runs(home) == before


def test_no_secret_and_nothing_that_identifies_is_published_logged_or_recorded(tmp_path: Path) -> None:
    secret = "canary-pa55word-7731"
    account = Account(password=secret)
    with RunningSimulator(account=account) as simulator:
        month = month_of(datetime.now(UTC), ZONE)
        home = CommandHome(
            tmp_path / "data", simulator, shift_month(month, -2), {"CPH50_PUBLISH_DELAY_MINUTES": "0"}
        )
        simulator.plug_in("tide_suv_2024", minutes=30)
        printed = [
            home.run("backfill", "--from", shift_month(month, -2), "--to", month),
            home.run("tick"),
            home.run("settings", "--json"),
        ]
    assert [done.returncode for done in printed] == [0, 0, 0], printed
    token = json.loads((home.data / "private" / "chargepoint_token.json").read_text())["token"]
    history = subprocess.run(
        ["git", "log", "--all", "--patch"], cwd=home.data, capture_output=True, check=True
    ).stdout
    places = {str(p.relative_to(home.data)): p.read_bytes() for p in _all_but_client_state(home.data)}
    places["git history"] = history
    places["output"] = "".join(done.stdout + done.stderr for done in printed).encode()
    canaries = [secret, token, *IDENTIFYING_VALUES]
    found = Counter(
        (canary, place) for place, data in places.items() for canary in canaries if canary.encode() in data
    )
    # A person's own user name is shown to that person by `cph50 settings`, and nowhere else.
    del found[(account.username, "output")]
    assert not found
    assert any(path.startswith("sessions/") for path in committed_files(home.data))


def _all_but_client_state(data: Path) -> Iterator[Path]:
    for path in data.rglob("*"):
        relative = path.relative_to(data)
        is_client_state = relative.parent == Path("private") and relative.name.startswith("chargepoint_")
        if path.is_file() and relative.parts[0] != ".git" and not is_client_state:
            yield path
