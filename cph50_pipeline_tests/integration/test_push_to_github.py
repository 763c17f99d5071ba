"""Pushing to a GitHub on loopback, over HTTP with a token: refusals, cut connections, and where the token goes."""

from __future__ import annotations

import base64
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cph50_pipeline.errors import Cph50Error, PermanentError, TransientError
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.git_reading import fetch_copy
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline_tests.integration.clones import FIRST, SECOND, PushedHousehold, files_at, subjects
from cph50_pipeline_tests.integration.github_branches import commit_by_hand

REPOSITORY = "household/data"
TOKEN = "github_pat_11CANARY0secret0of0the0household"
VARIABLE = "CPH50_GITHUB_TOKEN"


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's home whose own credential helper knows another token."""
    folder = tmp_path_factory.mktemp("home")
    store = folder / "credentials"
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (folder / ".gitconfig").write_text(f"[credential]\n helper = store --file {store}\n")
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RunningGitHub]:
    with RunningGitHub(tmp_path / "hub") as running:
        running.create_repository(REPOSITORY)
        running.add_token(TOKEN)
        yield running


@pytest.fixture
def there(hub: RunningGitHub) -> Path:
    return hub.git_dir(REPOSITORY)


@pytest.fixture
def household(tmp_path: Path, hub: RunningGitHub, monkeypatch: pytest.MonkeyPatch) -> PushedHousehold:
    monkeypatch.setenv(VARIABLE, TOKEN)
    return PushedHousehold(tmp_path / "data", Remote(hub.git_url(REPOSITORY), "main", VARIABLE))


def refusal(household: PushedHousehold) -> Cph50Error:
    """Why the upload of a new commit was refused; the commit is still there afterwards."""
    household.run(SECOND)
    pending = household.clone.pending()
    with pytest.raises(PermanentError) as caught:
        household.upload()
    assert household.clone.pending() == pending
    assert (household.data_root / SECOND).exists()
    assert "safe and committed" in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_commit_is_pushed_with_the_token(
    household: PushedHousehold, there: Path, hub: RunningGitHub
) -> None:
    commit = household.run(FIRST)
    uploaded = household.upload()
    assert uploaded is not None
    assert uploaded.commit == commit
    assert files_at(there) == {FIRST: f"{FIRST}\n"}


# --- refusals ---


def test_a_wrong_token_is_named_by_its_setting(household: PushedHousehold, hub: RunningGitHub) -> None:
    household.run(FIRST)
    household.upload()
    hub.revoke_token(TOKEN)
    error = refusal(household)
    assert error.message == f"{household.remote.url} does not accept the token in {VARIABLE}"


def test_no_token_asks_nobody(household: PushedHousehold, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    assert "does not accept a request without a token" in refusal(household).message


def test_a_token_that_may_only_read_is_told_which_permission_it_lacks(
    household: PushedHousehold, hub: RunningGitHub
) -> None:
    household.run(FIRST)
    household.upload()
    hub.add_token(TOKEN, {"contents:read"})
    error = refusal(household)
    assert error.message == f"The token may not push to {household.remote.url}"
    assert "Contents: read and write" in error.remedy


def test_a_missing_repository_may_be_one_without_access(
    household: PushedHousehold, hub: RunningGitHub
) -> None:
    household.remote = Remote(hub.git_url("household/other"), "main", VARIABLE)
    error = refusal(household)
    assert error.message == f"{household.remote.url} is missing, or the token has no access to it"
    assert "CPH50_GITHUB_REPOSITORY" in error.remedy


def test_a_protected_branch_is_told(household: PushedHousehold, hub: RunningGitHub) -> None:
    household.run(FIRST)
    household.upload()
    hub.protect(REPOSITORY, "main")
    assert (
        refusal(household).message
        == f"The branch main of {household.remote.url} is protected against this push"
    )


def test_a_renamed_branch_is_named_and_followed_when_the_setting_is(
    household: PushedHousehold, hub: RunningGitHub, there: Path
) -> None:
    household.run(FIRST)
    household.upload()
    hub.rename_branch(REPOSITORY, "main", "trunk")
    error = refusal(household)
    assert error.message == f"{household.remote.url} has no branch main; it has trunk"
    assert "CPH50_GITHUB_BRANCH=trunk" in error.remedy
    household.remote = Remote(household.remote.url, "trunk", VARIABLE)
    household.run("tariffs.json")
    uploaded = household.upload()
    assert uploaded is not None
    assert subjects(there, "trunk") == [FIRST, SECOND, "tariffs.json"]


@pytest.mark.parametrize("operation", ["git_refs", "git_fetch", "git_push"])
def test_a_redirect_to_another_address_is_refused_and_not_followed(
    household: PushedHousehold, hub: RunningGitHub, operation: str
) -> None:
    household.run(FIRST)
    household.upload()
    hub.create_repository("household/elsewhere")
    elsewhere = hub.git_url("household/elsewhere")
    if operation == "git_fetch":  # what is asked for only where there is something to fetch
        commit_by_hand(hub.git_dir(REPOSITORY), {"README.md": b"Mine\n"})
    address = f"{elsewhere}/info/refs?service=git-upload-pack" if operation == "git_refs" else elsewhere
    hub.faults.fail(302, operation=operation, headers={"Location": address}, times=None)
    error = refusal(household)
    assert error.message.startswith(f"{household.remote.url} sends us on to another address")
    assert "CPH50_GIT_REMOTE" in error.remedy
    assert not [asked for asked in hub.requests if "elsewhere" in str(asked)]


def test_a_file_too_large_is_named(household: PushedHousehold, hub: RunningGitHub) -> None:
    household.run(FIRST)
    household.upload()
    hub.limits.file_bytes = 20
    error = refusal(household)
    assert f"takes no file as large as {SECOND}" in error.message


def test_nobody_listening_is_transient(household: PushedHousehold) -> None:
    household.remote = Remote("http://127.0.0.1:1/household/data.git", "main", VARIABLE)
    household.deadline_seconds = 0.5
    household.run(FIRST)
    with pytest.raises(TransientError, match=r"http://127\.0\.0\.1:1/.* cannot be reached"):
        household.upload()


# --- cut connections, limits ---


@pytest.mark.parametrize("operation", ["git_refs", "git_fetch", "git_push"])
@pytest.mark.parametrize("kind", ["hang_up", "unanswered", "truncated", "status"])
def test_after_a_fault_the_upload_goes_on_and_nothing_is_there_twice(
    household: PushedHousehold, hub: RunningGitHub, there: Path, operation: str, kind: str
) -> None:
    household.run(FIRST)
    household.upload()
    commit = household.run(SECOND)
    hub.faults.add(Fault.model_validate({"kind": kind, "operation": operation, "status_code": 503}))
    uploaded = household.upload()
    assert uploaded is not None
    assert (uploaded.commit, uploaded.commits, uploaded.files) == (commit, (commit,), (SECOND,))
    assert uploaded.retries <= 1
    assert subjects(there) == [FIRST, SECOND]
    assert household.clone.pending() == ()


def test_a_limit_is_waited_for(household: PushedHousehold, hub: RunningGitHub, there: Path) -> None:
    household.run(FIRST)
    hub.faults.fail(429, operation="git_push", headers={"Retry-After": "1"})
    uploaded = household.upload()
    assert uploaded is not None
    assert uploaded.retries == 1


# --- the token ---


def spying_git(folder: Path) -> Path:
    """A git that records with what arguments it and its children are called; returns the record."""
    folder.mkdir()
    record = folder / "record"
    wrapper = folder / "git"
    real = next(
        Path(place) / "git"
        for place in os.environ["PATH"].split(os.pathsep)
        if (Path(place) / "git").exists()
    )
    wrapper.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >> {record}\nps -eo args >> {record}\nexec {real} "$@"\n'
    )
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    return record


def test_the_token_is_in_no_argument_file_error_log_or_trace(
    household: PushedHousehold,
    hub: RunningGitHub,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    record = spying_git(tmp_path / "bin")
    traces = tmp_path / "traces"
    traces.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("GIT_TRACE", str(traces / "trace"))
    monkeypatch.setenv("GIT_TRACE_CURL", str(traces / "curl"))
    monkeypatch.setenv("GIT_TRACE_REDACT", "0")
    monkeypatch.setenv("GIT_CURL_VERBOSE", "1")
    with (home / ".gitconfig").open("a") as config:
        config.write(f"[trace2]\n eventTarget = {traces / 'events'}\n")
    said = []
    household.run(FIRST)
    household.upload()
    for break_it in (
        lambda: hub.protect(REPOSITORY, "main"),
        lambda: hub.faults.fail(403, body=f"no way for {TOKEN}", operation="git_push"),
        lambda: hub.revoke_token(TOKEN),
    ):
        break_it()
        household.run(SECOND, content=f"{len(said)}\n")
        with pytest.raises(PermanentError) as caught:
            household.upload()
        said.append(repr(caught.value) + str(caught.value))
    secrets = (TOKEN, base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode())
    files = [path for folder in (tmp_path, home) for path in folder.rglob("*") if path.is_file()]
    assert record.read_text()
    assert record in files
    for secret in secrets:
        assert not [path for path in files if secret.encode() in path.read_bytes()]
        assert secret not in "".join(said) + caplog.text + repr(household.clone) + repr(household.remote)


def test_the_token_is_given_to_its_own_host_alone(
    household: PushedHousehold, hub: RunningGitHub, tmp_path: Path
) -> None:
    git = household.remote.git(tmp_path)
    for url, is_told in ((household.remote.url, True), ("http://127.0.0.1:1/household/data.git", False)):
        answer = git.ask("credential", "fill", stdin=f"url={url}\n\n".encode())
        assert (TOKEN in answer.text) is is_told


def test_a_copy_is_fetched_with_the_token(household: PushedHousehold, tmp_path: Path) -> None:
    commit = household.run(FIRST)
    household.upload()
    (tmp_path / "copy").mkdir()
    copy = fetch_copy(household.remote, tmp_path / "copy")
    assert copy.head() == commit
    assert list(copy.files(commit)) == [FIRST]
