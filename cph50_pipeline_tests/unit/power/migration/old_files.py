"""Files as old power monitors wrote them, made up here, and a migration of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.migration.columns import Choices
from cph50_pipeline.power.migration.judging import Limits, judge
from cph50_pipeline.power.migration.plan import Plan, plan
from cph50_pipeline.power.migration.shapes import read_source
from cph50_pipeline.power.migration.verdicts import Verdict
from cph50_pipeline.power.readings import Readings
from cph50_pipeline_tests.unit.power.builders import PACIFIC, config, counter, gauge, voltage

INTERVAL_SECONDS = 600.0
MORNING = datetime(2026, 1, 7, 8)  # as they wrote it: local, without saying so
NOW = datetime(2026, 6, 1, tzinfo=UTC)
EARLIEST = datetime(2025, 1, 1, 8, tzinfo=UTC)
METERS = config(
    home_energy=counter(),
    home_power=gauge(unit="W", mains=True, outage_after_seconds=300, frozen_after_seconds=3600),
    home_power_factor=gauge(quantity="power_factor", unit=""),
    home_voltage=voltage(mains=True, range=(0, 300), outage_after_seconds=300, frozen_after_seconds=3600),
    solar_power=gauge(unit="W"),
)
NOTHING = Readings.of({})


def stamp(minutes: float = 0, start: datetime = MORNING) -> str:
    """So long after a local morning, as they wrote it."""
    return (start + timedelta(minutes=minutes)).isoformat()


def point(minutes: float = 0, start: datetime = MORNING, **columns: Any) -> dict[str, Any]:
    return {"timestamp": stamp(minutes, start), **columns}


def by_minute(**columns: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows a minute apart, a column for each meter."""
    return [
        point(number, **dict(zip(columns, values, strict=True)))
        for number, values in enumerate(zip(*columns.values(), strict=True))
    ]


def planned(
    files: Mapping[str, Any],
    stored: Readings = NOTHING,
    meters: MeterConfig = METERS,
    choices: Choices = Choices(),  # noqa: B008 (frozen)
    zone: ZoneInfo = PACIFIC,
    now: datetime = NOW,
    thinned: frozenset[str] = frozenset(),
) -> Plan:
    """What becomes of documents by the name of their file."""
    limits = Limits(earliest=EARLIEST, now=now, zone=zone, thinned=thinned)
    sources = [read_source(json.dumps(document).encode(), name) for name, document in files.items()]
    judged = [judge(source, meters, choices, limits) for source in sources]
    return plan(judged, [], stored, meters, INTERVAL_SECONDS)


def of_list(rows: Any, name: str = "old.json", **options: Any) -> Plan:
    """What becomes of one document."""
    return planned({name: rows}, **options)


def outcomes(of: Plan) -> dict[str, int]:
    """How many values came to what: "taken", "already_stored", or the reason of a refusal."""
    return dict(Counter(outcome(verdict) for verdict in of.verdicts))


def outcome(verdict: Verdict) -> str:
    return verdict.outcome if verdict.refusal is None else verdict.refusal.reason.value


def why(of: Plan) -> set[str]:
    """In words why values were refused."""
    return {verdict.refusal.why for verdict in of.verdicts if verdict.refusal is not None}


def values(of: Plan, meter: str = "home.power") -> list[float]:
    """The new readings of a meter, in order of time."""
    numbers: list[float] = of.readings[meter].value.tolist()
    return numbers
