from __future__ import annotations

import pytest
from pydantic import ValidationError

from cph50_pipeline.simulator.faults import Fault, FaultQueue


@pytest.fixture
def faults() -> FaultQueue:
    return FaultQueue()


def kinds(faults: FaultQueue, operation: str) -> list[str]:
    return [fault.kind for fault in faults.take(operation)]


def test_a_fault_hits_once_unless_told_otherwise(faults: FaultQueue) -> None:
    faults.fail(503)
    assert kinds(faults, "login") == ["status"]
    assert kinds(faults, "login") == []


def test_a_fault_hits_as_often_as_told(faults: FaultQueue) -> None:
    faults.fail(503, times=2)
    assert [kinds(faults, "login") for _ in range(3)] == [["status"], ["status"], []]


def test_a_fault_without_end_hits_until_it_is_cleared(faults: FaultQueue) -> None:
    faults.fail(503, times=None)
    assert all(kinds(faults, "login") == ["status"] for _ in range(50))
    faults.clear()
    assert kinds(faults, "login") == []


def test_a_fault_for_one_operation_waits_for_it(faults: FaultQueue) -> None:
    faults.fail(503, operation="charging_status")
    assert kinds(faults, "login") == []
    assert kinds(faults, "charging_status") == ["status"]


def test_a_fault_can_let_requests_pass_first(faults: FaultQueue) -> None:
    faults.fail(503, after=2)
    assert [kinds(faults, "login") for _ in range(4)] == [[], [], ["status"], []]


def test_faults_come_one_by_one_in_order(faults: FaultQueue) -> None:
    faults.add(Fault(kind="hang_up"), Fault(kind="truncated"))
    assert [kinds(faults, "login") for _ in range(3)] == [["hang_up"], ["truncated"], []]


def test_a_delay_joins_another_fault(faults: FaultQueue) -> None:
    faults.add(Fault(kind="delay", delay_seconds=1, times=None), Fault(kind="hang_up"))
    assert kinds(faults, "login") == ["delay", "hang_up"]
    assert kinds(faults, "login") == ["delay"]


@pytest.mark.parametrize(
    "wrong", [{"kind": "flood"}, {"kind": "status", "status_code": 99}, {"kind": "delay", "x": 1}]
)
def test_a_fault_that_does_not_exist_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Fault.model_validate(wrong)
