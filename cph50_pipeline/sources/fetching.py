"""What to ask ChargePoint for, and how little of it: months, one session and its charger, a sampling window.

Works on any `ChargerSource`. Merging what was answered into what is stored is `charging.activity`; writing is the
caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.activity import ActivityMonth, needs_detail
from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus
from cph50_pipeline.charging.collection import CollectionRecord, add_missed_sample, add_sample, is_complete
from cph50_pipeline.charging.privacy import charger_label
from cph50_pipeline.civil_time import from_epoch_ms, month_bounds, month_of
from cph50_pipeline.errors import BadInputError, Cph50Error, NotFoundError, TransientError
from cph50_pipeline.sources.charger_source import ChargerSource


@dataclass
class Answers:
    """What the source answered.

    Attributes:
        rows: Sessions of the monthly activity.
        statuses: Sessions with their curves.
        without_curve: Ids of sessions whose curve the source no longer has.
        unusable: What was wrong with answers that could not be used; their sessions go on without a curve.
        interrupted: The failure that ended the fetch early; what came before it is good and is kept.
    """

    rows: list[ActivityRow] = field(default_factory=list)
    statuses: list[ChargingStatus] = field(default_factory=list)
    without_curve: list[str] = field(default_factory=list)
    unusable: list[BadInputError] = field(default_factory=list)
    interrupted: Cph50Error | None = None


def fetch_months(source: ChargerSource, stored: Mapping[str, ActivityMonth], zone: ZoneInfo) -> Answers:
    """The sessions of the months in `stored`, and the curves that are missing or have grown since.

    Raises:
        Cph50Error: the list of sessions could not be read; nothing was answered.
    """
    answers = Answers()
    if not stored:
        return answers
    since, _ = month_bounds(min(stored), zone)
    for row in source.activity(since):
        month = stored.get(month_of(from_epoch_ms(row.start_time), zone))
        if month is None:
            continue
        answers.rows.append(row)
        if answers.interrupted is None and needs_detail(month.sessions.get(row.session_id), row):
            _fetch_detail(source, row.session_id, answers)
    return answers


def fetch_session(source: ChargerSource, session_id: str) -> Answers:
    """One session with its curve.

    Raises:
        Cph50Error: it could not be read.
    """
    return Answers(statuses=[source.session(session_id)])


def fetch_amperage_limit(source: ChargerSource, status: ChargingStatus) -> float | None:
    """The limit (A) in force at the charger of a session; None when it cannot be told.

    Raises:
        Cph50Error: the charger could not be asked.
    """
    if status.is_home_charger is False:
        return None
    charger_id = charger_of_session(source.chargers(), status)
    limit = None if charger_id is None else source.charger_status(charger_id).amperage_limit
    return limit if limit is not None and limit > 0 else None


def charger_of_session(charger_ids: Sequence[str], status: ChargingStatus) -> str | None:
    """Which of the household's chargers a session runs on; None when it cannot be told."""
    if status.charger_label is None:
        return charger_ids[0] if len(charger_ids) == 1 else None
    fitting = [id_ for id_ in charger_ids if charger_label(id_) == status.charger_label]
    return fitting[0] if len(fitting) == 1 else None


def _fetch_detail(source: ChargerSource, session_id: str, answers: Answers) -> None:
    try:
        answers.statuses.append(source.session(session_id))
    except NotFoundError:
        answers.without_curve.append(session_id)
    except BadInputError as error:
        answers.unusable.append(error)
    except Cph50Error as error:
        answers.interrupted = error


@dataclass(frozen=True)
class SamplingWindow:
    """How a session is sampled: `count` samples, `interval_seconds` apart, on these clocks."""

    count: int
    interval_seconds: float
    zone: ZoneInfo
    now: Callable[[], datetime]
    sleep: Callable[[float], None]


def sample_session(
    source: ChargerSource,
    first: ChargingStatus,
    record: CollectionRecord,
    window: SamplingWindow,
    save: Callable[[CollectionRecord], CollectionRecord],
) -> CollectionRecord:
    """Sample a session until the window is full or the session ends; saves after every sample.

    A window that was interrupted goes on where its record stops. A sample that fails for a passing reason is
    recorded as missed.

    Args:
        source: Where the session is read.
        first: The session's latest answer, which becomes the first sample.
        record: What has been sampled so far.
        window: How many samples and how far apart.
        save: Writes the record; sampling goes on with what it gives back.

    Raises:
        Cph50Error: the session cannot be read any more; what was sampled is saved.
    """
    status: ChargingStatus | None = first
    due = window.now().timestamp()
    while not is_complete(record, window.count):
        if status is None:
            record, status = _take(source, first.session_id, record, window)
        if status is not None:
            record = add_sample(record, status, window.now(), window.zone)
        record = save(record)
        if status is not None and status.has_ended:
            break
        status = None
        due += window.interval_seconds
        if not is_complete(record, window.count):
            window.sleep(max(0.0, due - window.now().timestamp()))
    return record


def _take(
    source: ChargerSource, session_id: str, record: CollectionRecord, window: SamplingWindow
) -> tuple[CollectionRecord, ChargingStatus | None]:
    try:
        return record, source.session(session_id)
    except TransientError as error:
        return add_missed_sample(record, window.now(), error.message, window.zone), None
