"""The forms of the label page: who may send them, what they refuse, and what a hostile name looks like there."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import httpx
import pytest

from cph50_pipeline.defs.instance import open_instance
from cph50_pipeline.defs.month_files import ACTIVITY, CLASSIFICATIONS, SAMPLES
from cph50_pipeline.defs.run_state import RunState
from cph50_pipeline.defs.training_record import CLASSIFIER, Noted
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.vehicles.classification import Classification
from cph50_pipeline.web.own_runs import OwnRuns
from cph50_pipeline_tests.unit.charging.builders import month_of_answers, row
from cph50_pipeline_tests.unit.web.household import EMBER, TIDE, served, settings_in

HTML = {"Accept": "text/html"}
HOSTILE = "<script>alert(1)</script>‮" + "W" * 300
FORMS = ("label", "group", "car", "car/back", "train")


@dataclass(frozen=True)
class Person:
    """Somebody who signed in."""

    client: httpx.Client
    settings: Settings
    csrf: str

    def send(self, form: str, **fields: str) -> httpx.Response:
        """Send a form of theirs."""
        return self.client.post(f"/forms/{form}", data={"csrf": self.csrf, **fields})

    @property
    def root(self) -> DataRoot:
        """The household's files."""
        return DataRoot(self.settings.data_root)

    @property
    def labels(self) -> dict[str, dict[str, Any]]:
        """What people said, as it is written."""
        return dict(json.loads(self.root.read("session_vehicle_map.json") or b"{}"))

    @property
    def cars(self) -> dict[str, dict[str, object]]:
        """The household's cars as they are written."""
        found = DataRoot(self.settings.data_root).read("vehicle_config.json") or b"{}"
        return dict(json.loads(found).get("vehicles", {}))


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Somebody who signed in at a household without sessions."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    settings = settings_in(tmp_path)
    with served(settings) as client:
        client.headers.update(HTML)
        client.post("/sign-in", data={"token": "right-token"})
        found = re.search(r'name="csrf" value="([^"]+)"', client.get("/docs").text)
        assert found is not None
        yield Person(client, settings, found[1])


SESSION = "501"
START = datetime(2025, 12, 4, 8, 0, 1, tzinfo=UTC)
SAID = {"vehicle_id": EMBER, "labeled_by": "ann", "labeled_at": "2025-12-05T08:00:00+00:00", "note": "red"}


def name_it(person: Person, vehicle_id: str, *, needs_review: bool = False) -> None:
    """Let the month's classifications say that a label is in force."""
    named = Classification(
        session_id=SESSION,
        vehicle_id=vehicle_id,
        confidence=1.0,
        labeled_by="manual",
        labeled_at=START,
        final=True,
        needs_review=needs_review,
        reason=f"labelled by ann; the classifier says {TIDE} (0.97)" if needs_review else "labelled by ann",
    )
    person.root.write(CLASSIFICATIONS.path("2025-12"), CLASSIFICATIONS.dump([named]))


@pytest.fixture
def contradicted(person: Person, monkeypatch: pytest.MonkeyPatch) -> Person:
    """Somebody in whose household a session is labelled otherwise than the classifier has it; no run is started."""
    monkeypatch.setattr(OwnRuns, "begin_naming", lambda self, months: str(uuid4()))
    for file, value in ((ACTIVITY, month_of_answers([row(session_id=SESSION, start=START)])), (SAMPLES, {})):
        person.root.write(file.path("2025-12"), file.dump(value))
    name_it(person, EMBER, needs_review=True)
    cars = {"vehicles": {EMBER: {"nickname": "<i>Ember"}, TIDE: {"nickname": "Tide"}}}
    person.root.write("vehicle_config.json", json.dumps(cars).encode())
    person.root.write("session_vehicle_map.json", json.dumps({SESSION: SAID}).encode())
    return person


def undoing(page: str) -> str:
    """What the form carries that undoes a label."""
    found = re.search(r'name="undo" value="([^"]*)"', page)
    assert found is not None
    return html.unescape(found[1])


def test_a_label_that_is_contradicted_is_confirmed_by_a_click_and_listed_no_more(
    contradicted: Person,
) -> None:
    page = contradicted.client.get("/label").text
    assert f'id="session-{SESSION}"' in page
    assert f'name="confirm" value="{EMBER}"><bdi>&lt;i&gt;Ember</bdi> is right</button>' in page
    answer = contradicted.send("label", session_id=SESSION, confirm=EMBER, replace="yes")
    assert answer.status_code == 303
    assert contradicted.labels == {SESSION: {**SAID, "confirmed": True}}
    after = contradicted.client.get(answer.headers["location"]).text
    assert "and confirmed" in after
    assert f'id="session-{SESSION}"' not in after


def test_a_confirmation_is_undone_and_can_be_given_again(contradicted: Person) -> None:
    said = contradicted.send("label", session_id=SESSION, confirm=EMBER, replace="yes")
    page = contradicted.client.get(said.headers["location"]).text
    undone = contradicted.send("label", session_id=SESSION, undo=undoing(page))
    assert contradicted.labels == {SESSION: SAID}
    page = contradicted.client.get(undone.headers["location"]).text
    assert "and confirmed" not in page
    assert 'Confirm <bdi class="name">&lt;i&gt;Ember</bdi> again' in page
    assert f'id="session-{SESSION}"' in page
    contradicted.send("label", session_id=SESSION, undo=undoing(page))
    assert contradicted.labels == {SESSION: {**SAID, "confirmed": True}}


def test_another_car_takes_the_confirmation_and_undoing_that_brings_it_back(contradicted: Person) -> None:
    contradicted.send("label", session_id=SESSION, confirm=EMBER, replace="yes")
    changed = contradicted.send("label", session_id=SESSION, vehicle_id=TIDE, replace="yes")
    assert "confirmed" not in contradicted.labels[SESSION]
    page = contradicted.client.get(changed.headers["location"]).text
    contradicted.send("label", session_id=SESSION, undo=undoing(page))
    assert contradicted.labels == {SESSION: {**SAID, "confirmed": True}}


def test_a_run_that_ends_while_the_answer_is_made_is_told_with_what_it_made(
    contradicted: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = contradicted.send("label", session_id=SESSION, vehicle_id=TIDE, replace="yes")

    def state(self: OwnRuns, run_id: str) -> RunState:
        name_it(contradicted, TIDE)
        return RunState(run_id, "succeeded")

    monkeypatch.setattr(OwnRuns, "state", state)
    shown = contradicted.client.get(answer.headers["location"]).text
    [outcome] = re.findall(r'<div class="outcome.*?</form>', shown, re.DOTALL)
    assert "Done: shown everywhere" in outcome
    assert "Ember" not in outcome


def test_a_label_is_confirmed_through_the_api(contradicted: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnRuns, "name_again", lambda self, month: (str(uuid4()), None))
    word = {"session_id": SESSION, "vehicle_id": EMBER, "confirmed": True}
    bearer = {"Authorization": "Bearer right-token"}
    answer = contradicted.client.post("/api/v1/labels", json=word, headers=bearer)
    assert answer.status_code == 202
    assert contradicted.labels == {SESSION: {**SAID, "confirmed": True}}


@pytest.mark.parametrize("form", FORMS)
def test_no_form_is_taken_without_signing_in_or_from_another_session(person: Person, form: str) -> None:
    assert person.client.post(f"/forms/{form}", data={"csrf": "wrong"}).status_code == 403
    assert person.client.get(f"/forms/{form}").status_code == 405
    with httpx.Client(base_url=person.client.base_url, trust_env=False) as stranger:
        bearer = {"Authorization": "Bearer right-token"}
        assert stranger.post(f"/forms/{form}", data={"x": "y"}, headers=bearer).status_code == 401


def test_a_household_without_sessions_has_a_page_that_says_so(person: Person) -> None:
    page = person.client.get("/label")
    assert page.status_code == 200
    assert "No session is stored yet" in page.text
    assert "Nothing wants a look" not in page.text
    assert "No car is known yet" in page.text


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"session_id": "1", "vehicle_id": "unknown"},
        {"session_id": "../etc", "vehicle_id": "unknown"},
        {"session_id": "1", "vehicle_id": "<b>"},
        {"session_id": "1", "undo": "no json"},
        {"session_id": "1", "undo": '{"vehicle_id": "nobody"}'},
    ],
)
def test_a_label_that_cannot_be_is_refused_in_words(person: Person, fields: dict[str, str]) -> None:
    refused = person.send("label", **fields)
    assert refused.status_code in (404, 422)
    assert "<h1>" in refused.text
    assert not Path(person.settings.data_root, "session_vehicle_map.json").exists()


def test_a_group_without_sessions_is_refused(person: Person) -> None:
    assert person.send("group", vehicle_id="unknown", session_ids=" ../a ").status_code == 422


def test_a_car_gets_an_id_made_of_its_name_and_is_shown_inert(person: Person) -> None:
    before = {*person.cars}
    for name in (HOSTILE, f"{HOSTILE}!"):
        answer = person.send("car", nickname=name, year="2024", first_day="2026-01-02")
        assert answer.status_code == 303
    [first, second] = sorted({*person.cars} - before)
    assert (second, person.cars[first]["nickname"]) == (f"{first}_2", HOSTILE)
    assert person.cars[first]["valid_periods"] == [{"from": "2026-01-02", "to": None}]
    assert person.cars[first]["year"] == 2024
    page = person.client.get(answer.headers["location"])
    assert "was added" in page.text
    assert "<script>alert" not in page.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Say what you call it"),
        ({"nickname": "  ", "make": "Volvo"}, "Say what you call it"),
        ({"nickname": "ember"}, "There is a car called ember already; give this one another name"),
        ({"nickname": "A", "year": "soon"}, "The year must be one such as"),
        ({"nickname": "A", "efficiency_mi_per_kwh": "much"}, "must be a number such as 3.4"),
        ({"nickname": "A", "first_day": "2999-01-01"}, "cannot lie ahead"),
        ({"nickname": HOSTILE * 9}, "This is too long"),
    ],
)
def test_a_car_that_cannot_be_leads_back_to_its_form_with_a_word_beside_the_field(
    person: Person, fields: dict[str, str], said: str
) -> None:
    person.send("car", nickname="Ember")
    before = person.cars
    answer = person.send("car", make="<i>", **{key: text for key, text in fields.items() if key != "make"})
    assert answer.status_code == 303
    assert person.cars == before
    page = person.client.get(answer.headers["location"]).text
    assert said in page
    assert 'name="make" value="&lt;i&gt;"' in page
    assert "<details open>" in page


def test_a_decimal_comma_is_a_point(person: Person) -> None:
    person.send("car", nickname="Comma", efficiency_mi_per_kwh="3,4")
    assert person.cars["comma"]["efficiency_mi_per_kwh"] == 3.4


def test_a_car_that_nothing_names_is_taken_back_and_another_is_not(person: Person) -> None:
    before = person.cars
    added = person.send("car", nickname="Brook").headers["location"]
    assert "Take it back" in person.client.get(added).text
    root = DataRoot(person.settings.data_root)
    root.write("session_vehicle_map.json", b'{"1": "brook"}')
    refused = person.send("car/back", vehicle_id="brook")
    assert refused.status_code == 422
    assert "cph50 vehicles retire brook" in refused.text
    root.write("session_vehicle_map.json", b"{}")
    back = person.send("car/back", vehicle_id="brook")
    assert "was taken back" in person.client.get(back.headers["location"]).text
    assert person.cars == before
    assert person.send("car/back", vehicle_id="nobody").status_code == 422


@pytest.mark.parametrize(
    "query", ["show=<b>", "session=<b>", "done=<b>&run=x", "trained=../x", "added=<b>", "nr=9999"]
)
def test_whatever_the_address_says_the_page_stands(person: Person, query: str) -> None:
    page = person.client.get(f"/label?{query}")
    assert page.status_code == 200
    assert "<b>" not in page.text


def test_labels_that_cannot_be_read_are_told_in_their_place(person: Person) -> None:
    DataRoot(person.settings.data_root).write("session_vehicle_map.json", b'{"1": {"vehicle_id": 3}}')
    page = person.client.get("/label")
    assert page.status_code == 200
    assert "Cannot be shown" in page.text
    assert "session_vehicle_map.json" in page.text


def test_a_training_that_nobody_has_a_record_of_is_not_waited_for(person: Person) -> None:
    run_id = uuid4()
    for path in ("/label", "/label/training"):
        shown = person.client.get(path, params={"trained": str(run_id)}).text
        assert "is not on record" in shown
        assert 'data-done="yes"' in shown
    assert person.client.get("/label/training?trained=nothing").status_code == 404


def test_what_a_training_says_of_cars_is_said_by_their_names(person: Person) -> None:
    cars = {"vehicles": {EMBER: {"nickname": "<i>Ember"}}}
    person.root.write("vehicle_config.json", json.dumps(cars).encode())
    noted = Noted("refused", f"{EMBER} was not learned", "v1", (f"{EMBER} has 5 labelled session(s)",))
    with open_instance(person.settings) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(CLASSIFIER, metadata=noted.metadata()))
    page = person.client.get("/label").text
    assert "The last time: &lt;i&gt;Ember was not learned" in page
    assert "&lt;i&gt;Ember has 5 labelled session(s)" in page
    assert EMBER not in page.partition('id="training"')[2].partition("</ul>")[0]


@pytest.mark.parametrize("name", ["vehicle_config.json", "classifier_summary.json"])
def test_a_damaged_file_is_told_once_and_the_page_stands(person: Person, name: str) -> None:
    DataRoot(person.settings.data_root).write(name, b'{"vehicles": 3')
    page = person.client.get("/label")
    assert page.status_code == 200
    assert page.text.count("Cannot be shown") == 1
    assert name in page.text
