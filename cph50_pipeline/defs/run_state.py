"""How it stands with a run that somebody waits for, by Dagster's records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import dagster as dg

from cph50_pipeline.defs.launch import outcome_of

_NOT_BEGUN = (dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED)


@dataclass(frozen=True, slots=True)
class RunState:
    """How it stands with a run.

    Attributes:
        state: `unknown` when Dagster has no record of it.
        failures: What its failed steps said; nothing while it has not failed.
    """

    run_id: str
    state: Literal["unknown", "waiting", "running", "succeeded", "failed"]
    failures: tuple[str, ...] = ()


def run_state(instance: dg.DagsterInstance, run_id: str) -> RunState:
    """How it stands with the run of an id."""
    run = instance.get_run_by_id(run_id)
    if run is None:
        return RunState(run_id, "unknown")
    if run.status in _NOT_BEGUN:
        return RunState(run_id, "waiting")
    if not run.is_finished:
        return RunState(run_id, "running")
    if run.is_success:
        return RunState(run_id, "succeeded")
    return RunState(run_id, "failed", tuple(outcome_of(instance, run_id).failures))
