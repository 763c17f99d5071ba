"""The simulated GitHub over HTTP: its routes, refusals, races and faults, all held against GitHub's description."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.simulator.github.state import Exchange
from cph50_pipeline.storage.published import blob_id
from cph50_pipeline_tests.integration.github_contract import Contract, checked_github

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPOSITORY = "household/data"
TOKEN = "canary-token-7Q2x"
NO_OBJECT = "1" * 40
WORKFLOW = ".github/workflows/pages.yml"


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOW, speed=0)


@pytest.fixture
def hub(tmp_path: Path, clock: SimulatedClock) -> Iterator[RunningGitHub]:
    """A GitHub with one empty private repository, and a token that may write there."""
    with checked_github(tmp_path / "hub", clock) as running:
        running.create_repository(REPOSITORY)
        running.add_token(TOKEN, {"repo"})
        yield running


class Api:
    """A repository through the API, as a program uses it."""

    def __init__(self, hub: RunningGitHub, token: str | None = TOKEN) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self.root = f"{hub.api_url}repos/{REPOSITORY}"
        self.http = httpx.Client(base_url=self.root, headers=headers, timeout=30)

    def repository(self) -> dict[str, Any]:
        """What the repository says of itself."""
        answer: dict[str, Any] = self.http.get(self.root).json()
        return answer

    def get(self, path: str, /, **query: Any) -> httpx.Response:
        return self.http.get(path, params=query)

    def post(self, path: str, /, **body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def write_file(self, path: str, text: str, **more: Any) -> httpx.Response:
        content = base64.b64encode(text.encode()).decode()
        return self.http.put(
            f"contents/{path}", json={"message": f"Write {path}", "content": content, **more}
        )

    def head(self, branch: str = "main") -> str:
        return str(self.get(f"git/ref/heads/{branch}").json()["object"]["sha"])

    def tree(self, *changes: dict[str, Any], base: str | None = None) -> httpx.Response:
        items = [{"mode": "100644", "type": "blob", **change} for change in changes]
        return self.post("git/trees", tree=items, **({} if base is None else {"base_tree": base}))

    def commit(self, *changes: dict[str, Any], parent: str) -> str:
        """A commit with these changes, at which no branch stands yet."""
        base = self.get(f"git/commits/{parent}").json()["tree"]["sha"]
        tree = self.tree(*changes, base=base).json()["sha"]
        made = self.post("git/commits", message="Change", tree=tree, parents=[parent])
        assert made.status_code == 201, made.text
        return str(made.json()["sha"])

    def move(self, commit: str, branch: str = "main", **more: Any) -> httpx.Response:
        return self.http.patch(f"git/refs/heads/{branch}", json={"sha": commit, **more})

    def paths(self, name: str = "main") -> set[str]:
        entries = self.get(f"git/trees/{name}", recursive="1").json()["tree"]
        return {entry["path"] for entry in entries if entry["type"] == "blob"}


@pytest.fixture
def empty(hub: RunningGitHub) -> Api:
    return Api(hub)


@pytest.fixture
def api(empty: Api) -> Api:
    """A repository with one commit of one file."""
    assert empty.write_file("README.md", "Data").status_code == 201
    return empty


def message(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["message"]


def file(path: str, text: str = "text") -> dict[str, Any]:
    return {"path": path, "content": text}


def run_git(folder: Path, *arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess[str]:
    """Git as a person runs it, with a helper that knows the token."""
    known = f"!echo username=x-access-token; echo password={token}; :"
    helper = [("credential.helper", known)] if token else []
    settings = [("user.name", "Wren"), ("user.email", "wren@household.example"), *helper]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": os.devnull}
    environment |= {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings):
        environment |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    command = ["git", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def git(folder: Path, *arguments: str) -> str:
    done = run_git(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def write_commit(folder: Path, path: str, text: str | bytes = "text") -> str:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(text if isinstance(text, bytes) else text.encode())
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", f"Write {path}")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def clone(hub: RunningGitHub, api: Api, tmp_path: Path) -> Path:
    """A clone of the repository with one commit."""
    git(tmp_path, "clone", "--quiet", hub.git_url(REPOSITORY), "clone")
    return tmp_path / "clone"


# The contract that every other test is held to


@pytest.mark.parametrize(
    ("method", "path", "query", "request_body", "status", "answer"),
    [
        ("GET", "git/ref/heads/main", "", {}, 200, {"ref": "refs/heads/main"}),
        ("GET", "commits", "pages=2", {}, 200, []),
        ("GET", "commits", "page=two", {}, 200, []),
        ("POST", "git/blobs", "", {}, 201, {"sha": NO_OBJECT, "url": "http://127.0.0.1/"}),
        ("POST", "git/blobs", "", {"content": ""}, 422, {"documentation_url": ""}),
        ("GET", "git/ref/heads/main", "", {}, 418, {"documentation_url": ""}),
        ("DELETE", "contents/a", "", {}, 200, {}),
    ],
)
def test_what_contradicts_the_description_is_noticed(
    method: str, path: str, query: str, request_body: object, status: int, answer: object
) -> None:
    contract = Contract()
    sent, received = json.dumps(request_body).encode(), json.dumps(answer).encode()
    where = f"/repos/{REPOSITORY}/{path}"
    contract.check(Exchange(method, where, query, sent, status, "application/json", received))
    assert len(contract.violations) >= 1
    assert where in contract.violations[0]


# Objects and references


def test_what_the_api_commits_is_what_git_reads(hub: RunningGitHub, api: Api) -> None:
    head = api.head()
    text = "grün\n".encode()
    blob = api.post("git/blobs", content=base64.b64encode(text).decode(), encoding="base64").json()["sha"]
    tree = api.tree({"path": "sessions/2026/one.json", "sha": blob}, base=head).json()["sha"]
    author = {"name": "Wren", "email": "wren@household.example", "date": "2026-02-03T04:05:06+01:00"}
    commit = api.post("git/commits", message="Say so\n\nWhy", tree=tree, parents=[head], author=author)
    assert commit.json()["author"]["date"] == "2026-02-03T03:05:06Z"
    assert api.move(commit.json()["sha"]).json()["object"]["sha"] == commit.json()["sha"]
    bare = hub.git_dir(REPOSITORY)
    shown = git(bare, "log", "-1", "--format=%an <%ae> %aI%n%B", "main")
    assert shown == "Wren <wren@household.example> 2026-02-03T04:05:06+01:00\nSay so\n\nWhy"
    assert git(bare, "show", "main:sessions/2026/one.json") == text.decode().strip()
    assert blob == blob_id(text)
    assert git(bare, "fsck", "--strict") == ""


def test_what_git_commits_is_what_the_api_reads(api: Api, clone: Path) -> None:
    commit = write_commit(clone, "power/daily.json", "{}")
    git(clone, "push", "--quiet")
    assert api.head() == commit
    told = api.get(f"git/commits/{commit}").json()
    assert told["message"].strip() == "Write power/daily.json"
    assert told["author"]["name"] == "Wren"
    assert api.paths(commit) == {"README.md", "power/daily.json"}
    entries = api.get(f"git/trees/{commit}", recursive="1").json()["tree"]
    blob = next(entry for entry in entries if entry["path"] == "power/daily.json")
    assert blob["size"] == 2
    assert base64.b64decode(api.get(f"git/blobs/{blob['sha']}").json()["content"]) == b"{}"


def test_a_tree_lists_one_level_or_all_of_them(api: Api) -> None:
    assert api.move(api.commit(file("a/b/c.txt"), parent=api.head())).status_code == 200
    assert [one["path"] for one in api.get("git/trees/main").json()["tree"]] == ["README.md", "a"]
    whole = api.get("git/trees/main", recursive="1").json()
    assert [one["path"] for one in whole["tree"]] == ["README.md", "a", "a/b", "a/b/c.txt"]
    assert whole["truncated"] is False


def test_a_listing_beyond_the_limit_is_cut_off_and_says_so(hub: RunningGitHub, api: Api) -> None:
    hub.limits.tree_entries = 3
    api.move(api.commit(*(file(f"{number}.txt") for number in range(9)), parent=api.head()))
    answer = api.get("git/trees/main", recursive="1").json()
    assert (len(answer["tree"]), answer["truncated"]) == (3, True)


def test_a_removed_file_is_gone_with_its_folder_and_nothing_else(api: Api) -> None:
    first = api.commit(file("a/b/c.txt"), file("a-b"), file("d"), parent=api.head())
    second = api.commit({"path": "a/b/c.txt", "sha": None}, parent=first)
    assert api.paths(second) == {"README.md", "a-b", "d"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": "a.txt", "sha": NO_OBJECT}, f"tree.sha {NO_OBJECT} is not a valid blob"),
        ({"path": "a.txt", "sha": None}, "GitRPC::BadObjectState"),
        ({"path": "a/../b.txt", "content": ""}, "tree.path contains a malformed path component"),
        ({"path": "a.txt"}, "Must supply either tree.sha or tree.content"),
    ],
)
def test_a_tree_that_cannot_be_is_refused(api: Api, change: dict[str, Any], words: str) -> None:
    assert message(api.tree(change, base=api.head())) == (422, words)


def test_what_a_new_object_names_must_exist(api: Api) -> None:
    tree = api.get("git/trees/main").json()["sha"]
    based = api.tree(file("a"), base=NO_OBJECT)
    assert message(based) == (422, "base_tree is not a valid tree oid")
    treeless = api.post("git/commits", message="m", tree=NO_OBJECT, parents=[])
    assert message(treeless) == (422, "Tree SHA does not exist")
    orphan = api.post("git/commits", message="m", tree=tree, parents=[tree])
    assert message(orphan) == (422, "Parent SHA does not exist or is not a commit object")
    assert message(api.move(NO_OBJECT)) == (422, "Object does not exist")
    for kind in ("blobs", "commits", "trees"):
        assert message(api.get(f"git/{kind}/{NO_OBJECT}")) == (404, "Not Found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("git/blobs", b'{"encoding": "utf-8"}'),
        ("git/blobs", b'{"content": "?", "encoding": "base64"}'),
        ("git/trees", b'{"tree": [{"path": "a", "mode": "644", "type": "blob", "content": ""}]}'),
        ("git/commits", b'{"message": "m"}'),
        ("git/refs", b'{"ref": "main", "sha": "0"}'),
    ],
)
def test_a_body_that_lacks_something_or_has_it_wrong_is_refused(api: Api, path: str, body: bytes) -> None:
    assert api.http.post(path, content=body).status_code == 422


def test_a_body_that_is_no_json_is_refused(api: Api) -> None:
    assert message(api.http.post("git/blobs", content=b"{")) == (400, "Problems parsing JSON")


def test_a_blob_over_the_limit_is_refused(hub: RunningGitHub, api: Api) -> None:
    hub.limits.file_bytes = 10
    assert api.post("git/blobs", content="x" * 10, encoding="utf-8").status_code == 201
    refused = api.post("git/blobs", content="x" * 11, encoding="utf-8")
    assert refused.status_code == 422
    assert "too large" in refused.json()["message"]


def test_a_branch_moves_forward_only_unless_it_is_forced(api: Api) -> None:
    first = api.head()
    one, other = (api.commit(file(name), parent=first) for name in ("one", "other"))
    assert api.move(one).status_code == 200
    assert message(api.move(other)) == (422, "Update is not a fast forward")
    assert api.head() == one
    assert api.move(other, force=True).status_code == 200
    assert api.head() == other


def test_a_branch_is_created_once_and_found_by_its_name(api: Api) -> None:
    head = api.head()
    assert message(api.move(head, "site")) == (422, "Reference does not exist")
    assert message(api.get("git/ref/heads/site")) == (404, "Not Found")
    assert api.post("git/refs", ref="refs/heads/site", sha=head).status_code == 201
    assert message(api.post("git/refs", ref="refs/heads/site", sha=head)) == (422, "Reference already exists")
    assert api.head("site") == head
    names = [one["ref"] for one in api.get("git/matching-refs/heads").json()]
    assert names == ["refs/heads/main", "refs/heads/site"]


def test_a_renamed_branch_is_there_under_its_new_name_only(hub: RunningGitHub, api: Api) -> None:
    head = api.head()
    hub.rename_branch(REPOSITORY, "main", "trunk")
    assert api.get("git/ref/heads/main").status_code == 404
    assert message(api.move(head)) == (422, "Reference does not exist")
    assert api.head("trunk") == head
    assert api.repository()["default_branch"] == "trunk"


# The empty repository, contents, history


@pytest.mark.parametrize(
    "ask",
    [
        lambda api: api.get("git/ref/heads/main"),
        lambda api: api.get("git/trees/main"),
        lambda api: api.get("commits"),
        lambda api: api.post("git/blobs", content="", encoding="utf-8"),
        lambda api: api.tree(file("a")),
        lambda api: api.post("git/commits", message="m", tree=NO_OBJECT),
        lambda api: api.post("git/refs", ref="refs/heads/main", sha=NO_OBJECT),
        lambda api: api.move(NO_OBJECT),
    ],
)
def test_an_empty_repository_takes_no_objects_and_tells_of_none(
    empty: Api, ask: Callable[[Api], httpx.Response]
) -> None:
    assert message(ask(empty)) == (409, "Git Repository is empty.")


def test_the_first_file_makes_the_first_commit(empty: Api) -> None:
    assert empty.get("contents/README.md").status_code == 404
    answer = empty.write_file("README.md", "Data")
    assert answer.status_code == 201
    assert answer.json()["commit"]["parents"] == []
    assert answer.json()["content"]["sha"] == blob_id(b"Data")
    assert empty.head() == answer.json()["commit"]["sha"]


def test_a_file_is_replaced_by_who_knows_what_it_replaces(api: Api) -> None:
    known = api.get("contents/README.md").json()["sha"]
    assert message(api.write_file("README.md", "B")) == (422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    answer = api.write_file("README.md", "B", sha=known)
    assert answer.status_code == 200
    assert message(api.write_file("README.md", "C", sha=known)) == (409, f"README.md does not match {known}")
    assert message(api.write_file("a", "", branch="gone")) == (404, "Branch gone not found")
    assert base64.b64decode(api.get("contents/README.md").json()["content"]) == b"B"
    first = answer.json()["commit"]["parents"][0]["sha"]
    assert base64.b64decode(api.get("contents/README.md", ref=first).json()["content"]) == b"Data"


def test_a_folder_is_listed_and_a_file_is_given_raw(api: Api) -> None:
    api.write_file("a/b c.txt", "spaced")
    assert [(one["name"], one["type"]) for one in api.get("contents/").json()] == [
        ("README.md", "file"),
        ("a", "dir"),
    ]
    assert api.get("contents/a").json()[0]["path"] == "a/b c.txt"
    raw = api.http.get("contents/a/b%20c.txt", headers={"Accept": "application/vnd.github.raw+json"})
    assert raw.text == "spaced"
    assert message(api.get("contents/a/none")) == (404, "Not Found")


def test_a_large_file_is_listed_without_its_content(api: Api) -> None:
    api.write_file("large", "x" * (1024 * 1024 + 1))
    told = api.get("contents/large").json()
    assert (told["encoding"], told["content"], told["size"]) == ("none", "", 1024 * 1024 + 1)


def test_history_is_told_by_path_time_and_page(api: Api, clock: SimulatedClock) -> None:
    for number in range(5):
        clock.advance(timedelta(hours=1))
        path = "even" if number % 2 == 0 else "odd"
        replaced = api.get(f"contents/{path}").json().get("sha")
        api.write_file(path, str(number), message=str(number), **({"sha": replaced} if replaced else {}))

    def messages(answer: httpx.Response) -> list[str]:
        return [one["commit"]["message"] for one in answer.json()]

    assert messages(api.get("commits")) == ["4", "3", "2", "1", "0", "Write README.md"]
    assert messages(api.get("commits", path="even")) == ["4", "2", "0"]
    at_three = (NOW + timedelta(hours=3)).isoformat()
    assert messages(api.get("commits", until=at_three)) == ["2", "1", "0", "Write README.md"]
    assert messages(api.get("commits", since=at_three)) == ["4", "3", "2"]
    pages = [api.get("commits", per_page=4)]
    while "next" in pages[-1].links:
        pages.append(api.http.get(pages[-1].links["next"]["url"]))
    assert [messages(page) for page in pages] == [["4", "3", "2", "1"], ["0", "Write README.md"]]
    assert messages(api.get("commits", sha=pages[0].json()[2]["sha"], per_page=1)) == ["2"]
    assert api.get("commits", sha="gone").status_code == 404


def test_a_commit_is_found_by_the_beginning_of_its_id(api: Api) -> None:
    head = api.head()
    assert api.get(f"commits/{head[:8]}").json()["sha"] == head
    assert api.get("commits/main").json()["sha"] == head
    assert message(api.get(f"commits/{NO_OBJECT}")) == (422, f"No commit found for SHA: {NO_OBJECT}")


# Who may ask


@pytest.mark.parametrize(
    ("scopes", "repositories", "reading", "writing"),
    [
        ({"repo"}, None, 200, 201),
        ({"repo"}, {REPOSITORY}, 200, 201),
        ({"contents:write"}, {REPOSITORY}, 200, 201),
        ({"contents:read"}, {REPOSITORY}, 200, 403),
        ({"contents:write"}, {"household/other"}, 404, 404),
        ({"public_repo"}, None, 404, 404),
        (set(), None, 404, 404),
    ],
)
def test_a_token_reads_and_writes_what_its_scopes_say(
    hub: RunningGitHub, api: Api, scopes: set[str], repositories: set[str] | None, reading: int, writing: int
) -> None:
    hub.add_token("other", scopes, repositories)
    its = Api(hub, "other")
    assert its.get("git/ref/heads/main").status_code == reading
    written = its.post("git/blobs", content="a", encoding="utf-8")
    assert written.status_code == writing
    if writing == 403:
        assert written.json()["message"] == "Resource not accessible by personal access token"


def test_without_a_good_token_a_private_repository_does_not_exist(hub: RunningGitHub, api: Api) -> None:
    assert message(Api(hub, None).get("git/ref/heads/main")) == (404, "Not Found")
    assert message(Api(hub, "wrong").get("git/ref/heads/main")) == (401, "Bad credentials")
    hub.revoke_token(TOKEN)
    assert message(api.get("git/ref/heads/main")) == (401, "Bad credentials")


def test_a_public_repository_is_read_by_all_and_written_by_some(hub: RunningGitHub, api: Api) -> None:
    hub.create_repository(REPOSITORY, private=False)
    stranger = Api(hub, None)
    assert stranger.repository()["private"] is False
    assert message(stranger.write_file("a", "a")) == (401, "Requires authentication")
    hub.add_token("public", {"public_repo"})
    assert Api(hub, "public").write_file("a", "a").status_code == 201


def test_the_repository_tells_what_the_token_may_do(hub: RunningGitHub, api: Api) -> None:
    hub.add_token("reader", {"contents:read"}, {REPOSITORY})
    assert api.repository()["permissions"]["push"] is True
    assert Api(hub, "reader").repository()["permissions"]["push"] is False
    assert api.repository()["clone_url"] == hub.git_url(REPOSITORY)


def test_a_request_needs_a_user_agent_and_a_version_that_exists(api: Api) -> None:
    refused = api.http.get("git/ref/heads/main", headers={"User-Agent": ""})
    assert refused.status_code == 403
    assert "User-Agent" in refused.json()["message"]
    old = api.http.get("git/ref/heads/main", headers={"X-GitHub-Api-Version": "2021-01-01"})
    assert message(old) == (400, '"2021-01-01" is not a supported version.')
    new = api.http.get("git/ref/heads/main", headers={"X-GitHub-Api-Version": "2026-03-10"})
    assert new.status_code == 200


def test_every_answer_tells_what_is_left_of_the_rate_limit(
    hub: RunningGitHub, api: Api, clock: SimulatedClock
) -> None:
    hub.rate_limit(3)
    answers = [api.get("git/ref/heads/main") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 403, 403]  # one was used by the fixture
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0", "0"]
    assert "rate limit exceeded" in answers[-1].json()["message"]
    assert api.http.get(f"{hub.api_url}rate_limit").json()["resources"]["core"]["remaining"] == 0
    reset = datetime.fromtimestamp(int(answers[-1].headers["x-ratelimit-reset"]), UTC)
    assert reset == NOW + timedelta(hours=1)
    clock.move_to(reset)
    assert api.get("git/ref/heads/main").status_code == 200
    assert len({answer.headers["x-github-request-id"] for answer in answers}) == 4


def test_a_workflow_needs_its_scope_by_api_and_by_push(hub: RunningGitHub, api: Api, clone: Path) -> None:
    assert message(api.tree(file(WORKFLOW), base=api.head())) == (404, "Not Found")
    assert message(api.write_file(WORKFLOW, "")) == (404, "Not Found")
    write_commit(clone, WORKFLOW)
    refused = run_git(clone, "push")
    assert refused.returncode == 1
    assert f"create or update workflow `{WORKFLOW}` without `workflow` scope" in refused.stderr
    hub.add_token(TOKEN, {"repo", "workflow"})
    assert api.tree(file(WORKFLOW), base=api.head()).status_code == 201
    git(clone, "push", "--quiet")
    assert WORKFLOW in api.paths()


def test_a_protected_branch_moves_neither_by_api_nor_by_push(
    hub: RunningGitHub, api: Api, clone: Path
) -> None:
    head = api.head()
    hub.protect(REPOSITORY, "main")
    assert message(api.move(api.commit(file("a"), parent=head))) == (
        422,
        "Changes must be made through a pull request.",
    )
    assert api.write_file("a", "a").status_code == 409
    write_commit(clone, "a")
    refused = run_git(clone, "push")
    assert refused.returncode == 1
    assert "GH006: Protected branch update failed for refs/heads/main." in refused.stderr
    assert api.head() == head
    assert run_git(clone, "push", "origin", "HEAD:refs/heads/other").returncode == 0


# Git over HTTP


def test_a_push_into_an_empty_repository_makes_its_branch(
    hub: RunningGitHub, empty: Api, tmp_path: Path
) -> None:
    git(tmp_path, "init", "--quiet", "--initial-branch=main", "made")
    commit = write_commit(tmp_path / "made", "a")
    git(tmp_path / "made", "push", "--quiet", hub.git_url(REPOSITORY), "main")
    assert empty.head() == commit


def test_a_push_that_is_no_fast_forward_is_rejected_even_by_force(api: Api, clone: Path) -> None:
    api.write_file("theirs", "text")
    head = api.head()
    write_commit(clone, "ours")
    behind = run_git(clone, "push")
    assert behind.returncode == 1
    assert "[rejected]" in behind.stderr
    assert run_git(clone, "push", "--force").returncode == 1
    assert api.head() == head
    git(clone, "pull", "--quiet", "--rebase")
    git(clone, "push", "--quiet")
    assert api.paths() == {"README.md", "theirs", "ours"}


def test_a_pushed_file_over_the_limit_is_refused_by_name(hub: RunningGitHub, api: Api, clone: Path) -> None:
    hub.limits.file_bytes = 2 * 1024 * 1024
    head = api.head()
    write_commit(clone, "large file", os.urandom(3 * 1024 * 1024))
    refused = run_git(clone, "push")
    assert refused.returncode == 1
    assert "File large file is 3.00 MB; this exceeds GitHub's file size limit of 2.00 MB" in refused.stderr
    assert "GH001: Large files detected" in refused.stderr
    assert api.head() == head


def test_a_push_larger_than_one_request_buffer_arrives_whole(api: Api, clone: Path) -> None:
    data = os.urandom(3 * 1024 * 1024)
    write_commit(clone, "large", data)
    git(clone, "push", "--quiet")
    assert blob_id(data) in {one["sha"] for one in api.get("git/trees/main").json()["tree"]}


def test_a_fetch_that_compresses_its_request_is_understood(api: Api, clone: Path) -> None:
    for number in range(40):  # enough commits to tell of that git compresses the list
        git(clone, "commit", "--quiet", "--allow-empty", "--message", str(number))
    api.write_file("theirs", "text")
    git(clone, "fetch", "--quiet")
    assert git(clone, "rev-parse", "origin/main") == api.head()


@pytest.mark.parametrize(
    ("token", "words"),
    [(None, "terminal prompts disabled"), ("wrong", "Authentication failed"), ("reader", "403")],
)
def test_who_may_not_push_is_told_so(
    hub: RunningGitHub, api: Api, clone: Path, token: str | None, words: str
) -> None:
    hub.add_token("reader", {"contents:read"}, {REPOSITORY})
    head = api.head()
    write_commit(clone, "a")
    refused = run_git(clone, "push", token=token)
    assert refused.returncode != 0
    assert words in refused.stderr
    assert api.head() == head


def test_a_repository_that_a_token_cannot_see_is_not_found_by_git(hub: RunningGitHub, tmp_path: Path) -> None:
    answer = run_git(tmp_path, "ls-remote", hub.git_url("household/none"))
    assert "Repository not found" in answer.stderr


# Races and faults


def test_of_writers_who_race_each_accepted_commit_stays_and_history_is_linear(
    hub: RunningGitHub, api: Api
) -> None:
    def write(writer: int) -> int:
        own, conflicts = Api(hub), 0
        for number in range(8):
            while (moved := own.move(own.commit(file(f"{writer}/{number}"), parent=own.head()))).is_error:
                assert message(moved) == (422, "Update is not a fast forward")
                conflicts += 1
        return conflicts

    with ThreadPoolExecutor(6) as threads:
        conflicts = sum(threads.map(write, range(6)))
    assert api.paths() == {"README.md"} | {f"{writer}/{number}" for writer in range(6) for number in range(8)}
    bare = hub.git_dir(REPOSITORY)
    assert git(bare, "rev-list", "--count", "main") == "49"
    assert git(bare, "rev-list", "--count", "--merges", "main") == "0"
    assert git(bare, "fsck", "--strict", "--no-dangling") == ""
    assert conflicts > 0


def test_a_connection_cut_before_the_work_changes_nothing(hub: RunningGitHub, api: Api) -> None:
    commit, head = api.commit(file("a"), parent=api.head()), api.head()
    hub.faults.add(Fault(kind="hang_up", operation="update_ref"))
    with pytest.raises(httpx.TransportError):
        api.move(commit)
    assert api.head() == head


@pytest.mark.parametrize("kind", ["unanswered", "truncated"])
def test_a_connection_cut_after_the_work_has_done_it(hub: RunningGitHub, api: Api, kind: str) -> None:
    commit = api.commit(file("a"), parent=api.head())
    hub.faults.add(Fault.model_validate({"kind": kind, "operation": "update_ref"}))
    with pytest.raises(httpx.TransportError):
        api.move(commit)
    assert api.head() == commit
    assert [one.status for one in hub.requests if one.operation == "update_ref"] == [None]


def test_a_push_cut_off_after_the_work_has_arrived(hub: RunningGitHub, api: Api, clone: Path) -> None:
    commit = write_commit(clone, "a")
    hub.faults.add(Fault(kind="unanswered", operation="git_push"))
    assert run_git(clone, "push").returncode != 0
    assert api.head() == commit


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 429, 500, 502, 503])
def test_a_status_on_demand_has_the_shape_that_github_gives_it(
    hub: RunningGitHub, api: Api, status: int
) -> None:
    hub.faults.fail(status, operation="get_ref", headers={"Retry-After": "7", "x-ratelimit-remaining": "0"})
    answer = api.get("git/ref/heads/main")
    assert (answer.status_code, answer.json()["status"]) == (status, str(status))
    assert (answer.headers["retry-after"], answer.headers["x-ratelimit-remaining"]) == ("7", "0")
    assert api.get("git/ref/heads/main").status_code == 200


def test_a_delayed_answer_is_given_up_by_who_does_not_wait(hub: RunningGitHub, api: Api) -> None:
    hub.faults.add(Fault(kind="delay", delay_seconds=600))
    with pytest.raises(httpx.ReadTimeout):
        api.http.get("git/ref/heads/main", timeout=0.2)
    assert api.get("git/ref/heads/main").status_code == 200


def test_chance_hits_a_share_of_the_requests_with_faults_of_every_kind(hub: RunningGitHub, api: Api) -> None:
    head = api.head()
    hub.fault_rate(0.5, seed=4)

    def outcome() -> int | None:
        try:
            return api.move(head).status_code
        except httpx.TransportError:
            return None

    outcomes = [outcome() for _ in range(200)]
    hub.fault_rate(0)
    assert {200, 403, 409, 422, 429, 500, 502, 503, None} == set(outcomes)
    assert 80 <= outcomes.count(200) <= 140
    assert {outcome() for _ in range(20)} == {200}


def test_the_hook_is_called_after_the_work_and_before_the_answer(hub: RunningGitHub, api: Api) -> None:
    commit = api.commit(file("a"), parent=api.head())
    bare = hub.git_dir(REPOSITORY)
    seen: list[tuple[int, str]] = []
    hub.on_request = lambda number: seen.append((number, git(bare, "rev-parse", "main")))
    assert api.move(commit).status_code == 200
    hub.on_request = None
    assert seen == [(seen[0][0], commit)]
    assert seen[0][0] == len(hub.requests)


def test_a_server_on_the_same_folder_serves_what_was_there(hub: RunningGitHub, api: Api) -> None:
    head = api.head()
    with RunningGitHub(hub.git_dir(REPOSITORY).parents[1]) as again:
        again.create_repository(REPOSITORY)
        again.add_token(TOKEN)
        assert Api(again).head() == head


def test_the_token_is_kept_nowhere(hub: RunningGitHub, api: Api, clone: Path) -> None:
    write_commit(clone, "a")
    git(clone, "push", "--quiet")
    api.get("commits")
    encoded = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    kept = [repr(request) for request in hub.requests]
    files = [one.read_bytes() for one in hub.git_dir(REPOSITORY).rglob("*") if one.is_file()]
    assert {one.operation for one in hub.requests} >= {"put_contents", "git_refs", "git_push", "list_commits"}
    for secret in (TOKEN, encoded):
        assert not any(secret in text for text in kept)
        assert not any(secret.encode() in data for data in files)
