"""Who may do what: tokens, where reads need one, and what guessing costs."""

from __future__ import annotations

import hashlib
import stat
from base64 import b64encode
from pathlib import Path

import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.web.access import WRONG_TOKENS_PER_MINUTE, Access, is_loopback, make_token
from cph50_pipeline.web.problems import ProblemError
from cph50_pipeline_tests.unit.web.household import served, settings_in

LABEL = {"session_id": "9", "vehicle_id": "unknown"}
BEARER = {"Authorization": "Bearer right-token"}


def status(access: Access, token: str | None) -> int:
    try:
        access.check(token, "client")
    except ProblemError as problem:
        return problem.status
    return 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback_is_told_from_all_else(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_made_token_lets_in_and_only_its_hash_is_kept(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_token=None)
    token = make_token(settings.private_dir, replace=False)
    file = settings.private_dir / "api_token"

    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [status(Access.of(settings), given) for given in (token, token + "x", None)] == [200, 401, 401]


def test_a_token_is_replaced_only_on_purpose_and_then_at_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_token=None)
    first, access = make_token(settings.private_dir, replace=False), Access.of(settings)
    assert status(access, first) == 200
    with pytest.raises(BadInputError, match="--replace"):
        make_token(settings.private_dir, replace=False)
    second = make_token(settings.private_dir, replace=True)
    assert [status(access, given) for given in (first, second)] == [401, 200]


@pytest.mark.parametrize("form", ["a-token", "sha256:" + hashlib.sha256(b"a-token").hexdigest()])
def test_the_setting_holds_a_token_or_its_hash(tmp_path: Path, form: str) -> None:
    access = Access.of(settings_in(tmp_path, api_token=form))
    assert [status(access, given) for given in ("a-token", form + "x")] == [200, 401]


def test_without_a_token_nothing_is_let_in_and_what_to_do_is_said(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as caught:
        Access.of(settings_in(tmp_path, api_token=None)).check("anything", "client")
    assert caught.value.status == 403
    assert "cph50 token" in caught.value.remedy


def test_a_broken_token_file_lets_nobody_in(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, api_token=None)
    settings.private_dir.mkdir(parents=True)
    (settings.private_dir / "api_token").write_text("plain text")
    assert status(Access.of(settings), "plain text") == 403


def test_who_guesses_is_held_up_and_others_are_not(tmp_path: Path) -> None:
    now = [0.0]
    access = Access.of(settings_in(tmp_path), clock=lambda: now[0])
    assert {status(access, "guess") for _ in range(WRONG_TOKENS_PER_MINUTE)} == {401}
    assert status(access, "right-token") == 429
    access.check("right-token", "another client")
    now[0] += 61
    assert status(access, "right-token") == 200


def test_changes_need_the_token_in_the_header_and_reads_here_do_not(tmp_path: Path) -> None:
    basic = {"Authorization": "Basic " + b64encode(b"me:right-token").decode()}
    with served(settings_in(tmp_path)) as client:
        assert client.get("/api/v1/sessions").status_code == 200
        assert client.post("/api/v1/labels", json=LABEL).status_code == 401
        assert client.post("/api/v1/labels", json=LABEL, headers=basic).status_code == 401
        assert client.post("/api/v1/labels?token=right-token", json=LABEL).status_code == 401
        assert client.post("/api/v1/labels", json=LABEL, headers=BEARER).status_code == 404


def test_reads_need_the_token_where_others_can_reach_them(tmp_path: Path) -> None:
    basic = {"Authorization": "Basic " + b64encode(b":right-token").decode()}
    with served(settings_in(tmp_path, api_host="0.0.0.0")) as client:
        for path in ("/api/v1/sessions", "/api/v1/devices", "/metrics", "/readyz", "/"):
            refused = client.get(path)
            assert refused.status_code == 401, path
            assert "Bearer" in refused.headers["WWW-Authenticate"]
        assert client.get("/healthz").status_code == 200
        assert client.get("/api/v1/sessions", headers=BEARER).status_code == 200
        assert client.get("/", headers=basic).status_code == 200
        assert client.get("/", headers={"Authorization": "Basic !"}).status_code == 401
