"""The end of a run: one commit with everything, also after a failure, and never a failure of its own.

Committed here, and uploaded: by push and through GitHub's API, to a stand-in for GitHub.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from cph50_pipeline.defs.jobs import PUBLISH_JOB
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, MONTH_FILES
from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.storage.locks import month_lock_name, run_lock_name
from cph50_pipeline_tests.dagster.homes import (
    MONTHS,
    NOW,
    Home,
    MakeHome,
    at,
    copy_home,
    failure_texts,
    log_lines,
    materializations,
    settings_for,
)
from cph50_pipeline_tests.integration.github_branches import commit_by_hand, files_at, git
from cph50_pipeline_tests.integration.github_contract import checked_github

JANUARY = "2026-01"
REPOSITORY = "household/data"
TOKEN = "ghp_canaryCANARYcanary"
SENSOR = "publication_sensor"


def committed(home: Home) -> list[str]:
    """The files of the newest commit."""
    return home.git("show", "--name-only", "--format=", "HEAD").split()


def lose(home: Home, *paths: str) -> None:
    """Take files away and commit that, so that making them again is a change."""
    for path in paths:
        (home.folder / path).unlink()
    home.git("commit", "--quiet", "--all", "--message=Lost")


def test_everything_that_a_run_wrote_is_one_commit_that_names_the_run(home: Home) -> None:
    result = home.run([JANUARY])
    assert result.success
    assert home.commit_count() == 1
    assert sorted(committed(home)) == sorted(home.files())
    message = home.git("show", "--no-patch", "--format=%B", "HEAD")
    assert result.run_id in message
    assert JANUARY in message
    assert home.git("status", "--porcelain") == ""


def test_the_commit_is_shown_as_the_asset_publication(collected: Home) -> None:
    lose(collected, CACHE.path(JANUARY))
    result = collected.run([JANUARY], only=["session_cache"])
    [shown] = materializations(collected.instance, "publication")
    assert shown.metadata["commit"].value == collected.git("rev-parse", "HEAD").strip()
    assert CACHE.path(JANUARY) in shown.metadata["files"].value
    assert shown.metadata["branch"].value == collected.git("branch", "--show-current").strip()
    assert shown.metadata["size_bytes"].value >= (collected.folder / CACHE.path(JANUARY)).stat().st_size
    assert any(line.startswith("Committed ") for line in log_lines(collected, result.run_id))


def test_what_was_written_before_a_step_failed_is_committed(home: Home) -> None:
    home.simulator.faults.fail(503, operation="charging_status", after=5, times=None)
    assert not home.run([JANUARY]).success
    assert home.commit_count() == 1
    assert ACTIVITY.path(JANUARY) in committed(home)
    assert CACHE.path(JANUARY) not in committed(home)


def test_where_nothing_changed_there_is_no_commit_and_nothing_is_shown(collected: Home) -> None:
    before = collected.commit_count()
    assert collected.run([JANUARY], only=["session_cache"]).success
    assert collected.commit_count() == before
    assert materializations(collected.instance, "publication") == []


def test_the_run_log_travels_and_causes_no_commit(collected: Home) -> None:
    runs = [collected.run([JANUARY], only=["session_cache"]).run_id for _ in range(2)]
    before = collected.commit_count()
    assert all(collected.run([JANUARY], only=["session_cache"]).success for _ in range(2))
    assert collected.commit_count() == before
    lose(collected, CACHE.path(JANUARY))
    assert collected.run([JANUARY], only=["session_cache"]).success
    assert sorted(committed(collected)) == ["runs.json", CACHE.path(JANUARY)]
    assert set(runs) <= {entry["run_id"] for entry in collected.json("runs.json")["runs"]}


@pytest.mark.parametrize("trouble", ["merge", "detached", "locked"])
def test_a_git_that_refuses_fails_no_run_and_the_next_one_makes_up_for_it(
    collected: Home, trouble: str
) -> None:
    lose(collected, CACHE.path(JANUARY), CACHE.path("2025-12"))
    branch = collected.git("branch", "--show-current").strip()
    mark = collected.folder / ".git" / "MERGE_HEAD"
    if trouble == "merge":
        mark.write_text(collected.git("rev-parse", "HEAD"))
    elif trouble == "detached":
        collected.git("checkout", "--quiet", "--detach")
    else:
        (collected.folder / ".git" / "objects").chmod(0o555)
        collected.git("config", "core.bare", "true")
    before = collected.commit_count()

    result = collected.run([JANUARY], only=["session_cache"])
    assert result.success
    assert any("Nothing was published" in line for line in log_lines(collected, result.run_id))
    assert collected.commit_count() == before

    mark.unlink(missing_ok=True)
    collected.git("config", "core.bare", "false")
    (collected.folder / ".git" / "objects").chmod(0o755)
    collected.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    assert collected.run(["2025-12"], only=["session_cache"]).success
    assert {CACHE.path(JANUARY), CACHE.path("2025-12")} <= set(committed(collected))


def test_a_damaged_file_is_named_and_kept_out_of_the_commit(collected: Home) -> None:
    lose(collected, CACHE.path(JANUARY))
    (collected.folder / ACTIVITY.path("2025-11")).write_text('{"month": ')
    result = collected.run([JANUARY], only=["session_cache"])
    assert result.success
    assert ACTIVITY.path("2025-11") not in committed(collected)
    assert any(
        f"{ACTIVITY.path('2025-11')} is not published: it is damaged" in line
        for line in log_lines(collected, result.run_id)
    )


def test_with_publishing_off_no_repository_is_made(make_home: MakeHome) -> None:
    home = make_home(publish="off")
    assert home.run([JANUARY], only=["chargepoint_activity"]).success
    assert not (home.folder / ".git").exists()


def test_an_object_store_cannot_be_committed_and_the_run_says_so(make_home: MakeHome, tmp_path: Path) -> None:
    home = make_home(data_dir=f"memory://{tmp_path.name}", state_dir=tmp_path / "state")
    result = home.run([JANUARY], only=["chargepoint_activity"])
    assert result.success
    assert any("object store" in line for line in log_lines(home, result.run_id))


def test_nothing_private_is_ever_committed(home: Home) -> None:
    assert home.run(MONTHS).success
    tracked = home.git("ls-files").split()
    assert not [path for path in tracked if path.startswith("private")]
    assert {file.path(JANUARY) for file in MONTH_FILES.values()} <= set(tracked)


# --- uploaded ---


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningGitHub]:
    """A stand-in for GitHub with an empty repository."""
    with checked_github(tmp_path / "hub") as running:
        running.create_repository(REPOSITORY)
        running.add_token(TOKEN)
        yield running


@pytest.fixture(params=["push", "github"])
def uploading(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    template: Path,
    simulator: RunningSimulator,
    instance: dg.DagsterInstance,
    hub: RunningGitHub,
    monkeypatch: pytest.MonkeyPatch,
) -> Home:
    """A household with three months of files that were never published, whose uploads have no rhythm."""
    copy_home(template, tmp_path / "data")
    shutil.rmtree(tmp_path / "data" / ".git")
    monkeypatch.setenv("CPH50_GITHUB_TOKEN", TOKEN)
    settings = settings_for(
        tmp_path / "data",
        simulator,
        publish=request.param,
        github_repository=REPOSITORY,
        github_token=TOKEN,
        github_api_url=hub.api_url,
        git_remote=hub.git_url(REPOSITORY),
        upload="sessions=0,power=0,reports=0,site=0",
    )
    return Home(settings, simulator, instance)


def change(home: Home, text: str) -> dg.ExecuteInProcessResult:
    """A run that finds a file of a person's own hand changed."""
    (home.folder / "tariffs.json").write_text(text)
    return home.run([JANUARY], only=["session_cache"])


def published(hub: RunningGitHub) -> dict[str, bytes]:
    """What the repository holds, without the run log, which only travels along."""
    return {path: data for path, data in files_at(hub.git_dir(REPOSITORY)).items() if path != "runs.json"}


def held(home: Home) -> dict[str, bytes]:
    """The same of the data root."""
    return {path: data for path, data in home.files().items() if path != "runs.json"}


def head(hub: RunningGitHub) -> str:
    """The newest commit in the repository; nothing before the first."""
    return git(hub.git_dir(REPOSITORY), "rev-parse", "--verify", "--quiet", "main", may_fail=True)


def complaints(home: Home, run_id: str) -> list[str]:
    """What a run said as an error, resources included."""
    entries = home.instance.all_logs(run_id)
    return [
        entry.user_message
        for entry in entries
        if entry.dagster_event is None and entry.level == logging.ERROR
    ]


def test_what_a_run_wrote_is_uploaded_once_and_shown_as_the_asset_publication(
    uploading: Home, hub: RunningGitHub
) -> None:
    (uploading.folder / CACHE.path(JANUARY)).unlink()
    result = uploading.run([JANUARY], only=["session_cache"])
    assert result.success
    there = files_at(hub.git_dir(REPOSITORY))
    assert there == uploading.files()
    [shown] = materializations(uploading.instance, "publication")
    assert shown.metadata["commit"].value == head(hub)
    assert shown.metadata["branch"].value == "main"
    assert shown.metadata["file_count"].value == len(there)
    assert shown.metadata["files"].value == sorted(there)[:50]
    assert shown.metadata["size_bytes"].value == sum(map(len, there.values()))
    assert shown.metadata["retries"].value == 0
    assert shown.metadata["link"].value.endswith(f"/{REPOSITORY}/commit/{head(hub)}")
    assert f"Run: {result.run_id}" in shown.metadata["message"].value
    assert complaints(uploading, result.run_id) == []

    before, asked = head(hub), len(hub.requests)
    assert uploading.run([JANUARY], only=["session_cache"]).success
    assert (head(hub), len(hub.requests)) == (before, asked)
    assert materializations(uploading.instance, "publication") == [shown]


def test_an_upload_that_another_one_overtook_is_begun_again_and_says_so(
    uploading: Home, hub: RunningGitHub
) -> None:
    change(uploading, "{}")
    there = hub.git_dir(REPOSITORY)
    asked = len(hub.requests)

    def somebody_is_quicker(number: int) -> None:
        if number <= asked + 4:  # after one of these ours knows where the branch stands
            commit_by_hand(there, {"README.md": f"Theirs {number - asked}\n".encode()})

    hub.on_request = somebody_is_quicker
    result = change(uploading, "{ }")
    hub.on_request = None
    shown, _ = materializations(uploading.instance, "publication")
    assert shown.metadata["retries"].value != 0
    assert complaints(uploading, result.run_id) == []
    assert published(hub) == {**held(uploading), "README.md": b"Theirs 4\n"}


def test_a_hub_that_refuses_fails_no_run_is_left_alone_and_the_next_run_makes_up_for_it(
    uploading: Home, hub: RunningGitHub
) -> None:
    hub.revoke_token(TOKEN)
    refused = change(uploading, "{}")
    assert refused.success
    [line] = complaints(uploading, refused.run_id)
    assert line.startswith("Nothing was uploaded: ")
    assert "CPH50_GITHUB_TOKEN" in line
    assert line.endswith("The files are safe; the next upload takes them along.")
    assert "\n" not in line
    assert TOKEN not in line
    assert materializations(uploading.instance, "publication") == []

    hub.add_token(TOKEN)
    asked = len(hub.requests)
    too_early = change(uploading, "{ }")
    assert len(hub.requests) == asked
    assert complaints(uploading, too_early.run_id) == []

    with at(NOW + timedelta(minutes=2)):
        result = change(uploading, "{\n}")
    assert complaints(uploading, result.run_id) == []
    assert published(hub) == held(uploading)
    said = git(hub.git_dir(REPOSITORY), "log", "--format=%B", "main")
    assert all(f"Run: {run.run_id}" in said for run in (refused, too_early, result))


def test_the_check_fails_while_the_hub_refuses_and_heals(uploading: Home, hub: RunningGitHub) -> None:
    hub.revoke_token(TOKEN)
    change(uploading, "{}")
    with at(NOW + timedelta(minutes=5)):
        tick = uploading.evaluate(SENSOR)
        assert [event.passed for event in tick.asset_events] == [True]
        [request] = tick.run_requests
        refused = uploading.run_request(request, PUBLISH_JOB)
        assert not refused.success
        assert "CPH50_GITHUB_TOKEN" in failure_texts(refused)[0]
    with at(NOW + timedelta(minutes=70)):
        tick = uploading.evaluate(SENSOR, "true")
        [failed] = tick.asset_events
        assert not failed.passed
        assert failed.metadata["waiting_files"].value > 0
        hub.add_token(TOKEN)
        [request] = tick.run_requests
        assert uploading.run_request(request, PUBLISH_JOB).success
        [healed] = uploading.evaluate(SENSOR, "false").asset_events
        assert healed.passed
    assert published(hub) == held(uploading)


def test_months_are_free_for_others_while_an_upload_goes_on(uploading: Home, hub: RunningGitHub) -> None:
    locks = uploading.store().locks
    held_months: list[bool] = []
    alive: list[bool] = []

    def look(_: int) -> None:
        held_months.extend(locks.is_held(month_lock_name(month)) for month in MONTHS)
        alive.extend(locks.is_held(run_lock_name(run.run_id)) for run in uploading.instance.get_runs())

    hub.on_request = look
    assert change(uploading, "{}").success
    hub.on_request = None
    assert head(hub)
    assert alive
    assert all(alive), "the run goes on"
    assert not any(held_months)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"publish": "off"}, "CPH50_PUBLISH is off"),
        ({"publish": "push"}, "CPH50_PUBLISH=push needs a repository to push to"),
        ({"publish": "github"}, "CPH50_PUBLISH=github needs CPH50_GITHUB_REPOSITORY"),
        ({"publish": "github", "github_repository": REPOSITORY}, "needs CPH50_GITHUB_TOKEN"),
    ],
)
def test_where_a_setting_is_missing_there_is_no_publisher(
    tmp_path: Path, given: dict[str, str], words: str
) -> None:
    settings = Settings.model_validate({"data_dir": str(tmp_path), **given})
    with pytest.raises(BadInputError, match=words):
        publisher_of(settings, Store.of(settings))


def test_a_setting_that_is_missing_fails_no_run_and_is_named(make_home: MakeHome) -> None:
    home = make_home(publish="github", github_repository=REPOSITORY)
    result = home.run([JANUARY], only=["chargepoint_activity"])
    assert result.success
    [line] = complaints(home, result.run_id)
    assert line.startswith("Nothing was published: CPH50_PUBLISH=github needs CPH50_GITHUB_TOKEN")
