"""Health: what is down is named, what is well is not, and nobody is asked."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from dagster._daemon.types import DaemonHeartbeat
from pydantic import SecretStr

from cph50_pipeline.defs.caches.health import Finding, health
from cph50_pipeline.defs.maintenance.state import switch_on
from cph50_pipeline.defs.tick import MEMORY_FILE
from cph50_pipeline_tests.dagster.homes import NOW, Home, at


def found(home: Home, now: datetime = NOW) -> dict[str, Finding]:
    with at(now):
        return {finding.name: finding for finding in health(home.instance, home.settings, now)}


def test_a_household_that_nothing_watches_is_told_so_and_no_source_is_asked(lasting: Home) -> None:
    asked = len(lasting.simulator.requests)
    down = {name for name, finding in found(lasting).items() if not finding.is_ok}
    assert {"chargepoint", "home assistant", "data", "dagster"} <= down
    assert {"disk", "database", "publisher", "maintenance"}.isdisjoint(down)
    assert len(lasting.simulator.requests) == asked


def test_a_charger_is_well_for_an_hour_after_somebody_looked(lasting: Home) -> None:
    lasting.evaluate("charger_sensor", json.dumps({"looked_at": NOW.timestamp()}))
    assert found(lasting)["chargepoint"].is_ok
    assert not found(lasting, NOW + timedelta(hours=2))["chargepoint"].is_ok


def test_dagster_is_well_with_a_daemon_or_with_ticks_and_not_without_either(lasting: Home) -> None:
    assert not found(lasting)["dagster"].is_ok
    (lasting.settings.private_dir / MEMORY_FILE).write_text(json.dumps({"at": NOW.timestamp()}))
    assert found(lasting, NOW + timedelta(hours=1))["dagster"].is_ok
    assert not found(lasting, NOW + timedelta(hours=3))["dagster"].is_ok
    later = NOW + timedelta(hours=3)
    heartbeat = DaemonHeartbeat(later.timestamp(), "QUEUED_RUN_COORDINATOR", "a daemon", [])
    lasting.instance.add_daemon_heartbeat(heartbeat)
    assert found(lasting, later)["dagster"].is_ok


@pytest.mark.parametrize("content", ["", "{", "[]", '{"at": "yesterday"}'])
def test_a_damaged_memory_of_ticks_counts_as_none(lasting: Home, content: str) -> None:
    (lasting.settings.private_dir / MEMORY_FILE).write_text(content)
    assert not found(lasting)["dagster"].is_ok


def test_maintenance_is_no_health_and_says_why(lasting: Home) -> None:
    with at(NOW):
        switch_on(lasting.settings, "a new router")
    finding = found(lasting)["maintenance"]
    assert not finding.is_ok
    assert "a new router" in finding.said


def test_a_live_database_that_is_gone_is_one_line_and_stops_no_other_answer(
    lasting: Home, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    url = SecretStr(f"sqlite:///{tmp_path / 'file' / 'live.sqlite'}")
    gone = lasting.settings.model_copy(update={"live_database_url": url})
    answers = {finding.name: finding for finding in health(lasting.instance, gone, NOW)}
    assert not answers["database"].is_ok
    assert "\n" not in answers["database"].said
    assert answers["disk"].is_ok
