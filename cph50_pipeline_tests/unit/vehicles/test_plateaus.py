"""Where each car charges now: the supply's drift is not the car's, and chance is not a drift."""

from __future__ import annotations

import math

import pytest

from cph50_pipeline.vehicles.classifier import VehicleModel
from cph50_pipeline.vehicles.plateaus import (
    FEWEST_SESSIONS,
    RECENT_DAYS,
    RECENT_SESSIONS,
    NamedSession,
    PlateauNow,
    plateaus_now,
)
from cph50_pipeline.vehicles.training import fit
from cph50_pipeline_tests.unit.vehicles.labelled import EMBER, POWERS_KW, TIDE, household
from cph50_pipeline_tests.unit.vehicles.named import in_turns, named

SEEDS = range(8)


@pytest.fixture(scope="module")
def model() -> VehicleModel:
    return fit(household(20))


def moved(sessions: list[NamedSession], model: VehicleModel) -> set[str]:
    return {id_ for id_, plateau in plateaus_now(sessions, model).items() if plateau.has_moved}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_car_that_stays_has_not_moved(model: VehicleModel, seed: int) -> None:
    assert moved(in_turns(60, seed=seed), model) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_the_supply_does_to_all_cars_is_no_cars_drift(seed: int) -> None:
    def supply(day: float) -> float:
        return 1 + 0.03 * math.sin(day / 180 * math.tau)

    learned = fit(household(20, seed=seed, factor=supply))
    found = plateaus_now(in_turns(100, seed=seed, supply=supply), learned)
    assert max(abs(plateau.measured_shift) for plateau in found.values()) > 0.02
    assert not any(plateau.has_moved for plateau in found.values())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("car", [EMBER, TIDE])
def test_a_car_that_moves_alone_is_found_and_the_other_is_not_blamed(
    model: VehicleModel, car: str, seed: int
) -> None:
    sessions = in_turns(60, seed=seed, moved=lambda one, day: 1.02 if one == car else 1.0)
    assert moved(sessions, model) == {car}
    assert plateaus_now(sessions, model)[car].shift == pytest.approx(0.02, abs=0.012)


def test_a_car_is_measured_by_its_newest_sure_sessions_only(model: VehicleModel) -> None:
    old = [named(EMBER, 9.5, day=day) for day in range(20)]
    newest = [named(EMBER, 8.55, day=100 + day) for day in range(RECENT_SESSIONS)]
    doubtful = [
        named(EMBER, 9.9, day=120, confidence=0.5),
        named(EMBER, 9.9, day=121, by="manual", needs_review=True),
        named(EMBER, 9.9, day=122, final=False),
        named("unknown", 9.9, day=123, by=None),
        named("unknown", 9.9, day=124, by="manual"),
        named(EMBER, None, day=125, by="manual"),
    ]
    found = plateaus_now([*old, *newest, *doubtful], model)[EMBER]
    assert (found.power_kw, found.session_count, found.session_id) == (8.55, RECENT_SESSIONS, "s109")
    assert found.model_kw == pytest.approx(POWERS_KW[EMBER], rel=0.005)


def test_sessions_long_before_the_newest_do_not_show_where_a_car_is_now(model: VehicleModel) -> None:
    long_ago = [named(EMBER, 9.0, day=day) for day in range(3)]
    now = [named(EMBER, 8.55, day=3 + RECENT_DAYS.days + day) for day in range(4)]
    assert plateaus_now([*long_ago, *now], model)[EMBER].session_count == len(now)


def test_cars_that_the_model_does_not_know_are_left_out(model: VehicleModel) -> None:
    assert plateaus_now([named("visitor", 7.2, by="manual")], model) == {}
    assert plateaus_now(in_turns(10), VehicleModel()) == {}


def test_under_another_limit_a_car_is_held_against_what_it_would_draw_there() -> None:
    learned = fit(household(10, amperage_limit=40))
    at_32 = [named(EMBER, 8.55 * 32 / 40, day=60 + day, limit=32) for day in range(8)]
    found = plateaus_now(at_32, learned)[EMBER]
    assert found.model_kw == pytest.approx(8.55 * 32 / 40, rel=0.005)
    assert not found.has_moved


def plateau(
    shift: float = 0.03, *, measured: float = 0.03, sigma: float = 0.005, count: int = 10
) -> PlateauNow:
    return PlateauNow(EMBER, "s1", count, 8.8, 8.55, measured, shift, sigma)


@pytest.mark.parametrize(
    ("found", "has_moved"),
    [
        (plateau(), True),
        (plateau(-0.03, measured=-0.03), True),
        (plateau(0.009, sigma=0.001), False),  # sure, and of no consequence
        (plateau(sigma=0.011), False),  # large, and perhaps chance
        (plateau(measured=0.005), False),  # the other cars moved
        (plateau(measured=-0.03), False),
        (plateau(count=FEWEST_SESSIONS - 1), False),
        (plateau(count=FEWEST_SESSIONS), True),
    ],
)
def test_a_drift_is_relevant_significant_and_the_cars_own(found: PlateauNow, has_moved: bool) -> None:
    assert found.has_moved is has_moved


def test_the_order_of_sessions_changes_nothing(model: VehicleModel) -> None:
    sessions = in_turns(40)
    assert plateaus_now(reversed(sessions), model) == plateaus_now(sessions, model)
