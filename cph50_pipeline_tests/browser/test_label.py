"""Labelling as a person does it: by a click or a key, undone, of several at once; and learning from it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from cph50_pipeline.settings import Settings
from cph50_pipeline.simulator.clock import SimulatedClock
from cph50_pipeline.simulator.household import Household
from cph50_pipeline.simulator.server import RunningSimulator
from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab
from cph50_pipeline_tests.dagster.homes import EMBER, TIDE, Home, failure_texts, settings_for
from cph50_pipeline_tests.unit.web.household import served

MONTH = "2026-01"
NOW = datetime(2026, 1, 20, 18, tzinfo=UTC)
RUN_MS = 60_000


@dataclass(frozen=True)
class Labelled:
    """A household that was collected by a run, and its pages."""

    settings: Settings
    url: str

    def json(self, path: str) -> Any:
        """A JSON file of the data root."""
        return json.loads(Path(self.settings.data_root, path).read_text())

    def labels(self) -> dict[str, Any]:
        """What people said."""
        path = Path(self.settings.data_root, "session_vehicle_map.json")
        return dict(json.loads(path.read_text())) if path.exists() else {}

    @contextmanager
    def signed_in(self) -> Iterator[tuple[httpx.Client, str]]:
        """A client of somebody who signed in, and what their forms carry."""
        with httpx.Client(base_url=self.url, timeout=30, trust_env=False) as client:
            client.headers["Accept"] = "text/html"
            client.post("/sign-in", data={"token": "right-token"})
            found = re.search(r'name="csrf" value="([^"]+)"', client.get("/docs").text)
            assert found is not None
            yield client, found[1]

    @contextmanager
    def written(self, name: str, text: str) -> Iterator[None]:
        """A file of the data root with another text, for a while."""
        path = Path(self.settings.data_root, name)
        before = path.read_bytes() if path.exists() else None
        path.write_text(text)
        try:
            yield
        finally:
            path.unlink() if before is None else path.write_bytes(before)

    def named(self, session_id: str) -> Any:
        """What a session is named, by its month's file."""
        found = self.json(f"classifications/{MONTH}.json")
        return next(one for one in found if one["session_id"] == session_id)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Labelled]:
    """One month of a simulated household, whose cars nobody has labelled."""
    folder = tmp_path_factory.mktemp("label")
    planned = Household(history_start=date(2025, 12, 24))
    with (
        pytest.MonkeyPatch.context() as patch,
        RunningSimulator(planned, clock=SimulatedClock(NOW, speed=0)) as simulator,
    ):
        for name in [*os.environ]:
            if name.startswith(("CPH50_", "DAGSTER_")):
                patch.delenv(name)
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "yes")
        patch.setenv("DAGSTER_HOME", str(folder / "dagster"))
        settings = settings_for(
            folder / "data",
            simulator,
            publish="off",
            history_start=MONTH,
            api_token="right-token",
            api_requests_per_minute=1_000_000,
        )
        with dg.DagsterInstance.ephemeral() as instance:
            result = Home(settings, simulator, instance).run([MONTH])
            assert result.success, failure_texts(result)
        with served(settings) as client:
            yield Labelled(settings, str(client.base_url).rstrip("/"))


def open_signed_in(tab: Tab, home: Labelled, path: str) -> None:
    """Open a page as somebody who signed in."""
    tab.open(f"{home.url}/sign-in?next={path}")
    tab.page.get_by_label("API token").fill("right-token")
    tab.page.get_by_role("button", name="Sign in").click()
    tab.page.locator("article.card").first.wait_for()


def told(tab: Tab, session_id: str, words: str) -> None:
    """Wait until the page says this of a session; the run that names it again may still be at work."""
    shown = tab.page.locator(f'.outcome:has(input[value="{session_id}"])')
    shown.filter(has_text=re.compile(r"\s*".join(words.split()))).wait_for()


def done(tab: Tab, *session_ids: str) -> str:
    """What is said of sessions once the run that names them again has ended."""
    carry = "".join(f':has(input[value*="{session_id}"])' for session_id in session_ids)
    shown = tab.page.locator(f'.outcome[data-done="yes"]{carry}')
    shown.wait_for(timeout=RUN_MS)
    return " ".join(shown.inner_text().split())


def test_who_has_not_signed_in_sees_everything_and_no_button(tab: Tab, home: Labelled) -> None:
    tab.open(f"{home.url}/label?show=nameless")
    card = tab.page.locator("article.card[data-session]").first
    assert card.locator("svg .own").count() >= 1
    assert tab.page.locator("main form").count() == 0
    tab.page.get_by_role("link", name="Sign in to label").click()
    assert "show%3Dnameless" in tab.page.url


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_the_page_keeps_nobody_out_and_fits_the_screen(tab: Tab, home: Labelled) -> None:
    open_signed_in(tab, home, "/label")
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.picture("label")


def test_a_click_labels_the_session_and_its_month_is_named_again_through_dagster(
    tab: Tab, home: Labelled
) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    first, second = (tab.page.locator("article.card[data-session]").nth(place) for place in (0, 1))
    session_id = first.get_attribute("data-session") or ""
    following = second.get_attribute("data-session")
    assert home.named(session_id)["labeled_by"] is None

    first.get_by_role("button", name="Ember").click()
    said = done(tab, session_id)
    assert "labelled Ember" in said
    assert "In force: Ember" in said
    assert "Done: shown everywhere" in said
    assert tab.page.evaluate("document.activeElement.dataset.session") == following
    assert home.labels()[session_id]["vehicle_id"] == EMBER
    named = home.named(session_id)
    assert (named["vehicle_id"], named["labeled_by"]) == (EMBER, "manual")
    with dg.DagsterInstance.get() as instance:
        run_id = str(tab.page.locator(".outcome a").first.get_attribute("href")).rpartition("/")[2]
        run = instance.get_run_by_id(run_id)
        assert run is not None
        assert run.job_name == "attribution_job"
        assert run.is_success

    tab.page.locator(".outcome").get_by_role("button", name="Undo").click()
    tab.page.get_by_text("its label was taken back").wait_for()
    done(tab, session_id)
    assert session_id not in home.labels()
    assert home.named(session_id)["labeled_by"] is None


def test_keys_label_move_and_undo(tab: Tab, home: Labelled) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    cards = tab.page.locator("article.card[data-session]")
    second = cards.nth(1).get_attribute("data-session") or ""
    for key in "jjjkk":
        tab.page.keyboard.press(key)
    assert tab.page.evaluate("document.activeElement.dataset.session") == cards.nth(0).get_attribute(
        "data-session"
    )
    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("2")
    told(tab, second, "labelled Tide")
    assert home.labels()[second]["vehicle_id"] == TIDE
    tab.page.keyboard.press("u")
    told(tab, second, "taken back")
    assert second not in home.labels()


@pytest.mark.parametrize("tab", ["phone"], indirect=True)
def test_what_came_of_a_click_stays_in_sight_and_can_be_said_again(tab: Tab, home: Labelled) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    waiting, labelled = (tab.page.locator(f'[data-count="{kind}"]') for kind in ("nameless", "labelled"))
    before = int(waiting.inner_text()), int(labelled.inner_text())
    card = tab.page.locator("article.card[data-session]").nth(1)
    session_id = card.get_attribute("data-session") or ""
    card.get_by_role("button", name="Ember").click()
    told(tab, session_id, "labelled Ember")
    edges = [f"document.querySelector('{one}').getBoundingClientRect()" for one in (".bar", ".outcome")]
    tab.page.wait_for_function(f"{edges[0]}.bottom <= {edges[1]}.top && {edges[1]}.bottom <= innerHeight")
    assert (int(waiting.inner_text()), int(labelled.inner_text())) == (before[0] - 1, before[1] + 1)

    tab.page.keyboard.press("u")
    again = tab.page.get_by_role("button", name="Label it Ember again")
    again.wait_for()
    tab.page.keyboard.press("u")
    tab.page.get_by_text("There is nothing to undo").wait_for()
    assert session_id not in home.labels()
    again.click()
    told(tab, session_id, "labelled Ember")
    tab.page.get_by_role("button", name="Undo").click()
    told(tab, session_id, "taken back")


def test_a_wrong_label_is_corrected_and_the_undoing_brings_the_one_before_back(
    tab: Tab, home: Labelled
) -> None:
    session_id = home.json(f"classifications/{MONTH}.json")[0]["session_id"]
    path = f"/label?session={session_id}"
    open_signed_in(tab, home, path)
    tab.page.locator(f"#session-{session_id}").get_by_role("button", name="Tide").click()
    told(tab, session_id, "labelled Tide")
    before = home.labels()[session_id]

    tab.open(f"{home.url}{path}")
    card = tab.page.locator(f"#session-{session_id}")
    assert "so labelled" in card.get_by_role("button", name="Tide").inner_text()
    card.get_by_role("button", name="None of ours").click()
    told(tab, session_id, "labelled None of ours")
    assert home.labels()[session_id]["vehicle_id"] == "unknown"
    tab.page.get_by_role("button", name="Undo").click()
    told(tab, session_id, "labelled Tide")
    assert home.labels()[session_id] == before
    tab.open(f"{home.url}{path}")
    tab.page.locator(f"#session-{session_id}").get_by_role("button", name="Take the label back").click()
    told(tab, session_id, "taken back")
    assert session_id not in home.labels()


def test_a_label_that_is_contradicted_is_confirmed_by_a_click_and_the_click_undone(
    tab: Tab, home: Labelled
) -> None:
    path = f"classifications/{MONTH}.json"
    [one, *others] = home.json(path)
    contradicted = {**one, "vehicle_id": EMBER, "confidence": 1.0, "labeled_by": "manual"}
    contradicted |= {"needs_review": True, "reason": f"labelled by ann; the classifier says {TIDE} (0.97)"}
    said = {one["session_id"]: {"vehicle_id": EMBER, "labeled_by": "ann", "labeled_at": None, "note": "red"}}
    with (
        home.written(path, json.dumps([contradicted, *others])),
        home.written("session_vehicle_map.json", json.dumps(said)),
    ):
        open_signed_in(tab, home, "/label?show=review")
        card = tab.page.locator(f"#session-{one['session_id']}")
        card.get_by_role("button", name="Ember is right").click()
        assert "labelled Ember and confirmed" in done(tab, one["session_id"])
        assert home.labels()[one["session_id"]] == {**said[one["session_id"]], "confirmed": True}
        named = home.named(one["session_id"])
        assert (named["vehicle_id"], named["confirmed"], named["needs_review"]) == (EMBER, True, False)
        tab.page.get_by_role("button", name="Undo").click()
        tab.page.get_by_role("button", name="Confirm Ember again").wait_for()
        done(tab, one["session_id"])
        assert home.labels() == said


def test_one_click_labels_the_examples_of_a_group_and_one_more_takes_them_back(
    tab: Tab, home: Labelled
) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    group = tab.page.locator("article.card:has(.examples)").first
    session_ids = (group.locator("input[name=session_ids]").get_attribute("value") or "").split()
    assert f"these {len(session_ids)} sessions" in group.inner_text()
    assert group.locator(".examples li").count() == len(session_ids)
    group.get_by_role("button", name="Ember").click()
    done(tab, *session_ids)
    assert tab.page.evaluate("document.activeElement.className") == "outcome card"
    assert {home.named(id_)["vehicle_id"] for id_ in session_ids} == {EMBER}
    tab.page.get_by_role("button", name="Undo").click()
    tab.page.get_by_text("its label was taken back").first.wait_for()
    assert not set(session_ids) & home.labels().keys()


def test_a_digit_labels_nothing_while_no_card_has_the_focus(tab: Tab, home: Labelled) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    before = home.labels()
    tab.page.keyboard.press("1")
    assert tab.page.locator("[aria-busy]").count() == 0
    assert tab.page.locator(".outcome").count() == 0
    assert home.labels() == before


def test_keys_that_were_turned_off_do_nothing_on_any_page_until_they_are_on_again(
    tab: Tab, home: Labelled
) -> None:
    tab.open(f"{home.url}/history?view=month&at={MONTH}")
    tab.page.get_by_text("Keys", exact=True).click()
    tab.page.get_by_label("Keys are on").uncheck()
    open_signed_in(tab, home, "/label?show=nameless")
    switch = tab.page.get_by_label("Keys are on")
    assert not switch.is_checked()
    for is_on in (False, True):
        switch.set_checked(is_on)
        switch.blur()
        tab.page.keyboard.press("j")
        assert tab.page.locator("article.card:focus").count() == int(is_on)


def test_u_undoes_the_newest_label_wherever_its_card_stands(tab: Tab, home: Labelled) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    cards = tab.page.locator("article.card[data-session]")
    upper, lower = (cards.nth(place).get_attribute("data-session") or "" for place in (0, 1))
    for session_id in (lower, upper):
        tab.page.locator(f"#session-{session_id}").focus()
        tab.page.keyboard.press("2")
        told(tab, session_id, "labelled Tide")
    tab.page.keyboard.press("u")
    told(tab, upper, "taken back")
    assert {lower, upper} & home.labels().keys() == {lower}
    tab.page.keyboard.press("u")
    told(tab, lower, "taken back")
    assert lower not in home.labels()


def test_a_click_that_is_refused_leaves_the_card_and_says_why(
    tab: Tab, home: Labelled, tmp_path: Path
) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    tab.page.context.storage_state(path=tmp_path / "kept.json")
    cookies = json.loads((tmp_path / "kept.json").read_text())["cookies"]
    tab.page.context.clear_cookies()
    session_id = tab.page.locator("article.card[data-session]").first.get_attribute("data-session") or ""
    card = tab.page.locator(f"#session-{session_id}")
    card.get_by_role("button", name="Tide").click()
    refused = card.get_by_role("alert")
    assert refused.inner_text().startswith("You are not signed in.")
    link = refused.get_by_role("link", name="Sign in").get_attribute("href")
    assert link == "/sign-in?next=%2Flabel%3Fshow%3Dnameless"
    assert all("401" in error for error in tab.errors)
    tab.errors.clear()

    tab.page.context.add_cookies(cookies)
    card.get_by_role("button", name="Tide").click()
    told(tab, session_id, "labelled Tide")
    tab.page.get_by_role("button", name="Undo").click()
    told(tab, session_id, "taken back")


def test_an_outcome_that_cannot_be_asked_for_just_now_stands_and_is_asked_for_again(
    tab: Tab, home: Labelled
) -> None:
    open_signed_in(tab, home, "/label?show=nameless")
    card = tab.page.locator("article.card[data-session]").first
    session_id = card.get_attribute("data-session") or ""
    # It is the second that is answered so: the first is where the form leads.
    tab.page.route("**/label/outcome?*", lambda asked: asked.fulfill(status=503, body="down"), times=1)
    with tab.page.expect_response(lambda answer: answer.status == 503):
        card.get_by_role("button", name="Tide").click()
    assert tab.page.get_by_role("button", name="Undo").is_visible()
    done(tab, session_id)
    assert all("503" in error for error in tab.errors)
    tab.errors.clear()
    tab.page.get_by_role("button", name="Undo").click()
    told(tab, session_id, "taken back")


def test_a_training_is_followed_without_a_reload(tab: Tab, home: Labelled) -> None:
    open_signed_in(tab, home, "/label")
    tab.page.get_by_role("button", name="Learn anew now").click()
    tab.page.get_by_text("Learning the cars anew").wait_for()
    tab.page.evaluate("window.isTheSame = true")
    tab.page.locator('.outcome[data-done="yes"]').wait_for(timeout=RUN_MS)
    assert tab.page.evaluate("window.isTheSame")


@pytest.fixture
def plain_tab(chromium: Any) -> Iterator[Tab]:
    """A tab in which no script runs."""
    with Tab.opened(chromium, java_script_enabled=False) as opened:
        yield opened
        opened.check()


def test_without_scripts_a_form_labels_adds_a_car_and_has_the_cars_learned(
    plain_tab: Tab, home: Labelled
) -> None:
    tab = plain_tab
    open_signed_in(tab, home, "/label?show=nameless")
    card = tab.page.locator("article.card[data-session]").first
    session_id = card.get_attribute("data-session") or ""
    card.get_by_role("button", name="Ember").click()
    tab.page.locator(".outcome").wait_for()
    assert home.labels()[session_id]["vehicle_id"] == EMBER
    again = tab.page.locator(".outcome a.reload")
    if again.count():  # its run may have ended before the page was made
        assert again.get_attribute("href").startswith("/label?")
    assert tab.page.locator(f"#session-{session_id}").count() == 0

    tab.page.get_by_text("Add a car").click()
    tab.page.get_by_label("What you call it").fill("<b>Grün</b> ‮X")
    tab.page.get_by_label("Its first day").fill("2026-01-02")
    tab.page.get_by_role("button", name="Add it").click()
    tab.page.get_by_text("was added").wait_for()
    added = home.json("vehicle_config.json")["vehicles"]["b_grun_b_x"]
    assert added["nickname"] == "<b>Grün</b> ‮X"
    assert tab.page.locator("main b").count() == 0
    assert not tab.overflows()

    tab.page.get_by_role("button", name="Learn anew now").click()
    tab.page.get_by_text("Learning the cars anew").wait_for()


def test_a_damaged_file_of_cars_leaves_the_sessions_with_cars_by_their_ids(home: Labelled) -> None:
    session_id = home.json(f"classifications/{MONTH}.json")[0]["session_id"]
    with home.written("vehicle_config.json", "{"), home.signed_in() as (client, _):
        page = client.get(f"/label?session={session_id}&done={session_id}")
    assert page.status_code == 200
    assert page.text.count("Cannot be shown") == 1
    assert f'id="session-{session_id}"' in page.text


def test_a_damaged_file_of_labels_is_told_where_an_outcome_was_asked_for(home: Labelled) -> None:
    session_id = home.json(f"classifications/{MONTH}.json")[0]["session_id"]
    with home.written("session_vehicle_map.json", "{"), home.signed_in() as (client, _):
        page = client.get(f"/label?done={session_id}")
        part = client.get(f"/label/outcome?done={session_id}")
    assert page.status_code == 200
    assert "session_vehicle_map.json" in page.text
    assert part.status_code == 422


def test_a_label_with_a_long_note_is_replaced_and_the_page_says_that_it_cannot_be_undone(
    home: Labelled,
) -> None:
    session_id = home.json(f"classifications/{MONTH}.json")[0]["session_id"]
    noted = {session_id: {"vehicle_id": TIDE, "labeled_by": "manual", "note": "ü" * 2000}}
    said = {"session_id": session_id, "vehicle_id": EMBER, "replace": "yes"}
    with (
        home.written("session_vehicle_map.json", json.dumps(noted)),
        home.signed_in() as (client, csrf),
    ):
        page = client.post("/forms/label", data={"csrf": csrf, **said}, follow_redirects=True)
        assert home.labels()[session_id]["vehicle_id"] == EMBER
    assert page.status_code == 200
    assert "cannot be undone here" in page.text
    assert 'class="undo"' not in page.text


def test_undoing_a_group_takes_no_label_back_that_was_there_before(home: Labelled) -> None:
    first, second = (one["session_id"] for one in home.json(f"classifications/{MONTH}.json")[:2])
    label = {first: {"vehicle_id": EMBER, "labeled_by": "manual"}}
    fields = {"session_ids": f"{first} {second}", "vehicle_id": EMBER}
    with (
        home.written("session_vehicle_map.json", json.dumps(label)),
        home.signed_in() as (client, csrf),
    ):
        page = client.post("/forms/group", data={"csrf": csrf, **fields}, follow_redirects=True)
        assert {*home.labels()} == {first, second}
        again = client.post("/forms/group", data={"csrf": csrf, **fields})
    form = page.text.partition('class="undo"')[2].partition("</form>")[0]
    assert second in form
    assert first not in form
    assert again.status_code == 422
    assert "so labelled already" in again.text
