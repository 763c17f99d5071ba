"""What the power page shows: gaps are gaps, totals are the file's, days have the hours they have."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.civil_time import day_bounds
from cph50_pipeline.pages.line_charts import line_chart
from cph50_pipeline.pages.links import ServedLinks, StaticLinks
from cph50_pipeline.pages.power import RANGES, MeterView, PowerView, Range, chart_json, power_view
from cph50_pipeline.pages.rendering import render
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline_tests.unit.pages.power_files import (
    CONFIG,
    ZONE,
    by_day,
    event,
    file_of,
    point,
    today,
)

MIDNIGHT = day_bounds(date(2026, 1, 7), ZONE)[0]
HOSTILE = "<script>alert(1)</script>\u202e"
values = st.none() | st.floats(-5, 20, allow_nan=False).map(lambda value: round(value, 3))


def shown(
    document: dict[str, object] | None, wanted: Range = "yearly", config: MeterConfig = CONFIG
) -> PowerView:
    return power_view(wanted, document, config, ZONE)


def meter(view: PowerView, name: str = "home.power") -> MeterView:
    return next(one for one in view.meters if one.meter == name)


@given(st.lists(values, min_size=1, max_size=40))
def test_energy_is_the_sum_of_the_files_points(powers: list[float | None]) -> None:
    document = by_day(date(2026, 2, 20), powers)
    view = shown(document)
    known = [point["energy_kwh"] for point in document["data_points"] if point["energy_kwh"] is not None]
    for name in ("home.power", "home.energy"):
        energy_kwh = meter(view, name).energy_kwh
        assert energy_kwh == (pytest.approx(sum(known), abs=1e-6) if known else None)


@given(st.lists(values, min_size=1, max_size=40))
def test_what_is_not_known_is_never_drawn_and_every_known_value_is(powers: list[float | None]) -> None:
    one = meter(shown(by_day(date(2026, 2, 20), powers)))
    assert [value for _, value in one.points] == powers
    pieces = "".join("x" if value is not None else " " for value in powers).split()
    assert [path.count("L") + 1 for path in one.chart.paths] == [len(piece) for piece in pieces]
    drawn = json.loads(chart_json(shown(by_day(date(2026, 2, 20), powers))))["meters"][0]
    assert drawn["value"] == powers


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-06-01", 24)])
def test_a_days_length_is_that_of_its_hours(day: str, hours: int) -> None:
    first = date.fromisoformat(day) - timedelta(days=1)
    document = by_day(first, [1.0, 3.0, None])
    document["data_points"][1]["coverage"] = 0.5
    one = meter(shown(document))
    assert document["data_points"][1]["energy_kwh"] == 3.0 * hours
    known = 24 + 0.5 * hours
    assert one.coverage == pytest.approx(known / (48 + hours))
    assert one.mean == pytest.approx((24 + 3.0 * 0.5 * hours) / known)


def test_hours_that_the_clocks_show_twice_are_two_points() -> None:
    begin = day_bounds(date(2026, 11, 1), ZONE)[0]
    points = [point(begin + timedelta(hours=hour), 1.0, 1.0) for hour in range(25)]
    one = meter(shown(file_of(points, begin + timedelta(hours=25)), "weekly"))
    assert (len({at for at, _ in one.points}), one.energy_kwh, one.mean, one.coverage) == (25, 25.0, 1.0, 1.0)


@pytest.mark.parametrize("kind", ["gap", "outage", "frozen"])
def test_todays_line_is_broken_where_something_was_wrong_between_two_readings(kind: str) -> None:
    document = today([1.0, 1.0, 1.0, 1.0], event(kind, MIDNIGHT + timedelta(minutes=12), 5))
    view = shown(document, "daily")
    assert len(meter(view).chart.paths) == 2
    assert None in [value for _, value in meter(view).points]
    assert len(meter(view, "home.voltage").chart.paths) == 1
    assert [band.kind for band in meter(view).chart.bands] == [kind]
    assert view.kinds[0][0] == kind


def test_what_is_only_not_normal_breaks_no_line_and_is_told() -> None:
    view = shown(today([1.0, 1.0, 1.0], event("out_of_band", MIDNIGHT, 20)), "daily")
    assert len(meter(view).chart.paths) == 1
    assert [(one.words, one.count, one.duration_seconds) for one in view.event_sums] == [
        ("Not normal", 1, 1200)
    ]


def test_each_meter_has_its_own_unit_and_voltage_is_its_own() -> None:
    view = shown(by_day(date(2026, 1, 1), [1.0, 2.0]))
    units = {one.meter: one.unit for one in view.meters}
    assert units == {"home.power": "kW", "home.energy": "kWh", "home.voltage": "V"}
    assert [value for _, value in meter(view, "home.voltage").points] == [241.5, 241.5]
    assert meter(view, "home.voltage").energy_kwh is None
    assert meter(view, "home.energy").mean is None


def test_without_the_meters_file_the_houses_power_is_still_told() -> None:
    document = by_day(date(2026, 1, 1), [1.0])
    view = shown(document, config=MeterConfig())
    assert (view.meters[0].meter, view.meters[0].unit, view.meters[0].energy_kwh) == (
        "charger.power",
        "kW",
        24.0,
    )
    document["data_points"][0]["charger.power"] = {"mean": 0.5, "energy_kwh": 12.0, "coverage": 1.0}
    assert [one.meter for one in shown(document, config=MeterConfig()).meters][:2] == [
        "power",
        "charger.power",
    ]


@pytest.mark.parametrize("document", [None, {"data_points": [], "events": [], "last_update": None}])
def test_a_file_that_tells_nothing_is_a_page_that_says_so(document: dict[str, object] | None) -> None:
    assert "Nothing is known" in rendered(shown(document, "daily"))


def test_bands_that_cannot_be_told_apart_are_one_and_short_ones_are_seen() -> None:
    many = [("gap", at, at + 1.0) for at in range(0, 100_000, 10)]
    chart = line_chart([(0, 1.0)], many, [], first=0, last=100_000, unit="kW", from_zero=True)
    assert len(chart.bands) == 1
    alone = line_chart([(0, 1.0)], [("gap", 5, 6)], [], first=0, last=100_000, unit="kW", from_zero=True)
    assert alone.bands[0].width >= 1.5


@given(st.lists(st.floats(-1e4, 1e4, allow_nan=False), min_size=1, max_size=30), st.booleans())
def test_every_point_lies_inside_its_picture(found: list[float], from_zero: bool) -> None:
    points = [(float(number), value) for number, value in enumerate(found)]
    chart = line_chart(points, [], [], first=0, last=len(found), unit="V", from_zero=from_zero)
    for path in chart.paths:
        for pair in path.removeprefix("M").partition("h")[0].split("L"):
            x, y = map(float, pair.split())
            assert chart.left <= x <= chart.right
            assert chart.top - 0.01 <= y <= chart.base + 0.01


@pytest.mark.parametrize("wanted", ["weekly", "monthly", "yearly"])
def test_the_page_is_the_same_in_the_static_site_without_what_only_a_server_has(wanted: Range) -> None:
    document = by_day(date(2026, 1, 1), [1.0, None, 2.0])
    html = render(
        "power",
        links=StaticLinks(1),
        zone=ZONE.key,
        page="power",
        view=shown(document, wanted),
        ranges={wanted: RANGES[wanted], "yearly": RANGES["yearly"]},
        data_address=f"../data/power-{wanted}.json",
    )
    assert 'href="../power/yearly.html"' in html
    assert f'data-data="../data/power-{wanted}.json"' in html
    assert "5 minutes" not in html
    assert "<svg" not in html  # its script draws it
    assert "<noscript>" in html
    assert "today is not in it" in html
    assert " style=" not in html
    assert "<script>" not in html


def test_hostile_names_of_meters_are_inert_in_the_page_and_whole_in_the_data() -> None:
    document = by_day(
        date(2026, 1, 1), [1.0], event("gap", datetime(2026, 1, 1, 12, tzinfo=ZONE), 5, HOSTILE)
    )
    document["data_points"][0][HOSTILE] = {"mean": 1.0, "coverage": 1.0}
    view = shown(document)
    html = rendered(view)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert HOSTILE in [one["id"] for one in json.loads(chart_json(view))["meters"]]


def rendered(view: PowerView) -> str:
    return render(
        "power",
        links=ServedLinks(),
        zone=ZONE.key,
        page="power",
        view=view,
        ranges=RANGES,
        data_address="/x",
        person=None,
        sign_in="/sign-in",
    )
