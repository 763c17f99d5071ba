"""Where the remote repository is, and how git gets there without its token showing."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from pydantic import ValidationError

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.remote import Remote

VARIABLE = "CPH50_GITHUB_TOKEN"
TOKEN = "ghp_canaryCANARYcanary"
WEB = "https://github.com/household/data.git"
COMMIT = "c" * 40


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)


@pytest.mark.parametrize(
    "url",
    [
        WEB,
        "http://127.0.0.1:8080/household/data.git",
        "https://[::1]:8443/household/data.git",
        "ssh://git@github.com/household/data.git",
        "ssh://git@nas.example:2222/srv/data.git",
        "git@github.com:household/data.git",
        "nas:data.git",
        "/srv/data.git",
        "file:///srv/data.git",
    ],
)
def test_a_repositorys_address_is_one(url: str) -> None:
    assert Remote(url, "main").url == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "data.git",
        "../data.git",
        "https://",
        "https:///household/data.git",
        "https://github.com:port/household/data.git",
        "https://[::1/household/data.git",
        "ftp://example.org/data.git",
        "ext::sh -c true",
        "--upload-pack=true",
        "/srv/my data.git",
        f"{WEB}\n",
        f"{WEB}\x00",
    ],
)
def test_what_is_no_repositorys_address_is_refused_with_the_settings_name(url: str) -> None:
    with pytest.raises(BadInputError) as caught:
        Remote(url, "main")
    assert str(caught.value).startswith("CPH50_GIT_REMOTE is not the ")
    assert "https://github.com/OWNER/NAME.git" in caught.value.remedy


@pytest.mark.parametrize(
    "url",
    [
        f"https://x-access-token:{TOKEN}@github.com/household/data.git",
        f"https://{TOKEN}@github.com/household/data.git",
        "https://somebody:pa55word@github.com/household/data.git",
        "https://pa55word@github.com/household/data.git",
        "ssh://git:pa55word@github.com/household/data.git",
        "https://github.com/household/data.git?token=pa55word",
        f"{TOKEN}@github.com:household/data.git",
        "/srv/github_pat_11AAAA/pa55word.git",
    ],
)
def test_an_address_with_a_secret_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(BadInputError) as caught:
        Remote(url, "main")
    assert "holds a password or a token" in str(caught.value)
    assert "CPH50_GITHUB_TOKEN" in caught.value.remedy
    assert TOKEN not in str(caught.value)
    assert "pa55word" not in str(caught.value)


BRANCHES = ["main", "data/2026", "v1.0", "a-b_c", "feature+x", "me@home", "0"]
NO_BRANCHES = [
    "-f",
    "a b",
    "a..b",
    "a//b",
    "/a",
    "a/",
    "a.",
    ".a",
    "a.lock",
    "a.lock/b",
    "@{1}",
    "a@{1}",
    "ä",
    "a~1",
]


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branchs_name_is_one_for_git_and_for_the_setting(branch: str) -> None:
    assert Remote(WEB, branch).branch == branch
    assert Settings(github_branch=branch).github_branch == branch


@pytest.mark.parametrize("branch", NO_BRANCHES)
def test_what_is_no_branchs_name_is_refused_also_as_a_setting(branch: str) -> None:
    with pytest.raises(BadInputError, match="CPH50_GITHUB_BRANCH"):
        Remote(WEB, branch)
    with pytest.raises(ValidationError, match="not the name of a branch"):
        Settings(github_branch=branch)


@pytest.mark.parametrize(
    ("url", "link"),
    [
        (WEB, f"https://github.com/household/data/commit/{COMMIT}"),
        ("https://github.com/household/data/", f"https://github.com/household/data/commit/{COMMIT}"),
        ("git@github.com:household/data.git", f"https://github.com/household/data/commit/{COMMIT}"),
        ("ssh://git@github.com/household/data", f"https://github.com/household/data/commit/{COMMIT}"),
        ("git@nas.example:household/data.git", ""),
        ("/srv/data.git", ""),
        ("file:///srv/data.git", ""),
    ],
)
def test_a_commit_has_a_link_where_a_browser_can_show_it(url: str, link: str) -> None:
    assert Remote(url, "main").link(COMMIT) == link


def test_the_token_is_masked_however_it_is_said() -> None:
    remote = Remote(WEB, "main", VARIABLE)
    header = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert remote.masked(f"Basic {header} {TOKEN}.") == "Basic *** ***."
    assert Remote(WEB, "main").masked("nothing to hide") == "nothing to hide"


def test_an_empty_token_is_none_and_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    remote = Remote(WEB, "main", VARIABLE)
    assert remote.token is None
    assert remote.masked("said") == "said"


@pytest.mark.parametrize("url", [WEB, "git@github.com:household/data.git", "/srv/data.git"])
def test_git_gets_the_token_in_no_option_and_no_variable_of_ours(url: str, tmp_path: Path) -> None:
    git = Remote(url, "main", VARIABLE).git(tmp_path)
    assert TOKEN not in repr(git)
    assert git.is_secretive
    assert any(VARIABLE in option for option in git.options) == (url == WEB)
    assert git.secret_variable == (VARIABLE if url == WEB else None)


def test_a_remote_that_is_shown_shows_no_token() -> None:
    assert TOKEN not in repr(Remote(WEB, "main", VARIABLE))
