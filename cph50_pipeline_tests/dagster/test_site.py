"""The static site: complete in its folder, the same numbers as the files, the same bytes for the same data."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import PurePosixPath
from urllib.parse import urldefrag

import dagster as dg

from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.document_files import SITE_FOLDER, SITE_INDEX
from cph50_pipeline.defs.jobs import SITE_JOB
from cph50_pipeline.defs.month_files import CACHE, SLOTS
from cph50_pipeline_tests.dagster.homes import MONTHS, Home, failure_texts, materializations


class Page(HTMLParser):
    """A page's addresses, anchors, and figures by name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.anchors: set[str] = set()
        self.scripts_inside = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.addresses += [found[name] for name in ("href", "src", "data-src") if found.get(name)]
        self.anchors |= {found["id"]} if "id" in found else set()
        self.scripts_inside += tag == "script" and "src" not in found
        assert not [name for name in found if name == "style" or name.startswith("on")]


def make_site(home: Home) -> dg.ExecuteInProcessResult:
    return home.run([], job=SITE_JOB)


def site_paths(home: Home) -> list[str]:
    return home.store().root.list(SITE_FOLDER)


def text(home: Home, path: str) -> str:
    return (home.folder / path).read_text()


def figure(page: str, name: str) -> float:
    found = re.search(rf'data-figure="{name}"><data value="([0-9.]+)"', page)
    assert found is not None
    return float(found[1])


def test_each_month_and_year_has_a_page_with_the_sums_of_its_quarter_hours(collected: Home) -> None:
    assert make_site(collected).success
    slots: list[ChargingSlot] = [
        slot for month in MONTHS for slot in collected.store().need_month(SLOTS, month)
    ]
    zone = collected.settings.zone
    for period in (*MONTHS[1:], "2025", "2026"):
        expected = sum(s.energy_kwh for s in slots if month_of(s.slot_start, zone).startswith(period))
        page = text(collected, f"{SITE_FOLDER}history/{period}.html")
        assert abs(figure(page, "energy") - expected) < 0.001, period


def test_every_address_leads_to_a_file_or_place_of_the_site_itself(collected: Home) -> None:
    assert make_site(collected).success
    paths = set(site_paths(collected))
    pages = {path: Page(text(collected, path)) for path in paths if path.endswith(".html")}
    assert len(pages) > len(MONTHS)
    for path, page in pages.items():
        assert page.scripts_inside == 0
        for address in page.addresses:
            target, anchor = urldefrag(address)
            assert not re.match(r"[a-z]+:|/", target), f"{path}: {address}"
            names: list[str] = []
            for part in (PurePosixPath(path).parent / target if target else PurePosixPath(path)).parts:
                names = names[:-1] if part == ".." else [*names, part]
            there = "/".join(names)
            assert there in paths, f"{path}: {address}"
            assert not anchor or anchor in pages[there].anchors, f"{path}: {address}"


def test_the_same_data_makes_the_same_bytes_and_what_is_gone_is_removed(collected: Home) -> None:
    assert make_site(collected).success
    before = {path: (collected.folder / path).read_bytes() for path in site_paths(collected)}
    old = collected.folder / SITE_FOLDER / "history" / "1999-01.html"
    old.write_text("of a month that there is no more\n")
    assert make_site(collected).success
    assert {path: (collected.folder / path).read_bytes() for path in site_paths(collected)} == before
    assert not old.exists()
    newest = materializations(collected.instance, "site")[0].metadata
    assert newest["changed"].value is False


def test_years_without_sessions_have_pages_so_that_no_link_leads_nowhere(collected: Home) -> None:
    earlier = CACHE.path("2023-03")
    (collected.folder / earlier).write_text("[]\n")
    assert make_site(collected).success
    pages = {PurePosixPath(path).stem for path in site_paths(collected)}
    assert {"2023", "2024", "2025", "2026", "2023-03", "2024-07"} <= pages


def test_a_household_without_sessions_has_a_page_that_says_so(home: Home) -> None:
    assert make_site(home).success
    assert "Nothing is stored yet" in text(home, SITE_INDEX)


def test_a_month_that_cannot_be_read_is_told_by_the_run_and_replaces_no_page(collected: Home) -> None:
    assert make_site(collected).success
    before = {path: (collected.folder / path).read_bytes() for path in site_paths(collected)}
    damaged = CACHE.path(MONTHS[1])
    (collected.folder / damaged).write_text("[{")
    result = make_site(collected)
    assert not result.success
    assert any(damaged in said for said in failure_texts(result))
    assert {path: (collected.folder / path).read_bytes() for path in site_paths(collected)} == before
