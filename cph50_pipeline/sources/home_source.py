"""What the pipeline needs of a source of the house's meters: the seam that the collector types against.

Home Assistant's implementation is `home_assistant.py`; the simulator speaks Home Assistant's protocol and needs none.
Texts come as they are: which number a state is, and in what unit, `power.meters.canonical` decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

NoticeKind = Literal[
    "unknown_entity", "not_recorded", "forgotten", "unit_changed", "wrong_unit", "unusable", "clock"
]


class StateRow(NamedTuple):
    """What an entity said, at an instant.

    Attributes:
        at: UTC.
        state: "412.5", "unavailable"; empty when the entity was removed.
        unit: None where the source did not say.
    """

    entity: str
    at: datetime
    state: str
    unit: str | None


class StatisticsRow(NamedTuple):
    """One hour of an entity.

    Attributes:
        start: UTC.
        mean: Of a gauge.
        state: What a counter showed at the end.
        change: What a counter counted in between, resets allowed for.
        unit: Of all three.
    """

    entity: str
    start: datetime
    end: datetime
    mean: float | None
    state: float | None
    change: float | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person should know; everything else went on.

    Attributes:
        entity: Whose it is; None for the whole source.
        message: One line.
        start: From when it concerns, where that is known.
        end: Until when.
    """

    kind: NoticeKind
    message: str
    entity: str | None = None
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """Rows in order of entity and time, and what a person should know of those that are missing."""

    rows: list[StateRow] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


class HomeSource(Protocol):
    """A source of states, and of what they were.

    Every read raises a `TransientError` when it may succeed later, a `PermanentError` when somebody has to change
    something first, and a `BadInputError` when the answer cannot be used.
    """

    def clock_offset(self) -> timedelta:
        """How far the source's clock is ahead of ours."""

    def states(self, entities: Sequence[str]) -> Heard:
        """What entities say now, and since when by the source's clock.

        Of an entity that does not exist there is a notice.
        """

    def history(self, entities: Sequence[str], start: datetime, end: datetime) -> Heard:
        """What entities said from `start` to `end`, both included.

        A row at `start` stands for what an entity had said before and still says; without one, the source does not
        remember so far.
        """

    def statistics(self, entities: Sequence[str], start: datetime, end: datetime) -> list[StatisticsRow]:
        """The hours that begin in the half-open interval; none of entities that the source keeps none of."""

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound all reads inside by one deadline."""
