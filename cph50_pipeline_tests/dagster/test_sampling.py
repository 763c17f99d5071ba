"""A session sampled while it runs, through real runs: the charger's limit in its file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from cph50_pipeline.defs import sampling
from cph50_pipeline.defs.jobs import SESSION_JOB
from cph50_pipeline.defs.updating import UpdateConfig
from cph50_pipeline.simulator.faults import Fault
from cph50_pipeline_tests.dagster.homes import EMBER, NOW, Home, MakeHome, log_lines

JANUARY = ["2026-01"]
ACTIVITY_ONLY = ["chargepoint_activity"]
PLUGGED_IN = NOW - timedelta(minutes=5)

OnPause = Callable[[], None]


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
