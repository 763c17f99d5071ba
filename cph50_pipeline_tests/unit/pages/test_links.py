"""Addresses: behind a server, and among files that work from any subpath."""

from __future__ import annotations

import hashlib
from typing import get_args
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cph50_pipeline.pages.links import Page, ServedLinks, StaticLinks
from cph50_pipeline.pages.static_files import static_file, static_names

SITE = "https://someone.example/data/site/"


def test_every_page_is_served_somewhere_else() -> None:
    addresses = [ServedLinks().page(page) for page in get_args(Page)]
    assert len(set(addresses)) == len(addresses)
    assert all(address.startswith("/") for address in addresses)


@given(st.dictionaries(st.sampled_from(["at", "car", "q", "range"]), st.text(min_size=1)))
def test_a_served_pages_query_comes_back_as_it_was_given(query: dict[str, str]) -> None:
    address = urlsplit(ServedLinks().page("history", **query))
    assert address.path == "/history"
    assert {name: one[0] for name, one in parse_qs(address.query, keep_blank_values=True).items()} == query


def test_what_is_empty_is_left_out_of_a_query() -> None:
    assert ServedLinks().page("history", at="", car="") == "/history"


def test_served_files_are_in_one_folder_that_is_named_by_what_they_hold() -> None:
    held = hashlib.sha256(b"".join(map(static_file, static_names()))).hexdigest()[:12]
    assert {ServedLinks().asset(name) for name in static_names()} == {
        f"/assets/{held}/{name}" for name in static_names()
    }


@pytest.mark.parametrize(
    ("depth", "here"), [(0, "index.html"), (1, "history/2026-01.html"), (2, "a/b/c.html")]
)
def test_files_of_the_site_find_each_other_from_any_folder_and_subpath(depth: int, here: str) -> None:
    links = StaticLinks(depth)

    def found(address: str) -> str:
        return urljoin(f"{SITE}{here}", address).removeprefix(SITE)

    assert found(links.asset("style.css")) == "assets/style.css"
    assert found(links.page("now")) == "index.html"
    assert found(links.page("power")) == "power/weekly.html"
    assert found(links.page("power", range="yearly")) == "power/yearly.html"
    assert found(links.page("history")) == "history/index.html"
    assert found(links.page("history", at="2026")) == "history/2026.html"
    assert found(links.page("history", at="2026-01")) == "history/2026-01.html"
    assert found(links.page("history", at="2026-01-07")) == "history/2026-01.html#day-2026-01-07"
    assert found(links.page("session", month="2026-01", id="9")) == "history/2026-01.html#session-9"


@pytest.mark.parametrize("page", ["label", "caches"])
def test_the_site_has_no_page_that_changes_something(page: Page) -> None:
    assert StaticLinks().is_static
    assert not ServedLinks().is_static
    with pytest.raises(KeyError, match=page):
        StaticLinks().page(page)
