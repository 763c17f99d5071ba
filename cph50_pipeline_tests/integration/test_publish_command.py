"""`cph50 publish` as people and programs use it: every way of publishing, what it prints, and what it refuses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline.storage.workflows import workflow_files
from cph50_pipeline_tests.integration.commands import (
    DONE,
    FAILED,
    WRONG_USE,
    CommandHome,
    complaint,
    contents,
    printed,
)
from cph50_pipeline_tests.integration.github_branches import TOKEN, commit_by_hand, files_at, subjects
from cph50_pipeline_tests.integration.github_contract import checked_github
from cph50_pipeline_tests.integration.households import committed_files, git, write

SESSION, CACHE = "sessions/2026/01/05/1.json", "session_cache/2026-01.json"
_numbers = count(1)


@pytest.fixture(scope="module")
def simulator() -> Iterator[RunningSimulator]:
    with RunningSimulator() as running:
        yield running


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGitHub]:
    with checked_github(tmp_path_factory.mktemp("hub")) as running:
        yield running


@dataclass(frozen=True)
class Published:
    """A household with two files, and the repository that it publishes to."""

    home: CommandHome
    there: Path
    repository: str

    def files(self) -> list[str]:
        """What is published."""
        return sorted(files_at(self.there))


@pytest.fixture
def home(tmp_path: Path, simulator: RunningSimulator) -> CommandHome:
    """A household with two files, that nobody has told where to publish."""
    made = CommandHome(tmp_path / "data", simulator, "2026-01", {"CPH50_PUBLISH": "off"})
    write(made.data, SESSION, CACHE)
    return made


@pytest.fixture(params=["push", "github"])
def published(request: pytest.FixtureRequest, home: CommandHome, hub: RunningGitHub) -> Published:
    """The household with an empty repository on the stand-in for GitHub."""
    repository = f"household/data-{next(_numbers)}"
    there = hub.create_repository(repository)
    hub.add_token(TOKEN)
    home.changes |= {
        "CPH50_PUBLISH": request.param,
        "CPH50_GITHUB_REPOSITORY": repository,
        "CPH50_GITHUB_TOKEN": TOKEN,
        "CPH50_GITHUB_API_URL": hub.api_url,
        "CPH50_GIT_REMOTE": hub.git_url(repository),
    }
    return Published(home, there, repository)


@pytest.mark.parametrize("published", ["push"], indirect=True)
def test_the_data_repository_gets_what_the_data_root_holds_and_a_second_time_nothing(
    published: Published,
) -> None:
    head = publish_all(published)
    again = published.home.run("publish")
    assert again.returncode == DONE, again.stderr
    assert again.stdout.startswith("Nothing to publish: ")
    assert published.repository in again.stdout
    assert git(published.there, "rev-parse", "main").strip() == head


@pytest.mark.parametrize("published", ["github"], indirect=True)
def test_all_reads_every_file_again_and_finds_what_has_a_known_size_and_time(published: Published) -> None:
    home, head = published.home, publish_all(published)
    _overwrite_unseen(home.data / SESSION, b"{}\n")
    again = home.run("publish")
    assert again.returncode == DONE, again.stderr
    assert again.stdout == f"Nothing to publish: {published.repository} holds what the data root holds\n"
    assert git(published.there, "rev-parse", "main").strip() == head
    assert printed(home.run("publish", "--all", "--json"))["uploaded"]["files"] == [SESSION]
    assert files_at(published.there)[SESSION] == b"{}\n"


def publish_all(published: Published) -> str:
    """Publish what the data root holds, as a person does; returns the commit."""
    done = published.home.run("publish")
    assert done.returncode == DONE, done.stderr
    assert published.files() == sorted(contents(published.home.data))
    assert {SESSION, CACHE} <= set(published.files())
    head = git(published.there, "rev-parse", "main").strip()
    assert f"Uploaded: {len(published.files())} file(s), " in done.stdout
    assert f"up to {head[:10]} on main" in done.stdout
    assert f"/{published.repository}/commit/{head}" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    return head


def _overwrite_unseen(path: Path, content: bytes) -> None:
    """Other bytes of the same number in the same file, with its time put back."""
    status = path.stat()
    with path.open("r+b") as file:
        file.write(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("published", ["github"], indirect=True)
def test_a_program_is_told_what_was_published_and_what_others_changed(published: Published) -> None:
    home = published.home
    first = printed(home.run("publish", "--json"))
    head = git(published.there, "rev-parse", "main").strip()
    assert set(first) == {"committed", "uploaded", "withheld", "told"}
    assert first["uploaded"]["commit"] == head
    assert first["uploaded"]["files"] == published.files()
    assert first["uploaded"]["branch"] == "main"
    assert (first["withheld"], first["told"]) == ({}, [])

    commit_by_hand(published.there, {SESSION: b"[1]\n", "README.md": b"Ours\n"})
    write(home.data, CACHE, content="[")
    second = home.run("publish", "--json", "--all")
    document = printed(second, FAILED)
    assert document["uploaded"]["files"] == [SESSION]
    assert document["withheld"] == {CACHE: "is damaged; the repository keeps the last good version"}
    [told] = document["told"]
    assert f"Somebody changed {SESSION} in the repository" in told
    there = files_at(published.there)
    assert (there[SESSION], there[CACHE], there["README.md"]) == (b"[]\n", b"[]\n", b"Ours\n")


@pytest.mark.parametrize("published", ["push"], indirect=True)
def test_another_data_roots_files_are_replaced_only_with_replace(published: Published) -> None:
    home, before = published.home, contents(published.home.data)
    theirs = commit_by_hand(published.there, {SESSION: b'["theirs"]\n', "README.md": b"Theirs\n"})
    line = complaint(home.run("publish"), FAILED)
    assert SESSION in line
    assert "cph50 publish --replace" in line
    assert TOKEN not in line
    assert before.items() <= contents(home.data).items()
    assert git(published.there, "rev-parse", "main").strip() == theirs

    done = home.run("publish", "--replace", "--json")
    assert SESSION in printed(done)["uploaded"]["files"]
    there = files_at(published.there)
    assert (there[SESSION], there["README.md"]) == (b"[]\n", b"Theirs\n")
    assert subjects(published.there)[0] == "By hand"


# --- on this machine alone ---


def test_a_local_repository_is_committed_to_and_nothing_is_uploaded(home: CommandHome) -> None:
    home.changes["CPH50_PUBLISH"] = "local"
    done = printed(home.run("publish", "--json"))
    assert done["uploaded"] is None
    assert done["committed"]["commit"] == git(home.data, "rev-parse", "HEAD").strip()
    assert done["committed"]["files"] == sorted(contents(home.data))
    assert sorted(committed_files(home.data)) == sorted(contents(home.data))

    again = home.run("publish")
    assert again.returncode == DONE, again.stderr
    assert again.stdout == f"Nothing to publish: {home.data} holds what the data root holds\n"


# --- wrong use ---


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "CPH50_PUBLISH is off"),
        (
            {"CPH50_PUBLISH": "github", "CPH50_GITHUB_REPOSITORY": "household/data"},
            "CPH50_PUBLISH=github needs CPH50_GITHUB_TOKEN",
        ),
    ],
    ids=["off", "no token"],
)
def test_a_setting_that_is_missing_or_wrong_is_wrong_use_in_one_line(
    home: CommandHome, changes: dict[str, str], words: str
) -> None:
    home.changes |= changes
    assert words in complaint(home.run("publish"), WRONG_USE)


def test_force_without_init_is_wrong_use_and_names_what_was_meant(home: CommandHome) -> None:
    assert "say --replace" in complaint(home.run("publish", "--force"), WRONG_USE)


# --- the workflows ---


@pytest.mark.parametrize("published", ["github"], indirect=True)
def test_init_writes_the_workflows_and_uploads_them_alone_with_a_token_that_may(
    published: Published, hub: RunningGitHub
) -> None:
    home, paths = published.home, sorted(workflow_files("main"))
    assert "workflow" in complaint(home.run("publish", "--init"), FAILED).lower()
    hub.add_token(TOKEN, {"repo", "workflow"})
    done = printed(home.run("publish", "--init", "--json"))
    assert [file["path"] for file in done["files"]] == paths
    assert published.files() == paths
    assert done["commit"].endswith(git(published.there, "rev-parse", "main").strip())
