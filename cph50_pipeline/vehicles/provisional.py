"""The car of a session while it is sampled: judged from what its window and its curve show so far.

What is said here is provisional: the whole curve decides once the session has ended (see `classification.py`). When
to judge, and writing it down, is the business of whoever samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cph50_pipeline.charging.collection import CollectionRecord, with_vehicle
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Session
from cph50_pipeline.charging.samples import distinct_readings
from cph50_pipeline.vehicles.classification import Household, SeenSession, case_of, noted_confidence
from cph50_pipeline.vehicles.classifier import Case, VehicleClassifier, Verdict

# The supply drifts by the season: a month of sessions shows where it stands, and a judgement takes milliseconds.
CONTEXT_SESSIONS = 30


@dataclass(frozen=True, slots=True)
class ProvisionalJudge:
    """All that the judgements of one window have in common.

    Attributes:
        session: As it was answered when the window began, with the curve until then.
        household: Its cars and labels.
        model: The classifier.
        context: Sessions near in time, which show how the supply stands.
    """

    session: Session
    household: Household
    model: VehicleClassifier
    context: Sequence[Case] = ()

    def judged(self, record: CollectionRecord) -> CollectionRecord:
        """The record with the car that its readings so far name, or with none."""
        readings = distinct_readings(self.session, record)
        if not readings:
            return record
        seen = SeenSession(self.session, readings, record.amperage_limit)
        [verdict] = self.model.judge([case_of(seen, self.household)], self.context)
        return with_provisional_vehicle(record, verdict, max(reading.at for reading in readings))


def nearest_before(session: Session, seen: Iterable[SeenSession], household: Household) -> tuple[Case, ...]:
    """The last sessions before this one that charged steadily, as many as a judgement has time for."""
    earlier = [one for one in seen if one.session.start < session.start]
    cases = [case_of(one, household) for one in sorted(earlier, key=lambda one: one.session.start)]
    return tuple([case for case in cases if case.fingerprint is not None][-CONTEXT_SESSIONS:])


def with_provisional_vehicle(
    record: CollectionRecord, verdict: Verdict, judged_at: datetime
) -> CollectionRecord:
    """The record with a provisional verdict.

    A person's word stays beside it, and a label keeps its time as long as it names the same car.

    Args:
        judged_at: When the charger took the last reading that the verdict rests on.
    """
    is_named = verdict.vehicle_id != UNKNOWN_VEHICLE
    confidence = noted_confidence(verdict) if is_named else None
    noted = record.model_copy(
        update={
            "provisional_vehicle_id": verdict.vehicle_id if is_named else None,
            "provisional_vehicle_confidence": confidence,
        }
    )
    if record.labeled_by == "manual":
        return noted
    first_named_at = record.labeled_at if record.vehicle_id == verdict.vehicle_id else judged_at
    return with_vehicle(
        noted,
        vehicle_id=verdict.vehicle_id,
        vehicle_confidence=confidence,
        labeled_by="classifier" if is_named else None,
        labeled_at=first_named_at if is_named else None,
    )
