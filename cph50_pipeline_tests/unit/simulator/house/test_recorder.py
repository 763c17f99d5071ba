"""What Home Assistant keeps of the house's sensors, with mishaps and orders laid over them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import ValidationError

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.house.orders import (
    ORDERS,
    ClockShift,
    Frozen,
    NotRecorded,
    Order,
    Outage,
    PowerCut,
    Purge,
    Reading,
    Removed,
    Unavailable,
    UnitChange,
)
from cph50_pipeline.simulator.house.recorder import Kept, Recorder
from cph50_pipeline.simulator.house.sensors import SENSORS
from cph50_pipeline_tests.unit.simulator.house.houses import DAY, NOW, day_with, house, recorder, sensor

POWER, SOLAR, TODAY = sensor("home_power"), sensor("solar_power"), sensor("home_energy_today")
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
START = datetime(2026, 1, 20, 12, tzinfo=UTC)  # nothing goes wrong by itself on that day until NOW


def states(kept: list[Kept]) -> list[str]:
    return [one.state for one in kept]


def during(*orders: Order, of: str = "home_power") -> list[Kept]:
    """What is kept of an hour with orders."""
    return recorder(*orders).between(sensor(of), START - MINUTE, START + HOUR, NOW)


def test_a_state_is_kept_when_it_differs_from_the_one_before() -> None:
    known = recorder()
    for one in SENSORS:
        kept = known.between(one, NOW - 5 * DAY, NOW, NOW)
        assert all((a.state, a.unit) != (b.state, b.unit) for a, b in pairwise(kept))
        assert all(a.at < b.at for a, b in pairwise(kept))


def test_a_night_of_no_sun_leaves_no_trace() -> None:
    kept = recorder().between(SOLAR, NOW - 3 * DAY, NOW, NOW)
    longest = max(b.at - a.at for a, b in pairwise(kept))
    assert timedelta(hours=11) < longest < timedelta(hours=18)
    assert recorder().state(SOLAR, datetime(2026, 1, 20, 10, tzinfo=UTC)).state == "0.0"  # type: ignore[union-attr]


def test_any_window_shows_the_same_states() -> None:
    known = recorder()
    middle = NOW - 2 * DAY + timedelta(hours=3, seconds=7)
    whole = known.between(POWER, NOW - 4 * DAY, NOW, NOW)
    parts = known.between(POWER, NOW - 4 * DAY, middle, NOW) + recorder().between(POWER, middle, NOW, NOW)
    assert parts == whole


def test_nothing_is_known_of_what_is_yet_to_come() -> None:
    known = recorder()
    assert known.between(POWER, NOW - HOUR, NOW + HOUR, NOW) == known.between(POWER, NOW - HOUR, NOW, NOW)
    present = known.state(POWER, NOW)
    assert present is not None
    assert NOW - 2 * MINUTE < present.at <= NOW


def test_between_leaves_out_both_ends_and_before_is_strictly_before() -> None:
    known = recorder()
    first, second, third = known.between(POWER, START, START + HOUR, NOW)[:3]
    assert known.between(POWER, first.at, third.at, NOW) == [second]
    assert known.before(POWER, second.at, NOW) == first


def test_before_the_first_state_there_is_none() -> None:
    known = recorder(since=date(2026, 1, 18))
    begin = known.oldest(NOW)
    assert known.before(POWER, begin, NOW) is None
    assert known.state(POWER, begin) is None
    assert known.between(POWER, begin - 5 * DAY, begin, NOW) == []


def test_a_restart_leaves_a_hole_that_ends_with_every_sensor_unavailable() -> None:
    at = house()
    restart = next(one for one in at.day(day_with("restart", at)).mishaps if one.kind == "restart")
    known = Recorder(at, recorder().orders)
    for one in SENSORS:
        kept = known.between(one, restart.start, restart.end + 2 * MINUTE, restart.end + HOUR)
        assert kept[0].at == restart.end
        assert kept[0].state == "unavailable"
        assert float(kept[1].state) >= 0
    assert not known.is_down(restart.start), "what is tried on it by the wall clock must not fail by chance"


def test_a_frozen_meter_says_nothing_new_and_the_panels_go_on() -> None:
    at = house()
    freeze = next(one for one in at.day(day_with("freeze", at)).mishaps if one.kind == "freeze")
    known = Recorder(at, recorder().orders)
    assert known.between(POWER, freeze.start, freeze.end, freeze.end + DAY) == []
    assert known.between(TODAY, freeze.start, freeze.end, freeze.end + DAY) == []


def test_a_blip_is_one_zero_and_counts_nothing() -> None:
    at = house()
    blip = next(one for one in at.day(day_with("blip", at)).mishaps if one.kind == "blip")
    known = Recorder(at, recorder().orders)
    during_it, after = known.between(POWER, blip.start - MINUTE / 60, blip.end + MINUTE, blip.end + DAY)
    assert (during_it.state, during_it.at) == ("0.0", blip.start)
    assert float(after.state) > 0
    counted = known.between(TODAY, blip.start - 3 * MINUTE, blip.end + 3 * MINUTE, blip.end + DAY)
    assert all(0 <= float(b.state) - float(a.state) < 1 for a, b in pairwise(counted))


def test_an_outage_on_demand_records_nothing_and_answers_nobody() -> None:
    outage = Outage(start=START + 5 * MINUTE, end=START + 45 * MINUTE)
    kept = during(outage)
    assert [one for one in kept if outage.start <= one.at < outage.end] == []
    assert next(one for one in kept if one.at >= outage.end).state == "unavailable"
    known = recorder(outage)
    assert [known.is_down(at) for at in (outage.start, outage.end - MINUTE, outage.end)] == [
        True,
        True,
        False,
    ]


def test_a_sensor_can_be_told_to_say_a_text() -> None:
    kept = during(Unavailable(entity=POWER.entity_id, start=START, end=START + 9 * MINUTE, state="unknown"))
    assert states(kept).count("unknown") == 1
    assert kept[[one.state for one in kept].index("unknown") + 1].at > START + 9 * MINUTE
    elsewhere = during(Unavailable(entity=SOLAR.entity_id, start=START, end=START + 9 * MINUTE))
    assert "unavailable" not in states(elsewhere)


def test_a_text_over_midnight_is_kept_once() -> None:
    order = Unavailable(start=NOW - 2 * DAY, end=NOW - DAY)
    kept = recorder(order).between(POWER, NOW - 2 * DAY - MINUTE, NOW - DAY, NOW)
    assert states(kept).count("unavailable") == 1


def test_one_reading_can_be_anything_once() -> None:
    kept = during(Reading(entity=POWER.entity_id, at=START + 10 * MINUTE, state="1e9"))
    place = states(kept).index("1e9")
    assert kept[place].at < START + 12 * MINUTE
    assert float(kept[place + 1].state) < 20_000
    assert states(kept).count("1e9") == 1


def test_a_frozen_sensor_can_be_ordered_for_days() -> None:
    frozen = Frozen(start=NOW - 4 * DAY, end=NOW - HOUR)
    known = recorder(frozen)
    assert known.between(POWER, frozen.start, frozen.end, NOW) == []
    assert known.before(POWER, frozen.end, NOW) == known.before(POWER, frozen.start, NOW)
    assert known.between(POWER, frozen.end, NOW, NOW)


def test_a_power_cut_on_demand_reads_zero_on_all_gauges_of_the_mains_and_on_no_other() -> None:
    cut = PowerCut(start=START, end=START + 20 * MINUTE)
    for name in ("home_power", "home_voltage", "home_power_factor"):
        kept = [one for one in during(cut, of=name) if cut.start <= one.at < cut.end]
        assert states(kept) == ["0.0"]
    assert "0.000" not in states(during(cut, of="home_energy_total"))


def test_a_unit_changes_under_way_with_its_numbers() -> None:
    at = START + 30 * MINUTE
    plain, changed = during(), during(UnitChange(entity=POWER.entity_id, at=at, unit="kW"))
    assert {one.unit for one in changed if one.at < at} == {"W"}
    assert {one.unit for one in changed if one.at >= at} == {"kW"}
    assert len(plain) == len(changed)
    for one, other in zip(plain, changed, strict=True):
        factor = 1000 if other.unit == "kW" else 1
        assert float(other.state) * factor == pytest.approx(float(one.state), rel=1e-5)


def test_a_unit_that_changes_while_the_number_is_nought_is_kept_as_a_row_that_changed_nothing() -> None:
    night = datetime(2026, 1, 20, 9, tzinfo=UTC)
    known = recorder(UnitChange(entity=SOLAR.entity_id, at=night, unit="kW"))
    said, renamed = known.between(SOLAR, night - 12 * HOUR, night + HOUR, NOW)[-2:]
    assert said.state == renamed.state == "0.0"
    assert (said.unit, renamed.unit) == ("W", "kW")
    assert said.changed_at == said.at
    assert renamed.changed_at < renamed.at


def test_a_removed_sensor_ends_with_an_empty_state_and_is_gone() -> None:
    known = recorder(Removed(entity=POWER.entity_id, at=START))
    assert known.sensor(POWER.entity_id, START - MINUTE) == POWER
    assert known.sensor(POWER.entity_id, START) is None
    last = known.between(POWER, START - HOUR, NOW, NOW)[-1]
    assert (last.at, last.state) == (START, "")


def test_a_sensor_left_out_of_the_recorder_has_a_state_and_no_history() -> None:
    known = recorder(NotRecorded(entity=POWER.entity_id))
    assert known.between(POWER, NOW - DAY, NOW, NOW) == []
    assert known.before(POWER, NOW, NOW) is None
    assert known.state(POWER, NOW) is not None


def test_what_is_purged_is_forgotten() -> None:
    known = recorder(Purge(keep_days=2))
    oldest = NOW - 2 * DAY
    assert known.oldest(NOW) == oldest
    assert known.before(POWER, oldest, NOW) is None
    kept = known.between(POWER, NOW - 9 * DAY, NOW, NOW)
    assert oldest <= kept[0].at < oldest + 3 * MINUTE
    assert known.ever(POWER, NOW - 5 * DAY, NOW - 4 * DAY, NOW)


def test_a_clock_that_jumps_shifts_what_is_recorded_meanwhile() -> None:
    shift = ClockShift(start=START, end=START + 30 * MINUTE, seconds=-7200)
    known = recorder(shift)
    assert known.clock(START + MINUTE) == START + MINUTE - 2 * HOUR
    assert known.clock(shift.end) == shift.end
    true = recorder().between(POWER, START, START + HOUR, NOW)
    kept = [one for one in known.ever(POWER, START - 3 * HOUR, START + HOUR, NOW) if one.true_at >= START]
    assert sorted(one.true_at for one in kept) == [one.at for one in true]
    assert all(one.true_at - one.at == 2 * HOUR for one in kept if one.true_at < shift.end)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "flood"},
        {"kind": "outage", "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"},
        {"kind": "outage", "start": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00Z"},
        {"kind": "purge", "keep_days": 0},
        {
            "kind": "clock_shift",
            "start": "2026-01-01T00:00:00Z",
            "end": "2026-01-02T00:00:00Z",
            "seconds": 1e9,
        },
    ],
)
def test_an_order_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ORDERS.validate_python([wrong])


@pytest.mark.parametrize(
    ("order", "known"),
    [
        (Frozen(entity="sensor.garage", start=START, end=NOW), "sensor.home_power"),
        (UnitChange(entity="sensor.home_power", at=START, unit="BTU/h"), "kW"),
    ],
)
def test_an_order_for_what_the_house_has_not_names_what_it_has(order: Order, known: str) -> None:
    at = recorder()
    with pytest.raises(BadInputError, match=known):
        at.order(order)
    assert at.orders.in_force() == ()


def test_orders_can_be_lifted() -> None:
    known = recorder(Outage(start=START, end=NOW))
    known.orders.clear()
    assert known.between(POWER, START, NOW, NOW) == recorder().between(POWER, START, NOW, NOW)
