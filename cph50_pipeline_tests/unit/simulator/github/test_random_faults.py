"""Faults by chance: reproducible, as frequent as asked for, and none that a publisher rightly gives up at."""

from __future__ import annotations

from collections import Counter

import pytest

from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.simulator.github.random_faults import RandomFaults

DRAWS = 3000


def drawn(operation: str, share: float = 0.2, seed: int = 1) -> list[Fault | None]:
    faults = RandomFaults(share, seed, retry_after_seconds=3)
    return [next(iter(faults.draw(operation)), None) for _ in range(DRAWS)]


def test_the_same_seed_draws_the_same() -> None:
    assert drawn("get_ref", seed=1) == drawn("get_ref", seed=1)
    assert drawn("get_ref", seed=1) != drawn("get_ref", seed=2)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_as_many_requests_are_hit_as_asked_for(share: float) -> None:
    hit = sum(fault is not None for fault in drawn("update_ref", share))
    assert hit == pytest.approx(DRAWS * share, abs=100)


def statuses(operation: str) -> set[int]:
    return {fault.status_code for fault in drawn(operation, 1.0) if fault and fault.kind == "status"}


def test_only_who_moves_a_branch_meets_a_conflict_and_git_meets_no_403() -> None:
    assert statuses("update_ref") == {403, 409, 422, 429, 500, 502, 503}
    assert statuses("create_blob") == {403, 429, 500, 502, 503}
    assert statuses("git_push") == {429, 500, 502, 503}


def test_limits_say_how_long_to_wait_and_that_they_are_limits() -> None:
    limits = [fault for fault in drawn("get_ref", 1.0) if fault and fault.status_code in (403, 429)]
    assert {fault.headers["retry-after"] for fault in limits} == {"3"}
    assert all("secondary rate limit" in fault.body for fault in limits)


def test_each_kind_comes_up_about_as_often() -> None:
    kinds = Counter((fault.kind, fault.status_code) for fault in drawn("get_ref", 1.0) if fault)
    assert min(kinds.values()) > DRAWS / len(kinds) / 2
