"""Six processes push fifty runs each to one branch, while every fifth request fails: nothing is lost or forced."""

from __future__ import annotations

from pathlib import Path

import pytest

from cph50_pipeline.simulator.github import RunningGitHub
from cph50_pipeline_tests.integration.clones import bare_repository, files_at, is_linear, subjects
from cph50_pipeline_tests.integration.kill_points import join, start
from cph50_pipeline_tests.integration.pushing import VARIABLE, publish_runs

WORKERS = 6
RUNS = 50
REPOSITORY = "household/data"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, "secret")
    return "secret"


def expected() -> dict[str, str]:
    """Every run's file with what it wrote."""
    return {
        f"sessions/2026/01/{worker + 1:02d}/{number}.json": f"{worker} {number}\n"
        for worker in range(WORKERS)
        for number in range(RUNS)
    }


def race(roots: list[Path], url: str, variable: str | None) -> None:
    """All workers at once, each in its data root."""
    processes = [
        start(publish_runs, str(root), url, variable, worker, RUNS) for worker, root in enumerate(roots)
    ]
    for process in processes:
        join(process)
    assert [process.exitcode for process in processes] == [0] * WORKERS


def assert_complete(there: Path) -> None:
    """Each run's file is there with its bytes, by one commit each, one after the other."""
    assert files_at(there) == expected()
    assert sorted(subjects(there)) == sorted(expected())
    assert is_linear(there)


def test_runs_of_one_data_root_arrive_complete_and_in_order(tmp_path: Path) -> None:
    there = bare_repository(tmp_path / "remote.git")
    race([tmp_path / "data"] * WORKERS, str(there), None)
    assert_complete(there)


def test_runs_of_six_data_roots_arrive_complete_although_every_fifth_request_fails(
    tmp_path: Path, token: str
) -> None:
    with RunningGitHub(tmp_path / "hub") as hub:
        there = hub.create_repository(REPOSITORY)
        hub.add_token(token)
        hub.fault_rate(0.2, seed=5)
        race([tmp_path / f"data{worker}" for worker in range(WORKERS)], hub.git_url(REPOSITORY), VARIABLE)
        statuses = [request.status for request in hub.requests]
    assert statuses.count(429) > 0
    assert_complete(there)
