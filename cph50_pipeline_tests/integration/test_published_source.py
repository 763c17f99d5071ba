"""Which repository is read, by the settings and by what a person names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cph50_pipeline.errors import BadInputError, NotFoundError, PermanentError
from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.published_source import published_of
from cph50_pipeline_tests.integration.households import commit, git, write
from cph50_pipeline_tests.integration.restores import commit_files, make_repository

NOW = datetime(2026, 1, 7, 20, 0, tzinfo=UTC)
TOKEN = "ghp_canaryCANARYcanary"
FILE = "session_cache/2026-01.json"
REPOSITORY = "household/data"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    made = make_repository(tmp_path / "repository")
    commit_files(made, {FILE: b"[]\n"}, NOW)
    return made


def settings(tmp_path: Path, **changes: Any) -> Settings:
    return Settings(**{"data_dir": str(tmp_path / "data"), "publish": "off", **changes})


def head(chosen: Settings, source: str | None = None) -> str | None:
    with published_of(chosen, source) as published:
        return published.head()


def test_a_folder_is_read_where_it_is_by_its_branch(tmp_path: Path, repository: Path) -> None:
    first = git(repository, "rev-parse", "HEAD").strip()
    git(repository, "switch", "--quiet", "--create", "other")
    second = commit_files(repository, {FILE: b"[1]\n"}, NOW)
    assert head(settings(tmp_path), str(repository)) == first
    assert head(settings(tmp_path, github_branch="no_such"), str(repository)) == second


def test_an_address_is_fetched_and_nothing_of_it_is_left(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    assert head(settings(tmp_path), f"file://{repository}") == git(repository, "rev-parse", "HEAD").strip()
    assert [*(tmp_path / "temporary").iterdir()] == []


def test_with_local_publishing_the_data_roots_own_repository_is_read(tmp_path: Path) -> None:
    chosen = settings(tmp_path, publish="local")
    with pytest.raises(NotFoundError, match="--from"):
        head(chosen)
    write(tmp_path / "data", FILE)
    made = commit(tmp_path / "data")
    assert made is not None
    assert head(chosen) == made.commit


@pytest.mark.parametrize(
    ("changes", "source", "named"),
    [
        ({}, None, "--from"),
        ({"publish": "push"}, None, "CPH50_GITHUB_REPOSITORY"),
        ({"publish": "github"}, None, "CPH50_GITHUB_REPOSITORY"),
        ({"publish": "github", "github_repository": "a/b"}, None, "CPH50_GITHUB_TOKEN"),
        ({}, "owner/name", "CPH50_GITHUB_TOKEN"),
        ({}, f"https://me:{TOKEN}@example.org/a.git", "--from"),
        ({}, "http://[broken", "--from"),
        ({}, "--upload-pack=x", "--from"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_no_secret_is(
    tmp_path: Path, changes: dict[str, Any], source: str | None, named: str
) -> None:
    with pytest.raises(BadInputError) as raised:
        head(settings(tmp_path, **changes), source)
    assert named in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_the_token_goes_to_the_host_it_was_given_for_and_to_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPH50_GITHUB_TOKEN", TOKEN)
    with RunningGitHub(tmp_path / "own") as own, RunningGitHub(tmp_path / "other") as other:
        for hub in (own, other):
            hub.create_repository(REPOSITORY)
            hub.add_token(TOKEN)
        chosen = settings(tmp_path, github_token=TOKEN, git_remote=own.git_url("a/elsewhere"))
        assert head(chosen, own.git_url(REPOSITORY)) is None
        with pytest.raises(PermanentError, match="CPH50_GITHUB_TOKEN"):
            head(chosen, other.git_url(REPOSITORY))
