"""The car of each session of a month: a person's label first, then the classifier, else unknown.

How readings become a verdict stands in `classifier.py`; what is done with the result, elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.charging.fields import Instant, read_document
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Reading, Session
from cph50_pipeline.civil_time import local_date
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.classifier import LabelledPlateau, VehicleClassifier, Verdict
from cph50_pipeline.vehicles.config import VehicleConfig, candidates
from cph50_pipeline.vehicles.features import plateau_power_kw
from cph50_pipeline.vehicles.labels import Label, LabelMap

# Below this a person should look; above the other, a contradicted label is probably a slip.
REVIEW_BELOW_CONFIDENCE = 0.7
CONTRADICTION_CONFIDENCE = 0.85


class Classification(BaseModel):
    """Which car one session was, and who says so.

    Attributes:
        vehicle_id: A car of the household, or "unknown".
        confidence: The probability that it is this car: 1 for a person's word, 0 for "unknown".
        labeled_by: "manual", "classifier", or None while nobody can tell.
        labeled_at: When this label was first given; it changes only with the label.
        final: False while the session is open.
        needs_review: Whether a person should look at it.
        reason: Why, for a person to read.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)

    session_id: str
    vehicle_id: str
    confidence: float = Field(ge=0, le=1)
    labeled_by: Literal["manual", "classifier"] | None
    labeled_at: Instant | None
    final: bool
    needs_review: bool
    reason: str


def read_classifications(document: object, name: str) -> list[Classification]:
    """Read the parsed `classifications/YYYY-MM.json`.

    Raises:
        BadInputError: naming the file, the session and what is wrong with it.
    """
    if not isinstance(document, list):
        raise BadInputError(
            f"{name} is not a list of classifications", remedy="Restore it from the last commit"
        )
    return [
        read_document(Classification, entry, f"{name}: {_place(entry, at)}")
        for at, entry in enumerate(document)
    ]


def _place(entry: object, index: int) -> str:
    session_id = entry.get("session_id") if isinstance(entry, Mapping) else None
    return f"entry {index}" if session_id is None else f"session {session_id}"


def classify_month(
    sessions: Iterable[Session],
    readings: Mapping[str, Sequence[Reading]],
    labels: LabelMap,
    config: VehicleConfig,
    model: VehicleClassifier,
    previous: Mapping[str, Classification],
    zone: ZoneInfo,
) -> list[Classification]:
    """Name the car of every session, sorted by session id.

    Args:
        sessions: The month's sessions.
        readings: Distinct readings by session id; a session may have none.
        labels: What people said.
        config: The household's cars and when they were there.
        model: The classifier; when it fails on a session, that session keeps the classifier's last label.
        previous: The last classification by session id, of which an unchanged label keeps its time.
        zone: The household's time zone, in which a session has its day.
    """
    return [
        _classify_session(
            session,
            readings.get(session.session_id, ()),
            labels.truth(session.session_id),
            candidates(config, local_date(session.start, zone)),
            model,
            previous.get(session.session_id),
        )
        for session in sorted(sessions, key=lambda session: session.session_id)
    ]


def labelled_plateaus(
    sessions: Iterable[Session], readings: Mapping[str, Sequence[Reading]], labels: LabelMap
) -> list[LabelledPlateau]:
    """The sessions to train on, sorted by id: labelled by a person, at home, with a plateau."""
    truths = labels.truths()
    found = {}
    for session in sessions:
        label = truths.get(session.session_id)
        if label is None or not session.is_home:
            continue
        plateau = plateau_power_kw(readings.get(session.session_id, ()))
        if plateau is not None:
            found[session.session_id] = LabelledPlateau(session.session_id, label.vehicle_id, plateau)
    return [found[id_] for id_ in sorted(found)]


def _classify_session(
    session: Session,
    readings: Sequence[Reading],
    label: Label | None,
    candidate_ids: Sequence[str],
    model: VehicleClassifier,
    previous: Classification | None,
) -> Classification:
    # Another charger's power says nothing of the car.
    elsewhere = Verdict(UNKNOWN_VEHICLE, 0.0, "not at the home charger")
    outcome = _ask(model, readings, candidate_ids) if session.is_home else elsewhere
    if label is not None:
        return _by_hand(session, label, outcome)
    if isinstance(outcome, Verdict):
        return _by_classifier(session, readings, outcome, previous)
    return _after_failure(session, previous, outcome)


def _ask(
    model: VehicleClassifier, readings: Sequence[Reading], candidate_ids: Sequence[str]
) -> Verdict | str:
    """The verdict, or how the classifier failed."""
    try:
        return model.classify(readings, candidate_ids)
    except Exception as error:  # whatever a classifier does wrong, the sessions must still be accounted
        return f"the classifier failed ({type(error).__name__}: {error})"


def _by_hand(session: Session, label: Label, outcome: Verdict | str) -> Classification:
    reason = f"labelled by {label.labeled_by}"
    contradicted = isinstance(outcome, Verdict) and _contradicts(outcome, label)
    if isinstance(outcome, Verdict) and contradicted:
        reason += f"; the classifier says {outcome.vehicle_id} ({outcome.confidence:.2f})"
    return Classification(
        session_id=session.session_id,
        vehicle_id=label.vehicle_id,
        confidence=1.0,
        labeled_by="manual",
        labeled_at=label.labeled_at,
        final=not session.is_open,
        needs_review=contradicted,
        reason=reason,
    )


def _contradicts(verdict: Verdict, label: Label) -> bool:
    is_other_car = verdict.vehicle_id not in (UNKNOWN_VEHICLE, label.vehicle_id)
    return is_other_car and verdict.confidence > CONTRADICTION_CONFIDENCE


def _by_classifier(
    session: Session, readings: Sequence[Reading], verdict: Verdict, previous: Classification | None
) -> Classification:
    is_known = verdict.vehicle_id != UNKNOWN_VEHICLE
    return Classification(
        session_id=session.session_id,
        vehicle_id=verdict.vehicle_id,
        confidence=verdict.confidence,
        labeled_by="classifier" if is_known else None,
        labeled_at=_first_labeled_at(verdict.vehicle_id, readings, previous) if is_known else None,
        final=not session.is_open,
        needs_review=verdict.is_stranger or (is_known and verdict.confidence < REVIEW_BELOW_CONFIDENCE),
        reason=verdict.reason,
    )


def _first_labeled_at(
    vehicle_id: str, readings: Sequence[Reading], previous: Classification | None
) -> datetime | None:
    if previous and previous.labeled_by == "classifier" and previous.vehicle_id == vehicle_id:
        return previous.labeled_at
    return max((reading.at for reading in readings), default=None)


def _after_failure(session: Session, previous: Classification | None, failure: str) -> Classification:
    if previous and previous.labeled_by == "classifier":
        return previous.model_copy(
            update={
                "final": not session.is_open,
                "needs_review": True,
                "reason": f"{failure}; the last label stands",
            }
        )
    return Classification(
        session_id=session.session_id,
        vehicle_id=UNKNOWN_VEHICLE,
        confidence=0.0,
        labeled_by=None,
        labeled_at=None,
        final=not session.is_open,
        needs_review=True,
        reason=f"{failure}; there was no label before",
    )
