"""The route of energy: sums of slots by civil days of the household's zone, nothing lost and nothing twice."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cph50_pipeline.civil_time import local_date
from cph50_pipeline.web import energy
from cph50_pipeline.web.context import Context
from cph50_pipeline_tests.unit.web.household import EMBER, TIDE, Stay, settings_in, store_stays

ROUTE = "/api/v1/energy"
stays = st.builds(
    Stay,
    session_id=st.uuids().map(lambda unique: unique.hex),
    start=st.integers(0, 86_400 * 40).map(lambda s: datetime(2026, 2, 20, tzinfo=UTC) + timedelta(seconds=s)),
    minutes=st.integers(1, 2000),
    energy_kwh=st.floats(0, 100).map(lambda kwh: round(kwh, 6)),
    vehicle_id=st.sampled_from([EMBER, TIDE]),
)


def rows(api: httpx.Client, **params: str) -> list[dict[str, object]]:
    answer = api.get(ROUTE, params=params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["energy"]
    return found


def test_a_session_over_midnight_counts_in_each_day_and_month_by_its_energy(api: httpx.Client) -> None:
    days = rows(api, vehicle=TIDE)
    assert [(row["period"], row["energy_kwh"], row["sessions"]) for row in days] == [
        ("2025-12-31", 12.0, 1),
        ("2026-01-01", 12.0, 1),
    ]
    months = rows(api, vehicle=TIDE, by="month")
    assert [(row["period"], row["cost"]) for row in months] == [("2025-12", 0.75), ("2026-01", 0.75)]


def test_the_first_day_of_a_month_finds_what_began_in_the_month_before(api: httpx.Client) -> None:
    assert [
        row["energy_kwh"] for row in rows(api, vehicle=TIDE, **{"from": "2026-01-01", "to": "2026-01-01"})
    ] == [12.0]


def test_no_cost_is_null_and_no_energy_is_zero(api: httpx.Client) -> None:
    [row] = rows(api, vehicle="unknown", by="year")
    assert (row["period"], row["vehicle_id"], row["sessions"]) == ("2026", "unknown", 1)
    assert (row["energy_kwh"], row["cost"], row["cost_of_kwh"]) == (0.0, None, 0.0)


def test_quarter_hours_are_those_that_are_stored(api: httpx.Client) -> None:
    slots = rows(api, vehicle=TIDE, by="slot")
    assert len(slots) == 16
    assert slots[0] == {
        "period": "2026-01-01T06:00:00+00:00",
        "vehicle_id": TIDE,
        "energy_kwh": 1.5,
        "cost": 0.09375,
        "cost_of_kwh": 1.5,
        "coverage": 1.0,
        "sessions": 1,
    }


@settings(max_examples=15)
@given(st.lists(stays, max_size=12))
def test_days_months_and_years_sum_to_the_sessions_energy_whatever_the_clocks_do(
    given_stays: list[Stay],
) -> None:
    with TemporaryDirectory() as folder:
        household = settings_in(Path(folder))
        store_stays(household, given_stays)
        context = Context.of(household)
        try:
            found = {by: _asked(context, by) for by in ("slot", "day", "month", "year")}
        finally:
            context.close()

    expected: dict[tuple[str, str], float] = defaultdict(float)
    for stay in given_stays:
        for slot in stay.slots:
            expected[local_date(slot.slot_start, household.zone).isoformat(), stay.vehicle_id] += (
                slot.energy_kwh
            )
    by_day = {(row["period"], row["vehicle_id"]): row["energy_kwh"] for row in found["day"]}
    assert by_day == pytest.approx(dict(expected), abs=1e-6)
    total = sum(stay.energy_kwh for stay in given_stays)
    for rows_ in found.values():
        assert sum(row["energy_kwh"] for row in rows_) == pytest.approx(total, abs=1e-6 * max(1, len(rows_)))


def _asked(context: Context, by: str) -> list[dict[str, object]]:
    import json

    query = energy.EnergyQuery.model_validate({"by": by, "limit": 100_000})
    request = SimpleNamespace(headers={}, url=SimpleNamespace(path=ROUTE))
    answer = energy._answer(request, context, query, None)
    listed: list[dict[str, object]] = json.loads(bytes(answer.body))["energy"]
    return listed
