"""How much a year of charging adds to the data repository: each session collected, completed, committed twice.

Works on files and publisher directly, without Dagster, so that a year takes minutes. What is written is made by the
rules that the assets use, of what the simulator answers at the time.
"""

from __future__ import annotations

import logging
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from uuid import UUID

from bench.homes import ZONE, current_month, git
from bench.row import Effort, Row
from cph50_pipeline.charging.activity import merge
from cph50_pipeline.charging.answers import ActivityRow, ChargingStatus, read_answer, read_session
from cph50_pipeline.charging.cache import cache_record
from cph50_pipeline.charging.collection import add_sample, collection_path, new_record
from cph50_pipeline.charging.model import Attribution
from cph50_pipeline.charging.privacy import PUBLIC, scrub
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.charging.slots import charging_slots
from cph50_pipeline.civil_time import month_bounds, month_of, shift_month
from cph50_pipeline.defs.attribution import classify_months
from cph50_pipeline.defs.month_files import ACTIVITY, CACHE, CLASSIFICATIONS, SAMPLES, SLOTS
from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.reference_files import ensure_reference_files
from cph50_pipeline.defs.run_log import KEPT_RUNS, RUNS_FILE
from cph50_pipeline.defs.sensors import SESSION_ID_FILE, STATE_FILE
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.simulator.answers import HouseholdAnswers
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.plug_ins import LiveHousehold, PlugInBook
from cph50_pipeline.simulator.sessions import PlannedSession
from cph50_pipeline.storage.messages import RunInfo

BUDGET_MB = 15.0
SESSIONS_A_YEAR = 365
QUICK_MONTHS = 3
SEEN_AFTER = timedelta(seconds=45)
SAMPLES_TAKEN = 30
SAMPLE_SECONDS = 10.0
LOG = logging.getLogger(__name__)


def measure(effort: Effort) -> Row:
    """The repository after a year of sessions, after git's own tidying, for one session a day."""
    months = QUICK_MONTHS if effort.quick else 12
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as folder:
        year = _Year(Path(folder) / "data", shift_month(current_month(), -months))
        sessions = year.live(months)
        git(year.data, "gc", "--quiet")
        size_mb = _size_mb(year.data / ".git")
        commits = int(git(year.data, "rev-list", "--count", "HEAD"))
    a_year_mb = size_mb * SESSIONS_A_YEAR / sessions
    return Row(
        "growth", a_year_mb, BUDGET_MB, "MB a year", "the whole budget, which a reading a minute shares later",
        f"{size_mb:.2f} MB after {sessions} sessions in {months} months, {commits} commits",
    )  # fmt: skip


@dataclass
class _Year:
    """A household whose sessions are collected as they happen.

    Attributes:
        data: The data root.
        first_month: Of the household's history.
    """

    data: Path
    first_month: str
    runs: deque[dict[str, str]] = field(default_factory=lambda: deque(maxlen=KEPT_RUNS))

    def __post_init__(self) -> None:
        year, month = map(int, self.first_month.split("-"))
        plan = Household(Settings().simulator_seed, ZONE, history_start=date(year, month, 1))
        self.plan = plan
        self.answers = HouseholdAnswers(LiveHousehold(plan, PlugInBook()))
        self.settings = Settings(data_dir=str(self.data), publish=PublishMode.LOCAL, publish_delay_minutes=0)
        self.store = Store.of(self.settings)
        self.ids = Random(0)
        ensure_reference_files(self.store)

    def live(self, months: int) -> int:
        """Let the sessions of so many months happen; returns how many there were."""
        start, _ = month_bounds(self.first_month, ZONE)
        end, _ = month_bounds(shift_month(self.first_month, months), ZONE)
        sessions = self.plan.sessions_between(start, end)
        for at, session, begins in sorted(_events(sessions), key=lambda event: event[0]):
            if begins:
                self._sample(session, at)
            self._write_state(session, at, begins)
            self._write_month(session, at)
            self._commit(session, at)
        return len(sessions)

    def session(self, session_id: str, at: datetime) -> ChargingStatus:
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
            record = add_sample(record, self.session(session_id, moment), moment, ZONE)
        self.store.write_collection(collection_path(session_id, session.start, ZONE), record)

    def _write_state(self, session: PlannedSession, at: datetime, begins: bool) -> None:
        stamp = at.isoformat()
        self.store.write_document(
            SESSION_ID_FILE, {"session_id": str(session.session_id), "timestamp": stamp}
        )
        self.store.write_document(STATE_FILE, {"timestamp": stamp, "connected": begins, "charging": begins})

    def _write_month(self, session: PlannedSession, at: datetime) -> None:
        month, store = month_of(session.start, ZONE), self.store
        status = self.session(str(session.session_id), at + timedelta(minutes=6))
        activity = merge(store.activity(month), self._rows(at), [status], ZONE)
        store.write_months(ACTIVITY, {month: activity})
        sessions = store.sessions(month)
        samples = {one.session_id: distinct_readings(one, store.collection(one)) for one in sessions}
        store.write_months(SAMPLES, {month: samples})
        classified = classify_months(store, [month], {month: samples}, LOG)[month]
        store.write_months(CLASSIFICATIONS, {month: classified})
        cars = {one.session_id: Attribution(one.vehicle_id, one.confidence) for one in classified}
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

    def _commit(self, session: PlannedSession, at: datetime) -> None:
        run_id = str(UUID(int=self.ids.getrandbits(128), version=4))
        self.store.write_document(RUNS_FILE, {"runs": list(self.runs)})
        reason = f"session_job {month_of(session.start, ZONE)} session {session.session_id}"
        publisher_of(self.settings, self.store).commit(RunInfo(run_id, "session_job", reason), at)
        self.runs.appendleft(
            {
                "run_id": run_id,
                "date": f"{at:%Y-%m-%d}",
                "time_utc": f"{at:%H:%M:%S}",
                "time_pt": f"{at.astimezone(ZONE):%H:%M:%S}",
                "result": "success",
                "reason": reason,
                "run_type": "sensor",
            }
        )


def _events(sessions: list[PlannedSession]) -> Iterator[tuple[datetime, PlannedSession, bool]]:
    """When a session is collected and completed; whether it begins."""
    for session in sessions:
        yield (session.start + SEEN_AFTER).astimezone(UTC), session, True
        yield (session.reported_end + SEEN_AFTER).astimezone(UTC), session, False


def _size_mb(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
