"""People who sign in: how a session begins and ends, and what shows that a form is one of ours."""

from __future__ import annotations

import html
import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import time_machine
from itsdangerous import URLSafeTimedSerializer

from cph50_pipeline.settings import Settings
from cph50_pipeline.web.access import TOKEN_FILE, Access, make_token
from cph50_pipeline.web.browser_sessions import FILE, SESSION_DAYS
from cph50_pipeline_tests.unit.web.household import served, settings_in

HTML = {"Accept": "text/html"}
NOW = datetime(2026, 1, 7, 18, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An empty household."""
    return settings_in(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def home(household: Settings) -> Iterator[httpx.Client]:
    """Its pages."""
    with served(household) as client:
        yield client


@pytest.fixture
def cookie(household: Settings) -> str:
    """The name of its sessions' cookie."""
    return Access.of(household).sessions.cookie


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


def test_a_session_ends_after_its_days(browser: httpx.Client, cookie: str) -> None:
    with time_machine.travel(NOW, tick=True):
        sign_in(browser)
        value = browser.cookies[cookie]
    for days, lasts in ((SESSION_DAYS - 1, True), (SESSION_DAYS + 1, False)):
        with time_machine.travel(NOW + timedelta(days=days), tick=True), _browser(browser) as later:
            later.cookies[cookie] = value
            assert is_signed_in(later) is lasts


def test_a_replaced_token_ends_all_sessions_at_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_token=None)
    token = make_token(settings.private_dir, replace=False)
    with served(settings) as client:
        sign_in(client, token)
        assert is_signed_in(client)
        make_token(settings.private_dir, replace=True)
        assert not is_signed_in(client)


def test_the_session_of_another_household_is_none_here_though_the_token_be_the_same(
    browser: httpx.Client, tmp_path: Path, cookie: str
) -> None:
    with served(settings_in(tmp_path)) as other:
        sign_in(other)
        [theirs] = other.cookies.jar
        assert theirs.name != cookie  # browsers tell no ports apart
        browser.cookies[cookie] = str(theirs.value)
        assert not is_signed_in(browser)
        assert sign_out(browser) == 401


@pytest.mark.parametrize(
    "value", ["", "x", "a.b.c", "..", "%00", '"', "IjEi.aV.x", "x" * 5000, "null", "eyJhIjoxfQ"]
)
def test_a_made_up_cookie_is_no_session(browser: httpx.Client, cookie: str, value: str) -> None:
    answer = browser.get("/docs", headers={"Cookie": f"{cookie}={value}"})
    assert answer.status_code == 200
    assert "Sign out" not in answer.text


def test_a_session_that_was_changed_by_one_letter_is_none(browser: httpx.Client, cookie: str) -> None:
    sign_in(browser)
    value = browser.cookies[cookie]
    for place in (0, len(value) // 2, len(value) - 2):
        changed = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        with _browser(browser) as other:
            other.cookies[cookie] = changed
            assert not is_signed_in(other)


def test_signing_out_ends_this_browsers_session(browser: httpx.Client) -> None:
    sign_in(browser)
    answer = browser.post("/sign-out", data={"csrf": csrf_of(browser)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert not is_signed_in(browser)


def test_a_session_that_was_signed_out_of_is_none_wherever_its_cookie_is(
    browser: httpx.Client, cookie: str
) -> None:
    sign_in(browser)
    value = browser.cookies[cookie]
    browser.post("/sign-out", data={"csrf": csrf_of(browser)})
    with _browser(browser) as thief:
        thief.cookies[cookie] = value
        assert not is_signed_in(thief)
        sign_in(thief)
        assert is_signed_in(thief)


def test_whoever_has_the_tokens_hash_alone_can_sign_no_session(
    browser: httpx.Client, household: Settings, cookie: str
) -> None:
    sign_in(browser)
    digest = Access.of(household).token_digest
    assert digest is not None
    for key in (digest, digest.encode().hex(), ""):
        browser.cookies[cookie] = URLSafeTimedSerializer(key, salt="cph50 session").dumps("made up")
        assert not is_signed_in(browser)


def test_what_sessions_stand_on_is_its_owners_alone(browser: httpx.Client, household: Settings) -> None:
    sign_in(browser)
    file = household.private_dir / FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "right-token" not in file.read_text()


def test_pages_stand_where_the_token_cannot_be_read_and_nobody_is_signed_in(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_token=None)
    token = make_token(settings.private_dir, replace=False)
    with served(settings) as client:
        sign_in(client, token)
        assert is_signed_in(client)
        file = settings.private_dir / TOKEN_FILE
        file.unlink()
        file.mkdir()
        assert not is_signed_in(client)
        assert sign_in(client, token).status_code == 503


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
    assert browser.get("/sign-out").headers["location"] == "/"
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


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("/docs?at=2026-01&car=a%26b", "/docs?at=2026-01&car=a%26b"),
        ("/sign-in?next=/docs", "/docs"),
        ("/sign-in?next=//example.org", "/"),
    ],
)
def test_signing_in_leads_back_to_the_page_with_its_query(
    browser: httpx.Client, page: str, expected: str
) -> None:
    assert _sign_in_link(browser.get(page)) == f"/sign-in?{urlencode({'next': expected})}"
    assert sign_in(browser, to=expected).headers["location"] == expected


@pytest.mark.parametrize(
    ("form", "expected"),
    [("label", "/label"), ("train", "/label"), ("refresh", "/management/cache/status")],
)
def test_who_sends_a_form_without_a_session_signs_in_and_is_on_its_page(
    browser: httpx.Client, form: str, expected: str
) -> None:
    answer = browser.post(f"/forms/{form}", data={"x": "y"})
    assert answer.status_code == 401
    assert _sign_in_link(answer) == f"/sign-in?{urlencode({'next': expected})}"


def _sign_in_link(page: httpx.Response) -> str:
    found = re.search(r'<a href="([^"]+)">Sign in</a>', page.text)
    assert found is not None
    return html.unescape(found[1])


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
