"""The read API end to end: a label that names its month again, a source asked itself, and everything down."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cph50_pipeline.civil_time import month_of
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.integration.commands import DONE, CommandHome, kill
from cph50_pipeline_tests.integration.served import Served

MONTH = month_of(datetime.now(UTC), ZoneInfo("America/Los_Angeles"))
CAR = "ember_hatch_2023"


@dataclass
class Household:
    """One that is served."""

    home: CommandHome
    served: Served
    simulator: RunningSimulator
    token: str

    def record(self, session_id: str) -> dict[str, object]:
        """What the session cache says of a session."""
        records = json.loads((self.home.data / "session_cache" / f"{MONTH}.json").read_text())
        found: dict[str, object] = next(one for one in records if one["session_id"] == session_id)
        return found


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Household]:
    with RunningSimulator() as simulator:
        home = CommandHome(tmp_path_factory.mktemp("served") / "data", simulator, MONTH)
        for command in (("update", "current"), ("tick",)):
            done = home.run(*command)
            assert done.returncode == DONE, done.stderr
        token = home.run("token").stdout.strip()
        process = home.start("serve", "--port", "0")
        yield Household(home, Served(process), simulator, token)
        if process.poll() is None:
            kill(process)


def test_a_label_through_the_api_is_in_the_file_and_has_named_its_month(household: Household) -> None:
    served, home = household.served, household.home
    [newest] = served.read("api/v1/sessions?limit=1")["sessions"]
    session_id = newest["session_id"]
    word = {"session_id": session_id, "vehicle_id": CAR}
    assert served.ask("api/v1/labels", word)[0] == 401
    assert served.ask("api/v1/labels", word, "wrong")[0] == 401
    status, said = served.ask("api/v1/labels", word, household.token)
    assert (status, said["succeeded"], said["vehicle_id"]) == (200, True, CAR), said
    assert json.loads((home.data / "session_vehicle_map.json").read_text())[session_id]["vehicle_id"] == CAR
    assert household.record(session_id)["vehicle_id"] == CAR
    assert said["run_id"][:8] in home.run("history", session_id).stdout
    assert served.read(f"api/v1/sessions/{session_id}")["vehicle_id"] == CAR
    status, said = served.ask("api/v1/labels", {**word, "confirmed": True}, household.token)
    assert (status, said["succeeded"]) == (200, True), said
    assert json.loads((home.data / "session_vehicle_map.json").read_text())[session_id]["confirmed"] is True
    status, said = served.ask("api/v1/labels", {**word, "vehicle_id": None}, household.token)
    assert (status, said["succeeded"]) == (200, True), said
    assert session_id not in json.loads((home.data / "session_vehicle_map.json").read_text())


def test_the_token_is_kept_as_a_hash_and_shown_by_nothing(household: Household) -> None:
    kept = [path for path in household.home.data.rglob("*") if path.is_file()]
    assert not [path for path in kept if household.token.encode() in path.read_bytes()]


def test_a_source_is_asked_itself_when_told_to(household: Household) -> None:
    [charger] = household.served.read("api/v1/chargers")["chargers"]
    route = f"api/v1/chargers/{charger['charger_id']}/status"
    before = household.served.read(route)
    asked = household.served.read(f"{route}?source=direct")
    assert asked["source"] == "direct"
    assert asked["age_seconds"] < before["age_seconds"]
    assert (asked["connected"], asked["online"]) == (before["connected"], True)


def test_with_every_source_down_all_is_answered_with_its_age(household: Household) -> None:
    household.simulator.faults.fail(503, times=None)
    served = household.served
    for route in ("chargers", "devices", "sessions", "energy?by=day", "power/daily", "vehicles"):
        assert served.ask(f"api/v1/{route}")[0] == 200, route
    [charger] = served.read("api/v1/chargers")["chargers"]
    assert charger["age_seconds"] > 0
    status, problem = served.ask(f"api/v1/chargers/{charger['charger_id']}/status?source=direct")
    assert status in (502, 503, 504)
    assert problem["kept"]
    household.simulator.faults.clear()


def test_it_ends_when_told_to(household: Household) -> None:
    household.served.process.send_signal(signal.SIGINT)
    _, err = household.served.process.communicate(timeout=60)
    assert household.served.process.returncode == DONE
    assert "Stopped" in err
