"""The recorded household beside the repository: two cars 0.4 kW apart, and sessions that are neither."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from cph50_pipeline.charging.answers import ChargingStatus
from cph50_pipeline.charging.model import Reading
from cph50_pipeline.civil_time import from_epoch_ms
from cph50_pipeline.vehicles.classifier import Case, VehicleModel
from cph50_pipeline.vehicles.features import Fingerprint, fingerprint
from cph50_pipeline.vehicles.training import LabelledSession, train
from cph50_pipeline_tests.unit.vehicles.curves import without_power

CARS = ("lower", "upper")
LABELS_A_CAR = 5


@pytest.fixture(scope="module")
def home_sessions(real_answers: Path) -> dict[str, list[Reading]]:
    """Readings by session id, in order of time, of the sessions at home."""
    statuses = [
        ChargingStatus.model_validate(json.loads(file.read_text())["charging_status"])
        for file in real_answers.glob("status/*.json")
    ]
    return {
        status.session_id: [
            Reading(from_epoch_ms(point.timestamp), point.energy_kwh, point.power_kw, "curve")
            for point in status.update_data
        ]
        for status in sorted(statuses, key=lambda status: status.start_time)
        if status.is_home_charger
    }


@pytest.fixture(scope="module")
def prints(home_sessions: dict[str, list[Reading]]) -> dict[str, Fingerprint]:
    found = {id_: fingerprint(readings) for id_, readings in home_sessions.items()}
    return {id_: seen for id_, seen in found.items() if seen is not None}


@pytest.fixture(scope="module")
def cars(prints: dict[str, Fingerprint]) -> dict[str, str]:
    """The car of each session, by which side of the widest gap its plateau lies on."""
    powers = sorted(seen.power_kw.value for seen in prints.values())
    below = max(pairwise(powers), key=lambda pair: pair[1] - pair[0])[0]
    return {id_: CARS[seen.power_kw.value > below] for id_, seen in prints.items()}


@pytest.fixture(scope="module")
def labelled(
    home_sessions: dict[str, list[Reading]], prints: dict[str, Fingerprint], cars: dict[str, str]
) -> list[LabelledSession]:
    """The first labels of each car, in order of time."""
    of_car = {car: [id_ for id_ in prints if cars[id_] == car][:LABELS_A_CAR] for car in CARS}
    return [
        LabelledSession(id_, car, home_sessions[id_][0].at, id_, prints[id_], CARS)
        for car, ids in of_car.items()
        for id_ in ids
    ]


@pytest.fixture(scope="module")
def model(labelled: list[LabelledSession]) -> VehicleModel:
    return train(labelled).model


def asked(id_: str, readings: list[Reading]) -> Case:
    return Case(id_, readings[0].at, fingerprint(readings), CARS)


def test_the_plateaus_lie_around_two_levels_with_nothing_between(
    prints: dict[str, Fingerprint], cars: dict[str, str]
) -> None:
    levels = {car: sorted(prints[id_].power_kw.value for id_ in cars if cars[id_] == car) for car in CARS}
    gap = levels["upper"][0] - levels["lower"][-1]
    assert gap > max(level[-1] - level[0] for level in levels.values())
    assert all(len(level) > LABELS_A_CAR for level in levels.values())


def test_with_five_labels_a_car_every_later_session_gets_its_car_without_certainty(
    home_sessions: dict[str, list[Reading]],
    labelled: list[LabelledSession],
    model: VehicleModel,
    cars: dict[str, str],
) -> None:
    trained_on = {case.session_id for case in labelled}
    later = {id_: readings for id_, readings in home_sessions.items() if id_ not in trained_on}
    verdicts = model.judge([asked(id_, readings) for id_, readings in later.items()])
    for id_, verdict in zip(later, verdicts, strict=True):
        assert verdict.vehicle_id == cars.get(id_, "unknown")
        assert verdict.confidence < 0.95


def test_each_session_alone_without_its_neighbours_gets_the_same_car(
    home_sessions: dict[str, list[Reading]],
    labelled: list[LabelledSession],
    model: VehicleModel,
    cars: dict[str, str],
) -> None:
    trained_on = {case.session_id for case in labelled}
    for id_ in home_sessions.keys() - trained_on:
        [verdict] = model.judge([asked(id_, home_sessions[id_])])
        assert verdict.vehicle_id == cars.get(id_, "unknown")


def test_what_was_charged_elsewhere_or_never_charged_is_forced_into_no_car(
    real_answers: Path, home_sessions: dict[str, list[Reading]], model: VehicleModel
) -> None:
    curves = {
        file.stem: json.loads(file.read_text())["charging_status"] for file in real_answers.glob("status/*")
    }
    others = {
        id_: answer
        for id_, answer in curves.items()
        if id_ not in home_sessions or not _reached(answer, power_kw=5)
    }
    assert others
    for id_, answer in others.items():
        points = ChargingStatus.model_validate(answer).update_data
        readings = [Reading(from_epoch_ms(p.timestamp), p.energy_kwh, p.power_kw, "curve") for p in points]
        assert model.judge([asked(id_, readings)])[0].vehicle_id == "unknown"


def test_the_first_five_minutes_never_name_another_car_than_the_whole_session(
    home_sessions: dict[str, list[Reading]], model: VehicleModel, cars: dict[str, str]
) -> None:
    early = {}
    for id_, readings in home_sessions.items():
        until = readings[0].at + timedelta(minutes=5)
        opening = [reading for reading in readings if reading.at <= until]
        early[id_] = model.judge([asked(id_, opening)])[0].vehicle_id
    named = {id_: car for id_, car in early.items() if car != "unknown"}
    assert named
    assert named.items() <= cars.items()


def test_the_counter_alone_names_no_other_car_than_the_power_readings(
    home_sessions: dict[str, list[Reading]], model: VehicleModel, cars: dict[str, str]
) -> None:
    for id_, readings in home_sessions.items():
        [verdict] = model.judge([asked(id_, without_power(readings, 0.0))])
        assert verdict.vehicle_id in (cars.get(id_, "unknown"), "unknown")


def _reached(answer: dict[str, list[dict[str, float]]], power_kw: float) -> bool:
    return any((point.get("power_kw") or 0) > power_kw for point in answer["update_data"])
