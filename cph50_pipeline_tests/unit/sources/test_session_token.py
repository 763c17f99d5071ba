"""The session token: saved, shared, renewed by one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.sources.session_token import SessionToken, clean_token


def tokens(folder: Path, *, account: str = "home", pasted: str | None = None) -> SessionToken:
    return SessionToken(folder, account=account, pasted=pasted)


def soon() -> Deadline:
    return Deadline(5)


def never() -> str:
    raise AssertionError("nobody should log in")


def logging_in(token: str) -> Callable[[], str]:
    return lambda: token


def test_a_login_is_shared_with_whoever_comes_later(tmp_path: Path) -> None:
    tokens(tmp_path).renew(None, logging_in("first"), soon())
    assert tokens(tmp_path).current(soon()) == "first"


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    tokens(tmp_path / "private").renew(None, logging_in("first"), soon())
    path = tmp_path / "private" / "chargepoint_token.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0


def test_who_finds_another_token_than_the_expired_one_uses_it_without_a_login(tmp_path: Path) -> None:
    late = tokens(tmp_path)
    tokens(tmp_path).renew(None, logging_in("fresh"), soon())
    assert late.renew("expired", never, soon()) == "fresh"


def test_the_expired_token_is_not_taken_again(tmp_path: Path) -> None:
    token = tokens(tmp_path)
    token.renew(None, logging_in("old"), soon())
    assert token.renew("old", logging_in("new"), soon()) == "new"
    assert token.current(soon()) == "new"


def test_a_saved_refresh_is_preferred_to_the_token_once_pasted(tmp_path: Path) -> None:
    first = tokens(tmp_path, pasted="pasted")
    assert first.current(soon()) == "pasted"
    first.refreshed("refreshed", soon())
    assert tokens(tmp_path, pasted="pasted").current(soon()) == "refreshed"


def test_another_pasted_token_replaces_the_saved_one(tmp_path: Path) -> None:
    tokens(tmp_path, pasted="pasted").current(soon())
    assert tokens(tmp_path, pasted="newer").current(soon()) == "newer"


def test_a_refresh_to_the_same_token_leaves_the_file_alone(tmp_path: Path) -> None:
    token = tokens(tmp_path)
    token.renew(None, logging_in("same"), soon())
    before = (tmp_path / "chargepoint_token.json").stat()
    token.refreshed("same", soon())
    after = (tmp_path / "chargepoint_token.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_refresh_is_used_although_the_file_is_held_and_saved_with_the_next(tmp_path: Path) -> None:
    token, holder = tokens(tmp_path), tokens(tmp_path)

    def while_logging_in() -> str:
        token.refreshed("second", Deadline(0.01))
        return "first"

    holder.renew(None, while_logging_in, soon())
    assert token.current(soon()) == "second"
    assert tokens(tmp_path).current(soon()) == "first"
    token.refreshed("second", soon())
    assert tokens(tmp_path).current(soon()) == "second"


def test_an_expired_token_without_a_password_is_given_up_until_another_is_pasted(tmp_path: Path) -> None:
    token = tokens(tmp_path, pasted="pasted")
    token.current(soon())
    with pytest.raises(PermanentError, match=r"expired.*CPH50_CHARGEPOINT_TOKEN"):
        token.renew("pasted", None, soon())
    assert tokens(tmp_path, pasted="pasted").current(soon()) is None
    assert tokens(tmp_path, pasted="newer").current(soon()) == "newer"


def test_with_neither_password_nor_token_the_error_names_both_settings(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"CPH50_CHARGEPOINT_TOKEN.*CPH50_CHARGEPOINT_PASSWORD"):
        tokens(tmp_path).renew(None, None, soon())


def test_a_token_of_another_account_is_never_used(tmp_path: Path) -> None:
    tokens(tmp_path, account="one").renew(None, logging_in("ones"), soon())
    assert tokens(tmp_path, account="other").current(soon()) is None


def test_a_failed_login_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    tokens(tmp_path).renew(None, logging_in("kept"), soon())
    before = (tmp_path / "chargepoint_token.json").read_bytes()
    with pytest.raises(AssertionError):
        tokens(tmp_path).renew("kept", never, soon())
    assert (tmp_path / "chargepoint_token.json").read_bytes() == before


@pytest.mark.parametrize(
    "text", ["a%23D5%23RNA-US", " a#D5#RNA-US\n", '"a#D5#RNA-US"', "coulomb_sess=a#D5#RNA-US"]
)
def test_a_token_is_read_as_browsers_show_it(text: str) -> None:
    assert clean_token(text) == "a#D5#RNA-US"


@pytest.mark.parametrize("text", ["can ary", "canary\r\nx: y", "canary; other=1", "canàry", "%0d%0acanary"])
def test_what_cannot_be_a_token_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError, match="CPH50_CHARGEPOINT_TOKEN") as caught:
        tokens(tmp_path, pasted=text)
    assert "can" not in str(caught.value).replace("cannot", "")
