"""A branch read by git: commits, files and contents, as they were committed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cph50_pipeline.errors import NotFoundError, PermanentError
from cph50_pipeline.storage.git import Git
from cph50_pipeline.storage.git_reading import GitReading, fetch_copy
from cph50_pipeline.storage.published import Blob, Published, blob_id
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline_tests.integration.clones import bare_repository, is_linear
from cph50_pipeline_tests.integration.households import git, persons_home, persons_repository

FILE = "sessions/2026/01/07/1.json"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    persons_home(tmp_path_factory.mktemp("home"), monkeypatch)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three commits, an hour apart; the second does not touch the file."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    for hour, path, content in ((1, FILE, b"[1]\n"), (2, "notes.txt", b"\xff\x00\n"), (3, FILE, b"[2]\n")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
        git(folder, "add", "--all")
        monkeypatch.setenv("GIT_COMMITTER_DATE", at(hour).isoformat())
        git(folder, "commit", "--quiet", f"--message=Commit {hour}\n\nRun: r{hour} ü")
    return folder


@pytest.fixture
def reading(repository: Path) -> GitReading:
    return GitReading(Git(repository), "HEAD", "the data root")


def at(hour: int) -> datetime:
    return datetime(2026, 1, 7, hour, tzinfo=UTC)


def test_it_is_read_like_any_published_repository(reading: GitReading, repository: Path) -> None:
    published: Published = reading
    assert published.head() == git(repository, "rev-parse", "HEAD").strip()


def test_commits_come_newest_first_with_time_message_and_parents(
    reading: GitReading, repository: Path
) -> None:
    newest, middle, first = reading.commits()
    assert newest.id == git(repository, "rev-parse", "HEAD").strip()
    assert [commit.at for commit in (first, middle, newest)] == [at(1), at(2), at(3)]
    assert newest.message == "Commit 3\n\nRun: r3 ü\n"
    assert (first.parents, middle.parents) == ((), (first.id,))


def test_only_the_commits_that_changed_a_file_are_named_when_asked_for(reading: GitReading) -> None:
    assert [commit.at for commit in reading.commits(path=FILE)] == [at(3), at(1)]
    assert list(reading.commits(path="sessions/2026/01/07/*.json")) == []


def test_until_includes_the_instant_itself(reading: GitReading) -> None:
    assert [commit.at for commit in reading.commits(until=at(2))] == [at(2), at(1)]


def test_files_and_contents_are_those_of_the_commit_asked_for(reading: GitReading) -> None:
    first = list(reading.commits())[-1]
    assert reading.files(first.id) == {FILE: Blob(blob_id(b"[1]\n"), 4)}
    head = reading.head()
    assert head is not None
    files = reading.files(head)
    ids = [files[path].id for path in ("notes.txt", FILE)]
    assert list(reading.read(ids)) == [b"\xff\x00\n", b"[2]\n"]


def test_a_symbolic_link_is_no_file(reading: GitReading, repository: Path) -> None:
    (repository / "tariffs.json").symlink_to("notes.txt")
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=A link")
    head = reading.head()
    assert head is not None
    assert sorted(reading.files(head)) == ["notes.txt", FILE]


def test_an_abbreviated_id_is_resolved_and_what_is_not_on_the_branch_is_not_found(
    reading: GitReading, repository: Path
) -> None:
    newest = next(reading.commits())
    assert reading.resolve(newest.id[:8]) == newest
    assert reading.resolve(newest.id.upper()) == newest
    git(repository, "switch", "--quiet", "--create", "other")
    git(repository, "commit", "--quiet", "--allow-empty", "--message=Elsewhere")
    elsewhere = git(repository, "rev-parse", "HEAD").strip()
    on_main = GitReading(Git(repository), "refs/heads/main", "the data root")
    for name in (elsewhere, "0" * 40, "main", "HEAD~1", "--all", ""):
        with pytest.raises(NotFoundError, match="has no commit"):
            on_main.resolve(name)


def test_a_branch_before_its_first_commit_has_none(tmp_path: Path) -> None:
    reading = GitReading(Git(bare_repository(tmp_path / "empty.git")), "HEAD", "an empty one")
    assert reading.head() is None
    assert list(reading.commits()) == []


def test_a_corrupt_content_is_refused_not_returned(reading: GitReading, repository: Path) -> None:
    wanted = blob_id(b"[2]\n")
    stored = repository / ".git" / "objects" / wanted[:2] / wanted[2:]
    other = blob_id(b"[1]\n")
    stored.chmod(0o644)
    stored.write_bytes((repository / ".git" / "objects" / other[:2] / other[2:]).read_bytes())
    with pytest.raises(PermanentError, match=f"{wanted}.* corrupt"):
        list(reading.read([wanted]))


def test_a_content_that_does_not_exist_is_not_found(reading: GitReading) -> None:
    with pytest.raises(NotFoundError, match="1" * 40):
        list(reading.read(["1" * 40]))
    with pytest.raises(NotFoundError, match="has no commit"):
        reading.files("1" * 40)


def test_in_a_folder_of_a_persons_repository_the_paths_are_those_of_the_folder(tmp_path: Path) -> None:
    top = persons_repository(tmp_path / "home")
    (top / "data").mkdir()
    (top / "data" / "tariffs.json").write_text("{}\n")
    git(top, "add", "data")
    git(top, "commit", "--quiet", "--message=Data")
    reading = GitReading(Git(top / "data"), "HEAD", "the data root")
    head = reading.head()
    assert head is not None
    assert list(reading.files(head)) == ["tariffs.json"]
    assert [commit.id for commit in reading.commits(path="tariffs.json")] == [head]


def test_a_copy_that_was_fetched_has_all_history(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = fetch_copy(Remote(str(repository), "main"), tmp_path / "copy")
    assert [commit.at for commit in copy.commits()] == [at(3), at(2), at(1)]
    assert copy.name == str(repository)
    assert is_linear(tmp_path / "copy")


def test_a_copy_of_what_is_not_there_says_so(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    with pytest.raises(NotFoundError, match="is missing, or the token has no access"):
        fetch_copy(Remote(str(tmp_path / "nothing.git"), "main"), tmp_path / "copy")
