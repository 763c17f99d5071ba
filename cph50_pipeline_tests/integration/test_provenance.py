"""Where a data root comes from, as its own git says."""

from __future__ import annotations

from pathlib import Path

import pytest

from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.provenance import checked_out
from cph50_pipeline_tests.integration.households import git


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit and a folder in it."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    house = tmp_path / "house"
    (house / "data").mkdir(parents=True)
    (house / "data" / "tariffs.json").write_text("{}\n")
    git(house, "init", "--quiet")
    git(house, "add", "--all")
    git(house, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=First")
    return house


def test_a_checkout_comes_from_its_commit(house: Path) -> None:
    assert checked_out(Git(house)) == git(house, "rev-parse", "HEAD").strip()


def test_a_folder_within_somebodys_repository_is_no_checkout(house: Path) -> None:
    assert checked_out(Git(house / "data")) is None


def test_a_folder_without_a_repository_or_commit_or_of_no_disk_is_no_checkout(
    house: Path, tmp_path: Path
) -> None:
    assert checked_out(Git(tmp_path)) is None
    git(tmp_path, "init", "--quiet", "empty")
    assert checked_out(Git(tmp_path / "empty")) is None
    assert checked_out(Git(tmp_path / "nowhere")) is None


def test_without_git_there_is_no_checkout(house: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert checked_out(Git(house)) is None
