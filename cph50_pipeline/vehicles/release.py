"""The gate between what was learned and what is in force: whether a candidate may replace the released model.

Scores are compared with those that the model in force wrote down when it was released. How they come about stands in
`training.py` and `scores.py`; files and runs elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.scores import score

if TYPE_CHECKING:
    from cph50_pipeline.vehicles.training import Doubt, Trained, Validated


@dataclass(frozen=True, slots=True)
class Gate:
    """What a candidate must show to be released by itself.

    Attributes:
        minimum_labels: Labelled sessions with steady charging, of every car.
        largest_fall: By how much accuracy may be lower, and calibration error and log-loss higher, than the model in
            force had them.
        least_accuracy: The share of right cars among given ones; a model in force that has less is the measure itself.
        largest_calibration_error: The same of the expected calibration error. It is high while a model has a short
            record, because it then trusts itself little.
        largest_doubted_share: So many of a car's labels may be contradicted by all others, and as many labels of other
            cars may look like it.
    """

    minimum_labels: int = 10
    largest_fall: float = 0.05
    least_accuracy: float = 0.9
    largest_calibration_error: float = 0.25
    largest_doubted_share: float = 0.1


class Outcome(StrEnum):
    """What became of a candidate."""

    RELEASED = "released"
    REFUSED = "refused"
    UNCHANGED = "unchanged"
    """There is nothing to decide: it is the model in force already, or there are no labels to learn from."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a candidate, and all that speaks against it; a person may have released it all the same."""

    outcome: Outcome
    reasons: tuple[str, ...] = ()


def decide(
    trained: Trained,
    in_force: VehicleModel,
    *,
    by_hand: bool,
    unread: Collection[str] = (),
    gate: Gate | None = None,
) -> Decision:
    """Whether a candidate replaces the model in force.

    Args:
        by_hand: A person asks for it, which overrules every reason but one: that it knows no car.
        unread: What could not be read, each naming its file, so that labelled sessions are left out.
    """
    candidate = trained.model
    left_out = [f"labelled sessions are left out: {what}" for what in sorted(unread)]
    if not candidate.vehicles and in_force.vehicles:
        none_left = "no car has labelled sessions with steady charging any more"
        return Decision(Outcome.REFUSED, (*left_out, none_left))
    if not candidate.vehicles or candidate.version == in_force.version:
        return Decision(Outcome.UNCHANGED)
    reasons = (*left_out, *_objections(trained, in_force, gate or Gate()))
    return Decision(Outcome.REFUSED if reasons and not by_hand else Outcome.RELEASED, reasons)


def released(candidate: VehicleModel, in_force: VehicleModel) -> VehicleModel:
    """The candidate as it goes into force: it remembers which versions were taken back, unless it is one of them."""
    return _remembering(candidate, in_force.rolled_back)


def rolled_back(current: VehicleModel, previous: VehicleModel) -> VehicleModel:
    """The previous model as it goes into force again, knowing that a person took the current one back."""
    return _remembering(previous, (*previous.rolled_back, *current.rolled_back, current.version))


def _remembering(model: VehicleModel, taken_back: tuple[str, ...]) -> VehicleModel:
    return model.model_copy(update={"rolled_back": tuple(sorted({*taken_back} - {model.version}))})


def _objections(trained: Trained, in_force: VehicleModel, gate: Gate) -> Iterator[str]:
    if trained.model.version in in_force.rolled_back:
        yield f"{trained.model.version} was taken back by a person"
    yield from _about_labels(trained, in_force, gate)
    yield from _about_doubts(trained, gate)
    yield from _about_scores(trained, in_force, gate)


def _about_labels(trained: Trained, in_force: VehicleModel, gate: Gate) -> Iterator[str]:
    known = trained.model.vehicles
    for vehicle_id, vehicle in sorted(known.items()):
        if vehicle.label_count < gate.minimum_labels:
            yield (
                f"{vehicle_id} has {vehicle.label_count} labelled session(s) with steady charging, "
                f"{gate.minimum_labels} are needed"
            )
    for vehicle_id in sorted(in_force.vehicles.keys() - known.keys()):
        yield f"{vehicle_id}, which the model in force knows, has no labelled session left"


def _about_doubts(trained: Trained, gate: Gate) -> Iterator[str]:
    """Of each car apart, by label and by looks: wrong labels must not hide among the many of another car."""
    for vehicle_id, vehicle in sorted(trained.model.vehicles.items()):
        labelled = [doubt for doubt in trained.doubted if doubt.label == vehicle_id]
        alike = [doubt for doubt in trained.doubted if doubt.verdict.vehicle_id == vehicle_id]
        tolerated = gate.largest_doubted_share * vehicle.label_count
        if len(labelled) > tolerated:
            count = f"{len(labelled)} of {vehicle.label_count} labels of {vehicle_id}"
            yield f"{count} are contradicted by all others: {_told(labelled)}"
        if len(alike) > tolerated:
            count = f"beside {vehicle.label_count} labels of {vehicle_id}, {len(alike)} session(s)"
            yield f"{count} labelled otherwise look like it: {_told(alike)}"


def _told(doubts: Iterable[Doubt]) -> str:
    return ", ".join(f"{d.session_id} (labelled {d.label}, like {d.verdict.vehicle_id})" for d in doubts)


def _about_scores(trained: Trained, in_force: VehicleModel, gate: Gate) -> Iterator[str]:
    now, before = _Record.of(trained.model), _Record.of(in_force)
    if now is None:
        yield "no car was named in validation, so nothing is known of how well it does"
        return
    least, most = _bounds(before, gate)
    if now.accuracy < least:
        had = _had(before.accuracy if before else None)
        yield f"accuracy is {now.accuracy:.3f}, at least {least:.3f} is needed{had}"
    if now.calibration_error > most:
        had = _had(before.calibration_error if before else None)
        yield (
            f"expected calibration error is {now.calibration_error:.3f}, at most {most:.3f} is allowed{had}"
        )
    loss = None if before is None else _comparable_log_loss(trained.validated, in_force)
    if before is not None and loss is not None and loss > before.log_loss + gate.largest_fall:
        allowed = before.log_loss + gate.largest_fall
        yield f"log-loss is {loss:.3f}, at most {allowed:.3f} is allowed{_had(before.log_loss)}"


@dataclass(frozen=True, slots=True)
class _Record:
    """The scores that the gate weighs."""

    accuracy: float
    calibration_error: float
    log_loss: float

    @classmethod
    def of(cls, model: VehicleModel) -> _Record | None:
        """What a model wrote down; None when too little could be judged."""
        scores = model.training.validated
        if scores is None or scores.accuracy is None or scores.expected_calibration_error is None:
            return None
        return cls(scores.accuracy, scores.expected_calibration_error, scores.log_loss)


def _bounds(before: _Record | None, gate: Gate) -> tuple[float, float]:
    """The least accuracy and the largest calibration error.

    Both limits hold: the distance from the model in force, and the gate's own, so that small falls do not add up.
    """
    if before is None:
        return gate.least_accuracy, gate.largest_calibration_error
    accuracy, error = before.accuracy, before.calibration_error
    least = max(accuracy - gate.largest_fall, min(gate.least_accuracy, accuracy))
    most = min(error + gate.largest_fall, max(gate.largest_calibration_error, error))
    return least, most


def _had(before: float | None) -> str:
    return "" if before is None else f" (the model in force had {before:.3f})"


def _comparable_log_loss(validated: tuple[Validated, ...], in_force: VehicleModel) -> float | None:
    """The candidate's log-loss over the sessions in which the model in force sees any car of its own.

    What it cannot place either was charged under circumstances that are new to both, such as another limit. One such
    session costs more than all others together, and says nothing against who has learned it since.
    """
    verdicts = in_force.judge([one.session.case() for one in validated])
    familiar = [
        one.judged
        for one, verdict in zip(validated, verdicts, strict=True)
        if verdict.confidence > 0 or one.session.vehicle_id == UNKNOWN_VEHICLE
    ]
    return score(familiar).log_loss if familiar else None
