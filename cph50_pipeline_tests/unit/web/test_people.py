"""People who sign in: how a session begins and ends, and what shows that a form is one of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import time_machine

from cph50_pipeline.settings import Settings
from cph50_pipeline.web.access import make_token
from cph50_pipeline.web.people import COOKIE, SESSION_DAYS, sign_in_path
from cph50_pipeline_tests.unit.web.household import served, settings_in

HTML = {"Accept": "text/html"}
NOW = datetime(2026, 1, 7, 18, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An empty household's pages."""
    with served(settings_in(tmp_path_factory.mktemp("people"))) as client:
        yield client


@pytest.fixture
def browser(home: httpx.Client) -> Iterator[httpx.Client]:
    """Somebody's browser, which knows nothing from before."""
    with _browser(home) as one:
        yield one


def _browser(home: httpx.Client, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=home.base_url, headers=HTML, timeout=30, trust_env=False, **options)


def sign_in(client: httpx.Client, token: str = "right-token", to: str = "/docs") -> httpx.Response:
    return client.post("/sign-in", data={"token": token, "next": to})


def is_signed_in(client: httpx.Client) -> bool:
    return "Sign out" in client.get("/docs").text


def csrf_of(client: httpx.Client) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get("/docs").text)
    assert found is not None
    return found[1]


def sign_out(client: httpx.Client, **fields: str) -> int:
    return client.post("/sign-out", data={"x": "y", **fields}).status_code


def test_the_token_begins_a_session_that_no_script_and_no_other_site_can_use(browser: httpx.Client) -> None:
    answer = sign_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", f"Max-Age={SESSION_DAYS * 86400}"))
    assert "Secure" not in cookie
    assert "right-token" not in cookie
    assert is_signed_in(browser)


@pytest.mark.parametrize("token", ["", "wrong", "right-token ✓", "x" * 2000])
def test_a_wrong_token_begins_none(home: httpx.Client, token: str) -> None:
    with _browser(home) as browser:
        answer = sign_in(browser, token)
        assert answer.status_code == 401
        assert 'role="alert"' in answer.text
        assert "set-cookie" not in answer.headers


def test_spaces_around_a_token_that_was_copied_do_not_matter(browser: httpx.Client) -> None:
    assert sign_in(browser, " right-token\n").status_code == 303


def test_the_cookie_is_secure_where_the_api_is_reached_by_https(tmp_path: Path) -> None:
    with served(settings_in(tmp_path, api_url="https://127.0.0.1/")) as client:
        assert "Secure" in sign_in(client).headers["set-cookie"]


def test_a_session_ends_after_its_days(browser: httpx.Client) -> None:
    with time_machine.travel(NOW, tick=True):
        sign_in(browser)
        value = browser.cookies[COOKIE]
    for days, lasts in ((SESSION_DAYS - 1, True), (SESSION_DAYS + 1, False)):
        with time_machine.travel(NOW + timedelta(days=days), tick=True), _browser(browser) as later:
            later.cookies[COOKIE] = value
            assert is_signed_in(later) is lasts


def test_a_replaced_token_ends_all_sessions_at_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_token=None)
    token = make_token(settings.private_dir, replace=False)
    with served(settings) as client:
        sign_in(client, token)
        assert is_signed_in(client)
        make_token(settings.private_dir, replace=True)
        assert not is_signed_in(client)


def test_the_session_of_another_household_is_none_here(browser: httpx.Client, tmp_path: Path) -> None:
    with served(settings_in(tmp_path, api_token="another-token")) as other:
        sign_in(other, "another-token")
        browser.cookies[COOKIE] = other.cookies[COOKIE]
        assert not is_signed_in(browser)
        assert sign_out(browser) == 401


@pytest.mark.parametrize(
    "value", ["", "x", "a.b.c", "..", "%00", '"', "IjEi.aV.x", "x" * 5000, "null", "eyJhIjoxfQ"]
)
def test_a_made_up_cookie_is_no_session(browser: httpx.Client, value: str) -> None:
    answer = browser.get("/docs", headers={"Cookie": f"{COOKIE}={value}"})
    assert answer.status_code == 200
    assert "Sign out" not in answer.text


def test_a_session_that_was_changed_by_one_letter_is_none(browser: httpx.Client) -> None:
    sign_in(browser)
    value = browser.cookies[COOKIE]
    for place in (0, len(value) // 2, len(value) - 2):
        changed = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        with _browser(browser) as other:
            other.cookies[COOKIE] = changed
            assert not is_signed_in(other)


def test_signing_out_ends_this_browsers_session(browser: httpx.Client) -> None:
    sign_in(browser)
    answer = browser.post("/sign-out", data={"csrf": csrf_of(browser)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert not is_signed_in(browser)


def test_a_form_without_its_sessions_sign_changes_nothing(browser: httpx.Client, home: httpx.Client) -> None:
    sign_in(browser)
    with _browser(home) as other:
        sign_in(other)
        anothers = csrf_of(other)
    assert anothers != csrf_of(browser)
    for fields in ({}, {"csrf": ""}, {"csrf": "wrong"}, {"csrf": "ü"}, {"csrf": anothers}):
        assert sign_out(browser, **fields) == 403
        assert is_signed_in(browser)


def test_a_form_of_somebody_who_did_not_sign_in_changes_nothing(browser: httpx.Client) -> None:
    assert sign_out(browser, csrf="anything") == 401


def test_the_api_token_alone_does_not_send_forms(browser: httpx.Client) -> None:
    answer = browser.post("/sign-out", data={"x": "y"}, headers={"Authorization": "Bearer right-token"})
    assert answer.status_code == 401


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
def test_what_a_foreign_page_could_send_in_another_form_is_refused(browser: httpx.Client, kind: str) -> None:
    sign_in(browser)
    body = f"csrf={csrf_of(browser)}".encode()
    assert browser.post("/sign-out", content=body, headers={"Content-Type": kind}).status_code == 415
    assert is_signed_in(browser)


@pytest.mark.parametrize("body", [b"\xff\xfe=\xff", b"&".join(b"a%d=1" % i for i in range(200))])
def test_a_form_that_cannot_be_read_is_refused(browser: httpx.Client, body: bytes) -> None:
    sign_in(browser)
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert browser.post("/sign-out", content=body, headers=kind).status_code == 400
    assert is_signed_in(browser)


def test_asking_for_a_page_never_changes_anything(browser: httpx.Client) -> None:
    sign_in(browser)
    assert browser.get("/sign-out").status_code == 405
    assert browser.get("/sign-in", params={"token": "right-token"}).status_code == 200
    assert is_signed_in(browser)


@pytest.mark.parametrize(
    "target",
    [
        "https://example.org/",
        "//example.org",
        "/\\example.org",
        "\\\\example.org",
        "/\t/example.org",
        "/a\r\nSet-Cookie: x=y",
        "javascript:alert(1)",
        "example.org",
        "",
    ],
)
def test_signing_in_leads_to_no_other_site(home: httpx.Client, target: str) -> None:
    with _browser(home) as browser:
        assert sign_in(browser, to=target).headers["location"] == "/"
        shown = browser.get("/sign-in", params={"next": target}).text
        assert '<input type="hidden" name="next" value="/">' in shown


def test_signing_in_leads_back_to_the_page_with_its_query(browser: httpx.Client) -> None:
    asked: Any = SimpleNamespace(url=SimpleNamespace(path="/history", query="at=2026-01&car=a%26b"))
    path = sign_in_path(asked)
    shown = browser.get(path).text
    assert 'value="/history?at=2026-01&amp;car=a%26b"' in shown
    assert sign_in(browser, to="/history?at=2026-01").headers["location"] == "/history?at=2026-01"


def test_where_reads_need_the_token_a_session_reads_and_a_page_leads_to_signing_in(tmp_path: Path) -> None:
    with served(_guarded(tmp_path)) as client, _browser(client) as browser:
        refused = browser.get("/management/cache/status")
        assert refused.status_code == 303
        assert refused.headers["location"] == "/sign-in?next=%2Fmanagement%2Fcache%2Fstatus"
        assert client.get("/api/v1/vehicles").status_code == 401
        sign_in(browser)
        assert browser.get("/api/v1/vehicles.json").status_code == 200


def _guarded(folder: Path) -> Settings:
    return settings_in(folder, api_reads="token")
