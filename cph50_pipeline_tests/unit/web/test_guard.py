"""What stands before the routes: hostile requests are refused or shown inert, and never a fault."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cph50_pipeline.pages.links import ServedLinks
from cph50_pipeline_tests.unit.web.household import served, settings_in

BEARER = {"Authorization": "Bearer right-token"}
HOSTILE = [
    "..%2f..%2fprivate%2fapi_token",
    "....//....//etc/passwd",
    "%00",
    "1003%00.json",
    "<script>alert(1)</script>",
    "%3Cimg%20src=x%20onerror=alert(1)%3E",
    "'; DROP TABLE sessions; --",
    "2026/13",
    "2026-01.json",
    "session_cache/2026-01.json",
    "%f0%9f%9a%97",
    "%ff%fe",
    "a" * 5000,
]
ROUTES = [
    "/api/v1/sessions/{}",
    "/api/v1/sessions.{}",
    "/api/v1/energy.{}",
    "/api/v1/devices/{}",
    "/api/v1/devices/{}/history?sensor=power_kw",
    "/api/v1/chargers/{}/status",
    "/api/v1/power/{}",
    "/api/v1/power/rollups?meter={}",
    "/api/v1/sessions?from={}",
    "/api/v1/sessions?vehicle={}",
    "/api/v1/energy?by={}",
    "/assets/0/{}",
    "/{}",
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda text: text[:20])
def test_hostile_ids_months_and_suffixes_are_refused_and_shown_inert(api: httpx.Client, hostile: str) -> None:
    for route in ROUTES:
        answer = api.get(route.format(hostile))
        assert 400 <= answer.status_code < 500, route
        assert answer.headers["content-type"] == "application/problem+json", route
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "sha256:" not in answer.text


def test_every_answer_tells_browsers_what_it_may_do(api: httpx.Client) -> None:
    for path in ("/", "/docs", "/api/v1/sessions", "/nothing", "/healthz"):
        headers = api.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_pages_need_no_other_host_and_have_no_script_inside(api: httpx.Client) -> None:
    for path in ("/", "/docs"):
        page = api.get(path).text
        assert [tag for tag in re.findall("<script[^>]*>", page) if ' src="/assets/' not in tag] == []
        assert "//cdn" not in page
        assert f'href="{ServedLinks().asset("style.css")}"' in page
    assert api.get(ServedLinks().asset("style.css")).headers["content-type"].startswith("text/css")
    assert "/api/v1/energy" in api.get("/docs").text
    assert "http://localhost:3000/" in api.get("/docs").text


@pytest.mark.parametrize(
    "host", ["evil.example.org", "localhost.evil.example.org", "", "127.0.0.1:80@evil", "[::1"]
)
def test_a_host_that_is_not_ours_is_refused(api: httpx.Client, host: str) -> None:
    assert api.get("/api/v1/sessions", headers={"Host": host}).status_code == 400


def test_what_a_page_of_another_site_draws_in_is_refused_and_a_link_is_followed(api: httpx.Client) -> None:
    def status(site: str, wanted: str) -> int:
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": wanted}
        return api.get("/api/v1/sessions", headers=headers).status_code

    assert {status("cross-site", wanted) for wanted in ("image", "iframe", "script", "empty")} == {403}
    assert status("cross-site", "document") == 200
    assert {status(site, "empty") for site in ("same-origin", "same-site", "none")} == {200}


def test_a_large_body_is_refused_whether_it_says_so_or_not(api: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'{"session_id": "'
        for _ in range(40):
            yield b"1" * 4096

    told = api.post("/api/v1/labels", content=b"x" * 10_000_000, headers=BEARER)
    untold = api.post(
        "/api/v1/labels", content=pieces(), headers={**BEARER, "Content-Type": "application/json"}
    )
    assert told.status_code == 413
    assert untold.status_code == 413
    assert api.get("/healthz").status_code == 200


def test_long_headers_are_refused(api: httpx.Client) -> None:
    assert api.get("/healthz", headers={"X-Long": "x" * 20_000}).status_code == 431
    assert api.get("/healthz?" + "x" * 20_000).status_code == 431


def test_a_head_without_end_is_hung_up_on(api: httpx.Client) -> None:
    with socket.create_connection((api.base_url.host, api.base_url.port or 80), timeout=30) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        try:
            for _ in range(1000):
                connection.sendall(b"x" * 4096)
        except OSError:
            return
        assert connection.recv(100).startswith(b"HTTP/1.1 431")


def test_bodies_that_are_not_what_they_should_be_are_refused(api: httpx.Client) -> None:
    for content in (
        b"",
        b"{",
        b"[]",
        b"null",
        b'"\xff"',
        b'{"session_id": "\\ud800", "vehicle_id": null}',
        b"[" * 9999,
    ):
        headers = {**BEARER, "Content-Type": "application/json"}
        answer = api.post("/api/v1/labels", content=content, headers=headers)
        assert answer.status_code in (400, 422), content[:20]
        assert answer.headers["content-type"] == "application/problem+json"


def test_too_many_requests_of_one_client_are_told_when_to_come_again(tmp_path: Path) -> None:
    with served(settings_in(tmp_path, api_requests_per_minute=5)) as client:
        statuses = [client.get("/healthz").status_code for _ in range(6)]
        refused = client.get("/healthz")
    assert statuses == [200] * 5 + [429]
    assert 1 <= int(refused.headers["Retry-After"]) <= 13


def test_a_request_without_body_gives_the_same_head(api: httpx.Client) -> None:
    got, asked = api.get("/api/v1/sessions"), api.head("/api/v1/sessions")
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["etag"] == got.headers["etag"]
    assert asked.headers["content-length"] == str(len(got.content))
