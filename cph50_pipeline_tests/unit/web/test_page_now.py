"""The dashboard behind a real server: it stands without the live table, and its stream tells what changes."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.page_now import Dashboard
from cph50_pipeline.live.model import Device, DeviceKind, Reading
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.web.live_part import MOST_LISTENERS, MOST_OF_ONE_CLIENT
from cph50_pipeline_tests.unit.web.household import CHARGER, EMBER, Stay, served, settings_in, store_stays

AT_HOME = Device(CHARGER, DeviceKind.CHARGER, "CPH50", "charger")


def charge(settings: Settings, power_kw: float) -> None:
    """Let the charger say that it charges now."""
    now = datetime.now(UTC)
    values = {"charging": True, "connected": True, "power_kw": power_kw}
    readings = [Reading(CHARGER, sensor, value, None, now) for sensor, value in values.items()]
    live_store(settings).write([AT_HOME], readings, "charger", now)


def events(answer: httpx.Response) -> Iterator[tuple[str, str]]:
    """The names of a stream's events with their texts, as they come."""
    name, lines = "", []
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            lines.append(line.removeprefix("data: "))
        elif not line and name:
            yield name, "\n".join(lines)
            name, lines = "", []


def test_the_page_says_what_the_charger_says_and_what_each_car_charged_today(settings: Settings) -> None:
    now = datetime.now(UTC)
    store_stays(settings, [Stay("1", now - timedelta(seconds=1), 1, 3.25, EMBER)])
    charge(settings, 8.6)
    with served(settings) as client:
        page = client.get("/")
    assert page.status_code == 200
    assert "<title>8.6 kW ·" in page.text
    assert re.search(r"Today.*3\.2 kWh.*1\.50.*This month.*3\.2 kWh", page.text, re.DOTALL)
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text
    assert " style=" not in page.text


def test_the_page_of_an_empty_household_stands_and_says_what_to_do(settings: Settings) -> None:
    with served(settings) as client:
        page = client.get("/")
    assert page.status_code == 200
    assert "No charger was heard of yet" in page.text
    assert "Nothing was charged today" in page.text
    assert "No meter of the house is known" in page.text


def test_without_a_live_table_the_page_stands_by_the_files_and_says_why(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, live_database_url=f"sqlite:///{tmp_path}")  # a folder is no database
    at = datetime.now(UTC) - timedelta(hours=2)
    state = {"timestamp": at.isoformat(), "detected_at": "", "connected": True, "charging": False}
    root = DataRoot(settings.data_root)
    root.write("last_session.json", dump_json({**state, "energy_kwh": 7.5}))
    point = {"timestamp": at.isoformat(), "power": 1.25, "energy_kwh": 0.2, "coverage": 1.0}
    root.write("power/daily.json", dump_json({"data_points": [point], "last_update": at.isoformat()}))
    with served(settings) as client:
        page = client.get("/")
        with client.stream("GET", "/live") as answer:
            assert next(events(answer))[0] == "now"
    assert page.status_code == 200
    assert "Last known: plugged in, not charging" in page.text
    assert "7.5 kWh" in page.text
    assert 'Charger power</bdi></dt><dd><data value="1.25"' in page.text
    assert 'id="trouble-1"' in page.text


def test_a_chargers_curve_is_read_again_only_when_its_power_has_a_new_time(settings: Settings) -> None:
    now = datetime.now(UTC)
    begun = now - timedelta(minutes=40)
    session = [Reading(CHARGER, "session_start", begun.isoformat(), None, now)]
    powers = [Reading(CHARGER, "power_kw", 7.0, "kW", begun + timedelta(minutes=m)) for m in (5, 15, 25)]
    live_store(settings).write([AT_HOME], [*session, *powers], "charger", now)
    charge(settings, 7.0)
    dashboard = Dashboard.of(settings)
    first = dashboard.view(now).chargers[0].curve
    assert first is not None
    live_store(settings).maintain(now + timedelta(days=3), 1)  # the table forgets what was
    assert dashboard.view(now + timedelta(seconds=1)).chargers[0].curve == first
    charge(settings, 5.0)
    assert dashboard.view(now + timedelta(seconds=2)).chargers[0].curve is None


def test_a_damaged_file_is_told_and_the_rest_is_shown(settings: Settings) -> None:
    charge(settings, 3.5)
    DataRoot(settings.data_root).write("vehicle_config.json", b"{not json")
    with served(settings) as client:
        page = client.get("/")
    assert "vehicle_config.json" in page.text
    assert "3.5 kW" in page.text


def test_the_stream_tells_what_changes_and_ends_when_the_server_stops(settings: Settings) -> None:
    charge(settings, 8.6)
    with contextlib.ExitStack() as stack:
        serving = stack.enter_context(contextlib.ExitStack())
        client = serving.enter_context(served(settings))
        answer = stack.enter_context(
            httpx.stream("GET", client.base_url.join("/live"), timeout=20, trust_env=False)
        )
        assert answer.headers["content-type"].startswith("text/event-stream")
        heard = events(answer)
        first = next(heard)
        assert first[0] == "now"
        assert "8.6 kW" in first[1]
        charge(settings, 4.25)
        assert any("4.2 kW" in text for name, text in heard if name == "change")
        begun = time.monotonic()
        serving.close()
        assert time.monotonic() - begun < 5
        with contextlib.suppress(httpx.RemoteProtocolError):
            assert [name for name, _ in heard if name == "now"] == []


def test_one_who_comes_back_is_told_only_what_is_new(settings: Settings) -> None:
    charge(settings, 8.6)
    with served(settings) as client:
        with client.stream("GET", "/live") as answer:
            known = next(line for line in answer.iter_lines() if line.startswith("id: "))
        with client.stream("GET", "/live", headers={"Last-Event-ID": known.removeprefix("id: ")}) as answer:
            assert next(events(answer)) == ("beat", "1")


def test_a_client_with_more_dashboards_than_it_may_have_is_asked_to_come_back(settings: Settings) -> None:
    with served(settings) as client, contextlib.ExitStack() as stack:
        streams = [stack.enter_context(client.stream("GET", "/live")) for _ in range(MOST_OF_ONE_CLIENT)]
        listening = [events(answer) for answer in streams]  # one that is let go of would leave its place
        assert {next(one)[0] for one in listening} == {"now"}
        with client.stream("GET", "/live") as refused:
            assert refused.status_code == 503
            assert refused.headers["retry-after"]


def test_asking_for_the_streams_head_alone_takes_nobodys_place(settings: Settings) -> None:
    with served(settings) as client:
        heads = [client.head("/live") for _ in range(MOST_LISTENERS)]
        assert {head.status_code for head in heads} == {200}
        assert heads[0].headers["content-type"].startswith("text/event-stream")
        with client.stream("GET", "/live") as answer:
            assert next(events(answer))[0] == "now"


def test_a_page_that_listens_is_refused_without_a_dialog_of_the_browser(tmp_path: Path) -> None:
    with served(settings_in(tmp_path, api_reads="token")) as client:
        refused = client.head("/live", headers={"Accept": "text/event-stream"})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="cph50"')
        assert "Basic" in client.get("/live").headers["www-authenticate"]


@pytest.mark.parametrize("path", ["/", "/live"])
def test_where_reads_need_the_token_the_dashboard_does_too(tmp_path: Path, path: str) -> None:
    with served(settings_in(tmp_path, api_reads="token")) as client:
        assert client.get(path).status_code == 401
        assert client.get(path, headers={"Accept": "text/html"}).status_code == 303
