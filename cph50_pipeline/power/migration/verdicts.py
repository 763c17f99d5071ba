"""What became of each value in a file of the old power monitor, and why. Every value has one verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

Outcome = Literal["taken", "already_stored", "refused"]


class Reason(StrEnum):
    """Why a value is not taken."""

    NO_ROW = "no_row"
    NO_VALUE = "no_value"
    NO_TIME = "no_time"
    REPEATED_HOUR = "repeated_hour"
    SKIPPED_HOUR = "skipped_hour"
    FUTURE = "future"
    NOT_OVER = "not_over"
    BEFORE_HISTORY = "before_history"
    THINNED = "thinned"
    NO_METER = "no_meter"
    NO_NUMBER = "no_number"
    WRONG_UNIT = "wrong_unit"
    NOT_POSSIBLE = "not_possible"
    EQUALS_POWER = "equals_power"
    A_COUNTER = "a_counter"
    NO_COUNTER = "no_counter"
    MEAN_OF_COUNTER = "mean_of_counter"
    UNREAD_ZERO = "unread_zero"
    OTHER_COUNTER = "other_counter"
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    STORED_STAYS = "stored_stays"
    FINER_READINGS = "finer_readings"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something is not taken, as a kind and in words."""

    reason: Reason
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one value.

    Attributes:
        file: The file's name.
        row: Its place in the file's list, from 1.
        timestamp: As written.
        column: Empty for a row that has no value to speak of.
        said: The value as written.
        meter: Whose reading it is; None where that is not known.
        at: When it begins to stand; None where that is not known.
        refusal: None unless it was refused.
    """

    file: str
    row: int
    timestamp: str
    column: str
    said: str
    meter: str | None
    at: datetime | None
    outcome: Outcome
    refusal: Refusal | None = None

    def refused(self, refusal: Refusal) -> Verdict:
        """The same value, refused."""
        return replace(self, outcome="refused", refusal=refusal)
