"""Which car a session's readings resemble: the interface of every classifier, and the one in use.

`NearestPlateau` compares the plateau with the plateaus of labelled sessions and rejects what resembles
none of them. A released model is plain JSON. No file is touched here; that a label by hand goes first is
the business of `classification.py`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, median
from typing import Any, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Reading
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.config import explain
from cph50_pipeline.vehicles.features import MINIMUM_POWER_KW, Plateau, plateau_power_kw

# What the spread between a car's own sessions is taken for until labels say otherwise, and the number of
# labels that this expectation weighs.
EXPECTED_SPREAD = 0.008
EXPECTED_SPREAD_WEIGHT = 4
# A plateau further from every car than this many standard deviations belongs to none of them.
REJECTION_DISTANCE = 3.0
# Below this share of the probability the nearest car is a guess between cars, not an answer.
MINIMUM_POSTERIOR = 0.6
# How likely a car that nobody has labelled is beforehand; it may draw anything up to the charger's limit.
STRANGER_PRIOR = 0.02
CHARGER_LIMIT_KW = 12.0

_NOUN = {"power": "distinct readings", "counter": "spans of the counter"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a classifier says of one session.

    Attributes:
        vehicle_id: A candidate, or "unknown".
        confidence: The probability that it is this car, below 1; 0 for "unknown".
        reason: Why, for a person to read.
        is_stranger: Whether the session charged steadily and yet resembles no candidate.
    """

    vehicle_id: str
    confidence: float
    reason: str
    is_stranger: bool = False

    def __post_init__(self) -> None:  # noqa: D105 - the attributes say it
        if not 0 <= self.confidence < 1:
            raise ValueError(f"a confidence of {self.confidence} for {self.vehicle_id} is not in [0, 1)")


class VehicleClassifier(Protocol):
    """Names the car of a session, or refuses to."""

    @property
    def version(self) -> str:
        """Changes when, and only when, the same readings may be judged differently."""

    def classify(self, readings: Sequence[Reading], candidates: Collection[str]) -> Verdict:
        """Judge one session by its readings so far.

        Args:
            readings: In any order; the first minutes are enough for a provisional verdict.
            candidates: The cars that were in the household on that day.
        """


@dataclass(frozen=True, slots=True)
class LabelledPlateau:
    """A session of which a person said which car it was."""

    session_id: str
    vehicle_id: str
    plateau: Plateau


class VehiclePlateau(BaseModel):
    """What labelled sessions say of one car.

    Attributes:
        plateau_power_kw: The middle of its sessions' plateaus.
        spread_kw: The standard deviation between its sessions, never less than few labels can vouch for.
        label_count: The sessions it was learned from.
    """

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", allow_inf_nan=False)

    plateau_power_kw: float = Field(gt=0)
    spread_kw: float = Field(gt=0)
    label_count: int = Field(ge=1)

    def deviation_kw(self, plateau: Plateau) -> float:
        """The standard deviation to expect between this car's level and one plateau of it."""
        own_level = self.spread_kw**2 / self.label_count
        measured = plateau.spread_kw**2 / plateau.reading_count
        return math.sqrt(self.spread_kw**2 + own_level + measured)


class NearestPlateau(BaseModel):
    """The nearest labelled plateau, with rejection by distance."""

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    kind: Literal["nearest_plateau"] = "nearest_plateau"
    features: tuple[Literal["plateau_power_kw"]] = ("plateau_power_kw",)
    rejection_distance: float = Field(default=REJECTION_DISTANCE, gt=0)
    vehicles: dict[str, VehiclePlateau] = {}

    @property
    def version(self) -> str:
        """A digest of the parameters."""
        parameters = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return f"{self.kind}-{hashlib.sha256(parameters.encode()).hexdigest()[:12]}"

    def document(self) -> dict[str, Any]:
        """The model as JSON that a person can read and compare."""
        return {**self.model_dump(mode="json"), "version": self.version}

    @classmethod
    def read(cls, document: object, name: str) -> Self:
        """Read what `document` wrote.

        Raises:
            BadInputError: naming the file and each parameter that is wrong.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            remedy = "Restore it from git or train again"
            raise BadInputError(f"{name}: {explain(error)}", remedy=remedy) from None

    def classify(self, readings: Sequence[Reading], candidates: Collection[str]) -> Verdict:
        """See `VehicleClassifier.classify`."""
        plateau = plateau_power_kw(readings)
        if plateau is None:
            return Verdict(UNKNOWN_VEHICLE, 0.0, "no steady charging seen")
        return self.judge(plateau, candidates)

    def judge(self, plateau: Plateau, candidates: Collection[str]) -> Verdict:
        """Name the car of one plateau, or "unknown"."""
        known = {id_: self.vehicles[id_] for id_ in sorted(candidates) if id_ in self.vehicles}
        measured = f"plateau {plateau.power_kw:.2f} kW from {plateau.reading_count} {_NOUN[plateau.origin]}"
        if not known:
            return Verdict(UNKNOWN_VEHICLE, 0.0, f"{measured}; no candidate car has labelled sessions")
        likelihoods = _likelihoods(plateau, known)
        # Far from every car all densities are zero; the distance still tells which is nearest.
        best = max(known, key=lambda id_: (likelihoods[id_], -_distance(plateau, known[id_]), id_))
        vehicle = known[best]
        compared = f"{measured}; nearest is {best} at {vehicle.plateau_power_kw:.2f} kW"
        if _distance(plateau, vehicle) > self.rejection_distance:
            return Verdict(UNKNOWN_VEHICLE, 0.0, f"{compared}, too far away", is_stranger=True)
        posterior = _posterior(best, likelihoods)
        if posterior < MINIMUM_POSTERIOR:
            return Verdict(UNKNOWN_VEHICLE, 0.0, f"{compared}, another is as near", is_stranger=True)
        confidence = round(posterior * _vouched_share(vehicle.label_count), 4)
        return Verdict(best, confidence, f"{compared} ({vehicle.label_count} labelled)")


def fit(labelled: Iterable[LabelledPlateau]) -> NearestPlateau:
    """The model that these labelled sessions support; without any, a model that knows no car."""
    by_vehicle: dict[str, list[float]] = {}
    for session in labelled:
        if session.vehicle_id != UNKNOWN_VEHICLE:
            by_vehicle.setdefault(session.vehicle_id, []).append(session.plateau.power_kw)
    return NearestPlateau(vehicles={id_: _learn(powers) for id_, powers in sorted(by_vehicle.items())})


def _learn(powers_kw: Sequence[float]) -> VehiclePlateau:
    """A car's level and spread. Few labels cannot make a spread small: the expected one counts with them."""
    level = median(powers_kw)
    expected_variance = (EXPECTED_SPREAD * level) ** 2
    # The mean of the squares, not a robust spread: robust ones are worthless for three labels.
    observed_variance = fmean((power - level) ** 2 for power in powers_kw)
    weight = EXPECTED_SPREAD_WEIGHT + len(powers_kw)
    variance = (EXPECTED_SPREAD_WEIGHT * expected_variance + len(powers_kw) * observed_variance) / weight
    return VehiclePlateau(
        plateau_power_kw=round(level, 4), spread_kw=round(math.sqrt(variance), 4), label_count=len(powers_kw)
    )


def _distance(plateau: Plateau, vehicle: VehiclePlateau) -> float:
    return abs(plateau.power_kw - vehicle.plateau_power_kw) / vehicle.deviation_kw(plateau)


def _likelihoods(plateau: Plateau, known: Mapping[str, VehiclePlateau]) -> dict[str, float]:
    """How densely each car's sessions lie around this plateau (per kW)."""
    return {
        id_: NormalDist(vehicle.plateau_power_kw, vehicle.deviation_kw(plateau)).pdf(plateau.power_kw)
        for id_, vehicle in known.items()
    }


def _posterior(vehicle_id: str, likelihoods: Mapping[str, float]) -> float:
    """The probability of one car among the known ones and a car that nobody has labelled."""
    prior = (1 - STRANGER_PRIOR) / len(likelihoods)
    stranger = STRANGER_PRIOR / (CHARGER_LIMIT_KW - MINIMUM_POWER_KW)
    return prior * likelihoods[vehicle_id] / (prior * sum(likelihoods.values()) + stranger)


def _vouched_share(label_count: int) -> float:
    """How far so many labels can vouch for a car at most: Laplace's rule of succession, never 1."""
    return (label_count + 1) / (label_count + 2)
