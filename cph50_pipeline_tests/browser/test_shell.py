"""What the scripts of several pages do: numbers, texts and ages as people expect them, in any browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cph50_pipeline.defs.live import live_store
from cph50_pipeline.live.model import Device, DeviceKind, Reading
from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline_tests.browser.browsing import Tab
from cph50_pipeline_tests.unit.web.household import CHARGER, TIDE, Stay, served, settings_in, store_stays

START = datetime(2026, 1, 7, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"), [(-0.001, "0.00 kW"), (0, "0.00 kW"), (-0.01, "-0.01 kW"), (1234.5, "1,234.50 kW")]
)
def test_a_number_that_is_rounded_to_nothing_has_no_sign(
    tab: Tab, site: str, value: float, shown: str
) -> None:
    tab.open(f"{site}/docs")
    ask = "async ([address, value]) => (await import(address)).number(value, 'kW', 2)"
    assert tab.page.evaluate(ask, [ServedLinks().asset("shell.js"), value]) == shown


def test_a_text_is_found_however_its_letters_are_folded(tab: Tab, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    store_stays(settings, [Stay("1001", START, 60, 5.0, TIDE), Stay("1002", START, 60, 5.0)])
    cars = {"vehicles": {TIDE: {"nickname": "Straße ΟΔΟΣ"}}}
    DataRoot(settings.data_root).write("vehicle_config.json", dump_json(cars))
    with served(settings) as client:
        tab.open(str(client.base_url.join("/history?view=month&at=2026-01")))
        rows = tab.page.locator("#sessions-table tbody tr:visible")
        for text in ("straße", "STRASSE", "οδος", "ΟΔΟΣ"):
            tab.page.locator("#find input[name=q]").fill(text)
            tab.page.locator("#found", has_text="1 of 2").wait_for()
            assert rows.get_attribute("data-session") == "1001"
            tab.page.locator("#find input[name=q]").fill("")
            tab.page.locator("#found", has_text="2 of 2").wait_for()


def test_a_curve_is_zoomed_into_in_a_browser_that_does_not_tell_when_it_is_idle(tab: Tab, site: str) -> None:
    tab.page.add_init_script("delete window.requestIdleCallback")
    tab.open(f"{site}/history/session?id=1003&month=2026-01")
    tab.page.locator(".uplot canvas").wait_for()


def test_ages_are_true_also_where_the_readers_clock_is_an_hour_wrong(tab: Tab, tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    then = datetime.now(UTC) - timedelta(minutes=12)
    charger = Device(CHARGER, DeviceKind.CHARGER, "CPH50", "charger")
    said = Reading(CHARGER, "connected", True, None, then)
    live_store(settings).write([charger], [said], "charger", then)
    tab.page.add_init_script("const real = Date.now; Date.now = () => real() + 3600e3")
    with served(settings) as client:
        tab.open(str(client.base_url))
        tab.page.get_by_text("Heard 12 min ago").wait_for()
