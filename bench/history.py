"""What a long history holds beside the monthly files: a session's own file for each session that was sampled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bench.homes import Home, current_month
from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import CollectionRecord, add_sample, new_record
from cph50_pipeline.charging.model import Session
from cph50_pipeline.defs.month_files import ACTIVITY
from cph50_pipeline.defs.publishing import publisher_of
from cph50_pipeline.defs.store import Store
from cph50_pipeline.settings import PublishMode, Settings
from cph50_pipeline.storage.messages import RunInfo

SAMPLES = 30
INTERVAL = timedelta(seconds=10)


def add_session_files(home: Home) -> None:
    """Give each session of the months that are over the file that sampling would have left, and commit them."""
    settings = Settings(data_dir=str(home.data), publish=PublishMode.LOCAL)
    store = Store.of(settings)
    for month in store.stored_months(ACTIVITY):
        if month >= current_month():
            continue
        answers = store.activity(month).sessions
        for session in store.sessions(month):
            status = answers[session.session_id].status
            if status is not None:
                store.write_collection(store.collection_path(session), _sampled(session, status, store))
    publisher_of(settings, store).commit(RunInfo("history", "history"), datetime.now(UTC))


def _sampled(session: Session, status: ChargingStatus, store: Store) -> CollectionRecord:
    """A full window: what its samples say does not matter here, because months that are over are not made again."""
    record = new_record(session.session_id, session.start, session.start, INTERVAL.total_seconds())
    for number in range(SAMPLES):
        record = add_sample(record, status, session.start + number * INTERVAL, store.zone)
    return record
