"""A session's energy and cost in slots of 15 minutes of UTC: the base of every later sum.

Civil hours, days and months are sums of slots and are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from cph50_pipeline.charging.counter import EnergyCounter
from cph50_pipeline.charging.fields import QUANTITY_DECIMALS
from cph50_pipeline.charging.model import Reading, Session
from cph50_pipeline.civil_time import SLOT

COVERAGE_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class ChargingSlot:
    """What a session drew in one slot.

    Attributes:
        vehicle_id: Whose session it was, "unknown" when not known.
        slot_start: Start of the 15 minutes (UTC, on the quarter hour).
        cost: In the account's currency; None when ChargePoint gave none.
        coverage: Share of the session's time in this slot that readings bear out, from 0 to 1.
    """

    session_id: str
    vehicle_id: str
    slot_start: datetime
    energy_kwh: float
    cost: float | None
    coverage: float


def charging_slots(session: Session, readings: Iterable[Reading], vehicle_id: str) -> list[ChargingSlot]:
    """The slots from the session's start to its end, or to the last reading of an open one; at least one.

    Energy and cost are rounded so that the slots sum to the session's: each is a difference of rounded
    totals. The cost is spread as the energy is; without energy it falls on the first slot.
    """
    counter = EnergyCounter.of(session, readings)
    starts = _slot_starts(counter.start, counter.end)
    totals = [counter.energy_at(start + SLOT) for start in starts]
    energies = _differences(totals)
    costs = _spread(session.cost, totals)
    return [
        ChargingSlot(
            session_id=session.session_id,
            vehicle_id=vehicle_id,
            slot_start=start,
            energy_kwh=energy_kwh,
            cost=cost,
            coverage=round(counter.coverage_between(start, start + SLOT), COVERAGE_DECIMALS),
        )
        for start, energy_kwh, cost in zip(starts, energies, costs, strict=True)
    ]


def _slot_starts(start: datetime, end: datetime) -> list[datetime]:
    length = int(SLOT.total_seconds())
    slot = datetime.fromtimestamp(int(start.timestamp()) // length * length, tz=UTC)
    starts = [slot]
    while slot + SLOT < end:
        slot += SLOT
        starts.append(slot)
    return starts


def _spread(cost: float | None, totals: list[float]) -> list[float | None]:
    if cost is None:
        return [None] * len(totals)
    energy_kwh = totals[-1]
    shares = [total / energy_kwh for total in totals] if energy_kwh > 0 else [1.0] * len(totals)
    return [*_differences([cost * share for share in shares])]


def _differences(totals: list[float]) -> list[float]:
    """The steps between rounded running totals, which sum to the last total's rounding."""
    levels = [0.0, *(round(total, QUANTITY_DECIMALS) for total in totals)]
    return [round(after - before, QUANTITY_DECIMALS) + 0.0 for before, after in pairwise(levels)]
