"""The dashboard as a person sees it: values that move by themselves, and words when they do not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Route, expect

from cph50_pipeline.defs.live import live_store
from cph50_pipeline.live.model import Device, DeviceKind, Reading, Value
from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.browser.browsing import BOTH_WIDTHS, Tab
from cph50_pipeline_tests.unit.web.household import (
    CHARGER,
    EMBER,
    TIDE,
    Stay,
    served,
    settings_in,
    store_stays,
)

AT_HOME = Device(CHARGER, DeviceKind.CHARGER, "CPH50", "charger")
HOUSE = Device("home", DeviceKind.METER, "home", "home_assistant")
HOSTILE = "<img src=x onerror=alert(1)>\u202e" + "W" * 200


def say(
    settings: Settings, device: Device, at: datetime, values: dict[str, tuple[Value, str | None]]
) -> None:
    """Let a device say something."""
    readings = [Reading(device.device_id, name, value, unit, at) for name, (value, unit) in values.items()]
    live_store(settings).write([device], readings, device.source, at)


def charge(settings: Settings, power_kw: float, energy_kwh: float, device: Device = AT_HOME) -> None:
    """Let a charger say that it has charged for 40 minutes."""
    now = datetime.now(UTC)
    begun = now - timedelta(minutes=40)
    for minute in range(5, 40, 5):
        say(settings, device, begun + timedelta(minutes=minute), {"power_kw": (7.2, "kW")})
    said: dict[str, tuple[Value, str | None]] = {
        "charging": (power_kw > 0, None),
        "connected": (True, None),
        "power_kw": (power_kw, "kW"),
        "energy_kwh": (energy_kwh, "kWh"),
        "duration_minutes": (40.0, "min"),
        "session_id": ("1003", None),
        "session_start": (begun.isoformat(), None),
        "vehicle_id": (EMBER, None),
        "vehicle_confidence": (0.93, None),
    }
    say(settings, device, now, said)


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A household that charges now and charged an hour ago."""
    settings = settings_in(tmp_path_factory.mktemp("now"))
    now = datetime.now(UTC)
    store_stays(
        settings,
        [
            Stay("1001", now - timedelta(seconds=2), 1, 5.0),
            Stay("1002", now - timedelta(seconds=1), 1, 6.25, TIDE, cost=None),
        ],
    )
    charge(settings, 7.25, 4.5)
    say(settings, HOUSE, now, {"power": (1.234, "kW"), "voltage": (241.0, "V")})
    return settings


@pytest.fixture
def running(home: Settings) -> Iterator[tuple[ExitStack, str]]:
    """Its server, which can be stopped, and its address."""
    with ExitStack() as serving:
        client = serving.enter_context(served(home))
        yield serving, str(client.base_url).rstrip("/")


@pytest.mark.parametrize("tab", BOTH_WIDTHS, indirect=True)
def test_the_page_says_what_charges_what_was_charged_and_what_the_house_draws(
    tab: Tab, running: tuple[ExitStack, str]
) -> None:
    tab.open(running[1])
    tab.page.get_by_text("Live", exact=True).wait_for()
    said = tab.text()
    for part in ("Charging", "7.3 kW", "4.5 kWh", "40 min", "93 % sure", "1.23 kW", "241.0 V", "11.3 kWh"):
        assert part in said
    assert tab.page.title().startswith("7.2 kW")
    assert tab.page.locator(".charger svg.curve path").count() == 1
    assert tab.barriers() == []
    assert not tab.overflows()
    tab.picture("now")


def test_values_move_without_reload_and_the_page_says_so_when_the_server_stops(
    tab: Tab, home: Settings, running: tuple[ExitStack, str]
) -> None:
    serving, url = running
    tab.open(url)
    tab.page.get_by_text("Live", exact=True).wait_for()
    tab.page.evaluate("window.isTheSame = true")
    charge(home, 3.5, 4.75)
    tab.page.get_by_text("3.5 kW", exact=True).first.wait_for()
    tab.page.get_by_text("4.8 kWh").wait_for()
    assert tab.page.title().startswith("3.5 kW")
    charge(home, 0.0, 4.75)
    tab.page.locator("#announced", has_text="Plugged in, not charging").wait_for()
    assert tab.page.title().startswith("Now")
    assert tab.page.evaluate("window.isTheSame")
    serving.close()
    tab.page.get_by_text(re.compile(r"Not live: no word from the server for \d+ s; trying again")).wait_for()
    assert "Plugged in, not charging" in tab.text()
    tab.errors.clear()  # the browser itself notes that nobody answers


def test_without_scripts_the_page_has_the_same_content_and_a_link_to_load_it_again(
    chromium: object, running: tuple[ExitStack, str]
) -> None:
    with Tab.opened(chromium, "phone", java_script_enabled=False) as tab:  # type: ignore[arg-type]
        tab.open(running[1])
        assert "7.2 kW" in tab.text()
        assert "Charging" in tab.text()
        assert not tab.page.get_by_text("Live", exact=True).count()


@pytest.mark.parametrize("tab", ["phone"], indirect=True)
def test_hostile_names_are_shown_as_they_are_and_make_no_page_wider(tab: Tab, home: Settings) -> None:
    second = Device("charger-2", DeviceKind.CHARGER, HOSTILE, "charger")
    charge(home, 2.0, 1.0, second)
    with served(home) as client:
        tab.open(str(client.base_url))
        tab.page.get_by_text("Live", exact=True).wait_for()
        assert "<img src=x" in tab.text()
        assert not tab.overflows()
        assert tab.page.locator("main img").count() == 0


def test_a_silent_charger_is_told_with_its_age(tab: Tab, tmp_path_factory: pytest.TempPathFactory) -> None:
    settings = settings_in(tmp_path_factory.mktemp("silent"))
    then = datetime.now(UTC) - timedelta(minutes=12)
    say(settings, AT_HOME, then, {"charging": (True, None), "power_kw": (7.0, "kW")})
    with served(settings) as client:
        tab.open(str(client.base_url))
        tab.page.get_by_text("Heard 12 min ago").wait_for()
        assert "Last known: charging" in tab.text()
        assert "The charger or its collector is silent" in tab.text()
        assert tab.barriers() == []


def test_who_is_at_a_link_stays_there_and_what_did_not_change_is_left_alone(
    tab: Tab, home: Settings, running: tuple[ExitStack, str]
) -> None:
    tab.open(running[1])
    tab.page.evaluate("window.today = document.querySelector('#period-1')")
    link = tab.page.get_by_role("link", name="The house now")
    link.focus()
    tab.page.get_by_text("Live", exact=True).wait_for()
    for power_kw in (2.5, 3.75):
        say(home, HOUSE, datetime.now(UTC), {"power": (power_kw, "kW")})
        tab.page.get_by_text(f"{power_kw:.2f} kW").wait_for()
        expect(link).to_be_focused()
    assert tab.page.evaluate("window.today.isConnected")


def test_a_stream_that_lets_the_browser_ask_anew_goes_on_without_a_word(
    tab: Tab, home: Settings, running: tuple[ExitStack, str]
) -> None:
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.fulfill(content_type="text/event-stream", body="retry: 3000\n\nevent: over\ndata: 1\n\n")
        else:
            route.continue_()

    tab.page.route("**/live", answer)
    tab.open(running[1])
    tab.page.get_by_text("Live", exact=True).wait_for()
    charge(home, 3.5, 4.75)
    tab.page.get_by_text("3.5 kW", exact=True).first.wait_for()
    assert len(asked) == 2
    assert tab.text("#announced") == ""


def test_who_is_signed_out_is_told_so_with_the_way_back(
    tab: Tab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    settings = settings_in(tmp_path_factory.mktemp("guarded"), api_reads="token")
    charge(settings, 7.25, 4.5)
    with served(settings) as client:
        tab.open(str(client.base_url))
        tab.page.get_by_label("Token").fill("right-token")
        tab.page.get_by_role("button", name="Sign in").click()
        tab.page.get_by_text("Live", exact=True).wait_for()
        tab.page.context.clear_cookies()
        tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        tab.page.locator("#liveness", has_text="Not live: signed out").wait_for()
        tab.errors.clear()  # the browser itself notes that it was refused
        tab.page.locator("#liveness").get_by_role("link", name="sign in").click()
        tab.page.get_by_label("Token").wait_for()
