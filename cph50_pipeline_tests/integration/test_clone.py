"""The pipeline's clone against repositories on disk: what is committed arrives, once, on top of what others did."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from cph50_pipeline.errors import LockedError
from cph50_pipeline.storage.arrivals import Arrived
from cph50_pipeline.storage.git import DamagedRepositoryError, Git
from cph50_pipeline.storage.published import blob_id
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline.storage.repository import open_repository
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
from cph50_pipeline_tests.integration.households import git, persons_home, persons_repository, write


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home with a git configuration of its own."""
    return persons_home(tmp_path_factory.mktemp("home"), monkeypatch)


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


def test_a_hook_of_the_remote_sees_no_setting_of_ours(
    household: PushedHousehold, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHARGEPOINT_PASSWORD", "HOME_ASSISTANT_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.setenv(f"CPH50_{name}", f"canary of {name}")
    household.remote = Remote(str(there), "main", "CPH50_GITHUB_TOKEN")
    hook, seen = there / "hooks" / "post-receive", tmp_path / "seen"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nenv > {seen}\n")
    hook.chmod(0o755)
    household.run(FIRST)
    household.upload()
    assert "PATH=" in seen.read_text()
    assert "canary" not in seen.read_text()
    assert "CPH50_" not in seen.read_text()


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
    assert household.arrivals == [Arrived(FIRST, blob_id(f"{FIRST}\n".encode()), blob_id(b"corrected\n"))]
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


# --- diverged, rewritten, emptied ---


def test_a_commit_whose_content_is_there_already_is_not_pushed_again(
    household: PushedHousehold, there: Path, person: Person
) -> None:
    household.run(FIRST)
    household.upload()
    person.commit({SECOND: f"{SECOND}\n"})
    household.run(SECOND)
    assert household.upload() is None
    assert subjects(there) == [FIRST, "By hand"]
    assert household.clone.pending() == ()
    assert household.arrivals == []


def test_a_repository_that_was_made_with_a_readme_keeps_it_below_ours(
    household: PushedHousehold, there: Path, person: Person
) -> None:
    person.commit({"README.md": "# Data\n", SECOND: "{}\n"})
    household.run(FIRST)
    household.run(THIRD)
    uploaded = household.upload()
    assert uploaded is not None
    assert subjects(there) == ["By hand", FIRST, THIRD]
    assert uploaded.files == (FIRST, THIRD)
    assert sorted(files_at(there)) == ["README.md", FIRST, SECOND, THIRD]
    assert household.arrivals == [Arrived(SECOND, None, blob_id(b"{}\n"))]


def test_history_rewritten_by_a_person_stays_rewritten_and_what_is_new_comes_on_top(
    household: PushedHousehold, there: Path, person: Person
) -> None:
    household.run(FIRST)
    household.run(SECOND)
    household.upload()
    git(there, "update-ref", "refs/heads/main", "main^")
    rewritten = person.commit({"README.md": "Shorter\n"})
    household.run(THIRD)
    household.upload()
    assert subjects(there) == [FIRST, "By hand", THIRD]
    assert git(there, "rev-parse", "main^").strip() == rewritten
    assert household.arrivals == [Arrived(SECOND, blob_id(f"{SECOND}\n".encode()), None)]
    assert household.git("status", "--porcelain", "--", "sessions").strip() == f"?? {SECOND}"


def test_an_emptied_repository_gets_all_history_again(
    household: PushedHousehold, there: Path, tmp_path: Path
) -> None:
    household.run(FIRST)
    household.upload()
    there.rename(tmp_path / "away.git")
    bare_repository(there)
    household.run(SECOND)
    household.upload()
    assert subjects(there) == [FIRST, SECOND]


def test_another_repository_gets_all_history_and_nothing_counts_as_removed_there(
    household: PushedHousehold, tmp_path: Path
) -> None:
    household.run(FIRST)
    household.upload()
    other = bare_repository(tmp_path / "other.git")
    Person(tmp_path / "owner", str(other)).commit({"README.md": "New\n"})
    household.remote = Remote(str(other), "main")
    household.run(SECOND)
    household.upload()
    assert subjects(other) == ["By hand", FIRST, SECOND]
    assert household.arrivals == []


def test_what_was_made_again_once_is_recognised_when_it_comes_again(
    household: PushedHousehold, there: Path, person: Person
) -> None:
    person.commit({"README.md": "# Data\n"})
    commit = household.run(FIRST)
    household.upload()
    household.run(FIRST, content="newer\n", message="Newer")
    household.upload()
    household.git("update-ref", "-d", "refs/remotes/origin/main")
    household.git("update-ref", "refs/heads/main", commit)  # as after a loss of the clone
    assert household.upload() is None
    assert subjects(there) == ["By hand", FIRST, "Newer"]
    assert files_at(there)[FIRST] == "newer\n"


def test_a_run_commits_while_an_upload_talks_to_others(household: PushedHousehold, there: Path) -> None:
    household.run(FIRST)
    household.upload()
    Person(household.data_root.parent / "person", str(there)).commit({FIRST: "corrected\n"})
    household.run(SECOND)
    clone = household.clone
    clone.upload(lambda _: household.run(THIRD) and None, 60)
    assert subjects(there) == [FIRST, "By hand", SECOND, THIRD]


# --- a household that has history ---


def commit_locally(data_root: Path, path: str) -> None:
    """Commit to a repository that the pipeline makes in the data root."""
    root = Git(data_root, ("user.name=cph50_pipeline", "user.email=cph50@localhost"))
    repository = open_repository(data_root, root)
    repository.git.run("add", "--", path)
    repository.git.run("commit", "--quiet", f"--message={path}")


def test_a_household_that_committed_locally_before_brings_its_history(
    household: PushedHousehold, there: Path
) -> None:
    for path in (FIRST, SECOND):
        write(household.data_root, path)
        commit_locally(household.data_root, path)
    before = git(household.data_root, "log", "--format=%H").split()
    household.run(THIRD)
    assert household.clone.pending()[:2] == tuple(reversed(before))
    uploaded = household.upload()
    assert uploaded is not None
    assert len(uploaded.commits) == 3
    assert git(household.data_root, "log", "--format=%H").split() == before
    assert git(there, "rev-parse", "main~1").strip() == before[0]


def test_a_persons_own_repository_around_the_data_root_is_not_taken_along(
    household: PushedHousehold, there: Path
) -> None:
    persons_repository(household.data_root)
    household.run(FIRST)
    household.upload()
    assert subjects(there) == [FIRST]
    assert git(household.data_root, "log", "--format=%s").split() == ["Mine"]


# --- dirty and broken ---


def test_what_a_person_staged_in_the_clone_is_not_committed(household: PushedHousehold, there: Path) -> None:
    household.run(FIRST)
    write(household.data_root, SECOND, "notes.txt")
    household.git("--work-tree=.", "add", "--", SECOND, "notes.txt")
    household.run(THIRD)
    household.upload()
    assert sorted(files_at(there)) == [FIRST, THIRD]
    assert (household.data_root / "notes.txt").exists()


@pytest.mark.parametrize("head", ["--detach", "--create=other"])
def test_whatever_a_person_checked_out_runs_commit_to_the_branch(
    household: PushedHousehold, there: Path, head: str
) -> None:
    household.run(FIRST)
    household.git("--work-tree=.", "switch", "--quiet", head)
    household.run(SECOND)
    household.upload()
    assert subjects(there) == [FIRST, SECOND]
    assert household.git("symbolic-ref", "HEAD").strip() == "refs/heads/main"


@pytest.mark.parametrize(
    "left_over",
    [
        "index.lock",
        "HEAD.lock",
        "config.lock",
        "packed-refs.lock",
        "refs/heads/main.lock",
        "refs/remotes/origin/main.lock",
        "MERGE_HEAD",
        "CHERRY_PICK_HEAD",
        "rebase-merge/done",
        "index",
    ],
)
def test_what_a_killed_git_left_is_no_obstacle(
    household: PushedHousehold, there: Path, left_over: str
) -> None:
    household.run(FIRST)
    household.upload()
    (household.git_dir / left_over).parent.mkdir(parents=True, exist_ok=True)
    (household.git_dir / left_over).write_text(f"{'1' * 40}\n")
    household.run(SECOND)
    household.upload()
    assert subjects(there) == [FIRST, SECOND]
    assert household.git("fsck", "--no-dangling") == ""


def test_a_missing_index_is_no_obstacle(household: PushedHousehold, there: Path) -> None:
    household.run(FIRST)
    (household.git_dir / "index").unlink()
    household.run(SECOND)
    household.upload()
    assert sorted(files_at(there)) == [FIRST, SECOND]


def test_a_data_root_that_was_moved_takes_its_clone_along(household: PushedHousehold, there: Path) -> None:
    household.run(FIRST)
    household.data_root = household.data_root.rename(household.data_root.with_name("elsewhere"))
    household.run(SECOND)
    household.upload()
    assert subjects(there) == [FIRST, SECOND]
    assert household.git("config", "core.worktree").strip() == str(household.data_root)


def destroy(git_dir: Path, what: str) -> None:
    """Break a clone as a failing disk, a power cut or a person might."""
    if what == "all":
        shutil.rmtree(git_dir)
        git_dir.write_text("not a folder\n")
    elif what == "empty":
        shutil.rmtree(git_dir)
        git_dir.mkdir()
    elif what == "objects":
        shutil.rmtree(git_dir / "objects")
    elif what == "contents":
        for path in (git_dir / "objects").glob("[0-9a-f][0-9a-f]/*"):
            path.chmod(0o644)
            path.write_bytes(b"")
    else:
        (git_dir / what).write_bytes(b"\0" * 41)


@pytest.mark.parametrize(
    "what", ["all", "empty", "objects", "contents", "HEAD", "config", "refs/heads/main", "packed-refs"]
)
def test_a_broken_clone_is_made_anew_and_everything_arrives(
    household: PushedHousehold, there: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    household.run(FIRST)
    household.upload()
    household.run(SECOND)
    destroy(household.git_dir, what)
    with suppress(DamagedRepositoryError):
        household.upload()
    write(household.data_root, THIRD, content=f"{THIRD}\n")
    changed = [path for path in (FIRST, SECOND, THIRD) if household.differs(path)]
    household.commit(*changed)
    household.upload()
    assert files_at(there) == {path: f"{path}\n" for path in (FIRST, SECOND, THIRD)}
    assert subjects(there)[0] == FIRST
    assert is_linear(there)
    assert household.clone.pending() == ()
    assert {path.name for path in (household.data_root / "sessions").rglob("*.json")} == {
        "1.json",
        "2.json",
        "3.json",
    }
    assert household.git("fsck", "--no-dangling") == ""
    told = [record.getMessage() for record in caplog.records if "made anew" in record.getMessage()]
    assert len(told) <= 1


@pytest.mark.parametrize("name", ["HEAD", "config"])
def test_a_damaged_clone_gives_what_can_be_read_of_it(
    household: PushedHousehold, there: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    commits = (household.run(FIRST), household.run(SECOND))
    (household.git_dir / name).write_bytes(b"")
    last = household.run(THIRD)
    assert household.clone.pending() == (*commits, last)
    (told,) = [record.getMessage() for record in caplog.records]
    assert "made anew" in told
    assert (household.git_dir.parent / "publication.git.set-aside").is_dir()
    household.upload()
    assert subjects(there) == [FIRST, SECOND, THIRD]


# --- what people ask for ---


def test_a_persons_push_settings_change_nothing(household: PushedHousehold, there: Path, home: Path) -> None:
    with (home / ".gitconfig").open("a") as config:
        config.write(
            "[push]\n followTags = true\n gpgSign = true\n default = matching\n[fetch]\n prune = true\n"
        )
    household.run(FIRST)
    household.git("tag", "-a", "-m", "Mine", "v1", "main")
    household.upload()
    assert git(there, "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]


def test_two_uploads_at_once_wait_for_each_other(household: PushedHousehold) -> None:
    household.run(FIRST)
    household.deadline_seconds = 0.2
    with household.locks.uploading(1), pytest.raises(LockedError, match="another run or command"):
        household.upload()
    assert len(household.clone.pending()) == 1
