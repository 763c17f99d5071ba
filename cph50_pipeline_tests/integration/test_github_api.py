"""Reading a branch through GitHub's API, and answers that are not as they should be."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.github.committing import GitHubRepository
from cph50_pipeline.storage.published import Blob, Published, blob_id
from cph50_pipeline_tests.integration.github_branches import (
    AT,
    AT_ONCE,
    REPOSITORY,
    TOKEN,
    begin,
    branch_of,
    commit_by_hand,
    git,
    publish,
)
from cph50_pipeline_tests.integration.github_contract import checked_github

FILES = {
    "README.md": b"A person's own\n",
    "session_samples/2026-01.parquet": b"PAR1\x00\xff",
    "sessions/2026/01/07/1.json": b"1\n",
    "sessions/2026/01/08/2.json": b"2\n",
    "sessions/2026/02/01/3.json": b"3\n",
}
HEAD = "/repos/household/data/git/ref/heads/main"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningGitHub]:
    """A stand-in whose every exchange is held against GitHub's own description."""
    with checked_github(tmp_path) as running:
        yield running


@pytest.fixture
def git_dir(hub: RunningGitHub) -> Path:
    """A repository with a commit."""
    return begin(hub, FILES)


def on(server: HTTPServer, api: str = "/") -> GitHubRepository:
    """A branch on a server that answers as each test says."""
    return GitHubRepository.of(server.url_for(api), REPOSITORY, "main", TOKEN, AT_ONCE)


def head_failure(server: HTTPServer) -> Cph50Error:
    with on(server) as branch, pytest.raises(Cph50Error) as caught:
        branch.head()
    return caught.value


def test_a_branch_is_something_published(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        published: Published = branch
        assert published.name == REPOSITORY
        assert published.head() == git(git_dir, "rev-parse", "main")


def test_files_are_listed_and_read_with_their_bytes(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        files = branch.files(git(git_dir, "rev-parse", "main"))
        assert files == {path: Blob(blob_id(data), len(data)) for path, data in FILES.items()}
        contents = branch.read([files[path].id for path in FILES])
        assert list(contents) == list(FILES.values())


@pytest.mark.parametrize("entries", range(3, 8))
def test_a_listing_that_is_cut_off_is_completed_folder_by_folder(
    hub: RunningGitHub, git_dir: Path, entries: int
) -> None:
    hub.limits.tree_entries = entries
    with branch_of(hub) as branch:
        assert set(branch.files(git(git_dir, "rev-parse", "main"))) == set(FILES)


def test_a_folder_that_github_cannot_list_is_no_empty_one(hub: RunningGitHub, git_dir: Path) -> None:
    hub.limits.tree_entries = 2
    with branch_of(hub) as branch, pytest.raises(PermanentError, match="more entries than GitHub lists"):
        branch.snapshot()


def test_links_and_other_repositories_are_no_files(hub: RunningGitHub, git_dir: Path) -> None:
    link = git(git_dir, "hash-object", "-w", "--stdin", stdin=b"README.md")
    index = {"GIT_INDEX_FILE": str(git_dir / "index.links")}
    git(git_dir, "read-tree", "main", env=index)
    git(git_dir, "update-index", "--add", "--cacheinfo", f"120000,{link},link.md", env=index)
    commit = git(
        git_dir, "commit-tree", git(git_dir, "write-tree", env=index), "-p", "main", "-m", "Add a link"
    )
    git(git_dir, "update-ref", "refs/heads/main", commit)
    with branch_of(hub) as branch:
        assert set(branch.snapshot().files) == set(FILES)


def test_commits_come_newest_first_by_file_and_time(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        first = publish(branch, {"runs.json": b"1\n"}, message="One\n\nRun 8f0c")
        second = publish(branch, {"tariffs.json": b"{}\n"}, message="Two")
        assert first is not None
        assert second is not None
        everything = list(branch.commits())
        assert [commit.message.split("\n")[0] for commit in everything] == ["Two", "One", "By hand"]
        assert everything[0].parents == (everything[1].id,)
        assert everything[1].at == AT
        assert everything[1].message == "One\n\nRun 8f0c"
        assert [commit.id for commit in branch.commits("runs.json")] == [first.commit]
        assert [commit.id for commit in branch.commits("never/was.json")] == []
        assert {commit.id for commit in branch.commits(until=AT)} == {first.commit, second.commit}


def test_a_long_history_is_read_page_by_page(hub: RunningGitHub, git_dir: Path) -> None:
    for number in range(104):
        commit = git(git_dir, "commit-tree", "main^{tree}", "-p", "main", "-m", str(number))
        git(git_dir, "update-ref", "refs/heads/main", commit)
    with branch_of(hub) as branch:
        assert len({commit.id for commit in branch.commits()}) == 105
    assert hub.requests.counts()["list_commits"] == 2


def test_a_history_is_read_no_further_than_asked(hub: RunningGitHub, git_dir: Path) -> None:
    with branch_of(hub) as branch:
        next(branch.commits())
    assert hub.requests.counts()["list_commits"] == 1


def test_an_abbreviated_id_stands_for_its_commit(hub: RunningGitHub, git_dir: Path) -> None:
    older = git(git_dir, "rev-parse", "main")
    commit_by_hand(git_dir, {"tariffs.json": b"{}\n"})
    with branch_of(hub) as branch:
        assert branch.resolve(older[:8]).id == older
        assert branch.resolve(older) == branch.resolve(older[:8])


@pytest.mark.parametrize("name", ["0123456", "main", "HEAD", "..", "abc", "", "0" * 41])
def test_what_stands_for_no_commit_is_not_found(hub: RunningGitHub, git_dir: Path, name: str) -> None:
    with branch_of(hub) as branch, pytest.raises(NotFoundError):
        branch.resolve(name)


def test_a_commit_that_is_not_on_the_branch_is_not_found(hub: RunningGitHub, git_dir: Path) -> None:
    aside = git(git_dir, "commit-tree", "main^{tree}", "-p", "main", "-m", "Aside")
    with branch_of(hub) as branch, pytest.raises(NotFoundError, match="on its branch main"):
        branch.resolve(aside)


def test_an_empty_repository_has_no_commits_and_no_files(hub: RunningGitHub) -> None:
    hub.create_repository(REPOSITORY)
    hub.add_token(TOKEN)
    with branch_of(hub) as branch:
        assert branch.head() is None
        assert list(branch.commits()) == []
        assert branch.snapshot().files == {}


def test_a_missing_branch_names_the_default_one(hub: RunningGitHub, git_dir: Path) -> None:
    with (
        branch_of(hub, branch="data/v2") as branch,
        pytest.raises(PermanentError, match="no branch data/v2") as caught,
    ):
        branch.head()
    assert "CPH50_GITHUB_BRANCH=main" in str(caught.value)


def test_a_content_that_is_another_one_is_refused(httpserver: HTTPServer) -> None:
    wanted = blob_id(b"wanted")
    answer = {"sha": wanted, "content": base64.b64encode(b"other").decode(), "encoding": "base64"}
    httpserver.expect_request(f"/repos/household/data/git/blobs/{wanted}").respond_with_json(answer)
    with on(httpserver) as branch, pytest.raises(PermanentError, match=wanted):
        next(branch.read([wanted]))


def test_each_request_says_who_asks_and_for_which_version(httpserver: HTTPServer) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        return Response(f'{{"object": {{"sha": "{"a" * 40}"}}}}', content_type="application/json")

    httpserver.expect_request(f"/api/v3{HEAD}").respond_with_handler(answer)
    with on(httpserver, "/api/v3") as branch:
        assert branch.head() == "a" * 40
    headers = seen[0].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["user-agent"] == "cph50-pipeline"
    assert headers["accept"] == "application/vnd.github+json"
    assert headers["x-github-api-version"] == "2022-11-28"
    assert TOKEN not in seen[0].url


@pytest.mark.parametrize("status", [301, 307, 308])
def test_a_renamed_repository_is_named_and_not_followed(httpserver: HTTPServer, status: int) -> None:
    location = httpserver.url_for("/repositories/17/git/ref/heads/main")
    httpserver.expect_request(HEAD).respond_with_data(status=status, headers={"location": location})
    info = {"full_name": "household/charging", "default_branch": "main"}
    httpserver.expect_request("/repositories/17").respond_with_json(info)
    error = head_failure(httpserver)
    assert isinstance(error, PermanentError)
    assert "CPH50_GITHUB_REPOSITORY=household/charging" in str(error)
    assert [request.path for request, _ in httpserver.log] == [HEAD, "/repositories/17"]


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:1/repositories/17",
        "https://elsewhere.example/repositories/17",
        "/login",
        "",
        "//x/repositories/1",
    ],
)
def test_the_token_goes_to_no_other_host(httpserver: HTTPServer, location: str) -> None:
    httpserver.expect_request(HEAD).respond_with_data(status=301, headers={"location": location})
    error = head_failure(httpserver)
    assert isinstance(error, PermanentError)
    assert "CPH50_GITHUB_REPOSITORY" in str(error)
    assert [request.path for request, _ in httpserver.log] == [HEAD]


@pytest.mark.parametrize("answer", ["{}", "[]", '{"object": 5}', '"text"', "null"])
def test_an_answer_that_is_not_githubs_names_the_setting(httpserver: HTTPServer, answer: str) -> None:
    httpserver.expect_request(HEAD).respond_with_data(answer, content_type="application/json")
    error = head_failure(httpserver)
    assert isinstance(error, BadInputError)
    assert "CPH50_GITHUB_API_URL" in str(error)


@pytest.mark.parametrize("answer", ["<html>", "", '{"object": {"sha"'])
def test_an_answer_that_is_cut_short_is_asked_for_again(httpserver: HTTPServer, answer: str) -> None:
    httpserver.expect_request(HEAD).respond_with_data(answer, content_type="application/json")
    error = head_failure(httpserver)
    assert isinstance(error, TransientError)
    assert len(httpserver.log) == AT_ONCE.retry.attempts


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak"])
def test_what_cannot_be_a_token_is_refused_before_anything_is_asked(token: str) -> None:
    with pytest.raises(BadInputError, match="CPH50_GITHUB_TOKEN"):
        GitHubRepository.of("https://api.github.com/", REPOSITORY, "main", token)


def test_an_answer_that_does_not_come_is_waited_for_no_longer_than_allowed(httpserver: HTTPServer) -> None:
    httpserver.expect_request(HEAD).respond_with_json({})
    limits = replace(AT_ONCE, total_seconds=0.0)
    url = httpserver.url_for("/")
    with GitHubRepository.of(url, REPOSITORY, "main", TOKEN, limits) as branch, pytest.raises(TransientError):
        branch.head()
    assert len(httpserver.log) == 0
