"""The month's answers as they are stored, and how a new answer meets an old one.

Here lives what was answered (`chargepoint_activity/YYYY-MM.json`) and which of two answers says more. What
the answers mean (ends set right, flags) lives in `sessions.py`; how they are fetched, in `sources/`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus, SessionAnswer
from cph50_pipeline.charging.fields import read_document
from cph50_pipeline.civil_time import from_epoch_ms, month_of, parse_month
from cph50_pipeline.errors import BadInputError

ENERGY_RESOLUTION_KWH = 1e-6

Stored = TypeVar("Stored", ActivityRow, ChargingStatus)


def _month(text: str) -> str:
    try:
        return parse_month(text)
    except BadInputError as error:
        raise ValueError(error.message) from error


class StoredSession(BaseModel):
    """What is known of one session: its row in the activity, its status with the curve, or both.

    Attributes:
        gone: ChargePoint has forgotten the session, and no answer of it told its end.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True)

    activity: ActivityRow | None = None
    status: ChargingStatus | None = None
    gone: bool = False

    @model_validator(mode="after")
    def _holds_an_answer(self) -> StoredSession:
        if self.activity is None and self.status is None:
            raise ValueError("holds neither activity nor status")
        return self

    @property
    def answers(self) -> tuple[SessionAnswer, ...]:
        """The answers at hand, the one that says more first; the status where both say the same."""
        known = [answer for answer in (self.status, self.activity) if answer is not None]
        return tuple(sorted(known, key=_progress, reverse=True))

    @property
    def has_ended(self) -> bool:
        """Whether any answer calls the session over, or none will ever do."""
        return self.gone or any(answer.has_ended for answer in self.answers)

    def document(self) -> dict[str, Any]:
        """Both answers as answered, fit for JSON."""
        answers = {
            "activity": self.activity.as_answered() if self.activity else None,
            "status": self.status.as_answered() if self.status else None,
        }
        return {**answers, "gone": True} if self.gone else answers


class ActivityMonth(BaseModel):
    """A month's sessions by id, as answered.

    Attributes:
        month: The month key; a session belongs to the month of its local start.
        closed: Whether the month is final, so that it is no longer polled. Fuller answers still replace.
        sessions: By session id.
    """

    model_config = ConfigDict(defer_build=True, frozen=True)

    month: Annotated[str, AfterValidator(_month)]
    closed: bool = False
    sessions: dict[str, StoredSession] = {}

    @model_validator(mode="after")
    def _keyed_by_their_ids(self) -> ActivityMonth:
        for session_id, stored in self.sessions.items():
            wrong = {answer.session_id for answer in stored.answers} - {session_id}
            if wrong:
                raise ValueError(f"session {session_id} holds an answer of session {min(wrong)}")
        return self

    @classmethod
    def read(cls, document: object, name: str) -> ActivityMonth:
        """Read a stored month; `name` is the file's, for the error.

        Raises:
            BadInputError: naming the file, the session and the field.
        """
        return read_document(cls, document, name)

    def document(self) -> dict[str, Any]:
        """The month fit for JSON: sessions sorted by id, answers as answered, no run time."""
        return {
            "month": self.month,
            "closed": self.closed,
            "sessions": {key: self.sessions[key].document() for key in sorted(self.sessions)},
        }


def merge(
    month: ActivityMonth, rows: Iterable[ActivityRow], statuses: Iterable[ChargingStatus], zone: ZoneInfo
) -> ActivityMonth:
    """The month with new answers taken in.

    Answers of sessions that start in another local month are left out. A fuller answer replaces an earlier
    one, never the other way; a row and a status are judged apart. The result depends on the set of answers
    alone, not on their order or number, so that a run may be repeated or overtaken.
    """
    sessions = dict(month.sessions)
    for row in rows:
        if _starts_in(month.month, row, zone):
            known = sessions.get(row.session_id)
            activity = _fuller(known.activity if known else None, row)
            sessions[row.session_id] = _stored(known, activity, known.status if known else None)
    for status in statuses:
        if _starts_in(month.month, status, zone):
            known = sessions.get(status.session_id)
            fuller = _fuller(known.status if known else None, status)
            sessions[status.session_id] = _stored(known, known.activity if known else None, fuller)
    return ActivityMonth(month=month.month, closed=month.closed, sessions=sessions)


def _stored(
    known: StoredSession | None, activity: ActivityRow | None, status: ChargingStatus | None
) -> StoredSession:
    """A session with its answers; one given up stays so until an answer says more of it than was known."""
    is_gone = known is not None and known.gone and (activity, status) == (known.activity, known.status)
    return StoredSession(activity=activity, status=status, gone=is_gone)


def placed(months: Iterable[ActivityMonth], zone: ZoneInfo) -> dict[str, ActivityMonth]:
    """All months' answers laid out anew, each in the month in which it starts by the zone.

    A session that stands in several months is one again, with the fullest answers. A stored month that is left
    without sessions is among the result, empty. A month is closed where it was closed and so were all months
    that its sessions come from. The result does not depend on the order of the months.
    """
    stored = list(months)
    rows: dict[str, list[ActivityRow]] = defaultdict(list)
    statuses: dict[str, list[ChargingStatus]] = defaultdict(list)
    sources = {month.month: {month.month} for month in stored}
    for source in stored:
        for session in source.sessions.values():
            for answer in session.answers:
                key = month_of(from_epoch_ms(answer.start_time), zone)
                sources.setdefault(key, {key}).add(source.month)
                if isinstance(answer, ChargingStatus):
                    statuses[key].append(answer)
                elif isinstance(answer, ActivityRow):
                    rows[key].append(answer)
    closed = {month.month for month in stored if month.closed}
    merged = {
        key: merge(ActivityMonth(month=key, closed=of <= closed), rows[key], statuses[key], zone)
        for key, of in sorted(sources.items())
    }
    gone = _given_up_everywhere(stored)
    return {
        key: reduce(given_up, sorted(gone & month.sessions.keys()), month) for key, month in merged.items()
    }


def given_up(month: ActivityMonth, session_id: str) -> ActivityMonth:
    """The month with an open session given up that ChargePoint no longer knows; what it had answered stays.

    An answer that says more of the session takes it back.
    """
    stored = month.sessions[session_id]
    if stored.has_ended:
        return month
    sessions = {**month.sessions, session_id: stored.model_copy(update={"gone": True})}
    return month.model_copy(update={"sessions": sessions})


def _given_up_everywhere(months: Iterable[ActivityMonth]) -> set[str]:
    copies = [item for month in months for item in month.sessions.items()]
    return {key for key, stored in copies if stored.gone} - {key for key, stored in copies if not stored.gone}


def needs_detail(stored: StoredSession | None, row: ActivityRow) -> bool:
    """Whether a session's status is worth a request: there is none, or the row knows of more.

    Two answers that agree on the end and the energy leave nothing to learn, whatever else differs.
    """
    if stored is None or stored.status is None:
        return True
    status = stored.status
    if row.has_ended != status.has_ended:
        return row.has_ended
    if row.energy_kwh > status.energy_kwh + ENERGY_RESOLUTION_KWH:
        return True
    return not row.has_ended and as_of_ms(row) > as_of_ms(status)


def is_news(stored: StoredSession | None, row: ActivityRow) -> bool:
    """Whether a row says something that is not stored yet.

    Unlike `needs_detail` it is false for a session whose curve the source does not have.
    """
    if stored is None:
        return True
    if stored.status is not None:
        return needs_detail(stored, row)
    return stored.activity is None or says_less(stored.activity, row)


def open_sessions(month: ActivityMonth) -> list[str]:
    """The ids of sessions that no answer calls over, sorted."""
    return sorted(key for key, stored in month.sessions.items() if not stored.has_ended)


def as_of_ms(answer: SessionAnswer) -> int:
    """The latest moment (Unix ms) that an answer speaks of: its last update or its curve's last point."""
    points = answer.update_data if isinstance(answer, ChargingStatus) else []
    return max(
        [answer.start_time, answer.last_update_data_timestamp or 0, *(point.timestamp for point in points)]
    )


def says_less(answer: SessionAnswer, other: SessionAnswer) -> bool:
    """Whether `answer` is less full than `other`, an answer of the same kind."""
    return _fullness(answer) < _fullness(other)


def _starts_in(month: str, answer: SessionAnswer, zone: ZoneInfo) -> bool:
    return month_of(from_epoch_ms(answer.start_time), zone) == month


def _progress(answer: SessionAnswer) -> tuple[bool, int, float]:
    """How far a session had come when it was answered; comparable between a row and a status."""
    return answer.has_ended, as_of_ms(answer), answer.energy_kwh


def _fullness(answer: SessionAnswer) -> tuple[bool, int, float, int, int]:
    """How much an answer says: ended, last update, energy, points of its curve, known fields that are given."""
    points = len(answer.update_data) if isinstance(answer, ChargingStatus) else 0
    given = sum(getattr(answer, name) is not None for name in type(answer).model_fields)
    return *_progress(answer), points, given


def _fuller(known: Stored | None, new: Stored) -> Stored:
    if known is None or known == new:
        return new
    before, after = _fullness(known), _fullness(new)
    if before == after:
        return min(known, new, key=_revealing)
    return new if after > before else known


def _revealing(answer: SessionAnswer) -> tuple[int, str]:
    """Decides between answers that say the same, whatever their order: the one with fewer other values.

    So what was stored before a household chose public privacy gives way to its scrubbed answer.
    """
    return _values(answer.model_extra), json.dumps(answer.as_answered(), sort_keys=True)


def _values(document: object) -> int:
    if isinstance(document, Mapping):
        return sum(_values(value) for value in document.values())
    if isinstance(document, list):
        return sum(_values(value) for value in document)
    return 0 if document is None else 1
