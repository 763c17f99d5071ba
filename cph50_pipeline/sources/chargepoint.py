"""The ChargePoint client: what can be asked, and how an answer becomes a typed, scrubbed value.

The protocol is stated in docs/chargepoint.md. How a request gets there and back is `connection.py`; what
sessions mean is `charging`. Import this module inside functions: it brings the HTTP library.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cph50_pipeline.charging.answers import (
    Account,
    ActiveSession,
    ActivityPage,
    ActivityRow,
    ChargerList,
    ChargerStatus,
    ChargingStatus,
    TechnicalInfo,
    read_answer,
    read_session,
    unusable_answer,
)
from cph50_pipeline.charging.privacy import PUBLIC, charger_label, scrub
from cph50_pipeline.errors import BadInputError, NotFoundError, TransientError
from cph50_pipeline.http.client import Client
from cph50_pipeline.sources.activity_pages import HistoryPage, Offset, rows_since
from cph50_pipeline.sources.connection import Connection, Credentials, Limits, Question

_SESSION_ID = re.compile(r"(?a:\d{1,19})")
_KEPT = "What is stored stays as it is"


class ChargePointClient(Client[Connection]):
    """ChargePoint for one account: a `ChargerSource`. One instance may be shared by threads.

    Nothing is asked before the first read. Token, request budget and pauses are shared with all other
    processes through private files in `state_dir`.

    Args:
        discovery_url: Where discovery answers; everything else is found through it.
        username: The account.
        password: Its password. Without one an expired token needs a person.
        token: A `coulomb_sess` cookie pasted by a person.
        state_dir: The private folder.
        privacy: "public" scrubs every answer before it is returned, "private" returns it whole.
        limits: Timeouts, retries and the request budget.

    Raises:
        BadInputError: when the pasted token cannot be one.
    """

    def __init__(
        self,
        *,
        discovery_url: str,
        username: str,
        password: str | None = None,
        token: str | None = None,
        state_dir: Path,
        privacy: str = PUBLIC,
        limits: Limits | None = None,
    ) -> None:
        self._privacy = privacy
        credentials = Credentials(username, password, token)
        super().__init__(Connection(discovery_url, credentials, Path(state_dir), limits or Limits()))

    def unmetered(self) -> AbstractContextManager[None]:
        """Lift the polite budget for this thread: for a backfill or a sampling window."""
        return self._connection.unmetered()

    def user_id(self) -> str:
        """The account's id, remembered for a day. It identifies the household: never store or log it.

        Raises:
            TransientError, PermanentError, BadInputError: see `ChargerSource`.
        """
        known = self._connection.memory.user_id
        if known is not None:
            return known
        account = read_answer(Account, self._profile(), "the account")
        if account.user.user_id is None:
            raise unusable_answer("the account", "user.userId: field required")
        self._connection.memory.learn_user(account.user.user_id)
        return account.user.user_id

    def account(self) -> Account:
        """The account's profile; with public privacy nothing of it is left but its form."""
        return read_answer(Account, self._scrubbed(self._profile(), "the account"), "the account")

    def chargers(self) -> list[str]:
        """The ids of the account's chargers, sorted, remembered for a day: a new charger may be late by one.

        They identify the household: never store or log them.
        """
        known = self._connection.memory.charger_ids
        if known:
            return known
        asked = "the list of chargers"
        answer = self._connection.ask(Question(asked, "hcpo_hcm_endpoint", self._chargers_path()))
        charger_ids = sorted({charger.id for charger in read_answer(ChargerList, answer, asked).data})
        self._connection.memory.learn_chargers(charger_ids)
        return charger_ids

    def charger_status(self, charger_id: str) -> ChargerStatus:
        """A charger as it is now."""
        asked = f"the status of {charger_label(charger_id)}"
        answer = self._ask_charger(charger_id, "status", asked)
        return read_answer(ChargerStatus, answer, asked)

    def technical_info(self, charger_id: str) -> TechnicalInfo:
        """What a charger is and runs."""
        asked = f"the technical data of {charger_label(charger_id)}"
        return read_answer(TechnicalInfo, self._ask_charger(charger_id, "technical-info", asked), asked)

    def user_status(self) -> ActiveSession | None:
        """The session in progress, None when there is none."""
        asked = "the session in progress"
        status = self._ask_map("user_status", {"mfhs": {}}, asked)
        charging = status.get("charging")
        if not charging:
            return None
        return read_answer(ActiveSession, self._scrubbed(charging, asked), asked)

    def session(self, session_id: str) -> ChargingStatus:
        """A session with its curve.

        Raises:
            NotFoundError: ChargePoint has no such session, or no details of it.
            BadInputError: `session_id` cannot be one, or the answer is of another session or malformed.
        """
        if not _SESSION_ID.fullmatch(session_id):
            raise BadInputError(
                f"'{session_id[:40]}' is not a session id", remedy="Session ids are whole numbers"
            )
        asked = f"session {session_id}"
        body = {"charging_status": {"mfhs": {}, "session_id": int(session_id)}}
        path = f"driver-bff/v1/sessions/{session_id}"
        answer = self._connection.ask(Question(asked, "internal_api_gateway_endpoint", path, body))
        part = _part(answer, "charging_status", asked, refused=_no_details)
        status = read_answer(ChargingStatus, self._scrubbed(part, asked), asked)
        if status.session_id != session_id:
            raise unusable_answer(asked, "session_id: is another session's")
        return status

    def activity(self, since: datetime, page_size: int = 50) -> list[ActivityRow]:
        """The sessions that started at or after an aware instant, newest first, each once.

        Asks for no page beyond the first that lies wholly before `since`.
        """
        return rows_since(lambda offset: self._history_page(offset, page_size), since)

    def _history_page(self, offset: Offset | None, page_size: int) -> HistoryPage:
        asked = "the charging activity"
        query: dict[str, Any] = {
            "page_size": page_size,
            "show_address_for_home_sessions": self._privacy != PUBLIC,
        }
        if offset is not None:
            query["page_offset"] = offset
        page = read_answer(ActivityPage, self._ask_map("charging_activity_monthly", query, asked), asked)
        rows = [
            read_session(ActivityRow, scrub(row, self._privacy))
            for month in page.month_info
            for row in month.sessions
        ]
        return HistoryPage(rows, None if page.is_last else page.page_offset)

    def _profile(self) -> Any:
        return self._connection.ask(Question("the account", "accounts_endpoint", "v1/driver/profile/user"))

    def _chargers_path(self) -> str:
        return f"api/v1/configuration/users/{quote(self.user_id(), safe='')}/chargers"

    def _ask_charger(self, charger_id: str, what: str, asked: str) -> dict[str, Any]:
        path = f"{self._chargers_path()}/{quote(charger_id, safe='')}/{what}"
        try:
            answer = self._connection.ask(Question(asked, "hcpo_hcm_endpoint", path))
        except NotFoundError:
            self._connection.memory.forget()  # the household may have another charger by now
            raise
        return self._scrubbed({"charger_id": charger_id, **_mapping(answer, asked)}, asked)

    def _ask_map(self, kind: str, query: Mapping[str, Any], asked: str) -> Mapping[str, Any]:
        answer = self._connection.ask(Question(asked, "mapcache_endpoint", "v2", {kind: query}))
        return _part(answer, kind, asked, refused=_passing_error)

    def _scrubbed(self, answer: object, asked: str) -> dict[str, Any]:
        return scrub(_mapping(answer, asked), self._privacy)


def _mapping(answer: object, asked: str) -> Mapping[str, Any]:
    if isinstance(answer, Mapping):
        return answer
    raise unusable_answer(asked, "the whole: should be an object")


def _part(answer: object, key: str, asked: str, *, refused: Callable[[str], Exception]) -> Mapping[str, Any]:
    """The part of an answer that was asked for; ChargePoint also puts errors into answers of status 200."""
    whole = _mapping(answer, asked)
    if key not in whole:
        raise unusable_answer(asked, f"{key}: field required")
    part = _mapping(whole[key] or {}, asked)
    if "error" in part or "error_message" in part:
        raise refused(asked)
    return part


def _no_details(asked: str) -> NotFoundError:
    return NotFoundError(f"ChargePoint has no details of {asked}", kept=_KEPT, remedy="Try again later")


def _passing_error(asked: str) -> TransientError:
    return TransientError(
        f"ChargePoint answered with an error for {asked}", kept=_KEPT, remedy="Try again later"
    )
