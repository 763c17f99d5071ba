"""Signing in with the API token, as a person does."""

from __future__ import annotations

import pytest

from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab


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


def test_a_wrong_token_is_told_and_signs_nobody_in(tab: Tab, site: str) -> None:
    tab.open(f"{site}/sign-in?next=https://example.org/")
    tab.page.get_by_label("API token").fill("wrong")
    tab.page.get_by_role("button", name="Sign in").click()
    assert "wrong" in tab.page.get_by_role("alert").inner_text()
    assert tab.page.locator("input[name=next]").get_attribute("value") == "/"
    assert tab.page.context.cookies() == []
    tab.errors.clear()  # the browser itself notes the 401
