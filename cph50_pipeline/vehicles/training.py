"""Learning the cars from labelled sessions, and finding out how far the result can be trusted.

Everything is validated as it will be used: each session is judged by a model that was learned from the sessions
before it, sessions of one plug-in never standing on both sides. No random windows. What is good enough to be
released is decided in `release.py`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import fmean
from typing import TYPE_CHECKING

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.vehicles.classifier import (
    PLATEAU_ALONE,
    TRAIT_SESSIONS,
    TRAITS,
    Case,
    Evidence,
    KnownVehicle,
    TrackRecord,
    Training,
    Trait,
    VehicleModel,
    Verdict,
)
from cph50_pipeline.vehicles.features import Fingerprint
from cph50_pipeline.vehicles.levels import (
    EXPECTATION_WEIGHT,
    EXPECTED_SPREAD,
    REJECTED_OWN_SHARE,
    Observed,
    Scatter,
    Spread,
    find_regimes,
    regime_of,
    spread_among,
    spread_of,
)
from cph50_pipeline.vehicles.scores import Judged, score
from cph50_pipeline.vehicles.supply import (
    ANCHOR_DISTANCE,
    Anchor,
    Likelihood,
    Offset,
    SupplyPath,
    follow,
)

if TYPE_CHECKING:
    from cph50_pipeline.vehicles.supply import Grid

# A car can be recognised once so many of its sessions were seen.
KNOWN_AFTER = 3
# Labelled sessions further back say nothing more of the supply today.
CONTEXT = timedelta(days=60)
# Weights of evidence are fitted from so many judgements on; with fewer, the plateau alone decides.
WEIGHED_AFTER = 20
# In validation the model is learned anew when so much more has been seen than last time.
LEARN_AGAIN_AFTER = 1.05
DOUBT_FOLDS = 10
# A session takes part in finding the supply's offset, and so hides a share of its own deviation; more than this
# cannot be made up for.
STRONGEST_PULL = 0.9
_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class LabelledSession:
    """A session of which a person said which car it was.

    Attributes:
        vehicle_id: That car; "unknown" when the person says: none of ours.
        start: When it began (aware).
        plug_in_id: The plug-in event it belongs to: its sessions are held out together.
        candidates: The cars that were in the household on its day.
    """

    session_id: str
    vehicle_id: str
    start: datetime
    plug_in_id: str
    fingerprint: Fingerprint
    candidates: tuple[str, ...]

    def case(self) -> Case:
        """The session as the classifier sees it, with its label."""
        return Case(self.session_id, self.start, self.fingerprint, self.candidates, self.vehicle_id)


@dataclass(frozen=True, slots=True)
class Validated:
    """One session, judged by a model that had seen only earlier ones."""

    session: LabelledSession
    verdict: Verdict
    judged: Judged


@dataclass(frozen=True, slots=True)
class Doubt:
    """A label that contradicts what all other labels say.

    Attributes:
        label: The car by the label.
        verdict: What the model says that was learned without it.
    """

    session_id: str
    label: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Trained:
    """A candidate for release, and what it rests on. Its scores are in `model.training`."""

    model: VehicleModel
    validated: tuple[Validated, ...]
    doubted: tuple[Doubt, ...]


def train(labelled: Iterable[LabelledSession]) -> Trained:
    """Learn the cars, validate in order of time, and look for labels to doubt.

    Args:
        labelled: Sessions with steady charging, in any order. Without any, the model knows no car.
    """
    sessions = _in_time(labelled)
    validated, record, evidence = _validate(sessions)
    fitted = fit(sessions, evidence_weights(evidence), record)
    doubted = _doubts(sessions, fitted)
    days = [session.start.date().isoformat() for session in sessions]
    training = Training(
        labels=dict(sorted(Counter(session.vehicle_id for session in sessions).items())),
        first_session=days[0] if days else None,
        last_session=days[-1] if days else None,
        validated=score([one.judged for one in validated]) if validated else None,
        doubted=tuple(sorted(doubt.session_id for doubt in doubted)),
    )
    return Trained(fitted.model_copy(update={"training": training}), tuple(validated), tuple(doubted))


def fit(
    labelled: Iterable[LabelledSession],
    weights: Mapping[Evidence, float] = PLATEAU_ALONE,
    record: TrackRecord | None = None,
) -> VehicleModel:
    """The model that labelled sessions support, as it stands, unvalidated."""
    sessions = [one for one in _in_time(labelled) if one.vehicle_id != UNKNOWN_VEHICLE]
    offsets = _offsets(sessions)
    stretches = {
        vehicle_id: _Stretches.of([sessions[i] for i in members], [offsets[i] for i in members])
        for vehicle_id, members in sorted(_by_vehicle(sessions).items())
    }
    vehicles = {
        vehicle_id: _learn(own, [one for id_, one in stretches.items() if id_ != vehicle_id])
        for vehicle_id, own in stretches.items()
    }
    return VehicleModel(
        vehicles=vehicles,
        evidence_weights={evidence: round(weight, 4) for evidence, weight in weights.items()},
        supply=SupplyPath(anchors=_anchors(sessions, offsets)),
        record=record or TrackRecord(),
    )


def evidence_weights(evidence: Sequence[Sequence[float]]) -> Mapping[Evidence, float]:
    """How much each kind of evidence should count: logistic regression on sessions the model had not seen.

    This is what calibrates the probabilities: evidence that often misled counts less, and none counts more than
    its likelihood. Shrunk, because there are few sessions.

    Args:
        evidence: For each judged session, the log-likelihood ratios of its true car against a rival.
    """
    if len(evidence) < WEIGHED_AFTER:
        return PLATEAU_ALONE
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    # Each pair of cars is seen from both sides, so that the regression has two classes and no intercept.
    ratios = np.array(evidence)
    sides = np.concatenate([ratios, -ratios])
    is_true = np.concatenate([np.ones(len(ratios)), np.zeros(len(ratios))])
    regression = LogisticRegression(fit_intercept=False, solver="newton-cholesky").fit(sides, is_true)
    return {
        kind: min(1.0, max(0.0, float(weight)))
        for kind, weight in zip(Evidence, regression.coef_[0], strict=True)
    }


def _validate(
    sessions: Sequence[LabelledSession],
) -> tuple[list[Validated], TrackRecord, list[list[float]]]:
    """Each session judged from those before it, with the weights and the record that were known by then."""
    validated: list[Validated] = []
    evidence: list[list[float]] = []
    record = TrackRecord()
    model, learned_from = VehicleModel(), 0
    for place, session in enumerate(sessions):
        seen = [one for one in sessions[:place] if one.plug_in_id != session.plug_in_id]
        if not _can_be_judged(session, seen):
            continue
        if len(seen) >= LEARN_AGAIN_AFTER * learned_from:
            model, learned_from = fit(seen, evidence_weights(evidence)), len(seen)
        known = model.model_copy(update={"record": record})
        nearby = [one.case() for one in seen if session.start - one.start <= CONTEXT]
        case = Case(session.session_id, session.start, session.fingerprint, session.candidates)
        offset = known.offsets([case, *nearby])[0]
        verdict = known.judge_one(case, offset)
        validated.append(Validated(session, verdict, _judged(session, verdict)))
        evidence += [
            known.evidence(session.fingerprint, session.vehicle_id, rival, offset)
            for rival in sorted(known.vehicles)
            if session.vehicle_id in known.vehicles
            and rival in set(session.candidates) - {session.vehicle_id}
        ]
        if verdict.confidence > 0:
            raw_probability = verdict.confidence / record.trust
            record = record.and_judged(raw_probability, verdict.vehicle_id == session.vehicle_id)
    return validated, record, evidence


def _can_be_judged(session: LabelledSession, seen: Sequence[LabelledSession]) -> bool:
    labels = Counter(one.vehicle_id for one in seen)
    if session.vehicle_id == UNKNOWN_VEHICLE:
        return any(count >= KNOWN_AFTER for count in labels.values())
    return labels[session.vehicle_id] >= KNOWN_AFTER


def _judged(session: LabelledSession, verdict: Verdict) -> Judged:
    if session.vehicle_id == UNKNOWN_VEHICLE:
        truth_probability = 1 - sum(verdict.probabilities.values())
    else:
        truth_probability = verdict.probabilities.get(session.vehicle_id, 0.0)
    return Judged(
        session.session_id, session.vehicle_id, verdict.vehicle_id, verdict.confidence, truth_probability
    )


def _doubts(sessions: Sequence[LabelledSession], fitted: VehicleModel) -> list[Doubt]:
    """Labels that models learned without them contradict. Held out by plug-in, a tenth at a time."""
    named = [session for session in sessions if session.vehicle_id != UNKNOWN_VEHICLE]
    folds = min(DOUBT_FOLDS, len({session.plug_in_id for session in named}))
    if folds < 2:
        return []
    from sklearn.model_selection import GroupKFold

    doubts = []
    groups = [session.plug_in_id for session in named]
    for kept, held_out in GroupKFold(folds).split(named, groups=groups):
        others = [named[i] for i in kept]
        model = fit(others, fitted.evidence_weights, fitted.record)
        cases = [
            Case(named[i].session_id, named[i].start, named[i].fingerprint, named[i].candidates)
            for i in held_out
        ]
        verdicts = model.judge(cases, [one.case() for one in others])
        doubts += [
            Doubt(named[i].session_id, named[i].vehicle_id, verdict)
            for i, verdict in zip(held_out, verdicts, strict=True)
            if verdict.confidence > 0 and verdict.vehicle_id != named[i].vehicle_id
        ]
    return sorted(doubts, key=lambda doubt: doubt.session_id)


@dataclass(frozen=True, slots=True)
class _Stretches:
    """One car's sessions by stretch of stable power."""

    sessions: Sequence[LabelledSession]
    regimes: Sequence[Sequence[Observed]]

    @classmethod
    def of(cls, sessions: Sequence[LabelledSession], offsets: Sequence[Offset]) -> _Stretches:
        observed = _observed(sessions, offsets)
        return cls(sessions, [[observed[i] for i in part] for part in find_regimes(observed)])


def _learn(own: _Stretches, neighbours: Iterable[_Stretches]) -> KnownVehicle:
    """One car: its regimes, its scatter about them, its traits."""
    others = sum((Scatter.about_middles(one.regimes) for one in neighbours), Scatter())
    spread = spread_among(Scatter.about_middles(own.regimes), others)
    return KnownVehicle(
        label_count=len(own.sessions),
        spread=round(spread.value, 5),
        degrees_of_freedom=spread.degrees_of_freedom,
        rejection_distance=_rejection_distance(spread.degrees_of_freedom),
        regimes=tuple(regime_of(regime) for regime in own.regimes),
        traits=_traits(own.sessions),
    )


def _rejection_distance(degrees_of_freedom: float) -> float:
    from scipy.stats import t

    return round(float(t.isf(REJECTED_OWN_SHARE / 2, degrees_of_freedom)), 3)


def _traits(sessions: Sequence[LabelledSession]) -> dict[Evidence, Trait]:
    traits = {}
    for kind in TRAITS:
        measures = [m for s in sessions if (m := getattr(s.fingerprint, kind.value)) is not None]
        if len(measures) < TRAIT_SESSIONS:
            continue
        values = [measure.value for measure in measures]
        # How unsure the single measurements are is the least scatter that can be vouched for.
        expected = math.sqrt(fmean(measure.sigma**2 for measure in measures))
        scatter = Scatter(_squares(values), len(values) - 1)
        spread = spread_of(scatter, Spread(expected, EXPECTATION_WEIGHT)).value
        traits[kind] = Trait(
            mean=round(fmean(values), 5), spread=round(max(spread, 1e-5), 5), session_count=len(values)
        )
    return traits


def _offsets(sessions: Sequence[LabelledSession]) -> list[Offset]:
    """How the supply stood at each session, together with the levels of the cars: each is found from the other."""
    offsets = [Offset()] * len(sessions)
    members = _by_vehicle(sessions)
    for _ in range(_ROUNDS):
        likelihoods: list[Likelihood] = [None] * len(sessions)
        for indices in members.values():
            observed = _observed([sessions[i] for i in indices], [offsets[i] for i in indices])
            for part in find_regimes(observed):
                middle = fmean(observed[i].log_power for i in part)
                for i in part:
                    likelihoods[indices[i]] = _about(middle, sessions[indices[i]])
        followed = follow([one.start for one in sessions], likelihoods, SupplyPath(), leave_out=False)
        mean = fmean(offset.value for offset in followed) if followed else 0.0
        offsets = [Offset(offset.value - mean, offset.sigma) for offset in followed]
    return offsets


def _about(middle: float, session: LabelledSession) -> Likelihood:
    """What one session says of the offset when its car's level is known."""
    log_power = math.log(session.fingerprint.power_kw.value)

    def likelihood(grid: Grid) -> Grid:
        import numpy as np

        density: Grid = np.exp(-0.5 * ((log_power - grid - middle) / EXPECTED_SPREAD) ** 2)
        return density

    return likelihood


def _anchors(sessions: Sequence[LabelledSession], offsets: Sequence[Offset]) -> tuple[Anchor, ...]:
    """Where the supply stood, the first and the last day and some between."""
    anchors: list[Anchor] = []
    for place, (session, offset) in enumerate(zip(sessions, offsets, strict=True)):
        day = session.start.date()
        is_last = place == len(sessions) - 1
        if not anchors or day - anchors[-1].day >= ANCHOR_DISTANCE or (is_last and day > anchors[-1].day):
            sigma = max(round(offset.sigma, 5), 1e-5)
            anchors.append(Anchor(day=day, offset=round(offset.value, 5), sigma=sigma))
    return tuple(anchors)


def _observed(sessions: Sequence[LabelledSession], offsets: Sequence[Offset]) -> list[Observed]:
    return [
        Observed(
            log_power=math.log(one.fingerprint.power_kw.value) - offset.value,
            amperage_limit=one.fingerprint.amperage_limit,
            weight=1 / (1 - min(STRONGEST_PULL, (offset.sigma / EXPECTED_SPREAD) ** 2)),
        )
        for one, offset in zip(sessions, offsets, strict=True)
    ]


def _by_vehicle(sessions: Sequence[LabelledSession]) -> dict[str, list[int]]:
    members: dict[str, list[int]] = defaultdict(list)
    for index, session in enumerate(sessions):
        members[session.vehicle_id].append(index)
    return members


def _in_time(labelled: Iterable[LabelledSession]) -> list[LabelledSession]:
    return sorted(labelled, key=lambda session: (session.start, session.session_id))


def _squares(values: Sequence[float]) -> float:
    middle = fmean(values)
    return sum((value - middle) ** 2 for value in values)
