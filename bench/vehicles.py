"""How well cars are told apart in simulated households, against a nearest mean; and how long a judgement takes.

The households are in `vehicle_households.py`, how one is judged in `vehicle_trial.py`, the figures of many in
`vehicle_figures.py`. Here stand the scenarios, what must hold, and the tables of docs/vehicles.md, which are
measured only when they are to be written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median

from bench.homes import REPOSITORY
from bench.row import Effort, Row
from bench.vehicle_figures import Figure, Figures, figures_of
from bench.vehicle_households import Scenario
from bench.vehicle_trial import HouseholdOutcome, Trial, run_trial, seconds_of_judgements

MOST_WRONG = 0.005  # of the sessions that are given a car
MOST_UNNAMED = 0.03  # of the sessions that charged steadily
MOST_STRANGERS_NAMED = 0.05
MOST_CALIBRATION_ERROR = 0.03
MOST_JUDGING_MS = 20.0

USUAL = Trial()
DOCUMENT = REPOSITORY / "docs" / "vehicles.md"
BEGIN, END = "<!-- written by `python -m bench vehicles --document` -->\n", "<!-- end -->"

LIMITS = (24, 32, 40)
THREE_LIMITS = Trial(Scenario(limits=LIMITS))
STRANGER = Trial(Scenario(third_gap=0.03))
OPENING = Trial(from_opening=True)
WITH_WINDOW = Trial(Scenario(view="curve and window"))
REPEATED = tuple(Trial(Scenario(duplicates=times)) for times in (2, 10))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Trials that differ in one thing; `strangers` for those in which a third car comes."""

    title: str
    varied: str
    trials: Mapping[str, Trial]
    strangers: bool = False


COMPARISONS = (
    Comparison(
        "Labels",
        "labels a car",
        {str(count): Trial(labels=count) for count in (5, 10, 20, 40)},
    ),
    Comparison(
        "Spread between a car's own sessions",
        "spread",
        {f"{percent} %": Trial(Scenario(spread=percent / 100)) for percent in (0.3, 0.6, 0.9, 1.2)},
    ),
    Comparison(
        "Distance between the cars",
        "distance",
        {f"{percent} %": Trial(Scenario(car_gap=percent / 100)) for percent in (1, 2, 3, 4, 6)},
    ),
    Comparison(
        "Supply voltage",
        "voltage",
        {
            "steady": USUAL,
            "±2.5 % over a season": Trial(Scenario(season_voltage=0.025)),
            "±5 % over a season": Trial(Scenario(season_voltage=0.05)),
            "±1 % from session to session": Trial(Scenario(session_voltage=0.01)),
            "±2 % from session to session": Trial(Scenario(session_voltage=0.02)),
            "±5 % from session to session": Trial(Scenario(session_voltage=0.05)),
        },
    ),
    Comparison(
        "Amperage limit",
        "limit",
        {
            "40 A throughout": USUAL,
            "24, 32 and 40 A, observed": THREE_LIMITS,
            "the same, observed from day 100 on": Trial(Scenario(limits=LIMITS, limit_observed_from_day=100)),
            "the same, never observed": Trial(Scenario(limits=LIMITS, limit_observed_from_day=inf)),
        },
    ),
    Comparison(
        "What is seen of a session",
        "readings",
        {
            "the whole curve": USUAL,
            "with the live window": WITH_WINDOW,
            "the first five minutes": OPENING,
            "each reading twice": REPEATED[0],
            "each reading ten times": REPEATED[1],
            "a tenth of the powers zero": Trial(Scenario(zeroed_share=0.1)),
            "a third of the powers zero": Trial(Scenario(zeroed_share=0.33)),
            "ramp and taper of each car's own": Trial(Scenario(own_manners=True)),
        },
    ),
    Comparison(
        "A third car that nobody labelled",
        "its distance",
        {
            **{f"{percent} %": Trial(Scenario(third_gap=percent / 100)) for percent in (2, 3, 4, 6)},
            "3 %, 5 labels": Trial(Scenario(third_gap=0.03), labels=5),
            "3 %, 10 labels": Trial(Scenario(third_gap=0.03), labels=10),
            "3 %, voltage ±5 % over a season": Trial(Scenario(third_gap=0.03, season_voltage=0.05)),
            "3 %, three limits, observed": Trial(Scenario(third_gap=0.03, limits=LIMITS)),
            "3 %, the first five minutes": Trial(Scenario(third_gap=0.03), from_opening=True),
        },
        strangers=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Promise:
    """A figure that must hold, as a share that must stay small.

    Attributes:
        missed: The share, with its interval.
        most: The largest share that is good.
        theirs: The same of the nearest mean.
    """

    text: str
    missed: Figure
    most: float
    theirs: Figure

    @property
    def used(self) -> float:
        """How much of what is allowed was needed."""
        return inf if self.missed.value is None else self.missed.value / self.most


Outcomes = Mapping[Trial, Sequence[HouseholdOutcome]]


def measure(effort: Effort) -> Row:
    """Accuracy, coverage, calibration and rejection: how much of what must hold is used at most."""
    outcomes = _run_all(effort)
    ours = {trial: figures_of([one.ours for one in found]) for trial, found in outcomes.items()}
    theirs = {trial: figures_of([one.nearest_mean for one in found]) for trial, found in outcomes.items()}
    promises = _promises(ours, theirs)
    changed = sum(_differing(outcomes[USUAL], outcomes[trial]) for trial in REPEATED)
    if effort.document:
        tables = [_size(outcomes), _promise_table(promises), *_comparison_tables(ours, theirs)]
        write_tables("\n\n".join(tables), DOCUMENT)
    used = inf if changed else max(promise.used for promise in promises)
    return Row(
        "vehicles",
        used,
        1.0,
        "x",
        "the nearest mean of each car's labelled plateaus",
        "; ".join([*map(_spoken, promises), f"{changed} verdicts changed by repeated readings"]),
    )


def measure_judgement(effort: Effort) -> Row:
    """CPU of one provisional judgement: the 99th percentile over a household's sessions."""
    seconds = [
        second for seed in range(effort.times(4, 1)) for second in seconds_of_judgements(STRANGER, seed)
    ]
    ranked = sorted(1000 * second for second in seconds)
    return Row(
        "judgement",
        ranked[int(0.99 * len(ranked))],
        MOST_JUDGING_MS,
        "ms",
        "a look at the charger every 10 s",
        f"median {median(ranked):.1f} ms, longest {ranked[-1]:.1f} ms of {len(ranked)} sessions in their first "
        "five minutes, with 60 days of context",
    )


def write_tables(tables: str, document: Path) -> None:
    """Put the tables between the marks of a page, in the place of those that stand there.

    Raises:
        ValueError: the page has no marks.
    """
    before, begin, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no place for the tables: it needs '{BEGIN.strip()}' and '{END}'")
    document.write_text(f"{before}{begin}\n{tables}\n\n{end}{after}", encoding="utf-8")


def _run_all(effort: Effort) -> Outcomes:
    """Every trial once, whichever tables it stands in."""
    compared = [trial for one in COMPARISONS for trial in one.trials.values()] if effort.document else []
    trials = list(dict.fromkeys([USUAL, THREE_LIMITS, STRANGER, *REPEATED, *compared]))
    households = effort.times(24, 4)
    jobs = [(trial, seed) for trial in trials for seed in range(households)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        done = list(pool.map(_run, jobs))
    return {trial: done[place * households : (place + 1) * households] for place, trial in enumerate(trials)}


def _run(job: tuple[Trial, int]) -> HouseholdOutcome:
    return run_trial(*job)


def _differing(households: Iterable[HouseholdOutcome], others: Iterable[HouseholdOutcome]) -> int:
    """How many sessions are judged otherwise."""
    return sum(
        ours != theirs
        for household, other in zip(households, others, strict=True)
        for ours, theirs in zip(household.ours, other.ours, strict=True)
    )


def _promises(ours: Mapping[Trial, Figures], theirs: Mapping[Trial, Figures]) -> list[Promise]:
    def promise(text: str, trial: Trial, figure: str, most: float) -> Promise:
        return Promise(text, _missed(ours[trial], figure), most, _missed(theirs[trial], figure))

    return [
        promise("wrong of the named", USUAL, "accuracy", MOST_WRONG),
        promise("not named", USUAL, "coverage", MOST_UNNAMED),
        promise("calibration error", USUAL, "calibration_error", MOST_CALIBRATION_ERROR),
        promise("wrong of the named under three limits", THREE_LIMITS, "accuracy", MOST_WRONG),
        promise("not named under three limits", THREE_LIMITS, "coverage", MOST_UNNAMED),
        promise("an unseen car 3 % away that is named", STRANGER, "rejected", MOST_STRANGERS_NAMED),
    ]


def _missed(figures: Figures, name: str) -> Figure:
    figure: Figure = getattr(figures, name)
    return figure if name == "calibration_error" else figure.complement()


def _spoken(promise: Promise) -> str:
    return f"{promise.text} {promise.missed.percent()} of {100 * promise.most:g} %"


def _size(outcomes: Outcomes) -> str:
    """How many sessions the figures stand on, and how many had to be left out."""
    usual = outcomes[USUAL]
    return (
        f"{len(usual)} households a row; {sum(len(one.ours) for one in usual):,} sessions judged where nothing is "
        f"varied. Left out are sessions that show no plateau: {_hidden(usual)} of those that truly charged steadily "
        "for ten minutes, because ChargePoint kept nothing, or a single point, of it; with the live window "
        f"{_hidden(outcomes[WITH_WINDOW])}."
    )


def _hidden(households: Sequence[HouseholdOutcome]) -> str:
    hidden = sum(one.hidden for one in households)
    return f"{100 * hidden / (hidden + sum(len(one.ours) for one in households)):.1f} %"


def _comparison_tables(ours: Mapping[Trial, Figures], theirs: Mapping[Trial, Figures]) -> Iterator[str]:
    for comparison in COMPARISONS:
        write = _stranger_row if comparison.strangers else _known_row
        head = _STRANGER_HEAD if comparison.strangers else _KNOWN_HEAD
        rows = [[name, *write(ours[trial], theirs[trial])] for name, trial in comparison.trials.items()]
        yield f"### {comparison.title}\n\n{_table([comparison.varied, *head], rows)}"


def _promise_table(promises: Sequence[Promise]) -> str:
    rows = [
        [one.text, one.missed.percent(), f"{100 * one.most:g} %", one.theirs.percent()] for one in promises
    ]
    return f"### What must hold\n\n{_table(['share', 'measured', 'at most', 'nearest mean'], rows)}"


_KNOWN_HEAD = (
    "right of the named",
    "named",
    "log-loss",
    "Brier score",
    "calibration error",
    "nearest mean: right",
    "its calibration error",
)
_STRANGER_HEAD = ("rejected", "own cars: right of the named", "own cars: named", "calibration error")


def _known_row(ours: Figures, theirs: Figures) -> list[str]:
    return [
        ours.accuracy.percent(),
        ours.coverage.percent(),
        ours.log_loss.number(),
        ours.brier.number(),
        ours.calibration_error.number(),
        theirs.accuracy.percent(),
        theirs.calibration_error.number(),
    ]


def _stranger_row(ours: Figures, _: Figures) -> list[str]:
    return [
        ours.rejected.percent(),
        ours.accuracy.percent(),
        ours.coverage.percent(),
        ours.calibration_error.number(),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
