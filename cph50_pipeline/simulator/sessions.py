"""A planned session: what truly happens at the plug, and what ChargePoint would say of it at any instant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Literal
from zoneinfo import ZoneInfo

from cph50_pipeline.simulator.bill import PUBLIC_PRICE_PER_KWH, home_cost
from cph50_pipeline.simulator.cars import Car
from cph50_pipeline.simulator.curve import Curve
from cph50_pipeline.simulator.points import Quirks, kept_offsets

SessionKind = Literal["scheduled", "swap", "top_up", "evening", "idle", "trickle", "public", "plug_in"]
_ID_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
SESSION_IDS = range(10**12)
"""What can be an id: anything else is nobody's."""
_LAST_DIGIT: dict[str, int] = {"public": 5, "plug_in": 7}
_STEP_BACK_KWH = 0.005
_OPENING_READING_SECONDS = (0, 7, 10, 22, 46, 94)  # at twice the distance each time, as real chargers begin


def session_id_at(start: datetime, kind: SessionKind) -> int:
    """The id of a session that starts at a second. Home, public and injected sessions never share one."""
    return int((start - _ID_EPOCH).total_seconds()) * 10 + _LAST_DIGIT.get(kind, 1)


def start_of_id(session_id: int) -> datetime:
    """The second from which an id was made: on the session's own local day, if not always its start."""
    return _ID_EPOCH + timedelta(seconds=session_id // 10)


@dataclass(frozen=True, slots=True)
class KeptPoint:
    """One point of the curve as ChargePoint keeps it. `power_kw` is None when it was not kept."""

    at: datetime
    energy_kwh: float
    power_kw: float | None


@dataclass(frozen=True)
class PlannedSession:
    """One session of the simulated household. Instants are UTC.

    Attributes:
        end: When the session truly ends.
        reported_end: The end that ChargePoint answers, wrong for a few sessions; until then it looks open.
        car: The car that truly charges.
        zone: The household's zone, for its tariff.
        reading_period_seconds: How often the charger takes a new reading after the first minutes.
        update_period_ms: `update_period` as answered.
        billing_delay_seconds: From the reported end to the bill.
    """

    session_id: int
    kind: SessionKind
    start: datetime
    end: datetime
    reported_end: datetime
    car: Car
    zone: ZoneInfo
    curve: Curve
    quirks: Quirks
    reading_period_seconds: int
    update_period_ms: int
    billing_delay_seconds: int

    @property
    def place(self) -> int:
        """Where the session stands in the order of time, whatever its id says."""
        return session_id_at(self.start, self.kind)

    @property
    def is_home(self) -> bool:
        """Whether it happens at the household's own charger."""
        return self.kind != "public"

    @property
    def duration_seconds(self) -> int:
        """From start to true end."""
        return int((self.end - self.start).total_seconds())

    @cached_property
    def energy_kwh(self) -> float:
        """Energy of the whole session."""
        return self.energy_kwh_by(self.end)

    def is_open(self, now: datetime) -> bool:
        """Whether ChargePoint shows it as running."""
        return self.start <= now < self.reported_end

    def reading_at(self, now: datetime) -> datetime:
        """When the charger took the reading that ChargePoint knows at `now`."""
        if now >= self.end:
            return self.end
        elapsed = int((now - self.start).total_seconds())
        regular = elapsed - elapsed % self.reading_period_seconds
        opening = max(second for second in _OPENING_READING_SECONDS if second <= elapsed)
        return self.start + timedelta(seconds=max(opening, regular))

    def energy_kwh_by(self, instant: datetime) -> float:
        """The cumulative counter at an instant, in the charger's resolution of 0.1 Wh."""
        return round(self.curve.energy_kwh(self._offset(instant)), 4)

    def power_kw_at(self, instant: datetime) -> float:
        """Power at an instant; nothing from the end on."""
        return round(self.curve.power_kw(self._offset(instant)), 4) if instant < self.end else 0.0

    def drawing_seconds_by(self, instant: datetime) -> int:
        """How long power was drawn up to an instant."""
        return int(self.curve.drawing_seconds(self._offset(instant)))

    def cost_by(self, instant: datetime) -> float:
        """ChargePoint's total at an instant."""
        if not self.is_home:
            return round(self.energy_kwh_by(instant) * PUBLIC_PRICE_PER_KWH, 2)
        return home_cost(self.start, min(instant, self.end), self.energy_kwh_by, self.zone)

    def points_by(self, now: datetime) -> list[KeptPoint]:
        """The curve that ChargePoint holds at `now`; ends with the latest reading."""
        draw = Random(f"{self.session_id}:points")
        offsets = kept_offsets(self.duration_seconds, self.quirks, draw)
        dip = offsets[len(offsets) // 2] if self.quirks.steps_back and len(offsets) > 8 else None
        latest = int((self.reading_at(now) - self.start).total_seconds())
        known = [offset for offset in offsets if offset <= latest]
        if not known or known[-1] < latest:
            known.append(latest)
        return [self._point(offset, dips=offset == dip) for offset in known]

    def cut_at(self, instant: datetime) -> PlannedSession:
        """The same session unplugged at `instant`."""
        return replace(self, end=instant, reported_end=instant)

    def _point(self, offset: int, *, dips: bool) -> KeptPoint:
        at = self.start + timedelta(seconds=offset)
        energy_kwh = self.energy_kwh_by(at)
        if dips and energy_kwh > 1 and at < self.end:
            energy_kwh = round(energy_kwh - _STEP_BACK_KWH, 4)
        powers = {"given": self.power_kw_at(at), "zero": 0.0, "absent": None}
        return KeptPoint(at, energy_kwh, powers[self.quirks.power])

    def _offset(self, instant: datetime) -> float:
        return (min(instant, self.end) - self.start).total_seconds()
