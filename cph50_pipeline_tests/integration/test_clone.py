"""The pipeline's clone against repositories on disk: what is committed arrives, once, on top of what others did."""

from __future__ import annotations

from pathlib import Path

import pytest

from cph50_pipeline.storage.clone import Arrival
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline_tests.integration.clones import (
    FIRST,
    SECOND,
    THIRD,
    Person,
    PushedHousehold,
    bare_repository,
    files_at,
    is_linear,
    subjects,
)
from cph50_pipeline_tests.integration.households import git


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home with a git configuration of its own."""
    folder = tmp_path_factory.mktemp("home")
    (folder / ".gitconfig").write_text("[user]\n name = A Person\n email = person@home.example\n")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "EMAIL"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The remote repository."""
    return bare_repository(tmp_path / "remote.git")


@pytest.fixture
def household(tmp_path: Path, there: Path) -> PushedHousehold:
    return PushedHousehold(tmp_path / "data", Remote(str(there), "main"))


@pytest.fixture
def person(tmp_path: Path, there: Path) -> Person:
    return Person(tmp_path / "person", str(there))


# --- what is pushed ---


def test_commits_of_runs_are_pushed_one_by_one_as_they_were_made(
    household: PushedHousehold, there: Path
) -> None:
    commits = (household.run(FIRST), household.run(SECOND))
    assert household.clone.pending() == commits
    uploaded = household.upload()
    assert uploaded is not None
    assert (uploaded.commit, uploaded.commits, uploaded.retries) == (commits[-1], commits, 0)
    assert uploaded.files == (FIRST, SECOND)
    assert uploaded.bytes == len(FIRST) + len(SECOND) + 2
    assert git(there, "rev-parse", "main").strip() == commits[-1]
    assert household.clone.pending() == ()


def test_nothing_new_is_no_push(household: PushedHousehold, there: Path) -> None:
    assert household.clone.pending() == ()
    household.run(FIRST)
    household.upload()
    assert household.upload() is None
    assert subjects(there) == [FIRST]


def test_a_persons_commit_in_between_stays_below_ours(
    household: PushedHousehold, there: Path, person: Person
) -> None:
    household.run(FIRST)
    household.upload()
    theirs = person.commit({"README.md": "Ours\n", FIRST: "corrected\n"})
    household.run(SECOND)
    uploaded = household.upload()
    assert uploaded is not None
    assert subjects(there) == [FIRST, "By hand", SECOND]
    assert git(there, "rev-parse", "main^").strip() == theirs
    assert files_at(there) == {"README.md": "Ours\n", FIRST: "corrected\n", SECOND: f"{SECOND}\n"}
    assert household.arrivals == [Arrival(FIRST, f"{FIRST}\n".encode(), b"corrected\n")]
    assert (household.data_root / FIRST).read_text() == f"{FIRST}\n"
    assert not (household.data_root / "README.md").exists()
    assert household.git("log", "-1", "--format=%an %at", "main") == git(
        there, "log", "-1", "--format=%an %at"
    )
    assert household.clone.pending() == ()
    household.run(THIRD)
    household.upload()
    assert "README.md" in files_at(there)
    assert is_linear(there)
