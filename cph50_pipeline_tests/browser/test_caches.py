"""The page of the caches: how entries stand, and making one again while the page follows it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab
from cph50_pipeline_tests.unit.web.household import served, settings_in, store_stays

STATUS = "/management/cache/status"
RUN_MS = 90_000


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The pages of a household whose files Dagster does not know, with a Dagster of its own."""
    folder: Path = tmp_path_factory.mktemp("caches")
    settings = settings_in(folder)
    store_stays(settings)
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith(("CPH50_", "DAGSTER_")):
                patch.delenv(name)
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        with served(settings) as client:
            yield str(client.base_url).rstrip("/")


def open_signed_in(tab: Tab, url: str, path: str = STATUS) -> None:
    """Open the page as somebody who signed in."""
    tab.open(f"{url}/sign-in?next={path}")
    tab.page.get_by_label("API token").fill("right-token")
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.locator("#entries").wait_for()


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_the_page_says_what_is_not_valid_and_keeps_nobody_out(tab: Tab, url: str) -> None:
    tab.open(f"{url}{STATUS}")
    assert "not well chargepoint" in " ".join(tab.text(".findings").split())
    sessions = tab.page.locator('[data-type="session_cache"]')
    assert "3 served, not valid" in sessions.inner_text()
    assert "Dagster knows of no run that made it" in sessions.locator("[data-key='2026-01']").inner_text()
    assert tab.page.locator("form[method=post]").count() == 0
    assert tab.page.get_by_role("link", name="Sign in to refresh").is_visible()
    open_signed_in(tab, url)
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.picture("caches")


def test_filters_are_in_the_address_and_hold_on_reload(tab: Tab, url: str) -> None:
    tab.open(f"{url}{STATUS}")
    tab.page.get_by_role("combobox").select_option("charging_energy")
    tab.page.get_by_label("only what is not valid").check()
    tab.page.get_by_role("button", name="Show").click()
    tab.page.wait_for_url("**type=charging_energy&bad=yes")
    tab.page.reload()
    assert tab.page.locator("[data-type]").count() == 1
    assert tab.page.get_by_role("combobox").input_value() == "charging_energy"
    assert tab.page.get_by_label("only what is not valid").is_checked()


def test_one_entry_is_made_again_and_the_page_follows_it_without_a_reload(tab: Tab, url: str) -> None:
    open_signed_in(tab, url, f"{STATUS}?type=session_samples")
    before = tab.page.locator("[data-key='2026-02']").inner_text()
    tab.page.get_by_role("button", name="Refresh Readings of sessions of 2026-02").click()
    tab.page.get_by_text("1 entry is made again").wait_for()
    tab.page.evaluate("window.isTheSame = true")
    tab.page.locator("#entries[data-busy='']").wait_for(timeout=RUN_MS)
    tab.page.wait_for_function(
        "before => document.querySelector(\"[data-key='2026-02']\").innerText !== before", arg=before
    )
    assert tab.page.evaluate("window.isTheSame")
    assert "Refresh" in tab.page.get_by_role("button", name="Refresh everything").inner_text()


def test_a_server_that_does_not_answer_is_told_and_asked_again(tab: Tab, url: str) -> None:
    open_signed_in(tab, url, f"{STATUS}?type=session_samples")
    tab.page.route("**/status?*part=1*", lambda asked: asked.fulfill(status=503, body="down"), times=1)
    tab.page.get_by_role("button", name="Refresh Readings of sessions of 2026-02").click()
    tab.page.get_by_text("The server answered 503. How it goes on is not known").wait_for()
    tab.page.locator("#entries[data-busy='']:not(:has(.unheard))").wait_for(timeout=RUN_MS)
    assert all("503" in error for error in tab.errors)
    tab.errors.clear()
