"""A session sampled while it runs, through real runs: the charger's limit and the provisional car in its file."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from logging import getLogger
from typing import Any

import pytest

from cph50_pipeline.defs import sampling
from cph50_pipeline.defs.jobs import SESSION_JOB
from cph50_pipeline.defs.month_files import CLASSIFICATIONS
from cph50_pipeline.defs.sensors import watch_charger
from cph50_pipeline.defs.store import CLASSIFIER_FILE, LABELS_FILE, STATE_FILE
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline.vehicles.classifier import KnownVehicle, TrackRecord, VehicleModel
from cph50_pipeline.vehicles.levels import Regime
from cph50_pipeline_tests.dagster.homes import EMBER, NOW, TIDE, Home, MakeHome, log_lines

JANUARY = ["2026-01"]
ACTIVITY_ONLY = ["chargepoint_activity"]
PLUGGED_IN = NOW - timedelta(minutes=5)

LOOK = timedelta(seconds=10)

OnPause = Callable[[], None]


def known(power_kw: float) -> KnownVehicle:
    """A car that is well known at 40 A."""
    regimes = (Regime(power_kw=power_kw, label_count=20, amperage_limits=(40,)),)
    return KnownVehicle(
        label_count=20, spread=0.006, degrees_of_freedom=23, rejection_distance=3.5, regimes=regimes
    )


MODEL = VehicleModel(
    vehicles={EMBER: known(8.55), TIDE: known(9.05)}, record=TrackRecord(judged=60, right=60)
)


@pytest.fixture
def between_looks(monkeypatch: pytest.MonkeyPatch) -> list[OnPause]:
    """What happens in each pause of a window, instead of waiting."""
    happens: list[OnPause] = []
    monkeypatch.setattr(sampling, "sleep", lambda seconds: [each() for each in happens])
    return happens


def plug_in(home: Home) -> str:
    return str(home.simulator.plug_in(EMBER, 120, PLUGGED_IN).session_id)


def sample(home: Home, session_id: str) -> str:
    """Sample without classifying; the run's id."""
    config = UpdateConfig(session_id=session_id, sample=True)
    result = home.run(JANUARY, config, SESSION_JOB, only=ACTIVITY_ONLY)
    assert result.success
    return str(result.run_id)


def path(session_id: str) -> str:
    return f"sessions/2026/01/20/{session_id}.json"


def asked_for_the_charger(home: Home) -> int:
    return home.simulator.requests.counts()["charger_status"]


def test_a_sampled_session_has_the_limit_of_its_charger_asked_for_once(home: Home) -> None:
    home.simulator.set_amperage_limit(32)
    session_id = plug_in(home)
    sample(home, session_id)
    record = home.json(path(session_id))
    assert record["amperage_limit"] == 32
    assert record["sample_count"] == 3
    assert asked_for_the_charger(home) == 1


def test_the_limit_stands_in_the_file_from_the_first_look_on(
    home: Home, between_looks: list[OnPause]
) -> None:
    session_id = plug_in(home)
    seen: list[tuple[int, float]] = []

    def note() -> None:
        record = home.json(path(session_id))
        seen.append((record["sample_count"], record["amperage_limit"]))

    between_looks.append(note)
    sample(home, session_id)
    assert seen == [(1, 40), (2, 40)]


@pytest.mark.parametrize(("later_limit", "stored"), [(40, 40), (32, None)], ids=["the same", "another"])
def test_a_window_that_goes_on_keeps_its_limit_unless_it_was_changed_under_way(
    make_home: MakeHome, later_limit: int, stored: int | None
) -> None:
    first, second = make_home(sample_count=2), make_home(sample_count=4)
    session_id = plug_in(first)
    sample(first, session_id)
    assert first.json(path(session_id))["amperage_limit"] == 40
    second.simulator.set_amperage_limit(later_limit)
    sample(second, session_id)
    record = second.json(path(session_id))
    assert record["sample_count"] == 4
    assert record["amperage_limit"] == stored


def test_a_window_that_is_full_asks_for_no_limit(home: Home) -> None:
    session_id = plug_in(home)
    sample(home, session_id)
    home.simulator.requests.clear()
    sample(home, session_id)
    assert asked_for_the_charger(home) == 0


@pytest.mark.parametrize("status_code", [503, 404])
def test_a_charger_that_does_not_answer_costs_the_limit_and_no_look(home: Home, status_code: int) -> None:
    session_id = plug_in(home)
    home.simulator.faults.fail(status_code, operation="charger_status", times=None)
    run_id = sample(home, session_id)
    record = home.json(path(session_id))
    assert record["amperage_limit"] is None
    assert record["valid_sample_count"] == 3
    [line] = [line for line in log_lines(home, run_id) if "amperage limit" in line]
    assert session_id in line


def test_a_limit_that_cannot_be_read_costs_no_look(home: Home) -> None:
    session_id = plug_in(home)
    home.simulator.faults.add(Fault(kind="broken_json", operation="charger_status", times=None))
    sample(home, session_id)
    assert home.json(path(session_id))["valid_sample_count"] == 3


def test_a_silent_charger_holds_the_first_look_no_longer_than_its_deadline(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sampling.LIMIT_SECONDS <= 10, "a window lasts five minutes, and begins late anyway"
    monkeypatch.setattr(sampling, "LIMIT_SECONDS", 0.2)
    session_id = plug_in(home)
    home.simulator.faults.add(Fault(kind="delay", operation="charger_status", delay_seconds=60, times=None))
    sample(home, session_id)
    assert home.json(path(session_id))["valid_sample_count"] == 3


def test_a_backfill_samples_nothing_and_asks_for_no_limit(home: Home) -> None:
    plug_in(home)
    assert home.run(JANUARY, only=ACTIVITY_ONLY).success
    assert asked_for_the_charger(home) == 0


@pytest.fixture
def knowing(make_home: MakeHome) -> Home:
    """A household whose cars are known, with windows of five minutes."""
    home = make_home(sample_count=30)
    home.store().write_document(CLASSIFIER_FILE, MODEL.document())
    return home


def just_plugged_in(home: Home, car: str = EMBER) -> str:
    return str(home.simulator.plug_in(car, 120, NOW - LOOK).session_id)


def pass_time(home: Home) -> OnPause:
    return lambda: home.simulator.clock.advance(LOOK)


@pytest.mark.parametrize("car", [EMBER, TIDE])
def test_the_car_stands_in_the_sessions_file_while_it_is_sampled_and_before_anything_is_classified(
    knowing: Home, between_looks: list[OnPause], car: str
) -> None:
    session_id = just_plugged_in(knowing, car)
    named: list[dict[str, Any]] = []

    def note() -> None:
        record = knowing.json(path(session_id))
        if record["vehicle_id"] != "unknown":
            named.append(record)

    between_looks += [note, pass_time(knowing)]
    sample(knowing, session_id)
    first = named[0]
    assert first["vehicle_id"] == first["provisional_vehicle_id"] == car
    assert first["vehicle_confidence"] == first["provisional_vehicle_confidence"]
    assert first["labeled_by"] == "classifier"
    assert first["labeled_at"] == first["samples"][-1]["reading_at"]
    assert first["sample_count"] < 25, "within the first five minutes"
    assert first["valid_sample_count"] == first["sample_count"]
    assert knowing.store().read_month(CLASSIFICATIONS, JANUARY[0]) is None
    last = knowing.json(path(session_id))
    assert last["sample_count"] == 30
    assert (last["vehicle_id"], last["labeled_at"]) == (car, first["labeled_at"])


def test_the_state_names_the_car_as_soon_as_the_sessions_file_does(
    knowing: Home, between_looks: list[OnPause]
) -> None:
    session_id = just_plugged_in(knowing)
    shown: list[tuple[str | None, str]] = []

    def look() -> None:
        client, store = knowing.chargepoint.client(), knowing.store()
        watch_charger(client, store, knowing.settings, NOW, NOW, getLogger("test"))
        shown.append((knowing.json(STATE_FILE)["vehicle_id"], knowing.json(path(session_id))["vehicle_id"]))

    between_looks += [look, pass_time(knowing)]
    sample(knowing, session_id)
    assert set(shown) == {(None, "unknown"), (EMBER, EMBER)}
    assert knowing.json(STATE_FILE)["vehicle_confidence"] > 0.5


def test_a_window_that_goes_on_keeps_its_car_and_when_it_was_named(
    knowing: Home, make_home: MakeHome
) -> None:
    session_id = plug_in(knowing)
    knowing.simulator.faults.fail(404, operation="charging_status", after=2, times=None)
    config = UpdateConfig(session_id=session_id, sample=True)
    assert not knowing.run(JANUARY, config, SESSION_JOB, only=ACTIVITY_ONLY).success
    knowing.simulator.faults.clear()
    interrupted = knowing.json(path(session_id))
    assert interrupted["sample_count"] < 30
    assert interrupted["vehicle_id"] == EMBER

    knowing.simulator.clock.advance(timedelta(minutes=5))
    sample(knowing, session_id)
    record = knowing.json(path(session_id))
    assert record["sample_count"] == 30
    assert (record["vehicle_id"], record["labeled_at"]) == (EMBER, interrupted["labeled_at"])
    assert record["provisional_vehicle_id"] == EMBER


def test_the_final_word_leaves_the_provisional_one_beside_it(knowing: Home) -> None:
    session_id = plug_in(knowing)
    sample(knowing, session_id)
    (knowing.folder / LABELS_FILE).write_text(json.dumps({session_id: TIDE}))
    knowing.simulator.clock.advance(timedelta(hours=3))
    assert knowing.run(JANUARY, UpdateConfig(session_id=session_id), SESSION_JOB).success
    record = knowing.json(path(session_id))
    assert (record["vehicle_id"], record["labeled_by"]) == (TIDE, "manual")
    assert record["provisional_vehicle_id"] == EMBER
    assert 0 < record["provisional_vehicle_confidence"] < 1


def test_a_classifier_that_cannot_be_used_stops_no_sampling_and_is_reported_once(
    knowing: Home, between_looks: list[OnPause]
) -> None:
    (knowing.folder / CLASSIFIER_FILE).write_text('{"vehicles": 3}')
    session_id = just_plugged_in(knowing)
    between_looks.append(pass_time(knowing))
    run_id = sample(knowing, session_id)
    record = knowing.json(path(session_id))
    assert record["valid_sample_count"] == 30
    assert record["distinct_sample_count"] > 2
    assert (record["vehicle_id"], record["provisional_vehicle_id"]) == ("unknown", None)
    assert len([line for line in log_lines(knowing, run_id) if "provisional" in line]) == 1


def test_without_a_model_no_car_is_named_and_nothing_is_reported(home: Home) -> None:
    session_id = plug_in(home)
    run_id = sample(home, session_id)
    assert home.json(path(session_id))["vehicle_id"] == "unknown"
    assert not [line for line in log_lines(home, run_id) if "provisional" in line]
