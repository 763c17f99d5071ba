"""What a person should look at: labels that are probably slips, cars that moved, sessions that are like no car.

One queue, what helps most first: a wrong label misleads all that is learned, a doubtful session only its own month.
Which sessions a person should see is decided where they are named (`needs_review`); here they are explained, and what
shows only over many sessions is added. Groups of sessions that nobody named stand in `groups.py`.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from cph50_pipeline.charging.fields import Instant
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.vehicles.classifier import VehicleModel, Verdict
from cph50_pipeline.vehicles.groups import Proposal, Unnamed, propose_groups
from cph50_pipeline.vehicles.levels import EXPECTED_SPREAD
from cph50_pipeline.vehicles.plateaus import NamedSession, PlateauNow, plateaus_now

# Strangers that lie no further apart than sessions of one car do were probably one car.
_ALIKE = 2 * EXPECTED_SPREAD


class ReviewKind(StrEnum):
    """Why a person should look, in the order in which it helps."""

    DOUBTED = "doubted"
    """A label that all other labels contradict."""
    CONTRADICTED = "contradicted"
    """A label that the classifier contradicts surely."""
    DRIFT = "drift"
    """A car that charges elsewhere than the model knows it."""
    STRANGER = "stranger"
    """A session that charged steadily and resembles no car."""
    UNSURE = "unsure"
    """A session whose car the classifier named with little confidence."""


class ReviewItem(BaseModel):
    """One thing to look at.

    Attributes:
        start: When the session began.
        vehicle_id: The car that is in force for it, or "unknown".
        suggestion: The car that it probably was; None when nothing tells.
        sentence: What is the matter, for a person.
        todo: What to do about it, for a person.
        command: What to type for that; `CAR` stands for a car's id where nothing tells which.
        confirm_command: What to type when the label is right in spite of all; None where no label is in question.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    kind: ReviewKind
    session_id: str
    start: Instant
    vehicle_id: str
    suggestion: str | None
    sentence: str
    todo: str
    command: str
    confirm_command: str | None = None


def review(sessions: Iterable[NamedSession], model: VehicleModel) -> list[ReviewItem]:
    """The queue: one item a session or a moved car, what helps most first.

    Args:
        sessions: All that are stored, in any order. Open ones are left out: their end names them anew.
        model: The one in force.
    """
    final = [one for one in sessions if one.classification.final]
    found = [
        *_slips(final, model),
        *_moved(final, plateaus_now(final, model)),
        *_strangers(final),
        *_unsure(final),
    ]
    return [item for _, item in sorted(found, key=_rank)]


def unnamed_groups(sessions: Iterable[NamedSession], model: VehicleModel) -> Proposal:
    """Groups of the sessions that nobody named, or nobody surely; see `groups.propose_groups`."""
    final = [one for one in sessions if one.classification.final]
    cases = [one.case for one in final]
    open_questions = []
    for one, offset in zip(final, model.offsets(cases), strict=True):
        named = one.classification
        is_open = not one.is_by_hand and (named.vehicle_id == UNKNOWN_VEHICLE or named.needs_review)
        if is_open and one.case.fingerprint is not None:
            guess = None if named.vehicle_id == UNKNOWN_VEHICLE else named.vehicle_id
            open_questions.append(
                Unnamed(one.case.session_id, one.case.start, one.case.fingerprint, offset.value, guess)
            )
    label_counts = {id_: vehicle.label_count for id_, vehicle in model.vehicles.items()}
    return propose_groups(open_questions, label_counts)


def label_command(session_id: str, vehicle_id: str | None) -> str:
    """What to type to label a session; `CAR` stands for the car's id where nothing tells which."""
    return f"cph50 label {shlex.quote(session_id)} {vehicle_id or 'CAR'}"


_Weighed = tuple[float, ReviewItem]
"""An item, and how much it helps beside others of its kind."""


def _rank(weighed: _Weighed) -> tuple[int, float, float, str]:
    weight, item = weighed
    return list(ReviewKind).index(item.kind), -weight, -item.start.timestamp(), item.session_id


def _slips(sessions: Sequence[NamedSession], model: VehicleModel) -> list[_Weighed]:
    """Labels that are contradicted, by all other labels or by the classifier."""
    doubted = set(model.training.doubted)
    if not any(_is_suspect(one, doubted) for one in sessions):
        return []
    verdicts = model.judge([one.case for one in sessions])
    return [
        _slip(one, verdict, one.case.session_id in doubted)
        for one, verdict in zip(sessions, verdicts, strict=True)
        if _is_suspect(one, doubted) and not _is_settled(one, verdict)
    ]


def _is_suspect(one: NamedSession, doubted: Collection[str]) -> bool:
    named = one.classification
    return one.is_by_hand and not named.confirmed and (named.needs_review or one.case.session_id in doubted)


def _is_settled(one: NamedSession, verdict: Verdict) -> bool:
    """Whether a label that was doubted in training is now what the classifier says, because it was corrected."""
    return not one.classification.needs_review and verdict.vehicle_id == one.classification.vehicle_id


def _slip(one: NamedSession, verdict: Verdict, is_doubted: bool) -> _Weighed:
    label = one.classification.vehicle_id
    kind = ReviewKind.DOUBTED if is_doubted else ReviewKind.CONTRADICTED
    told = f"Labelled {label}, which all other labels contradict" if is_doubted else f"Labelled {label}"
    suggestion = verdict.vehicle_id if verdict.vehicle_id not in (UNKNOWN_VEHICLE, label) else None
    if suggestion is not None:
        told += f"; the classifier says {suggestion} ({verdict.confidence:.2f}): {verdict.reason}"
    elif not is_doubted:  # judged beside all other sessions it is less clear than it was in its month
        told += f": {one.classification.reason}"
    todo = f"If the label is a slip, correct it; if {label} is right, confirm it"
    return verdict.confidence, _item(kind, one, told, todo, suggestion, is_of_label=True)


def _moved(sessions: Sequence[NamedSession], plateaus: Mapping[str, PlateauNow]) -> list[_Weighed]:
    """The cars that moved and are still in the household when its newest session begins."""
    by_id = {one.case.session_id: one for one in sessions}
    newest = max(sessions, key=lambda one: one.case.start, default=None)
    present = newest.case.candidates if newest else ()
    return [
        _moved_car(by_id[plateau.session_id], plateau)
        for vehicle_id, plateau in plateaus.items()
        if plateau.has_moved and vehicle_id in present
    ]


def _moved_car(newest: NamedSession, plateau: PlateauNow) -> _Weighed:
    direction = "above" if plateau.shift > 0 else "below"
    told = (
        f"In its last {plateau.session_count} sessions {plateau.vehicle_id} charged near {plateau.power_kw:.2f} kW: "
        f"with the supply's drift taken out {abs(plateau.shift):.1%} {direction} the {plateau.model_kw:.2f} kW that "
        "it was learned at"
    )
    todo = f"Label this one and a few more of the latest sessions of {plateau.vehicle_id}, so that it is learned anew"
    return abs(plateau.shift), _item(ReviewKind.DRIFT, newest, told, todo, plateau.vehicle_id)


def _strangers(sessions: Sequence[NamedSession]) -> list[_Weighed]:
    strangers = [one for one in sessions if _is_stranger(one)]
    powers = [_log_power(one) for one in strangers]
    return [
        _stranger(one, sum(abs(other - power) <= _ALIKE for other in powers) - 1)
        for one, power in zip(strangers, powers, strict=True)
    ]


def _is_stranger(one: NamedSession) -> bool:
    named = one.classification
    return named.needs_review and named.labeled_by is None and one.case.fingerprint is not None


def _stranger(one: NamedSession, others_alike: int) -> _Weighed:
    others = "1 other" if others_alike == 1 else f"{others_alike} others"
    alike = f", as did {others} near that power" if others_alike else ""
    told = f"Charged steadily, but like no car of the household{alike}: {one.classification.reason}"
    todo = f"Say which car it was; `{UNKNOWN_VEHICLE}` when it was none of the household's"
    return float(others_alike), _item(ReviewKind.STRANGER, one, told, todo, None)


def _unsure(sessions: Sequence[NamedSession]) -> list[_Weighed]:
    return [
        _unsure_one(one)
        for one in sessions
        if one.classification.needs_review and not one.is_by_hand and not _is_stranger(one)
    ]


def _unsure_one(one: NamedSession) -> _Weighed:
    named = one.classification
    if named.vehicle_id == UNKNOWN_VEHICLE:  # the classifier failed
        return 1.0, _item(ReviewKind.UNSURE, one, f"Not named: {named.reason}", "Say which car it was", None)
    told = f"Taken for {named.vehicle_id} with a confidence of {named.confidence:.2f}: {named.reason}"
    todo = f"Confirm that it was {named.vehicle_id}, or name the car that it was"
    return 1 - named.confidence, _item(ReviewKind.UNSURE, one, told, todo, named.vehicle_id)


def _log_power(one: NamedSession) -> float:
    assert one.case.fingerprint is not None
    return math.log(one.case.fingerprint.power_kw.value)


def _item(
    kind: ReviewKind,
    one: NamedSession,
    sentence: str,
    todo: str,
    suggestion: str | None,
    *,
    is_of_label: bool = False,
) -> ReviewItem:
    session_id, vehicle_id = one.case.session_id, one.classification.vehicle_id
    command = label_command(session_id, suggestion)
    return ReviewItem(
        kind=kind,
        session_id=session_id,
        start=one.case.start,
        vehicle_id=vehicle_id,
        suggestion=suggestion,
        sentence=sentence,
        todo=todo,
        command=f"{command} --replace" if is_of_label else command,
        confirm_command=f"{label_command(session_id, vehicle_id)} --confirm" if is_of_label else None,
    )
