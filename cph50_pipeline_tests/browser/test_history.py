"""The history pages in a real browser: figures, filters that hold on reload, keys, and names that do nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab
from cph50_pipeline_tests.unit.web.household import EMBER, Stay, served, settings_in, store_stays

WIDE = "/history?view=range&from=2025-12-01&to=2026-02-28"
HOSTILE = '<img src=x onerror="document.title=1">' + "\N{RIGHT-TO-LEFT OVERRIDE}name " * 40


def value(tab: Tab, selector: str) -> float:
    return float(tab.page.locator(f"{selector} data").first.get_attribute("value") or "nan")


def sessions(tab: Tab) -> list[str]:
    rows = tab.page.locator("#sessions-table tbody tr:visible")
    return [row.get_attribute("data-session") or "" for row in rows.all()]


def ends_are(tab: Tab, first: str, last: str) -> None:
    """Wait until the outermost readings of a curve are of these times."""
    box = tab.page.locator(".u-over").bounding_box()
    assert box is not None
    for clock, share in ((first, 0.01), (last, 0.99)):
        tab.page.mouse.move(box["x"] + box["width"] * share, box["y"] + 40)
        tab.page.locator(".u-legend .u-series").first.filter(has_text=clock).wait_for()


def asked(tab: Tab) -> dict[str, str]:
    return {name: ",".join(values) for name, values in parse_qs(urlsplit(tab.page.url).query).items()}


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_a_month_shows_its_figures_and_its_bars_sum_to_them(tab: Tab, site: str) -> None:
    tab.open(f"{site}/history?view=month&at=2026-01")
    assert "January 2026" in tab.text("h1")
    assert value(tab, '.figures [data-figure="energy"]') == pytest.approx(24.345678)
    assert "24.3 kWh" in tab.text(".figures")
    drawn = tab.page.locator("svg.chart [data-value]").evaluate_all(
        "all => all.map(one => +one.dataset.value)"
    )
    assert sum(drawn) == pytest.approx(24.345678)
    assert "of 24.00" in tab.text('[data-session="1002"]')
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.picture("history")


@pytest.mark.parametrize("tab", ["phone"], indirect=True)
def test_on_a_phone_tables_fit_remarks_stand_under_the_car_and_no_figure_breaks(tab: Tab, site: str) -> None:
    tab.open(f"{site}/history?view=month&at=2026-01")
    for table in ("#cars-table", "#sessions-table"):
        hidden = tab.page.locator(f".wide:has({table})").evaluate("one => one.scrollWidth - one.clientWidth")
        assert hidden <= 0, table
    assert "tiny" in tab.text('[data-session="1003"] td:nth-child(2)')
    expect(tab.page.get_by_role("columnheader", name="Remarks")).to_be_hidden()
    expect(tab.page.get_by_role("columnheader", name="Share")).to_be_hidden()
    lines = tab.page.locator(".figures dd > data").evaluate_all(
        "all => all.map(one => one.getClientRects().length)"
    )
    assert set(lines) == {1}


@pytest.mark.parametrize(
    "address",
    ["/history?at=2026-01-06", "/history?from=2025-01-01&to=2026-01-31", "/history/session?id=1003"],
)
def test_the_words_of_a_picture_can_be_read_on_a_phone_and_lie_on_none_other(
    chromium: object, site: str, address: str
) -> None:
    with Tab.opened(chromium, "phone", java_script_enabled=False) as tab:  # type: ignore[arg-type]
        tab.open(site + address)
        boxes = tab.page.locator("svg.chart").first.locator("text:visible").all()
        places = [box for one in boxes if (box := one.bounding_box()) is not None]
    assert len(places) > 5
    assert min(box["height"] for box in places) > 10
    below = sorted((box for box in places if box["y"] > places[0]["y"] + 5), key=lambda box: box["x"])
    assert all(one["x"] + one["width"] < other["x"] for one, other in pairwise(below))


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_a_bar_leads_to_its_day_and_the_day_to_the_session(tab: Tab, site: str) -> None:
    tab.open(f"{site}/history?view=year&at=2026")
    tab.page.locator("svg.chart a").first.focus()
    tab.page.keyboard.press("Enter")
    tab.page.wait_for_url("**at=2026-01")
    tab.page.locator('svg.chart a[href*="2026-01-06"] .hit').click()
    tab.page.wait_for_url("**at=2026-01-06")
    assert sessions(tab) == ["1003"]
    tab.page.locator("#sessions-table tbody a").click()
    tab.page.wait_for_url("**/history/session?**")
    assert value(tab, '.figures [data-figure="energy"]') == pytest.approx(12.345678)
    tab.page.locator(".uplot canvas").wait_for()
    assert tab.page.locator("#zoom button").is_visible()
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.picture("session")


def test_bars_are_one_stop_for_tab_and_arrows_keep_the_focus_in_the_picture(tab: Tab, site: str) -> None:
    tab.open(f"{site}/history?view=month&at=2026-01")
    bars = tab.page.locator("svg.chart a")
    tab.page.locator('svg.chart a[tabindex="-1"]').first.wait_for()
    bars.first.focus()
    for keys, number in ((("ArrowLeft",), 0), (("ArrowRight", "ArrowRight"), 2), (("End", "ArrowRight"), 30)):
        for key in keys:
            tab.page.keyboard.press(key)
        expect(bars.nth(number)).to_be_focused()
    tab.page.keyboard.press("Tab")
    expect(tab.page.locator("svg.chart a:focus")).to_have_count(0)
    tab.page.keyboard.press("Shift+Tab")
    expect(bars.nth(30)).to_be_focused()
    assert "at=2026-01" in tab.page.url
    assert tab.barriers() == []


def test_cars_range_order_and_text_hold_on_reload_and_as_a_deep_link(tab: Tab, site: str) -> None:
    tab.open(f"{site}/history?view=month&at=2026-01")
    tab.page.get_by_text("Choose days and cars").click()
    tab.page.get_by_label("From").fill("2025-12-01")
    tab.page.get_by_label("To", exact=True).fill("2026-02-28")
    tab.page.get_by_role("button", name="Show", exact=True).click()
    tab.page.wait_for_url("**from=2025-12-01**")
    assert sessions(tab) == ["1004", "1003", "1002", "1001"]
    tab.page.get_by_role("link", name="kWh", exact=True).click()
    tab.page.wait_for_url("**sort=energy**")
    assert sessions(tab)[0] == "1002"
    assert tab.page.locator("#choose input[type=checkbox]:not(:checked)").count() == 0
    tab.page.locator('#choose input[type=checkbox][value="unknown"]').uncheck()
    tab.page.get_by_role("button", name="Show", exact=True).click()
    tab.page.wait_for_url(f"**vehicle={EMBER}**")
    tab.page.get_by_label("Find in the list").press_sequentially("TINY 2025")
    tab.page.wait_for_url("**q=TINY+2025**")
    assert sessions(tab) == ["1002", "1001"]
    expected = {"from": "2025-12-01", "to": "2026-02-28", "sort": "energy", "order": "desc", "q": "TINY 2025"}
    assert expected.items() <= asked(tab).items()
    before = tab.text(".figures")
    tab.page.reload()
    assert sessions(tab) == ["1002", "1001"]
    assert tab.text(".figures") == before
    assert tab.page.get_by_label("Find in the list").input_value() == "TINY 2025"
    tab.open(tab.page.url)
    assert sessions(tab) == ["1002", "1001"]


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_bars_of_another_measure_hold_on_reload_and_with_all_else_that_is_asked(tab: Tab, site: str) -> None:
    tab.open(f"{site}{WIDE}&sort=energy&order=asc")
    for key, show in (("c", "cost"), ("s", "sessions"), ("i", "miles"), ("e", "energy"), ("c", "cost")):
        tab.page.keyboard.press(key)
        tab.page.locator(f'[data-show="{show}"][aria-current]').wait_for()
        assert asked(tab).get("show", "energy") == show
        assert asked(tab)["sort"] == "energy"
        if show != "miles":  # nobody said how far these cars go
            drawn = tab.page.locator("svg.chart [data-value]").evaluate_all(
                "all => all.map(one => +one.dataset.value)"
            )
            assert sum(drawn) == pytest.approx(value(tab, f'.figures [data-figure="{show}"]'), abs=1e-5)
    tab.page.get_by_label("Periods before and after").get_by_role("link").first.click()
    tab.page.wait_for_url("**show=cost**")
    tab.open(f"{site}{WIDE}&show=cost")
    tab.page.reload()
    tab.page.locator('[data-show="cost"][aria-current]').wait_for()
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.picture("history-cost")


def test_a_curve_is_zoomed_into_by_drawing_over_it_and_shown_whole_again(tab: Tab, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    powers = (1.4, 8.6, 8.6, 8.5, 8.4, 6.2, 3.1, 1.2)
    store_stays(settings, [Stay("1", datetime(2026, 1, 7, 6, tzinfo=UTC), 120, 12.0, powers=powers)])
    with served(settings) as client:
        tab.open(f"{str(client.base_url).rstrip('/')}/history/session?id=1&month=2026-01")
        tab.page.locator("#zoom button").wait_for()
        ends_are(tab, "10:00", "12:00")
        box = tab.page.locator(".u-over").bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        tab.page.mouse.move(box["x"] + box["width"] * 0.4, middle)
        tab.page.mouse.down()
        tab.page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=5)
        tab.page.mouse.up()
        ends_are(tab, "10:51", "11:08")
        tab.page.locator("#zoom button").click()
        ends_are(tab, "10:00", "12:00")
        assert tab.barriers() == []


def test_keys_lead_to_the_periods_around_and_into_the_list_and_out_of_it(tab: Tab, site: str) -> None:
    tab.open(f"{site}/history?view=month&at=2026-01")
    tab.page.keyboard.press("ArrowLeft")
    tab.page.wait_for_url("**at=2025-12")
    tab.page.keyboard.press("ArrowRight")
    tab.page.wait_for_url("**at=2026-01")
    tab.page.keyboard.press("y")
    tab.page.wait_for_url("**view=year&at=2026")
    tab.page.keyboard.press("/")
    tab.page.keyboard.type("1003 dq")  # letters go into the field now
    tab.page.wait_for_url("**q=1003+dq")
    assert sessions(tab) == []
    assert tab.page.get_by_role("link", name="Show all").is_visible()
    tab.page.keyboard.press("Escape")
    expect(tab.page.get_by_role("link", name="Show all")).to_be_hidden()
    assert len(sessions(tab)) == 3
    assert "q" not in asked(tab)
    tab.open(f"{site}/history?view=year&at=2026&q=1003")
    tab.page.keyboard.press("Escape")
    tab.page.wait_for_url(lambda url: "q=1003" not in url)
    assert len(sessions(tab)) == 3


def test_without_scripts_the_page_says_the_same(chromium: object, site: str) -> None:
    with Tab.opened(chromium, "phone", java_script_enabled=False) as tab:  # type: ignore[arg-type]
        tab.open(f"{site}{WIDE}")
        assert "41.3 kWh" in tab.text(".figures")
        tab.page.get_by_label("Find in the list").fill("1003")
        tab.page.get_by_role("button", name="Find", exact=True).click()
        assert sessions(tab) == ["1003"]
        tab.page.locator("#sessions-table tbody a").click()
        tab.page.locator("#curve svg").wait_for()
        assert tab.errors == []


@pytest.mark.parametrize("tab", ["phone"], indirect=True)
def test_hostile_names_are_text_and_widen_no_page(tab: Tab, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    store_stays(settings, [Stay("1", datetime(2026, 1, 7, 6, tzinfo=UTC), 90, 12.0)])
    cars = {"vehicles": {EMBER: {"nickname": HOSTILE}}}
    DataRoot(settings.data_root).write("vehicle_config.json", json.dumps(cars).encode())
    with served(settings) as client:
        for address in (
            "/history?at=2026-01",
            "/history?at=2026-01&vehicle=" + EMBER,
            "/history/session?id=1",
        ):
            tab.open(str(client.base_url).rstrip("/") + address)
            assert HOSTILE[:20] in tab.page.content().replace("&lt;", "<")
            assert tab.page.locator("main img").count() == 0
            assert tab.page.title() != "1"
            assert not tab.overflows()
            assert tab.barriers() == []
