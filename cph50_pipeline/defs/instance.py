"""Dagster's instance of this household: where its home is, and whether a daemon serves it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import dagster as dg
from filelock import FileLock

from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.private import make_private_folder

# A daemon reports every 30 s; Dagster's own limit of half an hour would keep a command waiting for a dead one.
HEARTBEAT_SECONDS = 90.0
PROFILE = Path(__file__).parents[1] / "shipped" / "dagster.yaml"


def prepare_home(settings: Settings) -> str:
    """Make Dagster's home with our profile where there is none, and name it in this process's environment."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    profile = home / "dagster.yaml"
    if not profile.exists():
        profile.write_text(PROFILE.read_text())
    os.environ["DAGSTER_HOME"] = str(home)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    return str(home)


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The household's instance; its home is made where there is none."""
    prepare_home(settings)
    make_private_folder(settings.private_dir)
    with FileLock(settings.private_dir / "dagster_opening.lock"):  # two that create the same tables fail
        return dg.DagsterInstance.get()


def has_live_daemon(instance: dg.DagsterInstance) -> bool:
    """Whether a daemon takes runs from this instance's queue just now."""
    status = instance.get_daemon_statuses().get("QUEUED_RUN_COORDINATOR")
    if status is None or status.last_heartbeat is None:
        return False
    return time.time() - status.last_heartbeat.timestamp < HEARTBEAT_SECONDS
