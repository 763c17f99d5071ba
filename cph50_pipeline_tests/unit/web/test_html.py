"""What browsers are sent: files that are kept under their version, pages that never are, and what went wrong."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline.pages.static_files import MEDIA_TYPES, static_file, static_names
from cph50_pipeline_tests.unit.web.household import served, settings_in

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PLAIN = {"Accept-Encoding": "identity"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An empty household's pages."""
    with served(settings_in(tmp_path_factory.mktemp("html"))) as one:
        yield one


def test_every_file_that_pages_load_is_served_and_kept_under_its_version(client: httpx.Client) -> None:
    for name in static_names():
        answer = client.get(ServedLinks().asset(name))
        assert answer.content == static_file(name)
        assert answer.headers["content-type"].partition(";")[0] in MEDIA_TYPES.values()
        assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize("version", ["0", "0123456789ab"])
def test_under_another_version_a_file_is_asked_for_again(client: httpx.Client, version: str) -> None:
    answer = client.get(f"/assets/{version}/style.css")
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.content == static_file("style.css")


def test_a_file_is_packed_for_those_who_take_that(client: httpx.Client) -> None:
    with client.stream("GET", "/assets/0/style.css", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        packed = b"".join(answer.iter_raw())
    assert gzip.decompress(packed) == static_file("style.css")
    assert len(packed) < len(static_file("style.css"))
    plain = client.get("/assets/0/style.css", headers=PLAIN)
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"


def test_the_icon_is_where_browsers_look_for_it_by_themselves(client: httpx.Client) -> None:
    answer = client.get("/favicon.ico")
    assert (answer.content, answer.headers["content-type"]) == (static_file("icon.svg"), "image/svg+xml")


@pytest.mark.parametrize("name", ["nothing.js", "style.js", "icon.css"])
def test_a_file_that_is_not_there_is_not_found(client: httpx.Client, name: str) -> None:
    assert client.get(f"/assets/0/{name}").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "..%2f..%2fsettings.py",
        "%2e%2e/settings.py",
        "../links.py",
        "..%5clinks.py",
        "style.css%00.js",
        "templates%2fbase.html.j2",
        "base.html.j2",
        "STYLE.CSS",
        ".css",
    ],
)
def test_nothing_but_those_files_can_be_had(client: httpx.Client, path: str) -> None:
    answer = client.get(f"/assets/0/{path}")
    assert answer.status_code in (404, 422)
    assert b"__future__" not in answer.content


def test_a_page_is_never_kept_and_lets_no_script_in_but_ours(client: httpx.Client) -> None:
    answer = client.get("/docs", headers=HTML)
    assert answer.headers["cache-control"] == "no-store"
    assert "Cookie" in answer.headers["vary"]
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert "<script>" not in answer.text
    assert " style=" not in answer.text


def test_what_went_wrong_is_a_page_for_people_and_a_document_for_programs(client: httpx.Client) -> None:
    page = client.get("/no/such/page", headers=HTML)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>There is no such page</h1>" in page.text
    assert "Not Found" not in page.text
    document = client.get("/no/such/page")
    assert document.status_code == 404
    assert document.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("address", "title", "said", "to"),
    [
        ("/power?range=weird", "This address is not right", "“range” should be", 'href="/power"'),
        ("/history?at=2026-13", "This address is not right", "at: ", 'href="/history"'),
        ("/history/session", "This address is not right", "“id” is missing", 'href="/history"'),
        ("/history/session?id=%3Cb", "This address is not right", "“id” is not written", 'href="/history"'),
        ("/history/session?id=1", "There is no such page", "There is no session 1", 'href="/history"'),
    ],
)
def test_a_person_is_told_in_plain_words_and_led_to_the_section(
    client: httpx.Client, address: str, title: str, said: str, to: str
) -> None:
    text = client.get(address, headers=HTML).text
    assert f"<h1>{title}</h1>" in text
    main = text.partition("<main")[2]
    assert said in main
    assert to in main
    assert "Unprocessable" not in text


@pytest.mark.parametrize("is_page_broken", [False, True])
def test_a_fault_is_a_page_for_people_and_a_document_where_even_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_page_broken: bool
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("cph50_pipeline.web.page_history.history_inputs", fail)
    with served(settings_in(tmp_path)) as one:
        if is_page_broken:
            monkeypatch.setattr("cph50_pipeline.web.html.render", fail)
        answer = one.get("/history", headers=HTML)
    assert answer.status_code == 500
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"] in answer.text
    assert ("<h1>Something went wrong here</h1>" in answer.text) is not is_page_broken
    assert answer.headers["content-type"].startswith("application/problem" if is_page_broken else "text/html")


def test_what_is_for_programs_says_so_to_a_browser_too(client: httpx.Client) -> None:
    answer = client.get("/api/v1/sessions/no-such", headers=HTML)
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_somebody_made_up_is_shown_inert(client: httpx.Client) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    page = client.get("/sign-in", params={"next": f"/{hostile}"}, headers=HTML)
    assert hostile not in page.text
    assert "&lt;img" in page.text


def test_a_page_is_the_same_packed_or_not(client: httpx.Client) -> None:
    packed, plain = client.get("/docs", headers=HTML), client.get("/docs", headers={**HTML, **PLAIN})
    assert packed.headers["content-encoding"] == "gzip"
    served_at = re.compile(' data-now="[^"]+"')
    assert served_at.sub("", packed.text) == served_at.sub("", plain.text)
