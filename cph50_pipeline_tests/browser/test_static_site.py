"""The static site in a browser: from a subpath, without any server behind it, with the numbers that are served."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cph50_pipeline.defs.document_files import SITE_FOLDER, dump_documents
from cph50_pipeline.defs.site_files import site_files
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab
from cph50_pipeline_tests.browser.static_serving import served_from_a_subpath

FIGURES = ".figures dd[data-figure]"
TABLE = "#cars-table"


@pytest.fixture(scope="session")
def static_site(stored: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the household's site."""
    store = Store.of(stored)
    store.write_files(dump_documents("site", site_files(store, 600.0)))
    folder = Path(stored.data_root) / SITE_FOLDER
    with served_from_a_subpath(folder, tmp_path_factory.mktemp("web")) as address:
        yield address


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
@pytest.mark.parametrize(
    "name", ["index", "history/index", "history/2026-01", "history/2026", "power/weekly"]
)
def test_each_page_is_whole_keeps_nobody_out_and_fits_the_screen(
    tab: Tab, static_site: str, name: str
) -> None:
    tab.open(f"{static_site}/{name}.html")
    assert tab.page.get_by_role("heading", level=1).count() == 1
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.picture(f"static-{name.replace('/', '-')}")


@pytest.mark.parametrize("at", ["2025-12", "2026-01", "2026-02", "2026"])
def test_it_shows_the_numbers_that_the_server_shows(tab: Tab, static_site: str, site: str, at: str) -> None:
    tab.open(f"{site}/history?at={at}")
    served = (tab.page.locator(FIGURES).all_inner_texts(), tab.page.locator(TABLE).all_inner_texts())
    tab.open(f"{static_site}/history/{at}.html")
    tab.foreign.clear()  # the server before was another host
    assert (tab.page.locator(FIGURES).all_inner_texts(), tab.page.locator(TABLE).all_inner_texts()) == served
    assert any(served[0])


def test_a_bar_leads_to_its_day_and_a_session_opens_with_its_curve(tab: Tab, static_site: str) -> None:
    tab.open(f"{static_site}/history/2026-01.html")
    tab.page.locator("svg.chart a").nth(5).click()
    tab.page.wait_for_url("**/2026-01.html#day-2026-01-06")
    session = tab.page.locator("#session-1003")
    session.locator("summary").click()
    assert session.locator("svg.curve").is_visible()


def test_an_address_of_a_session_opens_it_on_arrival_and_from_the_page(tab: Tab, static_site: str) -> None:
    tab.open(f"{static_site}/history/2026-01.html#session-1003")
    session = tab.page.locator("#session-1003")
    session.locator("svg.curve").wait_for()
    assert tab.page.evaluate("scrollY") > 0
    session.locator("summary").click()
    tab.page.evaluate("location.hash = 'day-2026-01-06'")
    tab.page.evaluate("location.hash = 'session-1003'")
    session.locator("svg.curve").wait_for()


def test_from_month_to_month_and_year_by_links_alone(tab: Tab, static_site: str) -> None:
    tab.open(f"{static_site}/index.html")
    tab.page.get_by_role("link", name="February 2026").click()
    tab.page.wait_for_url("**/history/2026-02.html")
    tab.page.locator('a[rel="prev"]').click()
    tab.page.wait_for_url("**/history/2026-01.html")
    tab.page.get_by_role("link", name="Year", exact=True).click()
    tab.page.wait_for_url("**/history/2026.html")
    assert "24" in tab.text("#cars-table")
