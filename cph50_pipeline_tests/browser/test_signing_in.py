"""Signing in with the API token, as a person does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab

if TYPE_CHECKING:
    from playwright.sync_api import Locator


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_a_person_signs_in_comes_back_to_the_page_and_signs_out(tab: Tab, site: str) -> None:
    tab.open(f"{site}/docs")
    tab.page.get_by_role("link", name="Sign in").click()
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.page.get_by_label("API token").fill("right-token")
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.wait_for_url("**/docs")
    cookie = next(one for one in tab.page.context.cookies() if one["name"].startswith("cph50_session_"))
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")

    tab.page.get_by_role("button", name="Sign out").click()
    tab.page.get_by_role("link", name="Sign in").wait_for()
    tab.errors.clear()  # the dashboard that signing out leads to is another test's


@pytest.mark.parametrize("tab", ["phone"], indirect=True)
def test_signing_in_and_out_is_in_sight_on_the_smallest_phone(tab: Tab, site: str) -> None:
    tab.page.set_viewport_size({"width": 320, "height": 640})
    tab.open(f"{site}/sign-in?next=/history")
    in_sight(tab, tab.page.get_by_role("banner").get_by_role("link", name="Sign in"))
    tab.page.get_by_label("API token").fill("right-token")
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.wait_for_url("**/history")
    in_sight(tab, tab.page.get_by_role("button", name="Sign out"))


def in_sight(tab: Tab, element: Locator) -> None:
    """Fail unless all of an element of the head is on the screen, in one line."""
    box, bar = element.bounding_box(), tab.page.locator(".bar").bounding_box()
    assert box is not None
    assert bar is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 320
    assert bar["height"] < 60
    assert not tab.overflows()


def test_a_wrong_token_is_told_and_signs_nobody_in(tab: Tab, site: str) -> None:
    tab.open(f"{site}/sign-in?next=https://example.org/")
    tab.page.get_by_label("API token").fill("wrong")
    tab.page.get_by_role("button", name="Sign in").click()
    assert "wrong" in tab.page.get_by_role("alert").inner_text()
    assert tab.page.locator("input[name=next]").get_attribute("value") == "/"
    assert tab.page.context.cookies() == []
    tab.errors.clear()  # the browser itself notes the 401
