"""The car of a session that is being sampled, with files: what a judgement needs, and a classifier that may fail.

How the readings are judged is in `vehicles.provisional`; the final word is `defs.attribution`'s.
"""

from logging import Logger

from cph50_pipeline.charging.activity import ActivityMonth, merge
from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.collection import CollectionRecord
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.civil_time import from_epoch_ms, month_of
from cph50_pipeline.defs.attribution import released_model, seen_sessions, sessions_before
from cph50_pipeline.defs.month_files import SAMPLES
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.classification import Household
from cph50_pipeline.vehicles.labels import LabelMap
from cph50_pipeline.vehicles.provisional import ProvisionalJudge, nearest_before


class ProvisionalNaming:
    """Names the car of one window's record, anew whenever the charger gave a new reading.

    A classifier that fails stops no sampling: it is reported once, and what was said before stands.

    Args:
        status: The session as answered when the window begins.
    """

    def __init__(self, status: ChargingStatus, store: Store, log: Logger) -> None:
        self._status = status
        self._store = store
        self._log = log
        self._judge: ProvisionalJudge | None = None
        self._judged_count = 0
        self._has_failed = False

    def named(self, record: CollectionRecord) -> CollectionRecord:
        """The record with the car that its readings name."""
        if record.distinct_sample_count == self._judged_count:
            return record
        self._judged_count = record.distinct_sample_count
        try:
            if self._judge is None:  # not before the first look is saved, which would wait for it
                self._judge = _prepared(self._status, self._store, self._log)
            named = self._judge.judged(record)
        except Exception as error:  # whatever a classifier does wrong, the samples cannot be taken later
            self._report(error)
            return record
        if named.provisional_vehicle_id != record.provisional_vehicle_id:
            self._log.info(_sentence(named))
        return named

    def _report(self, error: Exception) -> None:
        if not self._has_failed:
            self._log.error(
                f"Session {self._status.session_id} goes on without a provisional car: "
                f"{type(error).__name__}: {error}"
            )
        self._has_failed = True


def _prepared(status: ChargingStatus, store: Store, log: Logger) -> ProvisionalJudge:
    model = released_model(store)
    month = month_of(from_epoch_ms(status.start_time), store.zone)
    [session] = read_sessions(merge(ActivityMonth(month=month), [], [status], store.zone))
    household = Household(_labels(store), store.vehicles(), store.zone)
    readings = store.read_month_if_whole(SAMPLES, month) or {}
    before = [*sessions_before(store, month, log), *seen_sessions(store, month, readings)]
    return ProvisionalJudge(session, household, model, nearest_before(session, before, household))


def _labels(store: Store) -> LabelMap:
    try:
        return store.labels()
    except BadInputError:
        return LabelMap({})  # the classification that follows in the same run says what is wrong with them


def _sentence(record: CollectionRecord) -> str:
    if record.provisional_vehicle_id is None:
        return f"Session {record.session_id} is no longer taken for a known car"
    return (
        f"Session {record.session_id} is provisionally {record.provisional_vehicle_id} "
        f"({record.provisional_vehicle_confidence:.2f})"
    )
