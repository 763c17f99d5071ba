"""One line of the report: what was measured, against which budget and which alternative. No measuring here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured budget.

    Attributes:
        name: By which the row is chosen on the command line.
        measured: The figure, in `unit`.
        budget: The largest figure that is good, in `unit`.
        unit: What both are in; "x" when they are ratios.
        alternative: What it is compared with.
        detail: The figures behind it.
    """

    name: str
    measured: float
    budget: float
    unit: str
    alternative: str
    detail: str

    @property
    def ok(self) -> bool:
        """Whether the budget holds."""
        return self.measured <= self.budget

    @property
    def share(self) -> float:
        """How much of the budget is used; 0 when nothing is allowed and nothing was found."""
        if self.budget == 0:
            return 0.0 if self.measured == 0 else float("inf")
        return self.measured / self.budget


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a measurement may make of itself.

    Attributes:
        quick: Few repetitions.
        document: Everything that stands in the documents, too, which is then written there.
    """

    quick: bool
    document: bool = False

    def times(self, usual: int, quick: int) -> int:
        """How often to repeat."""
        return quick if self.quick else usual


Measure = Callable[[Effort], Row]
