"""Dagster's own toggles of sensors and schedules, switched with Dagster's own command."""

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


def switch_all(action: str, settings: Settings) -> None:
    """Start or stop every sensor and schedule.

    Raises:
        PermanentError: Dagster's command failed; says what it printed.
    """
    names = dict.fromkeys(("sensor", "schedule"), "--start-all")
    if action == "start":
        commands = [[kind, "start", flag] for kind, flag in names.items()]
    else:
        definitions = build_defs(settings)
        commands = [["sensor", "stop", sensor.name] for sensor in definitions.sensors or []]
        commands += [["schedule", "stop", schedule.name] for schedule in definitions.schedules or []]
    for command in commands:
        _dagster(command)


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


def _dagster(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "dagster", *arguments, "-m", LOCATION]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PermanentError(f"`dagster {' '.join(arguments)}` failed: {done.stderr.strip()[-400:]}")
