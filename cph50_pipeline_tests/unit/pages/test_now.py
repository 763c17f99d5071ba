"""What the dashboard shows: words, figures and sums from latest values and quarter hours."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import SLOT, day_bounds
from cph50_pipeline.live.model import Device, DeviceKind, LatestValue, Value
from cph50_pipeline.live.snapshot import DeviceSnapshot, snapshot_of
from cph50_pipeline.pages.cars import Car
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.now import (
    ChargerView,
    LiveView,
    charger_view,
    meter_views,
    period_view,
    published_meter_views,
)
from cph50_pipeline.pages.rendering import render

ZONE = ZoneInfo("America/Los_Angeles")
NOW = datetime(2026, 1, 7, 6, 0, tzinfo=UTC)
CHARGER = Device("charger-4ba6", DeviceKind.CHARGER, "CPH50", "charger")
EMBER = Car("ember", "Ember", "c0", 3.6)
CARS = {"ember": EMBER, "unknown": Car("unknown", "Unknown", "none")}
HOSTILE = "<script>alert(1)</script>\u202e" + "x" * 300


def said(
    values: Mapping[str, Value], ages: Mapping[str, float] = MappingProxyType({}), device: Device = CHARGER
) -> DeviceSnapshot:
    """A device that said this just now, some of it as many seconds ago as `ages` says."""
    latest = [
        LatestValue(device.device_id, name, value, None, NOW - timedelta(seconds=ages.get(name, 0)), "x", NOW)
        for name, value in values.items()
    ]
    return snapshot_of(device, latest, NOW, 15)


def view(snapshot: DeviceSnapshot, drawn: tuple[LatestValue, ...] = ()) -> ChargerView:
    return charger_view(snapshot, drawn, CARS, ZONE)


CHARGING: Mapping[str, Value] = {
    "connected": True,
    "charging": True,
    "power_kw": 8.6,
    "energy_kwh": 4.5,
    "duration_minutes": 31.0,
    "session_id": "1",
    "session_start": "2026-01-07T05:29:00+00:00",
    "vehicle_id": "ember",
    "vehicle_confidence": 0.97,
}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (CHARGING, "Charging"),
        ({"connected": True, "charging": False}, "Plugged in, not charging"),
        ({"plugged_in": True}, "Plugged in, not charging"),
        ({"connected": False, "charging": False}, "Not plugged in"),
        ({"online": False, "connected": True}, "Offline"),
        ({"power_kw": 1.0}, "Not known"),
        ({}, "Nothing was ever heard of it"),
    ],
)
def test_a_charger_says_in_words_what_it_is_doing(values: Mapping[str, Value], words: str) -> None:
    assert view(said(values)).words == words


def test_a_session_in_progress_is_told_with_its_car_and_its_times_are_the_households() -> None:
    shown = view(said(CHARGING))
    assert (shown.power_kw, shown.energy_kwh, shown.minutes, shown.confidence) == (8.6, 4.5, 31.0, 0.97)
    assert (shown.car, shown.is_session) == (EMBER, True)
    assert shown.started_at == datetime(2026, 1, 6, 21, 29, tzinfo=ZONE)
    assert str(shown.heard_at) == "2026-01-06 22:00:00-08:00"


def test_what_is_of_the_session_before_is_not_told_of_the_one_in_progress() -> None:
    shown = view(said(CHARGING, dict.fromkeys(("energy_kwh", "vehicle_id", "vehicle_confidence"), 7200)))
    assert (shown.energy_kwh, shown.confidence) == (None, None)
    assert shown.car == CARS["unknown"]


def test_the_figures_of_the_last_session_stay_when_it_is_over_and_are_called_so() -> None:
    over = {**CHARGING, "connected": False, "charging": False, "power_kw": 0.0}
    ages = dict.fromkeys(
        ("energy_kwh", "session_id", "session_start", "vehicle_id", "duration_minutes"), 3600.0
    )
    shown = view(said(over, ages))
    assert (shown.is_session, shown.energy_kwh, shown.power_kw, shown.car) == (False, 4.5, 0.0, EMBER)


def test_a_silent_charger_is_told_as_what_is_known_last_and_does_not_count_as_charging() -> None:
    shown = view(said(CHARGING, dict.fromkeys(CHARGING, 720.0)))
    assert (shown.words, shown.is_charging_now) == ("Last known: charging", False)
    html = rendered(shown)
    assert "The charger or its collector is silent" in html
    assert LiveView((shown,), (), "live", (), ()).title == "Now"


def test_the_title_says_the_power_of_all_that_charge() -> None:
    one = view(said(CHARGING))
    assert LiveView((one, one), (), "live", (), ()).title == "17.2 kW"


def test_the_curve_is_broken_where_the_charger_said_nothing_for_long() -> None:
    drawn = tuple(
        LatestValue("c", "power_kw", 8.0, "kW", NOW + timedelta(minutes=minute), "x", NOW)
        for minute in (0, 5, 10, 60, 65)
    )
    shown = view(said(CHARGING), drawn)
    assert shown.curve is not None
    assert len(shown.curve.paths) == 2
    assert view(said({"connected": False}), drawn).curve is None


def test_what_is_not_known_is_a_dash_and_a_true_zero_is_zero() -> None:
    assert "kW</data>" not in rendered(view(said({"connected": True})))
    assert ">0.0 kW</data>" in rendered(view(said({"connected": True, "power_kw": 0.0})))


def test_meters_are_told_by_power_first_and_one_that_is_silent_keeps_its_value_and_says_so() -> None:
    home = Device("home", DeviceKind.METER, "home", "home_assistant")
    units = {"power": "kW", "voltage": "V"}
    latest = [
        LatestValue("home", name, 1.0, unit, NOW - timedelta(hours=name == "power"), "x", NOW)
        for name, unit in units.items()
    ]
    found = meter_views([snapshot_of(home, latest, NOW, 15)], ZONE)
    assert [(one.meter, one.value, one.unit, one.is_old) for one in found] == [
        ("home.power", 1.0, "kW", True),
        ("home.voltage", 1.0, "V", False),
    ]


def test_a_published_meters_value_is_the_last_that_is_known_with_its_own_time() -> None:
    points: list[dict[str, object]] = [
        {"timestamp": "2026-01-06T10:00:00-08:00", "power": 1.5, "home.voltage": {"mean": 240.0}},
        {"timestamp": "2026-01-06T10:10:00-08:00", "power": None, "home.voltage": {"mean": 239.0}},
    ]
    units = {"home.power": "kW", "home.voltage": "V"}
    old_before = datetime(2026, 1, 6, 10, 5, tzinfo=ZONE)
    found = published_meter_views(points, units, "home.power", ZONE, old_before)
    assert [(one.value, str(one.at)[11:16], one.is_old) for one in found] == [
        (1.5, "10:00", True),
        (239.0, "10:10", False),
    ]
    assert [one.decimals for one in found] == [2, 1]  # as on the page of power


@given(
    st.lists(
        st.tuples(st.sampled_from(["ember", "unknown", "gone"]), st.integers(-4, 110), st.floats(0, 5)),
        max_size=30,
    ),
    st.dates(date(2026, 1, 1), date(2026, 12, 31)),
)
def test_a_period_sums_the_quarter_hours_of_its_days_whatever_their_length(
    rows: list[tuple[str, int, float]], day: date
) -> None:
    first, end = day_bounds(day, ZONE)
    slots = [ChargingSlot(str(n), car, first + n * SLOT, kwh, None, 1.0) for car, n, kwh in rows]
    period = period_view("Today", str(day), slots, first, end, CARS)
    inside = sum(slot.energy_kwh for slot in slots if first <= slot.slot_start < end)
    assert period.total.energy_kwh == pytest.approx(inside, abs=1e-5)
    assert sum(row.energy_kwh for row in period.cars) == pytest.approx(inside, abs=1e-4)
    assert period.total.cost is None
    names = [row.car.vehicle_id for row in period.cars if row.car]
    assert names == [name for name in ("ember", "unknown", "gone") if name in names]


@pytest.mark.parametrize(("day", "quarters"), [("2026-03-08", 92), ("2026-11-01", 100), ("2026-06-01", 96)])
def test_days_of_23_and_25_hours_have_all_of_their_quarters(day: str, quarters: int) -> None:
    first, end = day_bounds(date.fromisoformat(day), ZONE)
    slots = [ChargingSlot("1", "ember", first + n * SLOT, 1.0, 0.1, 1.0) for n in range(-5, 120)]
    total = period_view("Today", day, slots, first, end, CARS).total
    assert (total.energy_kwh, total.sessions) == (quarters, 1)
    assert total.cost == pytest.approx(quarters / 10)


def test_a_cost_of_which_a_part_is_not_known_says_of_how_much_it_is() -> None:
    slots = [
        ChargingSlot("1", "ember", NOW, 4.0, 0.5, 1.0),
        ChargingSlot("2", "ember", NOW + SLOT, 6.0, None, 1.0),
    ]
    period = period_view("Today", "2026-01-06", slots, NOW, NOW + timedelta(hours=1), CARS)
    assert period.cars[0].is_cost_partial
    assert "of <data" in rendered(view(said({})), LiveView((), (), "live", (period,), ()))


def test_hostile_names_are_inert_in_every_place() -> None:
    device = Device("c", DeviceKind.CHARGER, HOSTILE, "charger")
    shown = charger_view(said({**CHARGING, "vehicle_id": HOSTILE}, device=device), (), CARS, ZONE)
    html = rendered(shown)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def rendered(charger: ChargerView, live: LiveView | None = None) -> str:
    shown = live or LiveView((charger,), (), "live", (), ())
    return render("now_parts", links=ServedLinks(), zone="America/Los_Angeles", live=shown)
