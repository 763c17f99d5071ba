from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.charging.slots import charging_slots
from cph50_pipeline.civil_time import SLOT, day_start, local_date
from cph50_pipeline_tests.unit.charging.builders import (
    START,
    ZONES,
    reading,
    session,
    sessions_with_readings,
)


@given(sessions_with_readings())
def test_the_slots_sum_to_the_sessions_energy_and_cost(made: tuple[Session, list[Reading]]) -> None:
    slots = charging_slots(*made, "ember")

    assert sum(slot.energy_kwh for slot in slots) == pytest.approx(made[0].energy_kwh, abs=1e-6)
    if made[0].cost is None:
        assert {slot.cost for slot in slots} == {None}
    else:
        assert sum(slot.cost or 0 for slot in slots) == pytest.approx(made[0].cost, abs=1e-6)


@given(sessions_with_readings())
def test_slots_follow_each_other_on_the_quarter_hour_and_hold_the_whole_session(
    made: tuple[Session, list[Reading]],
) -> None:
    slots = charging_slots(*made, "ember")
    known_end = made[0].end or made[0].last_update or made[0].start

    assert all(after.slot_start - before.slot_start == SLOT for before, after in pairwise(slots))
    assert all(slot.slot_start.timestamp() % 900 == 0 for slot in slots)
    assert slots[0].slot_start <= made[0].start < slots[0].slot_start + SLOT
    assert slots[-1].slot_start + SLOT >= known_end
    assert all(slot.energy_kwh >= 0 and 0 <= slot.coverage <= 1 for slot in slots)


@given(sessions_with_readings(), st.sampled_from(ZONES))
def test_no_slot_crosses_a_civil_midnight(made: tuple[Session, list[Reading]], zone: ZoneInfo) -> None:
    for slot in charging_slots(*made, "ember"):
        day = local_date(slot.slot_start, zone)
        assert slot.slot_start + SLOT <= day_start(day + timedelta(days=1), zone)


@given(sessions_with_readings())
def test_the_same_session_gives_the_same_slots(made: tuple[Session, list[Reading]]) -> None:
    charged, readings = made

    assert charging_slots(charged, readings, "ember") == charging_slots(charged, readings[::-1], "ember")


def test_cost_follows_the_energy() -> None:
    start = datetime(2025, 11, 4, 8, tzinfo=UTC)
    readings = [
        Reading(at=start + timedelta(minutes=minutes), energy_kwh=energy_kwh, power_kw=None, origin="curve")
        for minutes, energy_kwh in ((15, 3.0), (30, 4.0))
    ]
    slots = charging_slots(
        session(start=start, seconds=3600, energy_kwh=4.0, cost=0.4, charging_seconds=1800), readings, "ember"
    )

    assert [slot.energy_kwh for slot in slots] == [3.0, 1.0, 0.0, 0.0]
    assert [slot.cost for slot in slots] == [0.3, 0.1, 0.0, 0.0]


def test_a_cost_without_energy_falls_on_the_first_slot() -> None:
    slots = charging_slots(session(seconds=3600, energy_kwh=0.0, cost=1.5), [], "ember")

    assert [slot.cost for slot in slots] == [1.5, 0.0, 0.0, 0.0, 0.0]


def test_an_open_session_has_slots_up_to_its_last_reading() -> None:
    running = session(seconds=None, energy_kwh=4.0, last_update=None)
    slots = charging_slots(running, [reading(2000, 4.0)], "unknown")

    assert slots[-1].slot_start == datetime(2025, 11, 4, 8, 30, tzinfo=UTC)
    assert {slot.vehicle_id for slot in slots} == {"unknown"}


def test_a_session_that_ends_on_the_quarter_hour_takes_no_slot_beyond_it() -> None:
    start = START.replace(second=0)

    assert len(charging_slots(session(start=start, seconds=1800), [], "ember")) == 2
    assert len(charging_slots(session(start=start, seconds=0), [], "ember")) == 1
