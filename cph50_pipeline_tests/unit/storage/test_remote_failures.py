"""What git says of a remote repository that it cannot talk to, in its words and GitHub's, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.errors import Cph50Error, NotFoundError, PermanentError, TransientError
from cph50_pipeline.storage.git import DamagedRepositoryError, GitAnswer
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline.storage.remote_failures import failure

VARIABLE = "CPH50_GITHUB_TOKEN"
TOKEN = "ghp_canaryCANARYcanary"
WEB = "https://github.com/household/data.git"
SSH = "git@github.com:household/data.git"
RIGHTS = "\n\nPlease make sure you have the correct access rights\nand the repository exists."
NOT_READ = f"fatal: Could not read from remote repository.{RIGHTS}"
UNABLE = f"fatal: unable to access '{WEB}/': "


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, TOKEN)


def error_for(complaint: str, url: str = WEB, status: str = "") -> Cph50Error:
    """The error that git's words become; `status` is the line that `push --porcelain` prints."""
    out = f"To {url}\n!\t{'0' * 40}:refs/heads/main\t{status}\nDone" if status else ""
    return failure(GitAnswer(1, out.encode(), complaint), Remote(url, "main", VARIABLE))


@dataclass(frozen=True)
class Said:
    """What git said on stderr and in its status line, and what a person is told."""

    complaint: str
    message: str
    remedy: str = ""
    status: str = ""
    url: str = WEB


def declined(*lines: str, why: str = "pre-receive hook declined") -> tuple[str, str]:
    """How GitHub refuses a push: its own lines, and git's."""
    own = "".join(f"remote: {line}        \n" for line in lines)
    return f"{own}error: failed to push some refs to '{WEB}'", f"[remote rejected] ({why})"


PROTECTED = declined(
    "error: GH006: Protected branch update failed for refs/heads/main.",
    "error: At least 1 approving review is required by reviewers with write access.",
    why="protected branch hook declined",
)
RULES = declined(
    "error: GH013: Repository rule violations found for refs/heads/main.",
    "Review all repository rules at https://github.com/household/data/rules?ref=refs%2Fheads%2Fmain",
    "",
    "- Changes must be made through a pull request.",
    why="push declined due to repository rule violations",
)
LARGE = declined(
    "warning: File power/readings/2025-12.parquet is 60.00 MB; this is larger than GitHub's recommended maximum "
    "file size of 50.00 MB",
    "error: Trace: 5b4f9d0f7e6c4a6d9f3c2b1a00112233",
    "error: See https://gh.io/lfs for more information.",
    "error: File power/readings/2026-01.parquet is 123.45 MB; this exceeds GitHub's file size limit of 100.00 MB",
    "error: GH001: Large files detected. You may want to try Git Large File Storage - https://git-lfs.github.com.",
)
WORKFLOW = declined(
    why="refusing to allow a Personal Access Token to create or update workflow `.github/workflows/pages.yml` "
    "without `workflow` scope"
)

REFUSALS = {
    "wrong password": Said(
        "remote: Invalid username or token. Password authentication is not supported for Git operations.\n"
        f"fatal: Authentication failed for '{WEB}/'",
        f"{WEB} does not accept the token in {VARIABLE}",
        "Set CPH50_GITHUB_TOKEN to a valid token",
    ),
    "no password": Said(
        "fatal: could not read Username for 'https://github.com': terminal prompts disabled",
        f"{WEB} does not accept the token in {VARIABLE}",
    ),
    "may not write": Said(
        "remote: Permission to household/data.git denied to somebody.\n"
        f"{UNABLE}The requested URL returned error: 403",
        f"The token may not push to {WEB}",
        "Contents: read and write",
    ),
    "may not write, fine-grained": Said(
        f"remote: Write access to repository not granted.\n{UNABLE}The requested URL returned error: 403",
        f"The token may not push to {WEB}",
        "Contents: read and write",
    ),
    "single sign-on": Said(
        "remote: The 'household' organization has enabled or enforced SAML SSO. To access\n"
        "remote: this repository, you must re-authorize the OAuth Application 'pipeline'.\n"
        f"{UNABLE}The requested URL returned error: 403",
        f"The token is not authorized for the organisation that owns {WEB}",
        "Configure SSO",
    ),
    "archived": Said(
        f"remote: This repository was archived so it is read-only.\n{UNABLE}The requested URL returned error: 403",
        f"{WEB} is archived: nothing can be pushed to it",
        "Unarchive it",
    ),
    "missing": Said(
        f"remote: Repository not found.\nfatal: repository '{WEB}/' not found",
        f"{WEB} is missing, or the token has no access to it",
        "Check CPH50_GITHUB_REPOSITORY",
    ),
    "missing, by status": Said(
        f"{UNABLE}The requested URL returned error: 404",
        f"{WEB} is missing, or the token has no access to it",
    ),
    "missing, by ssh": Said(
        f"ERROR: Repository not found.\n{NOT_READ}",
        f"{SSH} is missing, or the token has no access to it",
        url=SSH,
    ),
    "missing folder": Said(
        f"fatal: '/srv/data.git' does not appear to be a git repository\n{NOT_READ}",
        "/srv/data.git is missing, or the token has no access to it",
        "CPH50_GIT_REMOTE",
        url="/srv/data.git",
    ),
    "protected": Said(
        PROTECTED[0], f"The branch main of {WEB} is protected against this push", status=PROTECTED[1]
    ),
    "rules": Said(
        RULES[0],
        f"The branch main of {WEB} is protected against this push",
        "CPH50_GITHUB_BRANCH",
        status=RULES[1],
    ),
    "large file, after a warning of another": Said(
        LARGE[0],
        f"{WEB} takes no file as large as power/readings/2026-01.parquet (123.45 MB)",
        "Move that file out",
        status=LARGE[1],
    ),
    "workflow": Said(
        WORKFLOW[0],
        f"The token may not change the workflows in {WEB}",
        "Workflows: read and write",
        status=WORKFLOW[1],
    ),
    "ssh key": Said(
        f"git@github.com: Permission denied (publickey).\r\n{NOT_READ}",
        f"{SSH} does not accept this machine's SSH key",
        "deploy key",
        url=SSH,
    ),
    "ssh key that may only read": Said(
        f"ERROR: The key you are authenticating with has been marked as read only.\n{NOT_READ}",
        f"This machine's SSH key may not push to {SSH}",
        "write access",
        url=SSH,
    ),
    "ssh key of another repository": Said(
        f"ERROR: Permission to household/data.git denied to deploy key\n{NOT_READ}",
        f"This machine's SSH key may not push to {SSH}",
        "deploy key with write access",
        url=SSH,
    ),
    "unknown host key": Said(
        "No ED25519 host key is known for github.com and you have requested strict checking.\n"
        f"Host key verification failed.\n{NOT_READ}",
        f"The host key of {SSH} is not known here, or has changed",
        "confirm the key",
        url=SSH,
    ),
    "certificate": Said(
        f"{UNABLE}server certificate verification failed. CAfile: none CRLfile: none",
        f"The certificate of {WEB} cannot be trusted",
        "clock",
    ),
    "expired certificate": Said(
        f"{UNABLE}SSL certificate problem: certificate has expired",
        f"The certificate of {WEB} cannot be trusted",
    ),
    "full disk while fetching": Said(
        "fatal: unable to write loose object file: No space left on device\nfatal: unpack-objects failed",
        f"There is no room on the disk for what {WEB} has",
        "Make room",
    ),
    "full disk while a pack comes": Said(
        "fatal: write error: No space left on device\nfatal: fetch-pack: invalid index-pack output",
        f"There is no room on the disk for what {WEB} has",
    ),
    "clone of another user": Said(
        "error: insufficient permission for adding an object to repository database objects\n"
        "fatal: failed to write object\nfatal: unpack-objects failed",
        f"The pipeline's clone of {WEB} cannot be written",
        "Give this user the right",
    ),
}

PASSING = {
    "no name service": f"{UNABLE}Could not resolve host: github.com",
    "no name service, by ssh": "ssh: Could not resolve hostname github.com: Temporary failure in name resolution\n"
    + NOT_READ,
    "no proxy": f"{UNABLE}Could not resolve proxy: proxy.example.org",
    "nobody listens": f"{UNABLE}Failed to connect to github.com port 443 after 130 ms: Couldn't connect to server",
    "nobody listens, by ssh": f"ssh: connect to host github.com port 22: Connection timed out\n{NOT_READ}",
    "closed, by ssh": "kex_exchange_identification: Connection closed by remote host\n"
    f"Connection closed by 140.82.121.4 port 22\n{NOT_READ}",
    "reset": f"{UNABLE}Recv failure: Connection reset by peer",
    "silence": f"{UNABLE}Operation too slow. Less than 1 bytes/sec transferred the last 60 seconds",
    "cut while answering": "fatal: the remote end hung up unexpectedly",
    "cut while sending": "error: RPC failed; curl 55 Send failure: Broken pipe\n"
    "send-pack: unexpected disconnect while reading sideband packet\nfatal: the remote end hung up unexpectedly",
    "cut while asking": "fatal: unable to write request to remote: Broken pipe\n"
    "fatal: the remote end hung up unexpectedly",
    "cut pack": "fatal: early EOF\nfatal: fetch-pack: invalid index-pack output",
    "cut TLS": f"{UNABLE}GnuTLS recv error (-110): The TLS connection was non-properly terminated.",
    "cut TLS, OpenSSL": f"{UNABLE}OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to github.com:443 ",
    "cut stream": f"{UNABLE}HTTP/2 stream 1 was not closed cleanly before end of the underlying stream",
    "server's failure": f"{UNABLE}The requested URL returned error: 502",
    "server's failure in words": f"remote: Internal Server Error        \nerror: failed to push some refs to '{WEB}'",
    "incident": f"remote: fatal error in commit_refs        \nerror: failed to push some refs to '{WEB}'",
    "limit": f"{UNABLE}The requested URL returned error: 429",
    "limit in words": "remote: You have exceeded a secondary rate limit.\n"
    f"{UNABLE}The requested URL returned error: 403",
    "full disk of the other side": "remote: fatal: unable to write loose object file: No space left on device        \n"
    f"error: remote unpack failed: unpack-objects abnormal exit\nerror: failed to push some refs to '{WEB}'",
}


@pytest.mark.parametrize("said", REFUSALS.values(), ids=REFUSALS.keys())
def test_a_refusal_says_what_is_refused_and_what_a_person_does_about_it(said: Said) -> None:
    error = error_for(said.complaint, said.url, said.status)
    assert isinstance(error, PermanentError)
    assert error.message == said.message
    assert error.remedy
    assert said.remedy in error.remedy


@pytest.mark.parametrize("complaint", PASSING.values(), ids=PASSING.keys())
def test_what_may_pass_by_itself_is_tried_again(complaint: str) -> None:
    error = error_for(complaint)
    assert isinstance(error, TransientError)
    assert WEB in error.message
    assert "tried again later" in error.remedy


def test_a_missing_repository_is_told_apart_from_other_refusals() -> None:
    assert isinstance(error_for(REFUSALS["missing"].complaint), NotFoundError)
    assert not isinstance(error_for(REFUSALS["may not write"].complaint), NotFoundError)


def test_without_a_token_the_missing_token_is_blamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    message = error_for(REFUSALS["no password"].complaint).message
    assert message == f"{WEB} does not accept a request without a token"


def test_what_cannot_be_read_here_is_the_clones_damage_and_there_it_is_not() -> None:
    here = "error: object file objects/ab/cd is empty\nfatal: loose object abcd is corrupt"
    there = "".join(f"remote: {line}\n" for line in here.splitlines())
    assert isinstance(error_for(here), DamagedRepositoryError)
    assert not isinstance(error_for(there), DamagedRepositoryError)


def test_what_nobody_knows_is_quoted_without_gits_advice() -> None:
    complaint = (
        "remote: Pushes rest on Sundays.        \nremote: \n"
        f"error: failed to push some refs to '{WEB}'\nhint: See 'git push --help'."
    )
    error = error_for(complaint, status="[remote rejected] (pre-receive hook declined)")
    assert isinstance(error, PermanentError)
    assert "remote: Pushes rest on Sundays. error: failed to push" in error.message
    assert "pre-receive hook declined" in error.message
    assert "hint" not in error.message
    assert "git push --help" not in error.message


@given(st.text(min_size=0, max_size=3000))
def test_whatever_git_says_the_error_is_one_short_line_that_keeps_the_token(said: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, TOKEN)
        error = error_for(f"{said}{TOKEN}{said}")
    assert TOKEN not in str(error)
    assert "\n" not in str(error)
    assert len(error.message) < 500
    assert error.kept
