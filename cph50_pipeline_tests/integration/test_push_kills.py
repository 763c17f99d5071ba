"""An upload killed at any of its steps, or after any request: the next one completes it, and nothing is there twice."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline.storage.remote import Remote
from cph50_pipeline_tests.integration.clones import (
    FIRST,
    SECOND,
    THIRD,
    Person,
    PushedHousehold,
    bare_repository,
    files_at,
    subjects,
)
from cph50_pipeline_tests.integration.households import persons_home
from cph50_pipeline_tests.integration.kill_points import is_killed_at, join, start
from cph50_pipeline_tests.integration.pushing import VARIABLE, commit_run, upload_all

REPOSITORY = "household/data"
STRIDE = 11
"""Every eleventh step: each is a process started, a file opened, renamed or removed, and there are hundreds."""


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    persons_home(tmp_path_factory.mktemp("home"), monkeypatch)
    monkeypatch.setenv(VARIABLE, "secret")


def assert_arrived(household: PushedHousehold, there: Path) -> None:
    """After one more upload everything is there, once, on top of what the person did."""
    household.upload()
    assert subjects(there) == [FIRST, "By hand", SECOND, THIRD]
    assert files_at(there) == {
        "README.md": "Mine\n",
        **{path: f"{path}\n" for path in (FIRST, SECOND, THIRD)},
    }
    assert household.clone.pending() == ()
    assert household.git("status", "--porcelain", "--untracked-files=no", "--", "sessions") == ""


def test_an_upload_killed_at_any_step_is_completed_by_the_next(tmp_path: Path) -> None:
    folder, before = tmp_path / "work", tmp_path / "before"
    there = bare_repository(folder / "remote.git")
    household = PushedHousehold(folder / "data", Remote(str(there), "main"))
    household.run(FIRST)
    household.upload()
    Person(folder / "person", str(there)).commit({"README.md": "Mine\n"})
    household.run(SECOND)
    household.run(THIRD)
    shutil.copytree(folder, before)
    for step in count(1, STRIDE):
        shutil.rmtree(folder)
        shutil.copytree(before, folder)
        is_killed = is_killed_at(step, upload_all, str(household.data_root), str(there), None)
        assert_arrived(household, there)
        if not is_killed:
            assert step > 20
            return


def test_a_commit_killed_while_the_clone_is_made_is_made_up_for(tmp_path: Path) -> None:
    for step in count(1, STRIDE):
        folder = tmp_path / str(step)
        there = bare_repository(folder / "remote.git")
        household = PushedHousehold(folder / "data", Remote(str(there), "main"))
        is_killed = is_killed_at(step, commit_run, str(household.data_root), str(there), FIRST)
        household.run(SECOND)
        if not household.has_committed(FIRST):
            household.run(FIRST)
        household.upload()
        assert sorted(files_at(there)) == [FIRST, SECOND]
        assert len(subjects(there)) == 2
        if not is_killed:
            assert step > 10
            return


def killer(process: BaseProcess, killed_after: int) -> Callable[[int], None]:
    """A hook that kills a process when so many requests were carried out."""
    carried_out = count(1)

    def kill(_: int) -> None:
        if next(carried_out) == killed_after:
            process.kill()

    return kill


def test_an_upload_killed_after_any_request_is_completed_by_the_next(tmp_path: Path) -> None:
    for killed_after in count(1):
        with RunningGitHub(tmp_path / f"hub{killed_after}") as hub:
            there = hub.create_repository(REPOSITORY)
            hub.add_token("secret")
            url = hub.git_url(REPOSITORY)
            household = PushedHousehold(tmp_path / f"data{killed_after}", Remote(url, "main", VARIABLE))
            household.run(FIRST)
            household.upload()
            with_token = url.replace("://", "://x-access-token:secret@")
            Person(tmp_path / f"person{killed_after}", with_token).commit({"README.md": "Mine\n"})
            household.run(SECOND)
            household.run(THIRD)
            process = start(upload_all, str(household.data_root), url, VARIABLE)

            hub.on_request = killer(process, killed_after)
            join(process)
            hub.on_request = None
            assert_arrived(household, there)
            if process.exitcode == 0:
                break
            assert process.exitcode == -signal.SIGKILL
    assert killed_after > 4
