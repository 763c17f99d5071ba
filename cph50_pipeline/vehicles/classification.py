"""The car of each session of a month: a person's label first, then the classifier, else unknown.

How readings become a verdict stands in `classifier.py`; what is done with the result, elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from cph50_pipeline.charging.fields import Instant
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Attribution, Reading, Session
from cph50_pipeline.civil_time import local_date
from cph50_pipeline.vehicles.classifier import Case, VehicleClassifier, Verdict
from cph50_pipeline.vehicles.config import VehicleConfig, candidates
from cph50_pipeline.vehicles.features import fingerprint
from cph50_pipeline.vehicles.labels import Confirmed, Label, LabelMap

# Below this a person should look; above the other, a contradicted label is probably a slip.
REVIEW_BELOW_CONFIDENCE = 0.7
CONTRADICTION_CONFIDENCE = 0.85
SUREST = 0.99


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
        confirmed: Whether a person stands by the label, whatever the classifier says.
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
    confirmed: Confirmed = False


@dataclass(frozen=True, slots=True)
class SeenSession:
    """What is known of one session when it is named.

    Attributes:
        readings: Its distinct readings; there may be none.
        amperage_limit: The charger's limit (A) while it was sampled, None when nobody saw it.
        provisional: The car named while it was sampled, with its confidence; None when none was.
    """

    session: Session
    readings: Sequence[Reading]
    amperage_limit: float | None = None
    provisional: Attribution | None = None


@dataclass(frozen=True, slots=True)
class Household:
    """What naming a session asks of the household: labels, cars and the zone in which a session has its day."""

    labels: LabelMap
    config: VehicleConfig
    zone: ZoneInfo


def classify_month(
    seen: Iterable[SeenSession],
    household: Household,
    model: VehicleClassifier,
    previous: Mapping[str, Classification],
    context: Iterable[SeenSession] = (),
) -> list[Classification]:
    """Name the car of every session, sorted by session id.

    Args:
        seen: The month's sessions.
        model: The classifier; when it fails, a session keeps the classifier's last label.
        previous: The last classification by session id, of which an unchanged label keeps its time.
        context: Sessions of the month before: they show how the supply stands.
    """
    sessions = sorted(seen, key=lambda one: one.session.session_id)
    outcomes = _ask(model, sessions, list(context), household)
    return [
        _classify_session(one, outcome, household, previous.get(one.session.session_id))
        for one, outcome in zip(sessions, outcomes, strict=True)
    ]


def case_of(seen: SeenSession, household: Household) -> Case:
    """The session as the classifier sees it. Another charger's power says nothing of the car."""
    session = seen.session
    label = household.labels.truth(session.session_id)
    return Case(
        session_id=session.session_id,
        start=session.start,
        fingerprint=fingerprint(seen.readings, seen.amperage_limit) if session.is_home else None,
        candidates=tuple(candidates(household.config, local_date(session.start, household.zone))),
        label=None if label is None else label.vehicle_id,
    )


def _ask(
    model: VehicleClassifier,
    sessions: Sequence[SeenSession],
    context: Sequence[SeenSession],
    household: Household,
) -> list[Verdict | str]:
    """A verdict a session, or how the classifier failed."""
    try:
        cases = [case_of(one, household) for one in sessions]
        return [*model.judge(cases, [case_of(one, household) for one in context])]
    except Exception as error:  # whatever a classifier does wrong, the sessions must still be accounted
        return [f"the classifier failed ({type(error).__name__}: {error})"] * len(sessions)


def _classify_session(
    seen: SeenSession, outcome: Verdict | str, household: Household, previous: Classification | None
) -> Classification:
    session = seen.session
    label = household.labels.truth(session.session_id)
    if label is not None:
        return _by_hand(session, label, outcome)
    if not session.is_home:
        outcome = Verdict(UNKNOWN_VEHICLE, 0.0, "not at the home charger")
    if isinstance(outcome, Verdict):
        return _by_classifier(seen, outcome, previous)
    return _after_failure(session, previous, outcome)


def _by_hand(session: Session, label: Label, outcome: Verdict | str) -> Classification:
    reason = f"labelled by {label.labeled_by}{' and confirmed' if label.confirmed else ''}"
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
        needs_review=contradicted and not label.confirmed,
        reason=reason,
        confirmed=label.confirmed,
    )


def _contradicts(verdict: Verdict, label: Label) -> bool:
    is_other_car = verdict.vehicle_id not in (UNKNOWN_VEHICLE, label.vehicle_id)
    return is_other_car and verdict.confidence > CONTRADICTION_CONFIDENCE


def _by_classifier(seen: SeenSession, verdict: Verdict, previous: Classification | None) -> Classification:
    is_known = verdict.vehicle_id != UNKNOWN_VEHICLE
    is_final = not seen.session.is_open
    return Classification(
        session_id=seen.session.session_id,
        vehicle_id=verdict.vehicle_id,
        confidence=noted_confidence(verdict),
        labeled_by="classifier" if is_known else None,
        labeled_at=_first_labeled_at(verdict.vehicle_id, seen.readings, previous) if is_known else None,
        final=is_final,
        needs_review=verdict.is_stranger or (is_known and verdict.confidence < REVIEW_BELOW_CONFIDENCE),
        reason=verdict.reason + (_revision(verdict, seen.provisional) if is_final else ""),
    )


def noted_confidence(verdict: Verdict) -> float:
    """The confidence as it is written down: in hundredths, never 1.

    A model learned from one label more moves every confidence a little; ten years of months must not be written again
    for that.
    """
    return min(SUREST, round(verdict.confidence, 2))


def _revision(verdict: Verdict, provisional: Attribution | None) -> str:
    """What became of the car that was named in the first minutes."""
    if provisional is None or provisional.vehicle_id == verdict.vehicle_id:
        return ""
    confidence = "" if provisional.confidence is None else f" ({provisional.confidence:.2f})"
    return f"; revised, in the first minutes it was taken for {provisional.vehicle_id}{confidence}"


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
