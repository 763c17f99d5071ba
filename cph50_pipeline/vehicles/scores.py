"""How well a classifier did on sessions it had not seen: accuracy, coverage, calibration, confusion. Values only.

How sessions are held out stands in `training.py`; what scores are good enough in `release.py`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from pydantic import BaseModel, ConfigDict, Field

BIN_COUNT = 10
# What a verdict is charged with that gave the truth no chance at all.
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict on a session whose car is known.

    Attributes:
        truth: The car by a person's word.
        named: The car by the classifier, or "unknown".
        confidence: Of that verdict; 0 for "unknown".
        truth_probability: What the classifier gave the true car.
    """

    session_id: str
    truth: str
    named: str
    confidence: float
    truth_probability: float

    @property
    def is_named(self) -> bool:
        """Whether the classifier gave a car at all."""
        return self.confidence > 0

    @property
    def is_right(self) -> bool:
        """Whether that was the true one."""
        return self.named == self.truth


class ReliabilityBin(BaseModel):
    """Verdicts of similar confidence: how sure they were and how often they were right."""

    # defer_build: schemas are built where they are used, because import is budgeted.
    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    confidence: float
    accuracy: float
    count: int = Field(ge=1)


class Scores(BaseModel):
    """Figures of a classifier on sessions it had not seen, by the car that people say it was.

    Attributes:
        sessions: How many it was asked about.
        coverage: The share to which it gave a car.
        accuracy: The share of right cars among those; None when it gave none.
        log_loss: The mean of -ln of the true car's probability (less is better).
        brier: The mean squared error of the confidence of given cars; None when it gave none.
        expected_calibration_error: The mean distance between confidence and accuracy, over ten bins of
            confidence; None when it gave none.
        confusion: Sessions by true car and given car.
        reliability: The bins that hold any verdict, by rising confidence.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="ignore")

    sessions: int
    coverage: float
    accuracy: float | None
    log_loss: float
    brier: float | None
    expected_calibration_error: float | None
    confusion: dict[str, dict[str, int]]
    reliability: tuple[ReliabilityBin, ...]


def score(judged: Sequence[Judged]) -> Scores:
    """The figures of some verdicts.

    Raises:
        ValueError: there is none.
    """
    if not judged:
        raise ValueError("there is nothing to score")
    named = [one for one in judged if one.is_named]
    bins = reliability(named)
    return Scores(
        sessions=len(judged),
        coverage=_rounded(len(named) / len(judged)),
        accuracy=_mean([one.is_right for one in named]),
        log_loss=_rounded(fmean(-math.log(max(one.truth_probability, LEAST_PROBABILITY)) for one in judged)),
        brier=_mean([(one.is_right - one.confidence) ** 2 for one in named]),
        expected_calibration_error=_mean(
            [abs(one.confidence - one.accuracy) for one in bins for _ in range(one.count)]
        ),
        confusion=_confusion(judged),
        reliability=tuple(bins),
    )


def _confusion(judged: Sequence[Judged]) -> dict[str, dict[str, int]]:
    counts = Counter((one.truth, one.named) for one in judged)
    return {
        truth: {named: counts[truth, named] for of, named in sorted(counts) if of == truth}
        for truth in sorted({one.truth for one in judged})
    }


def reliability(named: Sequence[Judged]) -> list[ReliabilityBin]:
    """Verdicts by confidence, in ten bins of equal width; those that hold any."""
    groups: dict[int, list[Judged]] = {}
    for one in named:
        groups.setdefault(min(BIN_COUNT - 1, int(one.confidence * BIN_COUNT)), []).append(one)
    return [
        ReliabilityBin(
            confidence=_rounded(sum(one.confidence for one in group) / len(group)),
            accuracy=_rounded(sum(one.is_right for one in group) / len(group)),
            count=len(group),
        )
        for _, group in sorted(groups.items())
    ]


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(fmean(values)) if values else None


def _rounded(value: float) -> float:
    return round(value, 4)
