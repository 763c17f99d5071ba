"""What becomes of the repository after an older state of it was restored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.restoring import restore_household
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.messages import RunInfo
from cph50_pipeline.storage.publisher import Insistence
from cph50_pipeline_tests.integration.github_branches import TOKEN, commit_by_hand, files_at

REPOSITORY = "household/data"
CACHE, OLD, NEW = "session_cache/2026-01.json", "sessions/2026/01/05/1.json", "sessions/2026/01/06/2.json"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningGitHub]:
    with RunningGitHub(tmp_path / "hub") as running:
        running.create_repository(REPOSITORY)
        running.add_token(TOKEN)
        yield running


@pytest.fixture(params=["push", "github"])
def household(
    request: pytest.FixtureRequest, tmp_path: Path, hub: RunningGitHub, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    """A household whose disk is gone."""
    monkeypatch.setenv("CPH50_GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("DAGSTER_HOME", "")  # put back afterwards
    return Settings(
        data_dir=str(tmp_path / "data"),
        publish=request.param,
        github_repository=REPOSITORY,
        github_api_url=hub.api_url,
        git_remote=hub.git_url(REPOSITORY),
        upload="sessions=0,power=0,reports=0,site=0",
    )


def publish(settings: Settings) -> None:
    """The end of a run."""
    publisher, now = publisher_of(settings, Store.of(settings)), datetime.now(UTC)
    publisher.commit(RunInfo("8f0c", "charging_job"), now)
    publisher.upload(RunInfo("8f0c", "charging_job"), now, Insistence(60.0, is_asked_for=True))


@pytest.mark.parametrize("is_named", [False, True], ids=["by the settings", "named"])
def test_after_an_older_state_came_back_it_is_published_over_newer_versions_and_newer_files_stay(
    household: Settings, hub: RunningGitHub, is_named: bool
) -> None:
    there = hub.git_dir(REPOSITORY)
    older = commit_by_hand(there, {CACHE: b"[1]\n", OLD: b"[1]\n"})
    commit_by_hand(there, {CACHE: b"[2]\n", NEW: b"[2]\n"})
    source = REPOSITORY if is_named else None
    done = restore_household(household, source, older[:10], lambda line: None)
    assert (done.is_newest, done.is_published_to) == (False, True)
    publish(household)
    assert files_at(there) == {CACHE: b"[1]\n", OLD: b"[1]\n", NEW: b"[2]\n"}
    (Path(household.data_root) / OLD).unlink()
    publish(household)
    assert files_at(there) == {CACHE: b"[1]\n", NEW: b"[2]\n"}
