"""What people and services named is shown as it is and does nothing: HTML, scripts, very long, from right to left."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cph50_pipeline.defs.document_files import SITE_FOLDER, dump_documents
from cph50_pipeline.defs.site_files import site_files
from cph50_pipeline.defs.store import VEHICLES_FILE, Store
from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab
from cph50_pipeline_tests.browser.static_serving import served_from_a_subpath
from cph50_pipeline_tests.unit.web.household import (
    EMBER,
    STAYS,
    TIDE,
    served,
    settings_in,
    store_power,
    store_stays,
)

SCRIPT = "<script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">"
LONG = "W" * 300
RIGHT_TO_LEFT = "\u202e\u05d0\u05d1\u05d2 evil \u202d{{ 7*7 }} ${7*7} '\"><b>"
NAMES = (SCRIPT, LONG, RIGHT_TO_LEFT)
PAGES = (
    "/",
    "/history?at=2026-01",
    "/history?view=year&at=2026&q=%3Cscript%3E",
    "/history/session?id=1003",
    "/power",
    "/label",
    "/label?session=1003",
    "/management/cache/status",
    "/sign-in?next=%22%3E%3Cb%3E",
)
STATIC_PAGES = ("/index.html", "/history/2026-01.html", "/history/2026.html", "/power/weekly.html")


@pytest.fixture(scope="module", params=NAMES, ids=["script", "long", "right to left"])
def hostile(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sequence[str]]:
    """Addresses of the server and of the static site of a household where everything has a hostile name."""
    name: str = request.param
    settings = settings_in(tmp_path_factory.mktemp("hostile"))
    store_stays(settings, [replace(stay, name=name) for stay in STAYS])
    store_power(settings)
    store = Store.of(settings)
    store.write_document(
        VEHICLES_FILE, {"vehicles": {id_: {"nickname": name, "make": name} for id_ in (EMBER, TIDE)}}
    )
    store.write_files(dump_documents("site", site_files(store, 600.0)))
    web_root = tmp_path_factory.mktemp("web")
    with (
        served(settings) as client,
        served_from_a_subpath(Path(settings.data_root) / SITE_FOLDER, web_root) as static,
    ):
        yield str(client.base_url).rstrip("/"), static


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_every_page_shows_a_hostile_name_inert_and_within_the_screen(
    tab: Tab, hostile: Sequence[str]
) -> None:
    server, static = hostile
    for address in [*(server + page for page in PAGES), *(static + page for page in STATIC_PAGES)]:
        tab.open(address)
        assert tab.page.title() != "hacked", address
        assert "hacked" not in tab.page.title(), address
        assert tab.page.locator("main script, main img, main b").count() == 0, address
        assert not tab.overflows(), address
        assert "49" not in tab.page.title(), address
        tab.foreign.clear()  # the static site is another host


def test_a_hostile_name_can_be_read(tab: Tab, hostile: Sequence[str]) -> None:
    tab.open(f"{hostile[0]}/history?at=2026-01")
    shown = tab.page.locator("#cars-table bdi").first.text_content()
    assert shown in NAMES
