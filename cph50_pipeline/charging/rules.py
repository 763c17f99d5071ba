"""What must be true of a month before its files are swapped in.

Every rule returns violations rather than raising, so that one check can report all of them. What happens then
(the good file stays, the run fails, a check reports) is decided by the caller.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.activity import ActivityMonth, StoredSession, says_less
from cph50_pipeline.charging.answers import SessionAnswer
from cph50_pipeline.charging.cache import CacheRecord
from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.charging.samples import COUNTER_TOLERANCE_KWH
from cph50_pipeline.charging.slots import ChargingSlot
from cph50_pipeline.civil_time import SLOT, from_epoch_ms, month_of

ENERGY_TOLERANCE_KWH = 1e-6
COST_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that does not hold.

    Attributes:
        rule: Short name of the rule, for grouping.
        month: The month key.
        subject: What it is about, usually a session id.
        message: What a person reads; names month and session.
    """

    rule: str
    month: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class _Judge:
    month: str

    def finds(self, rule: str, session_id: str, what: str) -> Violation:
        return Violation(rule, self.month, session_id, f"{self.month}: session {session_id}: {what}")


def activity_violations(
    month: ActivityMonth, previous: ActivityMonth | None, zone: ZoneInfo
) -> list[Violation]:
    """Sessions lie in their month by local start, count no negative energy, and none is lost or says less."""
    judge = _Judge(month.month)
    found = [
        violation
        for stored in month.sessions.values()
        for answer in stored.answers
        for violation in _answer_violations(judge, answer, zone)
    ]
    for session_id, before in (previous.sessions if previous else {}).items():
        found += _losses(judge, session_id, before, month.sessions.get(session_id))
    return _ordered(found)


def sample_violations(
    month: str, readings: Mapping[str, Sequence[Reading]], sessions: Iterable[Session]
) -> list[Violation]:
    """Readings belong to a session of the month, are distinct, in order of time, and within its energy."""
    judge = _Judge(month)
    known = {session.session_id: session for session in sessions}
    found = [_stranger(judge, session_id) for session_id in readings if session_id not in known]
    for session_id, session in known.items():
        found += _reading_violations(judge, session, readings.get(session_id, ()))
    return _ordered(found)


def attribution_violations(
    session_ids: Iterable[str], sessions: Iterable[Session], *, month: str
) -> list[Violation]:
    """Every session of the month is attributed, once, and no other is."""
    judge = _Judge(month)
    counts = Counter(session_ids)
    known = {session.session_id for session in sessions}
    found = [_stranger(judge, session_id) for session_id in counts.keys() - known]
    found += [
        judge.finds("none_lost", session_id, "is not attributed") for session_id in known - counts.keys()
    ]
    found += [
        judge.finds("unique_ids", session_id, f"is attributed {count} times")
        for session_id, count in counts.items()
        if count > 1
    ]
    return _ordered(found)


def slot_violations(
    slots: Iterable[ChargingSlot], sessions: Iterable[Session], *, month: str
) -> list[Violation]:
    """Slots are unique, on the quarter hour, never negative, and sum to each session's energy and cost."""
    judge = _Judge(month)
    by_session: dict[str, list[ChargingSlot]] = defaultdict(list)
    for slot in slots:
        by_session[slot.session_id].append(slot)
    known = {session.session_id: session for session in sessions}
    found = [_stranger(judge, session_id) for session_id in by_session if session_id not in known]
    for session_id, session in known.items():
        found += _slot_sums(judge, session, by_session[session_id])
        found += _slot_shapes(judge, session_id, by_session[session_id])
    return _ordered(found)


def cache_violations(
    records: Sequence[CacheRecord],
    sessions: Iterable[Session],
    previous_records: Iterable[CacheRecord],
    zone: ZoneInfo,
    *,
    month: str,
) -> list[Violation]:
    """Records are one a session, in their month, of its energy, end after they start, and none is lost.

    A previous record that starts in another month by the zone is not lost: it cannot stay.
    """
    judge = _Judge(month)
    known = {session.session_id: session for session in sessions}
    counts = Counter(record.session_id for record in records)
    found = [
        judge.finds("unique_ids", session_id, f"stands {count} times in the cache")
        for session_id, count in counts.items()
        if count > 1
    ]
    found += [_stranger(judge, session_id) for session_id in counts if session_id not in known]
    before = {r.session_id for r in previous_records if month_of(r.session_start_time, zone) == month}
    missing = (known.keys() | before) - counts.keys()
    found += [judge.finds("none_lost", session_id, "is missing from the cache") for session_id in missing]
    for record in records:
        found += _record_violations(judge, record, known.get(record.session_id), zone)
    return _ordered(found)


def _answer_violations(judge: _Judge, answer: SessionAnswer, zone: ZoneInfo) -> list[Violation]:
    found = _month_violations(judge, answer.session_id, from_epoch_ms(answer.start_time), zone)
    if answer.energy_kwh < 0:
        what = f"counts a negative energy ({answer.energy_kwh} kWh)"
        found.append(judge.finds("no_negative_energy", answer.session_id, what))
    return found


def _month_violations(judge: _Judge, session_id: str, start: datetime, zone: ZoneInfo) -> list[Violation]:
    month = month_of(start, zone)
    if month == judge.month:
        return []
    return [judge.finds("inside_month", session_id, f"starts in {month} by {zone.key}")]


def _losses(
    judge: _Judge, session_id: str, before: StoredSession, after: StoredSession | None
) -> list[Violation]:
    if after is None:
        return [judge.finds("none_lost", session_id, "was stored before and is missing now")]
    found = []
    pairs = (("activity", before.activity, after.activity), ("status", before.status, after.status))
    for name, old, new in pairs:
        if old is not None and (new is None or says_less(new, old)):
            found.append(
                judge.finds("none_lost", session_id, f"its {name} says less than the one stored before")
            )
    return found


def _stranger(judge: _Judge, session_id: str) -> Violation:
    return judge.finds("known_session", session_id, "is not among the month's sessions")


def _reading_violations(judge: _Judge, session: Session, readings: Sequence[Reading]) -> list[Violation]:
    found = []
    keys = [(reading.at, reading.energy_kwh, reading.power_kw) for reading in readings]
    if len(set(keys)) < len(keys):
        found.append(judge.finds("unique_readings", session.session_id, "holds the same reading twice"))
    if any(later.at < earlier.at for earlier, later in pairwise(readings)):
        found.append(judge.finds("in_order", session.session_id, "its readings are not in order of time"))
    counts = [reading.energy_kwh for reading in readings if reading.energy_kwh is not None]
    if any(count < -COUNTER_TOLERANCE_KWH for count in counts):
        found.append(judge.finds("no_negative_energy", session.session_id, "a reading counts below zero"))
    if not session.is_open and counts and counts[-1] > session.energy_kwh + COUNTER_TOLERANCE_KWH:
        what = f"its last reading counts {counts[-1]} kWh, the session {session.energy_kwh}"
        found.append(judge.finds("energy_conserved", session.session_id, what))
    return found


def _slot_sums(judge: _Judge, session: Session, slots: Sequence[ChargingSlot]) -> list[Violation]:
    found = []
    energy_kwh = sum(slot.energy_kwh for slot in slots)
    if not slots or abs(energy_kwh - session.energy_kwh) > ENERGY_TOLERANCE_KWH:
        what = f"its slots sum to {energy_kwh:.6f} kWh, the session counts {session.energy_kwh:.6f}"
        found.append(judge.finds("energy_conserved", session.session_id, what))
    costs = [slot.cost for slot in slots if slot.cost is not None]
    if session.cost is not None and abs(sum(costs) - session.cost) > COST_TOLERANCE:
        what = f"its slots cost {sum(costs):.6f}, the session {session.cost:.6f}"
        found.append(judge.finds("cost_conserved", session.session_id, what))
    return found


def _slot_shapes(judge: _Judge, session_id: str, slots: Sequence[ChargingSlot]) -> list[Violation]:
    found = []
    starts = [slot.slot_start for slot in slots]
    if len(set(starts)) < len(starts):
        found.append(judge.finds("unique_slots", session_id, "has a slot twice"))
    if any(start.timestamp() % SLOT.total_seconds() for start in starts):
        found.append(judge.finds("on_the_quarter_hour", session_id, "has a slot off the quarter hour"))
    if any(slot.energy_kwh < 0 for slot in slots):
        found.append(judge.finds("no_negative_energy", session_id, "has a slot of negative energy"))
    if any(not 0 <= slot.coverage <= 1 for slot in slots):
        found.append(judge.finds("coverage_is_a_share", session_id, "has a coverage outside 0 to 1"))
    return found


def _record_violations(
    judge: _Judge, record: CacheRecord, session: Session | None, zone: ZoneInfo
) -> list[Violation]:
    session_id = record.session_id
    found = _month_violations(judge, session_id, record.session_start_time, zone)
    if record.session_end_time is not None and record.session_end_time < record.session_start_time:
        found.append(judge.finds("in_order", session_id, "ends before it starts"))
    energies = (record.energy_kwh, record.session.energy_kwh)
    if min(energies) < 0:
        found.append(judge.finds("no_negative_energy", session_id, "counts a negative energy"))
    if session and any(abs(energy - session.energy_kwh) > ENERGY_TOLERANCE_KWH for energy in energies):
        what = f"the cache counts {record.energy_kwh} kWh, the session {session.energy_kwh}"
        found.append(judge.finds("energy_conserved", session_id, what))
    return found


def _ordered(found: Iterable[Violation]) -> list[Violation]:
    return sorted(found, key=lambda violation: (violation.subject, violation.rule, violation.message))
