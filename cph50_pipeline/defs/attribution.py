"""Which car it was, with files: what is known of a month's sessions, their cars, final labels into session files.

The rules are in `vehicles`; a classifier that fails never stops a month. How the cars are learned is in `training`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from logging import Logger

from cph50_pipeline.charging.collection import CollectionRecord, with_vehicle
from cph50_pipeline.charging.model import Attribution, Reading, Session
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.month_files import CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.store import CLASSIFIER_FILE, Store
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.vehicles.classification import Classification, Household, SeenSession, classify_month
from cph50_pipeline.vehicles.classifier import Case, VehicleClassifier, VehicleModel, Verdict
from cph50_pipeline.vehicles.labels import LabelMap

MonthReadings = Mapping[str, Sequence[Reading]]


def classify_months(
    store: Store, months: Iterable[str], samples: Mapping[str, MonthReadings], log: Logger
) -> dict[str, list[Classification]]:
    """The car of every session of these months; final ones are also written to their session files.

    Labels that cannot be read stop nothing: what people had said before stands.
    """
    labels = _readable_labels(store, log)
    household = Household(labels or LabelMap({}), store.vehicles(), store.zone)
    model = released_classifier(store, log)
    classified = {}
    for month in months:
        seen = seen_sessions(store, month, samples[month])
        previous = {c.session_id: c for c in store.read_month_if_whole(CLASSIFICATIONS, month) or []}
        context = sessions_before(store, month, log)
        named = classify_month(seen, household, model, previous, context)
        classified[month] = named if labels is not None else [_as_said_before(c, previous) for c in named]
        _label_session_files(store, seen, classified[month])
    return classified


def seen_sessions(store: Store, month: str, readings: MonthReadings) -> list[SeenSession]:
    """What is known of a month's sessions, with what was noted while they were sampled."""
    return [
        _seen(session, readings.get(session.session_id, ()), store.collection(session))
        for session in store.sessions(month)
    ]


def sessions_before(store: Store, month: str, log: Logger) -> list[SeenSession]:
    """The sessions of the month before, which show how the supply stands; none when they cannot be read."""
    before = shift_month(month, -1)
    try:
        readings = store.read_month(SAMPLES, before)
        return [] if readings is None else seen_sessions(store, before, readings)
    except Cph50Error as error:
        log.warning(f"{error} The sessions of {month} are named without those of {before}.")
        return []


def _seen(session: Session, readings: Sequence[Reading], record: CollectionRecord | None) -> SeenSession:
    if record is None:
        return SeenSession(session, readings)
    provisional = None
    if record.provisional_vehicle_id is not None:
        provisional = Attribution(record.provisional_vehicle_id, record.provisional_vehicle_confidence)
    return SeenSession(session, readings, record.amperage_limit, provisional)


def _readable_labels(store: Store, log: Logger) -> LabelMap | None:
    try:
        return store.labels()
    except BadInputError as error:
        log.error(f"{error} The labels in force stay in force.")
        return None


def _as_said_before(now: Classification, previous: Mapping[str, Classification]) -> Classification:
    before = previous.get(now.session_id)
    if before is None or before.labeled_by != "manual":
        return now
    return before.model_copy(update={"final": now.final})


def released_classifier(store: Store, log: Logger) -> VehicleClassifier:
    """The model in `classifier_summary.json`; one that knows no car when there is none yet."""
    try:
        return released_model(store)
    except BadInputError as error:
        log.error(f"{error} Labels already given stand, new sessions stay unknown.")
        return _Unusable(error)


def released_model(store: Store) -> VehicleModel:
    """The model in `classifier_summary.json`; one that knows no car when there is none yet.

    Raises:
        BadInputError: the file is there and cannot be used.
    """
    document = store.read_document(CLASSIFIER_FILE)
    return VehicleModel() if document is None else VehicleModel.read(document, CLASSIFIER_FILE)


class _Unusable:
    """Stands in for a model that cannot be read: every question fails, so that earlier labels stand."""

    version = "unusable"

    def __init__(self, error: BadInputError) -> None:
        self._error = error

    def judge(self, cases: Sequence[Case], context: Sequence[Case] = ()) -> list[Verdict]:
        raise self._error


def _label_session_files(
    store: Store, seen: Iterable[SeenSession], classified: Iterable[Classification]
) -> None:
    by_id = {c.session_id: c for c in classified}
    for one in seen:
        classification = by_id[one.session.session_id]
        record = store.collection(one.session) if classification.final else None
        if record is not None:
            labelled = with_vehicle(
                record,
                vehicle_id=classification.vehicle_id,
                vehicle_confidence=classification.confidence,
                labeled_by=classification.labeled_by,
                labeled_at=classification.labeled_at,
            )
            store.write_collection(store.collection_path(one.session), labelled)
