"""One simulated household through the classifier and through a nearest mean: first labels, then later sessions.

The classifier meets the sessions as the pipeline gives them to it: a month at a time, with the month before for
context, and the first minutes of a session with nothing but what came earlier. How households are summed up stands
in `vehicle_figures.py`.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from statistics import fmean

from bench.vehicle_households import FIRST_CAR, SECOND_CAR, Scenario, SimulatedSession, simulate
from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.vehicles.classifier import Case, VehicleModel, Verdict
from cph50_pipeline.vehicles.features import Fingerprint, fingerprint
from cph50_pipeline.vehicles.training import LabelledSession, train

KNOWN_CARS = (FIRST_CAR, SECOND_CAR)
CONTEXT = timedelta(days=60)

Fingerprints = Mapping[str, Fingerprint | None]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried: a household, how many labels each of its two cars gets, and whether it is judged at once.

    Attributes:
        from_opening: Whether the later sessions are judged by their first five minutes.
    """

    scenario: Scenario = field(default_factory=Scenario)
    labels: int = 20
    from_opening: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """One judged session that charged steadily.

    Attributes:
        confidence: Of the given car; 0 when none was given.
        truth_probability: What the true car was given; of a car without labels, what no car was given. None when
            too little was seen to judge.
    """

    truth: str
    named: str
    confidence: float
    truth_probability: float | None

    @property
    def is_named(self) -> bool:
        """Whether a car was given at all."""
        return self.named != UNKNOWN_VEHICLE

    @property
    def is_right(self) -> bool:
        """Whether it was the true one."""
        return self.named == self.truth

    @property
    def is_strange(self) -> bool:
        """Whether the true car was never labelled."""
        return self.truth not in KNOWN_CARS


@dataclass(frozen=True, slots=True)
class HouseholdOutcome:
    """One household's later sessions, by the classifier and by the nearest mean.

    Attributes:
        hidden: How many more charged steadily for ten minutes, of which the readings show nothing.
    """

    ours: tuple[Outcome, ...]
    nearest_mean: tuple[Outcome, ...]
    hidden: int


def run_trial(trial: Trial, seed: int) -> HouseholdOutcome:
    """Label the first sessions of each car, train, and judge every later session that charged steadily."""
    home = Home.of(trial, seed)
    model = train(home.labelled).model
    if trial.from_opening:
        seen: Fingerprints = _seen_at_once(trial.scenario, seed)
        verdicts = {one.session_id: home.judged_at_once(model, one, seen) for one in home.later}
    else:
        seen = home.seen
        verdicts = home.judged_by_month(model)
    return HouseholdOutcome(
        ours=tuple(_outcome(one, seen, verdicts[one.session_id]) for one in home.later),
        nearest_mean=tuple(_nearest_mean(home, seen)),
        hidden=home.hidden,
    )


@dataclass(frozen=True, slots=True)
class Home:
    """A household's sessions at its own charger.

    Attributes:
        labelled: Those that a person labelled.
        later: Those after them that charged steadily, which are judged.
        seen: What the readings of each session say of its car.
        cases: All sessions as the classifier sees them.
        hidden: How many later ones charged steadily for ten minutes without its being seen.
    """

    labelled: Sequence[LabelledSession]
    later: Sequence[SimulatedSession]
    seen: Fingerprints
    cases: Sequence[Case]
    hidden: int

    @classmethod
    def of(cls, trial: Trial, seed: int) -> Home:
        """The household of a seed.

        Raises:
            ValueError: it has not so many sessions to label.
        """
        sessions = [session for session in simulate(trial.scenario, seed) if session.is_home]
        seen = {one.session_id: fingerprint(one.readings, one.amperage_limit) for one in sessions}
        labelled = first_labels(sessions, seen, trial.labels)
        after = [one for one in sessions if one.start > labelled[-1].start]
        later = [one for one in after if seen[one.session_id] is not None]
        hidden = sum(_is_steady(one) and seen[one.session_id] is None for one in after)
        return cls(labelled, later, seen, _cases(sessions, labelled, seen), hidden)

    def judged_by_month(self, model: VehicleModel) -> dict[str, Verdict]:
        """Verdicts as when a month is done: its sessions together, the month before for context."""
        asked = {one.session_id for one in self.later}
        months: dict[int, list[Case]] = defaultdict(list)
        for case in self.cases:
            months[case.start.year * 12 + case.start.month].append(case)
        verdicts: dict[str, Verdict] = {}
        for month, members in months.items():
            judged = [case for case in members if case.session_id in asked]
            others = [case for case in members if case.session_id not in asked]
            found = model.judge(judged, [*others, *months.get(month - 1, [])])
            verdicts |= {case.session_id: verdict for case, verdict in zip(judged, found, strict=True)}
        return verdicts

    def judged_at_once(self, model: VehicleModel, session: SimulatedSession, seen: Fingerprints) -> Verdict:
        """The verdict while a session runs, from what was seen of it and from earlier sessions."""
        case = Case(session.session_id, session.start, seen[session.session_id], KNOWN_CARS)
        return model.judge([case], self.earlier(session))[0]

    def earlier(self, session: SimulatedSession) -> list[Case]:
        """The sessions before one, near enough in time to show how the supply stands."""
        return [case for case in self.cases if timedelta() < session.start - case.start <= CONTEXT]


def first_labels(
    sessions: Sequence[SimulatedSession], seen: Fingerprints, count: int
) -> list[LabelledSession]:
    """So many labelled sessions of each known car, the earliest ones, in order of time.

    Raises:
        ValueError: the household has not so many.
    """
    counts: Counter[str] = Counter()
    labelled = []
    for one in sessions:
        found = seen[one.session_id]
        if found is None or one.vehicle_id not in KNOWN_CARS or counts[one.vehicle_id] == count:
            continue
        counts[one.vehicle_id] += 1
        labelled.append(
            LabelledSession(one.session_id, one.vehicle_id, one.start, one.plug_in_id, found, KNOWN_CARS)
        )
    if min(counts[car] for car in KNOWN_CARS) < count:
        raise ValueError(f"the household has fewer than {count} sessions of a car to label: {counts}")
    return labelled


def _is_steady(session: SimulatedSession) -> bool:
    return session.plateau_kw is not None and session.kind != "trickle"


def _cases(
    sessions: Sequence[SimulatedSession], labelled: Sequence[LabelledSession], seen: Fingerprints
) -> list[Case]:
    labels = {one.session_id: one.vehicle_id for one in labelled}
    return [
        Case(one.session_id, one.start, seen[one.session_id], KNOWN_CARS, labels.get(one.session_id))
        for one in sessions
    ]


def seconds_of_judgements(trial: Trial, seed: int) -> list[float]:
    """CPU seconds of each provisional judgement, from the window's readings to the verdict."""
    home = Home.of(trial, seed)
    model = train(home.labelled).model
    openings = _openings(trial.scenario, seed)
    seconds = []
    for one in home.later:
        opening, context = openings[one.session_id], home.earlier(one)
        started = time.process_time()
        found = fingerprint(opening.readings, opening.amperage_limit)
        model.judge([Case(one.session_id, one.start, found, KNOWN_CARS)], context)
        seconds.append(time.process_time() - started)
    return seconds


def _seen_at_once(scenario: Scenario, seed: int) -> Fingerprints:
    return {
        session_id: fingerprint(one.readings, one.amperage_limit)
        for session_id, one in _openings(scenario, seed).items()
    }


def _openings(scenario: Scenario, seed: int) -> dict[str, SimulatedSession]:
    return {one.session_id: one for one in simulate(replace(scenario, view="opening"), seed)}


def _outcome(session: SimulatedSession, seen: Fingerprints, verdict: Verdict) -> Outcome:
    probabilities = verdict.probabilities
    of_stranger = 1 - sum(probabilities.values())
    given = probabilities.get(session.vehicle_id, 0.0) if session.vehicle_id in KNOWN_CARS else of_stranger
    is_seen = seen[session.session_id] is not None
    return Outcome(session.vehicle_id, verdict.vehicle_id, verdict.confidence, given if is_seen else None)


def _nearest_mean(home: Home, seen: Fingerprints) -> list[Outcome]:
    """The car whose mean plateau is nearest, as surely as the other one is further away; it cannot reject."""
    means = {
        car: fmean(one.fingerprint.power_kw.value for one in home.labelled if one.vehicle_id == car)
        for car in KNOWN_CARS
    }
    return [_nearest(means, one.vehicle_id, seen[one.session_id]) for one in home.later]


def _nearest(means: Mapping[str, float], truth: str, found: Fingerprint | None) -> Outcome:
    if found is None:
        return Outcome(truth, UNKNOWN_VEHICLE, 0.0, None)
    distances = {car: abs(found.power_kw.value - mean) for car, mean in means.items()}
    nearest, furthest = sorted(distances, key=lambda car: distances[car])
    confidence = 1 - distances[nearest] / distances[furthest]
    given = {nearest: confidence, furthest: 1 - confidence}
    return Outcome(truth, nearest, confidence, given.get(truth, 0.0))
