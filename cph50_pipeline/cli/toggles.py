"""Dagster's own toggles of sensors and schedules."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import dagster as dg

from cph50_pipeline.definitions import build_defs
from cph50_pipeline.defs.launch import LOCATION
from cph50_pipeline.defs.maintenance import mode
from cph50_pipeline.defs.maintenance.job import SCHEDULE as MAINTENANCE
from cph50_pipeline.errors import PermanentError
from cph50_pipeline.settings import Settings


def switch_all(action: str) -> None:
    """Start or stop every sensor and schedule, in a process of its own: Dagster's code server writes to its output.

    Raises:
        PermanentError: Dagster did not switch them; says what it printed.
    """
    command = [sys.executable, "-m", __name__, action]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermanentError(f"Sensors and schedules could not be switched: {done.stderr.strip()[-400:]}")


def switch(action: str) -> None:
    """Start or stop every sensor and schedule.

    Dagster's command switches one at a time, and each loads the code location anew: a minute for all.
    """
    from dagster._cli.workspace.cli_target import RepositoryOpts, get_repository_from_cli_opts
    from dagster_shared.cli import WorkspaceOpts

    named = WorkspaceOpts(module_name=(LOCATION,))
    with (
        dg.DagsterInstance.get() as instance,
        get_repository_from_cli_opts(instance, dg.__version__, named, RepositoryOpts()) as repository,
    ):
        for sensor in repository.get_sensors():
            if action == "start":
                instance.start_sensor(sensor)
            else:
                instance.stop_sensor(sensor.get_remote_origin_id(), sensor.selector_id, sensor)
        for schedule in repository.get_schedules():
            if action == "start":
                instance.start_schedule(schedule)
            else:
                instance.stop_schedule(schedule.get_remote_origin_id(), schedule.selector_id, schedule)


def show_toggles(instance: dg.DagsterInstance, settings: Settings) -> list[dict[str, Any]]:
    """Each sensor and schedule, and whether it is on, off, or paused by maintenance."""
    definitions = build_defs(settings)
    on = "on" if mode(settings) is None else "paused"
    states = {state.instigator_name: state for state in instance.all_instigator_state()}
    rows = []
    for kind, found in (("sensor", definitions.sensors), ("schedule", definitions.schedules)):
        for definition in sorted(found or [], key=lambda d: d.name):
            state = states.get(definition.name)
            is_off = state is not None and not state.is_running
            rows.append(
                {
                    "kind": kind,
                    "name": definition.name,
                    "state": "off" if is_off else "on" if definition.name == MAINTENANCE else on,
                }
            )
    return rows


if __name__ == "__main__":
    switch(sys.argv[1])
