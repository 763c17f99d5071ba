"""The power page as a person sees it: first pictures, then the same to zoom and move."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Route, expect

from cph50_pipeline.civil_time import local_date, month_bounds, month_of, shift_month
from cph50_pipeline.defs.month_files import ROLLUPS
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab
from cph50_pipeline_tests.unit.pages.power_files import METERS, by_day, event, today
from cph50_pipeline_tests.unit.web.household import served, settings_in

NOON = datetime(2026, 1, 7, 8, 5, tzinfo=UTC)
HOSTILE = "<img src=x onerror=alert(1)>\u202e" + "W" * 200


def store(settings: Settings) -> None:
    """Write today with a gap, a year by day, and two months by five minutes."""
    import pyarrow as pa

    from cph50_pipeline.power.tables import rollups_schema

    root = DataRoot(settings.data_root)
    root.write("meters.json", dump_json(METERS))
    readings: list[float | None] = [1.0 + number % 5 / 10 for number in range(60)]
    readings[20:23] = [None] * 3
    gap = event("outage", NOON + timedelta(hours=3, minutes=10), 30)
    document = today(readings, gap)
    for point in document["data_points"]:
        point[HOSTILE] = {"mean": 1.0, "coverage": 1.0}
    root.write("power/daily.json", dump_json(document))
    yesterday = local_date(datetime.now(UTC), settings.zone) - timedelta(days=1)
    root.write("power/yearly.json", dump_json(by_day(yesterday - timedelta(days=99), [1.5] * 100)))
    schema = rollups_schema()
    this_month = month_of(datetime.now(UTC), settings.zone)
    for month in (shift_month(this_month, -2), shift_month(this_month, -1), this_month):
        first, end = month_bounds(month, settings.zone)
        rows = [
            dict.fromkeys(schema.names, 1)
            | {"meter": "home.power", "resolution": "5min", "start": first + number * timedelta(minutes=5)}
            for number in range((end - first) // timedelta(minutes=5))
        ]
        root.write(ROLLUPS.path(month), ROLLUPS.dump(pa.Table.from_pylist(rows, schema=schema)))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = settings_in(tmp_path_factory.mktemp("power"))
    store(settings)
    with served(settings) as client:
        yield str(client.base_url).rstrip("/")


def ready(tab: Tab) -> None:
    tab.page.locator("#pictures[data-ready]").wait_for(state="attached")


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_today_is_shown_with_its_gap_its_totals_and_pictures_that_zoom(tab: Tab, house: str) -> None:
    tab.open(f"{house}/power")
    ready(tab)
    assert tab.page.locator(".plot canvas").count() == 4
    assert "Outage" in tab.text(".legend.bands")
    assert tab.text(".meter .energy") == "11.45 kWh"
    assert tab.barriers() == []
    assert not tab.overflows()
    assert tab.page.locator("main img").count() == 0
    expect(tab.page.locator("#shown")).not_to_be_empty()
    whole = tab.text("#shown")
    tab.page.get_by_role("button", name="Zoom in").click()
    expect(tab.page.locator("#shown")).not_to_have_text(whole)
    closer = tab.text("#shown")
    tab.page.locator(".plot").first.focus()
    tab.page.keyboard.press("ArrowLeft")
    expect(tab.page.locator("#shown")).not_to_have_text(closer)
    tab.page.keyboard.press("Home")
    expect(tab.page.locator("#shown")).to_have_text(whole)
    tab.picture("power")


def test_a_drag_zooms_all_pictures_and_a_double_click_shows_all_again(tab: Tab, house: str) -> None:
    tab.open(f"{house}/power?range=yearly")
    ready(tab)
    expect(tab.page.locator("#shown")).not_to_be_empty()
    whole = tab.text("#shown")
    over = tab.page.locator(".plot .u-over").first
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    tab.page.mouse.move(box["x"] + 100, box["y"] + 50)
    tab.page.mouse.down()
    tab.page.mouse.move(box["x"] + 300, box["y"] + 60, steps=4)
    tab.page.mouse.up()
    expect(tab.page.locator("#shown")).not_to_have_text(whole)
    over.dblclick()
    expect(tab.page.locator("#shown")).to_have_text(whole)


def test_without_scripts_the_pictures_are_there_and_the_line_is_broken_at_the_gap(
    chromium: object, house: str
) -> None:
    with Tab.opened(chromium, "phone", java_script_enabled=False) as tab:  # type: ignore[arg-type]
        tab.open(f"{house}/power")
        assert tab.page.locator("svg.chart").count() == 4
        assert tab.page.locator("svg.chart").first.locator("path.line").count() == 2
        assert tab.page.locator("svg.chart").first.locator("rect.band.outage").count() == 1
        assert not tab.overflows()


def test_a_years_five_minutes_are_asked_for_month_by_month_as_they_come_into_view(
    tab: Tab, house: str
) -> None:
    asked: list[str] = []
    tab.page.on("request", lambda one: asked.append(one.url) if "/power/fine/" in one.url else None)
    tab.open(f"{house}/power?range=fine")
    ready(tab)
    tab.page.locator("#pictures[aria-busy=false][data-here]").wait_for()
    first = len(asked)
    assert 1 <= first <= 2
    tab.page.get_by_role("button", name="All").click()
    expect(tab.page.locator("#pictures")).to_have_attribute("data-here", re.compile(r"^\S+ \S+ \S+$"))
    assert len(asked) == 3


def test_months_that_do_not_come_are_told_and_asked_for_again(tab: Tab, house: str) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= 2:
            route.fulfill(status=503)
        else:
            route.continue_()

    tab.page.route("**/power/fine/**", answer)
    tab.open(f"{house}/power?range=fine")
    told = tab.page.locator("#missing")
    expect(told).to_contain_text(re.compile(r"Not loaded, which is no outage: \w+ \d{4}"))
    tab.page.locator("#pictures[aria-busy=false][data-here*='-']").wait_for()
    expect(told).to_be_empty()
    tab.errors.clear()  # the browser itself notes what did not come


def test_a_range_of_whole_days_says_that_today_is_not_in_it(tab: Tab, house: str) -> None:
    tab.open(f"{house}/power?range=yearly")
    assert "It ends with the last whole day; today is not in it." in tab.text()
    tab.open(f"{house}/power")
    assert "whole day" not in tab.text()


def test_the_range_holds_on_reload_and_is_a_link(tab: Tab, house: str) -> None:
    tab.open(f"{house}/power")
    tab.page.get_by_role("link", name="365 days").click()
    tab.page.wait_for_url("**/power?range=yearly")
    tab.page.reload()
    assert tab.page.locator(".tabs [aria-current]").inner_text() == "365 days"
    assert tab.page.locator("section.meter").count() == 3


def test_without_scripts_a_picture_has_no_slab_of_its_colour_behind_it(chromium: object, house: str) -> None:
    with Tab.opened(chromium, java_script_enabled=False) as tab:  # type: ignore[arg-type]
        tab.open(f"{house}/power")
        expect(tab.page.locator("svg.chart").first).to_have_css("background-color", "rgba(0, 0, 0, 0)")
        assert tab.errors == []
