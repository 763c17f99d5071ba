"""The simulated household: which session happens when, as a pure function of seed and time.

Nothing here reads a clock or a file. Sessions that a person injects are laid over it by `plug_ins`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import day_start, local_date
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.bill import at_hour
from cph50_pipeline.simulator.cars import Car
from cph50_pipeline.simulator.curve import Burst, Curve, Wave, charge
from cph50_pipeline.simulator.days import PlugInDraw, begins_at_midnight, draw_day
from cph50_pipeline.simulator.points import draw_quirks
from cph50_pipeline.simulator.sessions import (
    SESSION_IDS,
    PlannedSession,
    SessionKind,
    session_id_at,
    start_of_id,
)

DEFAULT_SEED = 50
DEFAULT_ZONE = ZoneInfo("America/Los_Angeles")
DEFAULT_HISTORY_START = date(2025, 1, 1)
AMPERAGE_LIMITS = (16, 20, 24, 28, 32, 40, 48, 50)
PLATEAU_SPREAD = 0.003
_PUBLIC_KW = 6.06
_WRONG_END_SHARE = 0.05  # of the sessions that can have one: about 2 % of all
_SWAPPED_ID_SHARE = 0.2  # of swaps


@dataclass(frozen=True, slots=True)
class Charger:
    """The household's charger: where it hangs and how many amperes it may give.

    Raises:
        BadInputError: for a limit that the charger does not offer.
    """

    zone: ZoneInfo
    amperage_limit: int

    def __post_init__(self) -> None:
        """Refuse a limit that the charger does not offer."""
        if self.amperage_limit not in AMPERAGE_LIMITS:
            offered = ", ".join(map(str, AMPERAGE_LIMITS))
            raise BadInputError(
                f"The charger has no limit of {self.amperage_limit} A", remedy=f"Use one of {offered}"
            )


class Household:
    """A two-car household with one charger, the same for the same arguments in every process.

    Args:
        seed: Which household.
        zone: Where it lives.
        third_car: Whether a guest's car charges now and then.
        amperage_limit: The charger's limit in amperes.
        history_start: The first civil day with sessions.

    Raises:
        BadInputError: for a limit that the charger does not offer.
    """

    def __init__(
        self,
        seed: int = DEFAULT_SEED,
        zone: ZoneInfo = DEFAULT_ZONE,
        *,
        third_car: bool = False,
        amperage_limit: int = 40,
        history_start: date = DEFAULT_HISTORY_START,
    ) -> None:
        self.seed = seed
        self.zone = zone
        self.third_car = third_car
        self.charger = Charger(zone, amperage_limit)
        self.history_start = history_start
        self._days: dict[date, tuple[PlannedSession, ...]] = {}

    def limited_to(self, amperage_limit: int) -> Household:
        """The same household under another limit of its charger (A).

        Raises:
            BadInputError: for a limit that the charger does not offer.
        """
        return Household(
            self.seed,
            self.zone,
            third_car=self.third_car,
            amperage_limit=amperage_limit,
            history_start=self.history_start,
        )

    def sessions_on(self, day: date) -> tuple[PlannedSession, ...]:
        """The sessions that start on a civil day, in order of start."""
        if day not in self._days:
            self._days[day] = self._plan(day) if day >= self.history_start else ()
        return self._days[day]

    def sessions_between(self, start: datetime, end: datetime) -> list[PlannedSession]:
        """The sessions that start in the half-open interval, in order of start."""
        first, last = local_date(start, self.zone), local_date(end, self.zone)
        days = (first + timedelta(days=number) for number in range((last - first).days + 1))
        return [session for day in days for session in self.sessions_on(day) if start <= session.start < end]

    def session(self, session_id: int) -> PlannedSession | None:
        """The session with this id, None when there is none."""
        if session_id not in SESSION_IDS:
            return None
        day = local_date(start_of_id(session_id), self.zone)
        return next((one for one in self.sessions_on(day) if one.session_id == session_id), None)

    def true_vehicle(self, session_id: int | str) -> str:
        """The vehicle id of the car that truly charged.

        Raises:
            BadInputError: when the household has no such session.
        """
        session = self.session(int(session_id))
        if session is None:
            raise BadInputError(f"The simulated household has no session {session_id}")
        return session.car.vehicle_id

    def _plan(self, day: date) -> tuple[PlannedSession, ...]:
        drawn = draw_day(self.seed, day, third_car=self.third_car)
        planned = [self._session(day, plug_in) for plug_in in drawn]
        planned = self._with_wrong_end(day, self._with_swapped_ids(day, planned))
        return tuple(sorted(planned, key=lambda session: session.place))

    def _session(self, day: date, plug_in: PlugInDraw) -> PlannedSession:
        draw = Random(f"{self.seed}:{day.isoformat()}:{plug_in.kind}:{plug_in.start_hour:.4f}")
        jitter = draw.choice((0, 0, 1)) if plug_in.start_hour == 0 else 0
        start = at_hour(day, plug_in.start_hour, self.zone) + timedelta(seconds=jitter)
        end_day = day + timedelta(days=int(plug_in.end_hour // 24))
        end = at_hour(end_day, plug_in.end_hour % 24, self.zone)
        return plan_session(self.charger, plug_in.kind, plug_in.car, start, end, plug_in.energy_kwh, draw)

    def _with_swapped_ids(self, day: date, planned: list[PlannedSession]) -> list[PlannedSession]:
        """Late uploads: ids are given on arrival, so that two neighbours may carry each other's."""
        draw = Random(f"{self.seed}:{day.isoformat()}:ids")
        if len(planned) < 2 or planned[0].kind != "swap" or draw.random() >= _SWAPPED_ID_SHARE:
            return planned
        first, second = planned
        return [replace(first, session_id=second.session_id), replace(second, session_id=first.session_id)]

    def _with_wrong_end(self, day: date, planned: list[PlannedSession]) -> list[PlannedSession]:
        """A charger that lost its connection: the end is reported hours into the next day's session."""
        tomorrow = day + timedelta(days=1)
        draw = Random(f"{self.seed}:{day.isoformat()}:end")
        next_start = day_start(tomorrow, self.zone)
        last = max((one for one in planned if one.is_home), key=lambda one: one.end, default=None)
        wrong = draw.random() < _WRONG_END_SHARE and begins_at_midnight(self.seed, tomorrow)
        if last is None or not wrong or last.end >= next_start:
            return planned
        reported = next_start + timedelta(seconds=draw.randint(3600, 4 * 3600))
        return [replace(one, reported_end=reported) if one is last else one for one in planned]


def plan_session(
    charger: Charger,
    kind: SessionKind,
    car: Car,
    start: datetime,
    end: datetime,
    energy_kwh: float,
    draw: Random,
    *,
    spread: float = PLATEAU_SPREAD,
) -> PlannedSession:
    """A session in which `car` takes `energy_kwh` as fast as it can, or as much of it as fits.

    `spread` is the standard deviation between a car's own sessions as a share of its plateau, what the hour of
    the day does to the voltage aside.
    """
    seconds = (end - start).total_seconds()
    plateau_kw = _plateau_kw(charger, kind, car, spread, draw)
    waves = _waves(start, charger.zone, draw)
    return PlannedSession(
        session_id=session_id_at(start, kind),
        kind=kind,
        start=start,
        end=end,
        reported_end=end,
        car=car,
        zone=charger.zone,
        curve=Curve(_bursts(kind, car, seconds, energy_kwh, plateau_kw, waves, draw)),
        quirks=draw_quirks(draw, seconds),
        reading_period_seconds=draw.choice((60, 90, 150, 300)),
        update_period_ms=300_000 if draw.random() < 0.07 else 8_000,
        billing_delay_seconds=draw.randint(1, 22) if draw.random() < 0.9 else draw.randint(300, 17_000),
    )


def _bursts(
    kind: SessionKind,
    car: Car,
    seconds: float,
    energy_kwh: float,
    plateau_kw: float,
    waves: tuple[Wave, ...],
    draw: Random,
) -> tuple[Burst, ...]:
    begin = min(float(draw.randint(4, 9)), seconds / 10)
    wanted = energy_kwh / plateau_kw * 3600 + car.ramp_seconds / 2
    available = seconds - begin
    if wanted >= available:
        return (charge(begin, available, plateau_kw, waves, ramp=car.ramp_seconds, taper=0),)
    first = charge(begin, wanted, plateau_kw, waves, ramp=car.ramp_seconds, taper=car.taper_seconds)
    warm_up = float(draw.randint(120, 480))  # the cabin is heated before it leaves
    if draw.random() < 0.2 and available - wanted > 4 * warm_up and kind in ("scheduled", "evening"):
        late = charge(seconds - 2 * warm_up, warm_up, plateau_kw * 0.4, waves, ramp=20, taper=0)
        return first, late
    return (first,)


def _plateau_kw(charger: Charger, kind: SessionKind, car: Car, spread: float, draw: Random) -> float:
    if kind == "trickle":
        return draw.uniform(0.3, 1.3)
    nominal_kw = _PUBLIC_KW if kind == "public" else car.plateau_kw(charger.amperage_limit)
    return nominal_kw * (1 + draw.gauss(0, spread))


def _waves(start: datetime, zone: ZoneInfo, draw: Random) -> tuple[Wave, ...]:
    """Supply voltage over the day, the same clock for all sessions, and ripple of the session's own."""
    since_midnight = (start - day_start(local_date(start, zone), zone)).total_seconds()
    since_highest = since_midnight - 4 * 3600  # demand is lowest at four in the morning
    return (
        Wave(0.004, 86_400, math.tau * since_highest / 86_400 + math.pi / 2),
        Wave(0.0025, draw.uniform(2_400, 4_800), draw.uniform(0, math.tau)),
        Wave(0.0012, draw.uniform(280, 700), draw.uniform(0, math.tau)),
    )
