"""Which car it was, with files: fits the model on labels, classifies months, writes final labels to session files.

The rules are in `vehicles`; a classifier that fails never stops a month.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from logging import Logger

from cph50_pipeline.charging.collection import with_vehicle
from cph50_pipeline.charging.model import Reading, Session, VehicleCard
from cph50_pipeline.defs.month_files import CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.store import CLASSIFIER_FILE, Store
from cph50_pipeline.errors import BadInputError, Cph50Error
from cph50_pipeline.vehicles.classification import Classification, classify_month, labelled_plateaus
from cph50_pipeline.vehicles.classifier import (
    LabelledPlateau,
    NearestPlateau,
    VehicleClassifier,
    Verdict,
    fit,
)
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.labels import LabelMap

Samples = Mapping[str, Mapping[str, list[Reading]]]


def fit_classifier(store: Store, log: Logger) -> NearestPlateau:
    """The model that all labels made by hand support; the one in force when the labels cannot be read."""
    try:
        labels = store.labels()
    except BadInputError as error:
        log.error(f"{error} The model in force stays in force.")
        return _released(store)
    found: list[LabelledPlateau] = []
    if labels.truths():
        for month in store.stored_months(SAMPLES):
            try:
                found += labelled_plateaus(store.sessions(month), store.need_month(SAMPLES, month), labels)
            except Cph50Error as error:
                log.error(f"{error} The cars are learned without {month}.")
    log.info(f"{len(found)} of {len(labels.truths())} labelled sessions have a plateau to learn from")
    return fit(found)


def classify_months(
    store: Store, months: Iterable[str], samples: Samples, log: Logger
) -> dict[str, list[Classification]]:
    """The car of every session of these months; final ones are also written to their session files.

    Labels that cannot be read stop nothing: what people had said before stands.
    """
    labels = _readable_labels(store, log)
    vehicles, model = store.vehicles(), released_classifier(store, log)
    classified = {}
    for month in months:
        sessions = store.sessions(month)
        previous = {c.session_id: c for c in store.read_month_if_whole(CLASSIFICATIONS, month) or []}
        named = classify_month(
            sessions, samples[month], labels or LabelMap({}), vehicles, model, previous, store.zone
        )
        classified[month] = named if labels is not None else [_as_said_before(c, previous) for c in named]
        _label_session_files(store, sessions, classified[month])
    return classified


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
        return _released(store)
    except BadInputError as error:
        log.error(f"{error} Labels already given stand, new sessions stay unknown.")
        return _Unusable(error)


def _released(store: Store) -> NearestPlateau:
    document = store.read_document(CLASSIFIER_FILE)
    return NearestPlateau() if document is None else NearestPlateau.read(document, CLASSIFIER_FILE)


class _Unusable:
    """Stands in for a model that cannot be read: every question fails, so that earlier labels stand."""

    version = "unusable"

    def __init__(self, error: BadInputError) -> None:
        self._error = error

    def classify(self, readings: Sequence[Reading], candidates: Collection[str]) -> Verdict:
        raise self._error


def vehicle_cards(config: VehicleConfig) -> dict[str, VehicleCard]:
    """What readers of the session cache are shown of each vehicle."""
    return {
        id_: VehicleCard(vehicle.display_name(id_), vehicle.make, vehicle.model)
        for id_, vehicle in config.vehicles.items()
    }


def _label_session_files(store: Store, sessions: Iterable[Session], classified: list[Classification]) -> None:
    by_id = {c.session_id: c for c in classified}
    for session in sessions:
        classification = by_id[session.session_id]
        record = store.collection(session) if classification.final else None
        if record is not None:
            labelled = with_vehicle(
                record,
                vehicle_id=classification.vehicle_id,
                vehicle_confidence=classification.confidence,
                labeled_by=classification.labeled_by,
                labeled_at=classification.labeled_at,
            )
            store.write_collection(store.collection_path(session), labelled)
