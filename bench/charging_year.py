"""Sessions of a simulated household as they happen, in its data root: each collected, then completed.

Works on files by the rules that the assets use, without Dagster, so that a year takes minutes. What is written is made
of what the simulator answers at the time.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bench.homes import ZONE
from cph50_pipeline.charging.activity import merge
from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus, read_answer, read_session
from cph50_pipeline.charging.cache import cache_record
from cph50_pipeline.charging.collection import add_sample, collection_path, new_record
from cph50_pipeline.charging.model import Attribution, Reading
from cph50_pipeline.charging.privacy import PUBLIC, scrub
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.charging.slots import charging_slots
from cph50_pipeline.civil_time import month_of
from cph50_pipeline.defs.attribution import classify_months
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, CLASSIFICATIONS, SAMPLES, SLOTS
from cph50_pipeline.defs.sensors import SESSION_ID_FILE
from cph50_pipeline.defs.store import STATE_FILE, Store
from cph50_pipeline.simulator.answers import HouseholdAnswers
from cph50_pipeline.simulator.sessions import PlannedSession

SEEN_AFTER = timedelta(seconds=45)
SAMPLES_TAKEN = 30
SAMPLE_SECONDS = 10.0
LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Moment:
    """When a session is collected or completed.

    Attributes:
        begins: Whether it is collected.
    """

    at: datetime
    session: PlannedSession
    begins: bool


def moments(sessions: list[PlannedSession]) -> list[Moment]:
    """When each session is collected and completed, in order of time."""
    return sorted(_moments(sessions), key=lambda moment: moment.at)


def _moments(sessions: list[PlannedSession]) -> Iterator[Moment]:
    for session in sessions:
        yield Moment((session.start + SEEN_AFTER).astimezone(UTC), session, True)
        yield Moment((session.reported_end + SEEN_AFTER).astimezone(UTC), session, False)


@dataclass(frozen=True)
class ChargingYear:
    """What runs for sessions write."""

    store: Store
    answers: HouseholdAnswers

    def write(self, moment: Moment) -> None:
        """Write what the run for a session writes."""
        if moment.begins:
            self._sample(moment.session, moment.at)
        self._write_state(moment)
        self._write_month(moment.session, moment.at)

    def write_past(self, month: str, sessions: Sequence[PlannedSession], at: datetime) -> None:
        """Write what is stored of a month of sessions that are over, as far as power is concerned."""
        answers = [self._session(str(session.session_id), at) for session in sessions]
        self.store.write_months(ACTIVITY, {month: merge(self.store.activity(month), [], answers, ZONE)})
        stored = self.store.sessions(month)
        samples = {one.session_id: distinct_readings(one, self.store.collection(one)) for one in stored}
        self.store.write_months(SAMPLES, {month: samples})

    def write_named(self, month: str, sessions: Sequence[PlannedSession], at: datetime) -> None:
        """Write all that is stored of a month of sessions that are over, each named as the car that it truly was."""
        self.write_past(month, sessions, at)
        cars = {str(session.session_id): Attribution(session.car.vehicle_id, 0.9) for session in sessions}
        self._write_named(month, cars, self.store.need_month(SAMPLES, month))

    def _session(self, session_id: str, at: datetime) -> ChargingStatus:
        """What the client would give for a session at an instant."""
        answer = self.answers.charging_status(int(session_id), at)
        assert answer is not None
        return read_answer(ChargingStatus, scrub(answer, PUBLIC), session_id)

    def _rows(self, at: datetime) -> list[ActivityRow]:
        """The newest rows of the monthly activity, which the weekly refresh brings."""
        months = self.answers.activity(10, None, at)["month_info"]
        return [
            read_session(ActivityRow, scrub(row, PUBLIC)) for month in months for row in month["sessions"]
        ]

    def _sample(self, session: PlannedSession, at: datetime) -> None:
        session_id = str(session.session_id)
        record = new_record(session_id, session.start, at, SAMPLE_SECONDS)
        for number in range(SAMPLES_TAKEN):
            moment = at + timedelta(seconds=number * SAMPLE_SECONDS)
            record = add_sample(record, self._session(session_id, moment), moment, ZONE)
        self.store.write_collection(collection_path(session_id, session.start, ZONE), record)

    def _write_state(self, moment: Moment) -> None:
        stamp = moment.at.isoformat()
        self.store.write_document(
            SESSION_ID_FILE, {"session_id": str(moment.session.session_id), "timestamp": stamp}
        )
        self.store.write_document(
            STATE_FILE, {"timestamp": stamp, "connected": moment.begins, "charging": moment.begins}
        )

    def _write_month(self, session: PlannedSession, at: datetime) -> None:
        month, store = month_of(session.start, ZONE), self.store
        status = self._session(str(session.session_id), at + timedelta(minutes=6))
        activity = merge(store.activity(month), self._rows(at), [status], ZONE)
        store.write_months(ACTIVITY, {month: activity})
        sessions = store.sessions(month)
        samples = {one.session_id: distinct_readings(one, store.collection(one)) for one in sessions}
        store.write_months(SAMPLES, {month: samples})
        classified = classify_months(store, [month], {month: samples}, LOG)[month]
        store.write_months(CLASSIFICATIONS, {month: classified})
        cars = {one.session_id: Attribution(one.vehicle_id, one.confidence) for one in classified}
        self._write_named(month, cars, samples)

    def _write_named(
        self, month: str, cars: Mapping[str, Attribution], samples: Mapping[str, Sequence[Reading]]
    ) -> None:
        """Write what is made of a month's sessions once it is known whose they were."""
        store = self.store
        activity, sessions = store.activity(month), store.sessions(month)
        slots = {
            one.session_id: charging_slots(one, samples[one.session_id], cars[one.session_id].vehicle_id)
            for one in sessions
        }
        store.write_months(SLOTS, {month: [slot for each in slots.values() for slot in each]})
        cards = store.vehicles().cards()
        records = [
            cache_record(one, activity.sessions[id_], cars[id_], slots[id_], cards, samples[id_])
            for one in sessions
            for id_ in [one.session_id]
        ]
        store.write_months(CACHE, {month: records})
