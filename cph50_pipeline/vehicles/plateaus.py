"""Where each car charges now, against the level that the model knows: a car whose plateau moves is soon a stranger.

The supply moves the plateaus of all cars alike, so a car is compared with what the household's other cars say of the
supply at the time. What a person should do about it stands in `review.py`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import fmean, median

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE
from cph50_pipeline.vehicles.classification import REVIEW_BELOW_CONFIDENCE, Classification
from cph50_pipeline.vehicles.classifier import Case, KnownVehicle, VehicleModel
from cph50_pipeline.vehicles.features import Fingerprint
from cph50_pipeline.vehicles.levels import Level, levels_under
from cph50_pipeline.vehicles.supply import Offset

# The sessions that show where a car charges now: its newest, and none that the supply may have left behind.
RECENT_SESSIONS = 10
RECENT_DAYS = timedelta(days=60)
# From fewer nothing is concluded.
FEWEST_SESSIONS = 5
# A quarter of what lies between cars that can be told apart; less than that misleads nobody.
RELEVANT_SHIFT = 0.01
SIGNIFICANT_SIGMAS = 3.0
# The median of normally scattered values is so much less exact than their mean.
_MEDIAN_TO_MEAN = math.sqrt(math.pi / 2)


@dataclass(frozen=True, slots=True)
class NamedSession:
    """A session as the classifier sees it, and the car that is in force for it."""

    case: Case
    classification: Classification

    @property
    def is_by_hand(self) -> bool:
        """Whether a person named the car."""
        return self.classification.labeled_by == "manual"

    @property
    def is_sure(self) -> bool:
        """Whether its car is one of the household's beyond doubt, so that its plateau is that car's."""
        named = self.classification
        is_good = self.is_by_hand or named.confidence >= REVIEW_BELOW_CONFIDENCE
        return named.final and is_good and not named.needs_review and named.vehicle_id != UNKNOWN_VEHICLE


@dataclass(frozen=True, slots=True)
class PlateauNow:
    """A car's plateau in its newest sessions. Shifts are shares: 0.02 is 2 % above the model.

    Attributes:
        session_id: The newest of the sessions.
        session_count: How many they are.
        power_kw: Their median, as measured.
        model_kw: The level that the model knows, at the supply's usual level.
        measured_shift: How far they lie from it.
        shift: How far they lie from it when what the supply does to the other cars is taken out.
        sigma: The standard uncertainty of `shift`.
    """

    vehicle_id: str
    session_id: str
    session_count: int
    power_kw: float
    model_kw: float
    measured_shift: float
    shift: float
    sigma: float

    @property
    def has_moved(self) -> bool:
        """Whether the car left its level by more than matters and more than chance makes.

        Both as measured and against the other cars: of two cars that part, the one that stayed has not moved.
        """
        is_relevant = min(abs(self.shift), abs(self.measured_shift)) >= RELEVANT_SHIFT
        is_same_way = self.shift * self.measured_shift > 0
        is_significant = abs(self.shift) > SIGNIFICANT_SIGMAS * self.sigma
        return self.session_count >= FEWEST_SESSIONS and is_relevant and is_same_way and is_significant


def plateaus_now(sessions: Iterable[NamedSession], model: VehicleModel) -> dict[str, PlateauNow]:
    """Where each car that the model knows charges now, by its id; cars without a sure session are left out.

    "Now" is the time of the car's newest sessions, not of the clock.
    """
    by_vehicle = _sure_sessions(sessions, model)
    return {
        vehicle_id: _plateau_now(vehicle_id, _newest(own), _others(vehicle_id, by_vehicle), model)
        for vehicle_id, own in sorted(by_vehicle.items())
    }


def _sure_sessions(sessions: Iterable[NamedSession], model: VehicleModel) -> dict[str, list[Case]]:
    by_vehicle: dict[str, list[Case]] = defaultdict(list)
    for one in sorted(sessions, key=lambda one: (one.case.start, one.case.session_id)):
        vehicle_id = one.classification.vehicle_id
        if one.is_sure and one.case.fingerprint is not None and vehicle_id in model.vehicles:
            by_vehicle[vehicle_id].append(replace(one.case, label=vehicle_id))
    return by_vehicle


def _newest(own: Sequence[Case]) -> list[Case]:
    return [case for case in own[-RECENT_SESSIONS:] if own[-1].start - case.start <= RECENT_DAYS]


def _others(vehicle_id: str, by_vehicle: Mapping[str, Sequence[Case]]) -> list[Case]:
    return [case for id_, cases in by_vehicle.items() if id_ != vehicle_id for case in cases]


def _plateau_now(
    vehicle_id: str, newest: Sequence[Case], others: Iterable[Case], model: VehicleModel
) -> PlateauNow:
    begin, end = newest[0].start - RECENT_DAYS, newest[-1].start + RECENT_DAYS
    nearby = [case for case in others if begin <= case.start <= end]
    # The car's own sessions do not tell how the supply stands: whether they moved is the question.
    silent = [replace(case, fingerprint=None) for case in newest]
    offsets = model.offsets([*silent, *nearby])[: len(newest)]
    return _compared(vehicle_id, newest, offsets, model.vehicles[vehicle_id])


def _compared(
    vehicle_id: str, newest: Sequence[Case], offsets: Sequence[Offset], vehicle: KnownVehicle
) -> PlateauNow:
    seen = [case.fingerprint for case in newest if case.fingerprint is not None]
    levels = [_nearest_level(one, offset, vehicle) for one, offset in zip(seen, offsets, strict=True)]
    measured = [math.log(one.power_kw.value) - lvl.log_power for one, lvl in zip(seen, levels, strict=True)]
    shifts = [shift - offset.value for shift, offset in zip(measured, offsets, strict=True)]
    return PlateauNow(
        vehicle_id=vehicle_id,
        session_id=newest[-1].session_id,
        session_count=len(newest),
        power_kw=round(median(one.power_kw.value for one in seen), 4),
        model_kw=round(median(math.exp(level.log_power) for level in levels), 4),
        measured_shift=round(math.expm1(median(measured)), 5),
        shift=round(math.expm1(median(shifts)), 5),
        sigma=round(_uncertainty(vehicle, levels, offsets), 5),
    )


def _nearest_level(seen: Fingerprint, offset: Offset, vehicle: KnownVehicle) -> Level:
    log_power = math.log(seen.power_kw.value) - offset.value
    return min(
        levels_under(vehicle.regimes, seen.amperage_limit), key=lambda lvl: abs(lvl.log_power - log_power)
    )


def _uncertainty(vehicle: KnownVehicle, levels: Sequence[Level], offsets: Sequence[Offset]) -> float:
    """Of the median shift. What is unsure of levels and of the supply is the same error in all sessions."""
    own = _MEDIAN_TO_MEAN * vehicle.spread / math.sqrt(len(levels))
    level = vehicle.spread / math.sqrt(min(level.label_count for level in levels))
    scaled = max(level.extra_spread for level in levels)
    supply = math.sqrt(fmean(offset.sigma**2 for offset in offsets))
    return math.hypot(own, level, scaled, supply)
