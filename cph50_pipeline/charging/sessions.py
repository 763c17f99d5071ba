"""From answers to sessions: typed, sorted, their ends set right, what is doubtful flagged.

The answers themselves stay as they were (`activity.py`); how energy is split in time stands in `counter.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from cph50_pipeline.charging.activity import ActivityMonth, StoredSession, as_of_ms
from cph50_pipeline.charging.answers import SessionAnswer, UpdatePoint
from cph50_pipeline.charging.fields import rounded
from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.civil_time import from_epoch_ms

FLAGS: Mapping[str, str] = {
    "counter_reset": "the curve's energy counter fell at some point",
    "end_assumed": "ChargePoint gave no end, but forgot the session or began another on its charger",
    "end_corrected": "the answered end contradicted the time plugged in by more than five minutes",
    "end_overlaps_next": "the answered end lay after the next session's start on the same charger",
    "idle": "plugged in for an hour or more, drawing power for at most a fifth of it",
    "late_curve": "the curve's first point already counts more than 0.1 kWh",
    "no_curve": "no point of a curve carries energy",
    "no_power": "the curve never shows power, though energy was drawn",
    "swap": "follows within 15 minutes on sessions of another car",
    "tiny": "ended with less than 1 kWh",
}
"""Every flag a session can carry, with what it means."""

END_TOLERANCE = timedelta(minutes=5)
TINY_KWH = 1.0
LATE_CURVE_KWH = 0.1
IDLE_SHARE = 0.2
IDLE_AFTER_SECONDS = 3600

Charger = tuple[bool, str | None]


def read_sessions(month: ActivityMonth, following: ActivityMonth | None = None) -> list[Session]:
    """The month's sessions, sorted by start and id, with their ends set right.

    Args:
        month: The month as answered.
        following: The month after, whose first sessions may show that one of this month's ends is wrong.
    """
    sessions = [_typed(key, stored) for key, stored in month.sessions.items()]
    after = [_typed(key, stored) for key, stored in following.sessions.items()] if following else []
    starts = _starts_by_charger([*sessions, *after])
    settled = [_before_next(session, starts[_charger(session)]) for session in sessions]
    flagged = [
        replace(session, flags=tuple(sorted({*session.flags, *_doubts(session)}))) for session in settled
    ]
    return sorted(flagged, key=lambda session: (session.start, session.session_id))


def _typed(session_id: str, stored: StoredSession) -> Session:
    """One session from its answers: the fuller one first, the other where that one is silent."""
    answers = stored.answers
    best = answers[0]
    start = from_epoch_ms(best.start_time)
    plugged_in = _first(answers, "session_time")
    charging = _first(answers, "charging_time")
    home = _first(answers, "is_home_charger")
    reported_end = _instant(_first(answers, "end_time"))
    last_update = _last_update(answers)
    end = _plausible_end(start, reported_end, plugged_in) if stored.has_ended else None
    flags = ("end_corrected",) if end != reported_end and stored.has_ended else ()
    if stored.gone:
        end, flags = last_update or start, ("end_assumed",)
    return Session(
        session_id=session_id,
        start=start,
        end=end,
        reported_end=reported_end,
        energy_kwh=max(0.0, best.energy_kwh),
        plugged_in_seconds=None if plugged_in is None else plugged_in / 1000,
        charging_seconds=None if charging is None else charging / 1000,
        cost=_first(answers, "total_amount"),
        power_kw=_first(answers, "power_kw"),
        is_home=home is None or bool(home),
        charger_label=next((answer.charger_label for answer in answers if answer.charger_label), None),
        curve=_curve(stored.status.update_data if stored.status else []),
        last_update=last_update,
        flags=flags,
    )


def _first(answers: Sequence[SessionAnswer], field: str) -> float | None:
    """The first answered number; ChargePoint leaves some out of one answer and not of the other."""
    values = (getattr(answer, field) for answer in answers)
    return next((value for value in values if value is not None), None)


def _instant(milliseconds: float | None) -> datetime | None:
    return None if milliseconds is None else from_epoch_ms(milliseconds)


def _last_update(answers: Sequence[SessionAnswer]) -> datetime | None:
    spoken_of = max(as_of_ms(answer) for answer in answers)
    return from_epoch_ms(spoken_of) if spoken_of > max(answer.start_time for answer in answers) else None


def _curve(points: Sequence[UpdatePoint]) -> tuple[Reading, ...]:
    readings = [
        Reading(
            at=from_epoch_ms(point.timestamp),
            energy_kwh=rounded(point.energy_kwh),
            power_kw=rounded(point.power_kw),
            origin="curve",
        )
        for point in points
    ]
    return tuple(sorted(readings, key=lambda reading: (reading.at, reading.energy_kwh or 0.0)))


def _plausible_end(
    start: datetime, reported: datetime | None, plugged_in_ms: float | None
) -> datetime | None:
    """The end that agrees with the time plugged in: of the two it is the end that ChargePoint gets wrong."""
    if reported is None:
        return None
    if plugged_in_ms is None or plugged_in_ms < 0:
        return max(reported, start)
    expected = start + timedelta(milliseconds=plugged_in_ms)
    return expected if abs(reported - expected) > END_TOLERANCE else max(reported, start)


def _charger(session: Session) -> Charger:
    return session.is_home, session.charger_label


def _starts_by_charger(sessions: Sequence[Session]) -> Mapping[Charger, list[datetime]]:
    starts: dict[Charger, list[datetime]] = defaultdict(list)
    for session in sessions:
        starts[_charger(session)].append(session.start)
    for charger_starts in starts.values():
        charger_starts.sort()
    return starts


def _before_next(session: Session, starts: Sequence[datetime]) -> Session:
    """The session, over before the next one begins: a charger has one plug.

    Public stations without a label cannot be told apart, so nothing is concluded about them.
    """
    later = bisect_right(starts, session.start)
    if later == len(starts) or (not session.is_home and session.charger_label is None):
        return session
    next_start = starts[later]
    if session.end is None:
        end = min(session.last_update or next_start, next_start)
        return replace(session, end=end, flags=(*session.flags, "end_assumed"))
    if session.end > next_start:
        return replace(session, end=next_start, flags=(*session.flags, "end_overlaps_next"))
    return session


def _doubts(session: Session) -> set[str]:
    """What to know before trusting the session's course; its energy is ChargePoint's in any case."""
    found = set()
    counts = [reading.energy_kwh for reading in session.curve if reading.energy_kwh is not None]
    if not counts:
        found.add("no_curve")
    else:
        if counts[0] > LATE_CURVE_KWH:
            found.add("late_curve")
        if any(after < before for before, after in pairwise(counts)):
            found.add("counter_reset")
        if session.energy_kwh >= TINY_KWH and not any(reading.power_kw for reading in session.curve):
            found.add("no_power")
    if not session.is_open:
        found |= _small_uses(session)
    return found


def _small_uses(session: Session) -> set[str]:
    found = {"tiny"} if session.energy_kwh < TINY_KWH else set()
    plugged_in, charging = session.plugged_in_seconds, session.charging_seconds
    if plugged_in is not None and charging is not None and plugged_in >= IDLE_AFTER_SECONDS:
        found |= {"idle"} if charging <= IDLE_SHARE * plugged_in else set()
    return found
