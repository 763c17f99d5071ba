"""Which car a session's fingerprint resembles: the interface of every classifier, and the released model.

The model holds, of each car, the levels at which it charged, its own scatter, and traits such as its ramp. It weighs
them into probabilities, refuses what resembles no car, and is never surer than its own record. It is plain JSON:
learned with scikit-learn by `training.py`, applied here without. No file is touched; that a label by hand goes first
is the business of `classification.py`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.vehicles.config import explain
from cph50_pipeline.vehicles.features import MINIMUM_POWER_KW, Fingerprint, Measure
from cph50_pipeline.vehicles.levels import Level, Regime, levels_under, student_density
from cph50_pipeline.vehicles.scores import Scores
from cph50_pipeline.vehicles.supply import Likelihood, Offset, SupplyPath, follow

if TYPE_CHECKING:
    from cph50_pipeline.vehicles.supply import Grid

KIND: Final = "plateau_levels"
# Below this share of the probability the nearest car is a guess between cars, not an answer.
MINIMUM_POSTERIOR = 0.6
# How likely a car that nobody has labelled is beforehand. Under one limit all cars draw much the same: half of the
# strangers are looked for about the known cars, with this deviation, and half anywhere up to the charger's limit.
STRANGER_PRIOR = 0.02
STRANGER_SPREAD = 0.1
CHARGER_LIMIT_KW = 12.0
ANY_POWER_DENSITY = 1 / math.log(CHARGER_LIMIT_KW / MINIMUM_POWER_KW)
STRANGER_DENSITY = 0.5 * ANY_POWER_DENSITY + 0.5 / (STRANGER_SPREAD * math.sqrt(2 * math.pi))
# No single kind of evidence may outweigh all others, however far apart two cars are.
STRONGEST_EVIDENCE = 10.0
# A trait known from fewer of a car's sessions is no evidence.
TRAIT_SESSIONS = 3

_NOUN = {"power": "distinct readings", "counter": "spans of the counter"}


class Evidence(StrEnum):
    """What is weighed between cars; the plateau first, then the traits of a session."""

    PLATEAU = "plateau"
    RAMP = "ramp_seconds"
    RIPPLE = "ripple"
    DRIFT = "early_drift"
    TAPER = "taper_seconds"


TRAITS = (Evidence.RAMP, Evidence.RIPPLE, Evidence.DRIFT, Evidence.TAPER)
PLATEAU_ALONE: Mapping[Evidence, float] = {
    evidence: float(evidence is Evidence.PLATEAU) for evidence in Evidence
}


@dataclass(frozen=True, slots=True)
class Case:
    """One session as a classifier sees it.

    Attributes:
        start: When it began (aware).
        fingerprint: What its readings say; None when it never charged steadily, or elsewhere.
        candidates: The cars that were in the household on its day.
        label: A person's word on it. It fixes the supply's level there; the session itself is judged without it.
    """

    session_id: str
    start: datetime
    fingerprint: Fingerprint | None
    candidates: tuple[str, ...]
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a classifier says of one session.

    Attributes:
        vehicle_id: A candidate, or "unknown".
        confidence: The probability that it is this car, below 1; 0 for "unknown".
        reason: Why, for a person to read.
        is_stranger: Whether the session charged steadily and yet resembles no candidate, or two alike.
        probabilities: Of each candidate that the model knows; what is missing to 1 is none of them.
    """

    vehicle_id: str
    confidence: float
    reason: str
    is_stranger: bool = False
    probabilities: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:  # noqa: D105 - the attributes say it
        if not 0 <= self.confidence < 1:
            raise ValueError(f"a confidence of {self.confidence} for {self.vehicle_id} is not in [0, 1)")


class VehicleClassifier(Protocol):
    """Names the cars of sessions, or refuses to."""

    @property
    def version(self) -> str:
        """Changes when, and only when, the same sessions may be judged differently."""

    def judge(self, cases: Sequence[Case], context: Sequence[Case] = ()) -> list[Verdict]:
        """Judge sessions by their readings so far.

        Args:
            cases: In any order; the first minutes of a session are enough for a provisional verdict.
            context: Sessions near them in time, which are not asked about but show how the supply stands.

        Returns:
            A verdict a case, in their order.
        """


class Trait(BaseModel):
    """What a car's labelled sessions say of one trait: its middle, its scatter and how many sessions had it."""

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    mean: float
    spread: float = Field(gt=0)
    session_count: int = Field(ge=1)


class KnownVehicle(BaseModel):
    """What labelled sessions say of one car.

    Attributes:
        label_count: The sessions it was learned from.
        spread: How far its sessions scatter about their level (a standard deviation, as a share), never less than so
            few labels can vouch for.
        degrees_of_freedom: How well the spread is known (of Student's distribution).
        rejection_distance: So many spreads from every level, a session is not this car's.
        regimes: Where it charged, by rising power.
        traits: By name; those that too few sessions had are left out.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    label_count: int = Field(ge=1)
    spread: float = Field(gt=0)
    degrees_of_freedom: float = Field(gt=0)
    rejection_distance: float = Field(gt=0)
    regimes: tuple[Regime, ...] = Field(min_length=1)
    traits: dict[Evidence, Trait] = {}

    def deviation(self, level: Level, measured: float, offset_sigma: float = 0.0) -> float:
        """The standard deviation to expect between a level and one session's plateau (of logarithms).

        Args:
            measured: The plateau's own relative uncertainty.
            offset_sigma: How unsure the supply's offset is.
        """
        own = self.spread * math.sqrt(1 + 1 / level.label_count)
        return math.hypot(own, level.extra_spread, measured, offset_sigma)


class TrackRecord(BaseModel):
    """How the model did on labelled sessions that it had not seen yet, against how it expected to do.

    Attributes:
        judged: Sessions to which it gave a car.
        right: Those of them to which it gave the right one.
        expected: How many it expected to get right: the sum of its probabilities.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    judged: int = Field(default=0, ge=0)
    right: int = Field(default=0, ge=0)
    expected: float = Field(default=0.0, ge=0)

    @property
    def trust(self) -> float:
        """The factor on its probabilities: 0.5 without a record, never 1, less when it expected too much of itself.

        The bound is Jeffreys' estimate of a share from `judged` successes in a row.
        """
        as_expected = (self.right + 0.5) / (self.expected + 1)
        return min((self.judged + 0.5) / (self.judged + 1), as_expected)

    def and_judged(self, probability: float, is_right: bool) -> TrackRecord:
        """The record with one more verdict of a raw probability."""
        return TrackRecord(
            judged=self.judged + 1,
            right=self.right + is_right,
            expected=round(self.expected + probability, 4),
        )


class Training(BaseModel):
    """What the model was learned from and how well it did. For people; judging does not look at it.

    Attributes:
        labels: Labelled sessions with steady charging, by car.
        first_session: The day of the first of them, and of the last.
        validated: How it judged each session from those before it; None when there were too few.
        doubted: Labelled sessions of which all others say another car.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    labels: dict[str, int] = {}
    first_session: str | None = None
    last_session: str | None = None
    validated: Scores | None = None
    doubted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Match:
    """How one car explains a session: its nearest level, how far away (in deviations), and how densely."""

    level: Level
    distance: float
    density: float


class VehicleModel(BaseModel):
    """The released model. Without vehicles it knows no car.

    Attributes:
        evidence_weights: How much each kind of evidence counts, fitted on sessions the model had not seen.
        record: What its confidence is multiplied with.
        rolled_back: Versions that a person took back; they are not released again by themselves.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore", allow_inf_nan=False)

    kind: Literal["plateau_levels"] = KIND
    vehicles: dict[str, KnownVehicle] = {}
    evidence_weights: dict[Evidence, float] = dict(PLATEAU_ALONE)
    supply: SupplyPath = SupplyPath()
    record: TrackRecord = TrackRecord()
    training: Training = Training()
    rolled_back: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """A digest of the parameters."""
        parameters = self.model_dump(mode="json", exclude={"training", "rolled_back"})
        digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()
        return f"{self.kind}-{digest[:12]}"

    def document(self) -> dict[str, Any]:
        """The model as JSON that a person can read and compare."""
        return {**self.model_dump(mode="json"), "version": self.version}

    @classmethod
    def read(cls, document: object, name: str) -> Self:
        """Read what `document` wrote.

        Raises:
            BadInputError: naming the file and each parameter that is wrong, or the kind of model that is not read.
        """
        kind = document.get("kind", KIND) if isinstance(document, Mapping) else KIND
        if kind != KIND:
            raise BadInputError(
                f"{name} holds a model of another kind, {kind!r}",
                remedy="Learn the cars anew with `cph50 train`, or with `--release` while they have few labels",
            )
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            remedy = (
                "Restore it from git, or train again with `cph50 train`, with `--release` whatever comes out"
            )
            raise BadInputError(f"{name}: {explain(error)}", remedy=remedy) from None

    def judge(self, cases: Sequence[Case], context: Sequence[Case] = ()) -> list[Verdict]:
        """See `VehicleClassifier.judge`."""
        offsets = self.offsets([*cases, *context])
        return [self.judge_one(case, offset) for case, offset in zip(cases, offsets, strict=False)]

    def offsets(self, cases: Sequence[Case]) -> list[Offset]:
        """The supply's offset at each session, as the others show it."""
        likelihoods = [self._likelihood(case) for case in cases]
        return follow([case.start for case in cases], likelihoods, self.supply, leave_out=True)

    def judge_one(self, case: Case, offset: Offset) -> Verdict:
        """Judge one session, given how the supply stands."""
        seen = case.fingerprint
        if seen is None:
            return Verdict(UNKNOWN_VEHICLE, 0.0, "no steady charging seen")
        matches = self._matches(seen, case.candidates, offset)
        measured = f"plateau {_spoken(seen)} from {seen.reading_count} {_NOUN[seen.origin]}"
        if not matches:
            return Verdict(UNKNOWN_VEHICLE, 0.0, f"{measured}; no candidate car has labelled sessions")
        probabilities = self._probabilities(seen, matches)
        best = max(matches, key=lambda id_: (probabilities[id_], -matches[id_].distance, id_))
        vehicle, match = self.vehicles[best], matches[best]
        expected_kw = math.exp(match.level.log_power + offset.value)
        compared = f"{measured}; {best} is expected at {expected_kw:.1f} kW"
        if match.distance > vehicle.rejection_distance:
            return Verdict(UNKNOWN_VEHICLE, 0.0, f"{compared}, too far away", True, probabilities)
        if probabilities[best] < MINIMUM_POSTERIOR:
            return Verdict(UNKNOWN_VEHICLE, 0.0, f"{compared}, another is as near", True, probabilities)
        trust = self.record.trust
        trusted = {id_: round(share * trust, 4) for id_, share in probabilities.items()}
        # Neither the level nor the labels it rests on: they change a little with every label.
        return Verdict(best, trusted[best], f"{measured}, as {best} charges", probabilities=trusted)

    def evidence(self, seen: Fingerprint, vehicle_id: str, rival_id: str, offset: Offset) -> list[float]:
        """How much each kind of evidence speaks for one car against another (log-likelihood ratios)."""
        matches = self._matches(seen, (vehicle_id, rival_id), offset)
        return self._evidence(seen, vehicle_id, rival_id, matches)

    def _matches(self, seen: Fingerprint, candidates: Sequence[str], offset: Offset) -> dict[str, _Match]:
        return {
            id_: _match(seen, self.vehicles[id_], offset)
            for id_ in sorted(candidates)
            if id_ in self.vehicles
        }

    def _probabilities(self, seen: Fingerprint, matches: Mapping[str, _Match]) -> dict[str, float]:
        """Of each car among the known ones and a car that nobody has labelled."""
        best = max(matches, key=lambda id_: matches[id_].density)
        log_odds = {id_: self._weighed(self._evidence(seen, id_, best, matches)) for id_ in matches}
        prior = (1 - STRANGER_PRIOR) / len(matches)
        weights = {id_: prior * matches[best].density * math.exp(odds) for id_, odds in log_odds.items()}
        total = sum(weights.values()) + STRANGER_PRIOR * STRANGER_DENSITY
        return {id_: weight / total for id_, weight in weights.items()}

    def _weighed(self, evidence: Sequence[float]) -> float:
        """All kinds of evidence together (a logarithm of odds)."""
        return sum(
            self.evidence_weights.get(kind, 0.0) * ratio
            for kind, ratio in zip(Evidence, evidence, strict=True)
        )

    def _evidence(
        self, seen: Fingerprint, vehicle_id: str, rival_id: str, matches: Mapping[str, _Match]
    ) -> list[float]:
        mine = self._log_likelihoods(seen, vehicle_id, matches[vehicle_id])
        other = self._log_likelihoods(seen, rival_id, matches[rival_id])
        ratios = (mine[kind] - other[kind] for kind in Evidence)
        return [max(-STRONGEST_EVIDENCE, min(STRONGEST_EVIDENCE, ratio)) for ratio in ratios]

    def _log_likelihoods(self, seen: Fingerprint, vehicle_id: str, match: _Match) -> dict[Evidence, float]:
        vehicle = self.vehicles[vehicle_id]
        traits = {evidence: _trait_log_likelihood(seen, vehicle, evidence) for evidence in TRAITS}
        return {Evidence.PLATEAU: math.log(max(match.density, 1e-300)), **traits}

    def _likelihood(self, case: Case) -> Likelihood:
        """What one session says of the supply's offset; of a labelled one the car is known."""
        seen = case.fingerprint
        if seen is None:
            return None
        cars = case.candidates if case.label is None else (case.label,)
        known = [self.vehicles[id_] for id_ in sorted(cars) if id_ in self.vehicles]
        if not known:
            return None
        log_power, measured = _log_of(seen.power_kw)
        shares = [(1 - STRANGER_PRIOR) / len(known)] * len(known)

        def likelihood(grid: Grid) -> Grid:
            density = STRANGER_PRIOR * STRANGER_DENSITY
            for share, vehicle in zip(shares, known, strict=True):
                levels = levels_under(vehicle.regimes, seen.amperage_limit)
                labels = sum(level.label_count for level in levels)
                for level in levels:
                    deviation = vehicle.deviation(level, measured)
                    distance = (log_power - grid - level.log_power) / deviation
                    weight = share * level.label_count / labels / deviation
                    density = density + weight * student_density(distance, vehicle.degrees_of_freedom)
            return density  # type: ignore[return-value]

        return likelihood


def _match(seen: Fingerprint, vehicle: KnownVehicle, offset: Offset) -> _Match:
    log_power, measured = _log_of(seen.power_kw)
    levels = levels_under(vehicle.regimes, seen.amperage_limit)
    labels = sum(level.label_count for level in levels)
    density, nearest = 0.0, (math.inf, levels[0])
    for level in levels:
        deviation = vehicle.deviation(level, measured, offset.sigma)
        distance = abs(log_power - offset.value - level.log_power) / deviation
        share = level.label_count / labels
        density += share * student_density(distance, vehicle.degrees_of_freedom) / deviation
        nearest = min(nearest, (distance, level), key=lambda pair: pair[0])
    return _Match(nearest[1], nearest[0], density)


def _trait_log_likelihood(seen: Fingerprint, vehicle: KnownVehicle, evidence: Evidence) -> float:
    """0 where the trait is not measured or not known: it then speaks for nobody."""
    measure: Measure | None = getattr(seen, evidence.value)
    trait = vehicle.traits.get(evidence)
    if measure is None or trait is None:
        return 0.0
    deviation = math.hypot(trait.spread * math.sqrt(1 + 1 / trait.session_count), measure.sigma)
    distance = (measure.value - trait.mean) / deviation
    return math.log(float(student_density(distance, vehicle.degrees_of_freedom)) / deviation)


def _log_of(power_kw: Measure) -> tuple[float, float]:
    """The logarithm of a power and its uncertainty."""
    return math.log(power_kw.value), power_kw.sigma / power_kw.value


def _spoken(seen: Fingerprint) -> str:
    limit = "" if seen.amperage_limit is None else f" at {seen.amperage_limit:g} A"
    return f"{seen.power_kw.value:.2f} kW{limit}"
