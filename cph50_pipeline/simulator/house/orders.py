"""What goes wrong in the house on demand, and what Home Assistant forgets: told by tests and control routes.

Each order changes what Home Assistant records or answers over a span of time; nothing changes what the house truly
draws. Transport faults are `simulator.faults`.
"""

from __future__ import annotations

import threading
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from cph50_pipeline.errors import BadInputError

_CONVERSIONS: dict[tuple[str, str], float] = {
    ("W", "kW"): 1e-3,
    ("W", "MW"): 1e-6,
    ("kWh", "Wh"): 1e3,
    ("kWh", "MWh"): 1e-3,
    ("V", "mV"): 1e3,
    ("V", "kV"): 1e-3,
}
_LONGEST_SHIFT_SECONDS = 12 * 3600.0


class _Order(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Lasting(_Order):
    start: AwareDatetime
    end: AwareDatetime

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.start >= self.end:
            raise ValueError("the end has to come after the start")
        return self


class Outage(_Lasting):
    """Home Assistant is down: it answers nobody and records nothing."""

    kind: Literal["outage"] = "outage"


class Unavailable(_Lasting):
    """A sensor, or all of them, say a text instead of a number."""

    kind: Literal["unavailable"] = "unavailable"
    entity: str | None = None
    state: str = "unavailable"


class Frozen(_Lasting):
    """A sensor, or all of them, say nothing new."""

    kind: Literal["frozen"] = "frozen"
    entity: str | None = None


class PowerCut(_Lasting):
    """The mains meter says zero, as without power. What the counters count is not changed."""

    kind: Literal["power_cut"] = "power_cut"


class ClockShift(_Lasting):
    """Home Assistant's clock is wrong by so many seconds; what it records carries the wrong times."""

    kind: Literal["clock_shift"] = "clock_shift"
    seconds: float = Field(ge=-_LONGEST_SHIFT_SECONDS, le=_LONGEST_SHIFT_SECONDS)


class Reading(_Order):
    """The first reading of a sensor from an instant on says something else, once."""

    kind: Literal["reading"] = "reading"
    entity: str
    at: AwareDatetime
    state: str


class UnitChange(_Order):
    """From an instant on a sensor says what it says in another unit."""

    kind: Literal["unit_change"] = "unit_change"
    entity: str
    at: AwareDatetime
    unit: str


class Removed(_Order):
    """A sensor does not exist any more from an instant on: it was renamed."""

    kind: Literal["removed"] = "removed"
    entity: str
    at: AwareDatetime


class NotRecorded(_Order):
    """A sensor is left out of the recorder: it has a state, no history and no statistics."""

    kind: Literal["not_recorded"] = "not_recorded"
    entity: str


class Purge(_Order):
    """Home Assistant forgets states, and five-minute statistics, that are older than so many days."""

    kind: Literal["purge"] = "purge"
    keep_days: float = Field(gt=0)


Order = Annotated[
    Outage
    | Unavailable
    | Frozen
    | PowerCut
    | ClockShift
    | Reading
    | UnitChange
    | Removed
    | NotRecorded
    | Purge,
    Field(discriminator="kind"),
]
ORDERS = TypeAdapter(list[Order])


def conversion(unit: str, other: str) -> float:
    """What a number in one unit is multiplied by to be in another.

    Raises:
        BadInputError: when the simulator's sensors know no such conversion.
    """
    factor = 1.0 if unit == other else _CONVERSIONS.get((unit, other))
    if factor is None:
        known = ", ".join(to for from_, to in _CONVERSIONS if from_ == unit)
        raise BadInputError(
            f"The simulated sensor cannot say {unit} in {other}", remedy=f"Use one of {known}"
        )
    return factor


class OrderBook:
    """The orders in force, in the order in which they were given. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: tuple[Order, ...] = ()

    def add(self, *orders: Order) -> None:
        """Put orders in force."""
        with self._lock:
            self._orders = (*self._orders, *orders)

    def clear(self) -> None:
        """Lift all orders."""
        with self._lock:
            self._orders = ()

    def in_force(self) -> tuple[Order, ...]:
        """All orders; equal tuples stand for the same world."""
        with self._lock:
            return self._orders
