"""A disk that is gone: what was published comes back to the byte, by git and by GitHub's API, and Dagster shows it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from cph50_pipeline.civil_time import local_date, month_of, shift_month
from cph50_pipeline.defs.document_files import DOCUMENT_FILES
from cph50_pipeline.defs.month_files import MONTH_FILES, POWER_FILES
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.storage.published import blob_id
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

ZONE = ZoneInfo("America/Los_Angeles")
REPOSITORY = "household/data"
TOKEN = "ghp_canaryCANARYcanary"
CURRENT = month_of(datetime.now(UTC), ZONE)
LAST = shift_month(CURRENT, -1)
WITH_MONTHS = [*MONTH_FILES, *POWER_FILES, "power_readings"]
WITHOUT_MONTHS = [*DOCUMENT_FILES, "vehicle_labels", "publication"]
CAR = "ember_hatch_2023"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGitHub]:
    with RunningGitHub(tmp_path_factory.mktemp("hub")) as running:
        running.create_repository(REPOSITORY)
        running.add_token(TOKEN)
        yield running


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory, hub: RunningGitHub) -> Iterator[CommandHome]:
    """A household that collected two months and its power, labelled a session, and pushed all of it."""
    with RunningSimulator() as simulator:
        home = CommandHome(tmp_path_factory.mktemp("home") / "data", simulator, LAST)
        home.changes |= {
            "CPH50_HOME_ASSISTANT_URL": simulator.home_assistant_url,
            "CPH50_HOME_ASSISTANT_TOKEN": simulator.home_assistant_token,
            "CPH50_PUBLISH": "push",
            "CPH50_GIT_REMOTE": hub.git_url(REPOSITORY),
            "CPH50_GITHUB_API_URL": hub.api_url,
            "CPH50_GITHUB_REPOSITORY": REPOSITORY,
            "CPH50_GITHUB_TOKEN": TOKEN,
            "CPH50_UPLOAD": "sessions=0,power=0,reports=0,site=0",
        }
        succeed(home, "backfill", "--from", LAST, "--to", CURRENT)
        succeed(home, "power", "collect")
        succeed(home, "label", first_session(home), CAR)
        yield home


def succeed(home: CommandHome, *arguments: str) -> None:
    """Run a command that has to end well."""
    done = home.run(*arguments)
    assert done.returncode == DONE, done.stderr


def first_session(home: CommandHome) -> str:
    """The id of the first session of the last month."""
    records = json.loads((home.data / "session_cache" / f"{LAST}.json").read_text())
    return str(min(record["session_id"] for record in records))


def on_another_disk(home: CommandHome, folder: Path, **changes: str) -> CommandHome:
    """The household with nothing but its settings."""
    (folder / "anew").mkdir()
    return replace(home, data=folder / "anew" / "data", changes={**home.changes, **changes})


def published(hub: RunningGitHub, commit: str = "HEAD") -> dict[str, str]:
    """The ids of all files at a commit, by path."""
    listed = git(hub.git_dir(REPOSITORY), "ls-tree", "-r", commit).splitlines()
    return {path: told.split()[2] for told, _, path in (line.partition("\t") for line in listed)}


def ids(data: Path) -> dict[str, str]:
    """The same of a data root."""
    return {path: blob_id((data / path).read_bytes()) for path in contents(data)}


def status(data: Path) -> dict[str, object]:
    """What Dagster shows: the months made of each asset with months, and whether each other one was ever made."""
    with dg.DagsterInstance.from_config(str(data / "private" / "dagster")) as instance:
        made: dict[str, object] = {
            asset: sorted(instance.get_materialized_partitions(dg.AssetKey(asset))) for asset in WITH_MONTHS
        }
        for asset in WITHOUT_MONTHS:
            made[asset] = instance.get_latest_materialization_event(dg.AssetKey(asset)) is not None
        return made


@pytest.mark.parametrize("mode", ["push", "github"])
def test_what_was_published_comes_back_to_the_byte_dagster_shows_it_and_nothing_is_left_to_publish(
    lived: CommandHome, hub: RunningGitHub, tmp_path: Path, mode: str
) -> None:
    home = on_another_disk(lived, tmp_path, CPH50_PUBLISH=mode)
    done = printed(home.run("restore", "--json"))
    assert ids(home.data) == published(hub)
    assert (done["files"], done["is_newest"], done["damaged"]) == (len(published(hub)), True, [])
    before, after = status(lived.data), status(home.data)
    assert before.pop("vehicle_labels") is False  # no sensor has looked yet
    assert after.pop("vehicle_labels") is True
    assert after == before
    assert set(before["session_cache"]) == {LAST, CURRENT}  # type: ignore[call-overload]
    head = git(hub.git_dir(REPOSITORY), "rev-parse", "HEAD")
    left = home.run("publish", "--all")
    assert left.returncode == DONE, left.stderr
    assert git(hub.git_dir(REPOSITORY), "rev-parse", "HEAD") == head
    assert ids(home.data).items() >= published(hub).items()


@pytest.mark.parametrize("mode", ["push", "github"])
def test_a_commit_or_a_day_of_before_comes_back(
    lived: CommandHome, hub: RunningGitHub, tmp_path: Path, mode: str
) -> None:
    first = git(hub.git_dir(REPOSITORY), "rev-list", "--max-parents=0", "HEAD").strip()
    home = on_another_disk(lived, tmp_path, CPH50_PUBLISH=mode)
    done = printed(home.run("restore", "--at", first[:9], "--json"))
    assert ids(home.data) == published(hub, first)
    assert (done["commit"], done["is_newest"]) == (first, False)
    shutil.rmtree(home.data)
    today = local_date(datetime.now(UTC), ZONE)
    assert home.run("restore", "--at", today.isoformat()).returncode == DONE
    assert ids(home.data) == published(hub)
    shutil.rmtree(home.data)
    assert "restore --list" in complaint(home.run("restore", "--at", "2020-01-01"), FAILED)


@pytest.mark.parametrize("mode", ["push", "github"])
def test_what_changed_when_is_listed_and_a_sessions_history_told(
    lived: CommandHome, hub: RunningGitHub, tmp_path: Path, mode: str
) -> None:
    home = on_another_disk(lived, tmp_path, CPH50_PUBLISH=mode)
    listed = printed(home.run("restore", "--list", "--json"))
    log = git(hub.git_dir(REPOSITORY), "log", "--format=%H %s").splitlines()
    assert [f"{one['commit']} {one['subject']}" for one in listed] == log
    assert {one["job"] for one in listed} >= {"charging_job", "power_job"}
    assert all(one["run"] and one["files"] for one in listed)
    [newest] = printed(home.run("restore", "--list", "--limit", "1", "--json"))
    assert newest == listed[0]
    of_labels = printed(home.run("restore", "--list", "--file", "session_vehicle_map.json", "--json"))
    assert [one["commit"] for one in of_labels] == [listed[0]["commit"], listed[-1]["commit"]]
    check_history(home, lived)


def check_history(home: CommandHome, lived: CommandHome) -> None:
    """The labelled session's history says when its car was named, also where no file is but in the repository."""
    session_id = first_session(lived)
    versions = printed(home.run("history", session_id, "--json"))
    assert [one["event"] for one in versions] == ["appeared", "changed"]
    assert [one["vehicle_id"] for one in versions] == ["unknown", CAR]
    assert [one["labeled_by"] for one in versions] == [None, "manual"]
    assert {"field": "vehicle_id", "before": "unknown", "after": CAR} in versions[1]["changes"]
    of_file = printed(home.run("history", f"session_cache/{LAST}.json", "--json"))
    assert f"1 session(s) changed: {session_id}" in of_file[-1]["changes"]
    assert not (home.data / "session_cache").exists()


def test_a_sessions_history_is_the_same_from_the_clone_the_api_and_another_repository(
    lived: CommandHome, hub: RunningGitHub
) -> None:
    def told(*arguments: str) -> Any:
        return printed(lived.run("history", first_session(lived), "--json", *arguments))

    from_clone = told()
    assert told("--from", REPOSITORY) == from_clone
    assert told("--from", hub.git_url(REPOSITORY)) == from_clone
    assert told("--from", str(hub.git_dir(REPOSITORY))) == from_clone


def test_a_data_root_with_files_is_left_alone(lived: CommandHome) -> None:
    before = contents(lived.data)
    assert "is not empty" in complaint(lived.run("restore"), WRONG_USE)
    assert contents(lived.data) == before


def test_where_nothing_is_published_another_repository_has_to_be_named(
    lived: CommandHome, hub: RunningGitHub, tmp_path: Path
) -> None:
    home = on_another_disk(lived, tmp_path, CPH50_PUBLISH="off")
    assert "--from" in complaint(home.run("restore"), WRONG_USE)
    assert "--from" in complaint(home.run("history", "1"), WRONG_USE)
    assert "--from" in complaint(home.run("restore", "--from", f"https://x:{TOKEN}@h/r.git"), WRONG_USE)
    assert "no git repository" in complaint(home.run("restore", "--from", str(tmp_path)), FAILED)
    assert "--from" in complaint(
        replace(home, changes={**home.changes, "CPH50_PUBLISH": "local"}).run("restore"), FAILED
    )
    assert home.run("restore", "--from", str(hub.git_dir(REPOSITORY))).returncode == DONE
    assert ids(home.data) == published(hub)
