"""Labelled sessions of simulated households, for judging the classifier. No measuring here.

The physics, the rhythm of the days and what ChargePoint keeps of a curve are the simulator's. Added is what the
classifier has to stand: which cars there are, how far their sessions spread, what the supply's voltage and the
charger's limit do, which readings are broken, and how much of a session was seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import sin, sqrt, tau
from random import Random
from typing import Literal

from cph50_pipeline.charging.fields import rounded
from cph50_pipeline.charging.model import Origin, Reading
from cph50_pipeline.simulator.bill import at_hour
from cph50_pipeline.simulator.cars import Car
from cph50_pipeline.simulator.curve import Burst
from cph50_pipeline.simulator.days import DayKind, PlugInDraw, draw_plug_ins
from cph50_pipeline.simulator.household import DEFAULT_ZONE, Charger, plan_session
from cph50_pipeline.simulator.sessions import PlannedSession, SessionKind

FIRST_CAR, SECOND_CAR, THIRD_CAR = "first_car", "second_car", "third_car"
FIRST_DAY = date(2025, 1, 1)
CHAIN_GAP = timedelta(minutes=15)
"""Sessions that follow each other more closely belong to one plug-in, or to a swap of cars."""

LOOKS, LOOK_SECONDS = 30, 10
HOUR_OF_DAY_SPREAD = 0.00165
"""What the simulator's daily voltage and slow ripple alone make of a car's plateaus (standard deviation)."""

_LOWEST_KW, _HIGHEST_KW = 6.5, 9.0  # of a household's first car at 40 A
_VISITS = 0.15  # share of the days on which the third car takes the first one's place
_MINIMUM_PLATEAU_SECONDS = 600

View = Literal["curve", "curve and window", "opening"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a simulated household is like.

    Attributes:
        days: How long it is watched.
        car_gap: How much more the second car draws than the first, as a share.
        third_gap: How far the third car lies outside the other two, as a share of the nearer one, below or
            above by the seed; None when there is none.
        spread: Standard deviation of a car's own plateaus at one voltage and limit, as a share.
        own_manners: Whether ramp and taper differ between cars; when not, power alone tells them apart.
        season_voltage: How far the voltage swings slowly to either side, as a share, common to all cars.
        season_days: From one lowest voltage to the next.
        session_voltage: How far it is off from one session to the next, to either side, evenly, as a share.
        limits: The charger's limits in amperes, among which it changes now and then.
        limit_days: How long one of several limits stands, on average.
        limit_observed_from_day: From which day on the limit is known; `inf` for never.
        idle_share, trickle_share, public_share: Shares of the days with such a session.
        zeroed_share: Share of the readings whose power is zero although the counter climbs.
        duplicates: How often each reading comes: again, and again a little later with the same values.
        view: What of each session is known: its curve, the live window besides, or the first five minutes alone
            (the window, and the curve as it was answered when the window began).
    """

    days: int = 300
    car_gap: float = 0.04
    third_gap: float | None = None
    spread: float = 0.006
    own_manners: bool = False
    season_voltage: float = 0.0
    season_days: float = 180.0
    session_voltage: float = 0.0
    limits: tuple[int, ...] = (40,)
    limit_days: float = 20.0
    limit_observed_from_day: float = 0.0
    idle_share: float = 0.04
    trickle_share: float = 0.03
    public_share: float = 0.04
    zeroed_share: float = 0.0
    duplicates: int = 1
    view: View = "curve"


@dataclass(frozen=True, slots=True)
class SimulatedSession:
    """One session as the pipeline would know it, and what is true of it.

    Attributes:
        readings: In order of time, as they come from `distinct_readings` (unless duplicated on purpose).
        whole: Whether the session has ended; if not, only its first five minutes are known.
        amperage_limit: In amperes, None when it was not observed.
        vehicle_id: The car that truly charged.
        plug_in_id: The id of the first session of its chain.
        plateau_kw: The mean power of its longest steady stretch, None when that is shorter than ten minutes.
        limit: The true limit in amperes.
    """

    session_id: str
    start: datetime
    readings: list[Reading]
    whole: bool
    amperage_limit: float | None
    vehicle_id: str
    kind: SessionKind
    is_home: bool
    plug_in_id: str
    plateau_kw: float | None
    limit: int


def simulate(scenario: Scenario, seed: int) -> list[SimulatedSession]:
    """The sessions of one household in order of time: the same for the same arguments.

    Scenarios that differ only in `zeroed_share`, `duplicates`, `view` or what of the limit was observed have the
    same sessions.
    """
    planned = _plan(scenario, seed)
    chains = _chains([session for session, _ in planned])
    return [
        _seen(scenario, session, limit, chains[session.session_id], (session.start.date() - FIRST_DAY).days)
        for session, limit in planned
    ]


def cars_of(scenario: Scenario, seed: int) -> tuple[Car, ...]:
    """The household's cars: two, and the third where there is one."""
    draw = Random(f"{seed}:cars")
    first_kw = draw.uniform(_LOWEST_KW, _HIGHEST_KW)
    second_kw = first_kw * (1 + scenario.car_gap)
    levels = [(FIRST_CAR, first_kw), (SECOND_CAR, second_kw)]
    is_above = draw.random() < 0.5
    if scenario.third_gap is not None:
        above, below = second_kw * (1 + scenario.third_gap), first_kw * (1 - scenario.third_gap)
        levels.append((THIRD_CAR, above if is_above else below))
    common = _manners(draw)
    return tuple(
        Car(name, name, level_kw, 48, 75.0, *(_manners(draw) if scenario.own_manners else common))
        for name, level_kw in levels
    )


def _manners(draw: Random) -> tuple[int, int]:
    """Seconds of the ramp and of the taper."""
    return draw.randint(25, 90), draw.randint(500, 1800)


def _plan(scenario: Scenario, seed: int) -> list[tuple[PlannedSession, int]]:
    """Every session with the charger's limit on its day."""
    cars = cars_of(scenario, seed)
    season = _Season(scenario, Random(f"{seed}:season").random())
    first_share = Random(f"{seed}:share").uniform(0.35, 0.65)
    planned: list[tuple[PlannedSession, int]] = []
    night_is_free = True
    for number, limit in enumerate(_limits(scenario, seed)):
        draw = Random(f"{seed}:{number}")
        kind = _day_kind(scenario, draw)
        day = FIRST_DAY + timedelta(days=number)
        first, second = cars[:2] if draw.random() < first_share else (cars[1], cars[0])
        if len(cars) == 3 and draw.random() < _VISITS:
            first = cars[2]
        for plug_in in draw_plug_ins(kind, day, first, second, draw, night_is_free=night_is_free):
            voltage = season.at(number) * (1 + scenario.session_voltage * draw.uniform(-1, 1))
            planned.append((_session(scenario, day, plug_in, limit, voltage, draw), limit))
        night_is_free = kind is not DayKind.EVENING
    return sorted(planned, key=lambda one: one[0].start)


@dataclass(frozen=True, slots=True)
class _Season:
    scenario: Scenario
    phase: float  # in swings

    def at(self, day: int) -> float:
        """The voltage as a share of the nominal one."""
        swing = sin(tau * (day / self.scenario.season_days + self.phase))
        return 1 + self.scenario.season_voltage * swing


def _limits(scenario: Scenario, seed: int) -> Iterable[int]:
    """The charger's limit on each day."""
    draw = Random(f"{seed}:limits")
    limit = draw.choice(scenario.limits)
    for _ in range(scenario.days):
        if len(scenario.limits) > 1 and draw.random() < 1 / scenario.limit_days:
            limit = draw.choice([other for other in scenario.limits if other != limit])
        yield limit


def _day_kind(scenario: Scenario, draw: Random) -> DayKind:
    rare = {
        DayKind.IDLE: scenario.idle_share,
        DayKind.TRICKLE: scenario.trickle_share,
        DayKind.PUBLIC: scenario.public_share,
    }
    rest = {DayKind.AWAY: 12, DayKind.SCHEDULED: 45, DayKind.SWAP: 15, DayKind.TOP_UP: 8, DayKind.EVENING: 9}
    left = (1 - sum(rare.values())) / sum(rest.values())
    shares = {**rare, **{kind: left * weight for kind, weight in rest.items()}}
    return draw.choices(list(shares), list(shares.values()))[0]


def _session(
    scenario: Scenario, day: date, plug_in: PlugInDraw, limit: int, voltage: float, draw: Random
) -> PlannedSession:
    car = replace(plug_in.car, reference_plateau_kw=plug_in.car.reference_plateau_kw * voltage)
    start = at_hour(day, plug_in.start_hour, DEFAULT_ZONE)
    end_day = day + timedelta(days=int(plug_in.end_hour // 24))
    end = at_hour(end_day, plug_in.end_hour % 24, DEFAULT_ZONE)
    own_spread = sqrt(max(0.0, scenario.spread**2 - HOUR_OF_DAY_SPREAD**2))
    return plan_session(
        Charger(DEFAULT_ZONE, limit),
        plug_in.kind,
        car,
        start,
        end,
        plug_in.energy_kwh,
        draw,
        spread=own_spread,
    )


def _chains(sessions: Sequence[PlannedSession]) -> dict[int, str]:
    """The first session's id of the chain to which each session belongs."""
    chains = {session.session_id: str(session.session_id) for session in sessions}
    at_home = [session for session in sessions if session.is_home]
    for earlier, later in pairwise(at_home):
        if later.start - earlier.end <= CHAIN_GAP:
            chains[later.session_id] = chains[earlier.session_id]
    return chains


def _seen(
    scenario: Scenario, session: PlannedSession, limit: int, plug_in_id: str, day: int
) -> SimulatedSession:
    draw = Random(f"{session.session_id}:{session.car.vehicle_id}:seen")
    readings = seen_readings(session, scenario.view, draw.randint(15, 45))
    broken = [_zeroed(reading, scenario.zeroed_share, draw) for reading in readings]
    return SimulatedSession(
        session_id=str(session.session_id),
        start=session.start,
        readings=_repeated(broken, scenario.duplicates),
        whole=scenario.view != "opening",
        amperage_limit=float(limit) if day >= scenario.limit_observed_from_day and session.is_home else None,
        vehicle_id=session.car.vehicle_id,
        kind=session.kind,
        is_home=session.is_home,
        plug_in_id=plug_in_id,
        plateau_kw=_plateau_kw(session),
        limit=limit,
    )


def seen_readings(session: PlannedSession, view: View, delay_seconds: int) -> list[Reading]:
    """The distinct readings in order of time, as the pipeline gets them from ChargePoint's answers.

    Args:
        session: What truly happens.
        view: What of it is known.
        delay_seconds: From its start to the first live look.
    """
    window = {} if view == "curve" else {reading.at: reading for reading in _window(session, delay_seconds)}
    curve_until = session.start + timedelta(seconds=delay_seconds) if view == "opening" else session.end
    kept = {
        (point.at, point.energy_kwh, point.power_kw): _reading(
            point.at, point.energy_kwh, point.power_kw, "curve"
        )
        for point in session.points_by(curve_until)
        if point.at not in window
    }
    return sorted([*kept.values(), *window.values()], key=lambda reading: reading.at)


def _window(session: PlannedSession, delay_seconds: int) -> Iterable[Reading]:
    """What the looks bring: at each of them the charger's last reading; the one that meets the end is the last."""
    for number in range(LOOKS):
        look = session.start + timedelta(seconds=delay_seconds + LOOK_SECONDS * number)
        at = session.reading_at(look)
        yield _reading(at, session.energy_kwh_by(at), session.power_kw_at(at), "window")
        if look >= session.end:
            return


def _reading(at: datetime, energy_kwh: float | None, power_kw: float | None, origin: Origin) -> Reading:
    return Reading(at, rounded(energy_kwh), rounded(power_kw), origin)


def _zeroed(reading: Reading, share: float, draw: Random) -> Reading:
    return replace(reading, power_kw=0.0) if share and draw.random() < share else reading


def _repeated(readings: Sequence[Reading], times: int) -> list[Reading]:
    """Each reading this often: as it is, and in between once more before the next one comes."""
    if times == 1 or not readings:
        return list(readings)
    following = [*(later.at for later in readings[1:]), readings[-1].at]
    repeated: list[Reading] = []
    for reading, until in zip(readings, following, strict=True):
        stale = timedelta(seconds=min(LOOK_SECONDS, (until - reading.at).total_seconds() / 2))
        later = replace(reading, at=reading.at + stale)
        repeated += [reading] * (times - times // 2) + [later] * (times // 2)
    return repeated


def _plateau_kw(session: PlannedSession) -> float | None:
    """The true level, from the physics rather than from what was kept of it."""
    longest: Burst = max(session.curve.bursts, key=lambda burst: burst.plateau - burst.ramp)
    seconds = longest.plateau - longest.ramp
    if seconds < _MINIMUM_PLATEAU_SECONDS:
        return None
    energy_kwh = longest.energy_kwh(longest.plateau) - longest.energy_kwh(longest.ramp)
    return energy_kwh * 3600 / seconds
