"""The history pages behind a real server: numbers, addresses, and pages that stand while files are damaged."""

from __future__ import annotations

import csv
import html
import io
import re
import socket
import subprocess
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.defs.page_history import history_inputs
from cph50_pipeline.defs.store import Store
from cph50_pipeline.live.model import Device, DeviceKind, Reading
from cph50_pipeline.pages.history import UNIT, Draw, Tally
from cph50_pipeline.pages.periods import Period, containing
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline_tests.unit.web.household import EMBER, TIDE, Stay, served, settings_in, store_stays

HTML = {"Accept": "text/html"}


def page(api: httpx.Client, address: str, status: int = 200) -> str:
    answer = api.get(address, headers=HTML)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def figure(text: str, name: str) -> float:
    found = re.search(rf'data-figure="{name}"><data value="([^"]+)"', text)
    assert found
    return float(found[1])


def listed(text: str) -> list[str]:
    return re.findall(r'data-session="([^"]+)"', text)


def test_a_month_counts_a_night_session_of_the_month_before_by_its_energy(api: httpx.Client) -> None:
    january = page(api, "/history?view=month&at=2026-01")
    assert figure(january, "energy") == pytest.approx(12 + 12.345678)
    assert figure(january, "cost") == pytest.approx(0.75 + 1.5)
    assert listed(january) == ["1003", "1002"]
    year = page(api, "/history?view=year&at=2025")
    assert figure(year, "energy") == pytest.approx(5 + 12)
    assert listed(page(api, "/history?at=2026-01-01")) == ["1002"]


def test_the_page_says_what_the_api_says(api: httpx.Client) -> None:
    rows = api.get("/api/v1/energy?by=month&from=2025-12-01&to=2026-02-28").json()["energy"]
    for month in ("2025-12", "2026-01"):
        of_month = sum(row["energy_kwh"] for row in rows if row["period"] == month)
        assert figure(page(api, f"/history?at={month}"), "energy") == pytest.approx(of_month)


@pytest.mark.parametrize(
    "period",
    [
        containing("day", date(2026, 1, 1)),
        containing("month", date(2026, 1, 1)),
        containing("year", date(2025, 1, 1)),
        Period("range", date(2025, 12, 30), date(2026, 2, 3)),
        Period("range", date(2025, 12, 31), date(2026, 3, 30)),
    ],
)
def test_what_is_read_by_parts_is_to_the_millionth_what_its_quarter_hours_say(
    tmp_path: Path, period: Period
) -> None:
    settings = settings_in(tmp_path)
    begin = datetime(2025, 12, 30, 3, tzinfo=UTC)
    stays = [
        Stay(
            f"{n}",
            begin + timedelta(hours=7 * n),
            17 * n + 1,
            n / 7,
            (EMBER, TIDE)[n % 2],
            (n / 3, None)[n % 5 == 0],
        )
        for n in range(120)
    ]
    store_stays(settings, stays)
    by_part = history_inputs(Store.of(settings), period)
    read = {draw.session_id for draw in by_part.draws}
    every = [slot for stay in stays if stay.session_id in read for slot in stay.slots]
    by_quarter = tuple(
        Draw(
            slot.session_id,
            slot.vehicle_id,
            to_epoch_ms(slot.slot_start),
            round(slot.energy_kwh * UNIT),
            None if slot.cost is None else round(slot.cost * UNIT),
        )
        for slot in every
    )
    assert len(by_part.draws) < len(by_quarter)
    assert Tally.of(by_part, period, settings.zone) == Tally.of(
        replace(by_part, draws=by_quarter), period, settings.zone
    )


@pytest.mark.parametrize("show", ["energy", "cost", "sessions"])
def test_bars_of_the_picture_sum_to_the_table(api: httpx.Client, show: str) -> None:
    for address in ("at=2026-01", "at=2025", "from=2025-12-30&to=2026-02-03"):
        text = page(api, f"/history?{address}&show={show}")
        bars = [float(value) for value in re.findall(r'data-value="([^"]+)"', text)]
        assert sum(bars) == pytest.approx(figure(text, show), abs=1e-5)


def test_a_session_without_energy_or_cost_is_listed_and_its_cost_is_unknown(api: httpx.Client) -> None:
    text = page(api, "/history?at=2026-02")
    assert 'href="/label#cars"' in text
    assert listed(text) == ["1004"]
    assert 'data-figure="cost"><span class="none"' in text


def test_filters_sorting_and_text_are_applied_by_the_server(api: httpx.Client) -> None:
    every = "/history?from=2025-12-01&to=2026-02-28"
    assert listed(page(api, f"{every}&sort=energy&order=desc")) == ["1002", "1003", "1001", "1004"]
    assert listed(page(api, f"{every}&sort=energy&order=asc"))[0] == "1004"
    assert listed(page(api, f"{every}&vehicle={TIDE}")) == ["1002"]
    assert listed(page(api, f"{every}&vehicle={TIDE}&vehicle=unknown")) == ["1004", "1002"]
    assert listed(page(api, f"{every}&q=2026-01-06")) == ["1003"]
    assert listed(page(api, f"{every}&q=TINY+2026-01-06")) == ["1003"]


def test_a_find_that_finds_nothing_offers_the_whole_list(api: httpx.Client) -> None:
    text = page(api, "/history?view=month&at=2026-01&q=nothing+of+this&sort=energy")
    assert listed(text) == []
    assert (
        '<p id="show-all"><a class="button" href="/history?view=month&amp;at=2026-01&amp;sort=energy' in text
    )
    assert '<p id="show-all" hidden>' in page(api, "/history?view=month&at=2026-01")


def test_where_all_cars_are_ticked_the_page_is_narrowed_to_none(api: httpx.Client) -> None:
    offered = f"offered={TIDE}&offered=unknown&offered={EMBER}"
    every = f"/history?from=2025-12-01&to=2026-02-28&{offered}&vehicle={EMBER}&vehicle={TIDE}"
    assert "All cars" in page(api, every)
    assert "All cars" not in page(api, f"{every}&vehicle=unknown")


@pytest.mark.parametrize(
    ("at", "title"), [("2026-01", "January 2026"), ("2026-01-06", "6 January 2026"), ("2026", "2026")]
)
def test_the_title_says_the_period_in_words(api: httpx.Client, at: str, title: str) -> None:
    assert f"<title>History: {title} ·" in page(api, f"/history?at={at}")


def test_from_a_session_one_comes_back_to_the_list_as_it_was(api: httpx.Client) -> None:
    text = page(api, "/history?view=month&at=2026-01&q=tiny&sort=energy&order=asc")
    address = next(one for one in re.findall(r'href="(/history/session[^"]*)"', text) if "id=1003" in one)
    back = '<a href="/history?view=month&amp;at=2026-01&amp;q=tiny&amp;sort=energy&amp;order=asc#sessions">'
    assert back in page(api, html.unescape(address))
    for foreign in ("https://example.org/", "//example.org", "/historyx", "javascript:alert(1)"):
        told = page(api, f"/history/session?id=1003&back={foreign}")
        assert '<a href="/history?view=month&amp;at=2026-01#sessions">' in told
        assert foreign not in told


def test_the_list_as_csv_has_the_energy_of_the_period_and_of_the_whole_session(api: httpx.Client) -> None:
    answer = api.get("/history.csv?view=month&at=2026-01&sort=start&order=asc")
    assert answer.headers["content-disposition"] == 'attachment; filename="sessions-2026-01.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["session_id"] for row in rows] == ["1002", "1003"]
    assert [float(row["energy_kwh"]) for row in rows] == pytest.approx([12, 12.345678])
    assert [float(row["whole_energy_kwh"]) for row in rows] == pytest.approx([24, 12.345678])
    assert (rows[0]["session_start_time"], rows[0]["flags"]) == (
        "2025-12-31T22:00:00-08:00",
        "away tiny idle",
    )


def test_who_may_not_read_is_led_to_sign_in_and_back(tmp_path: Path) -> None:
    with served(settings_in(tmp_path, api_host="0.0.0.0")) as client:
        answer = client.get("/history?at=2026-01", headers=HTML)
        assert answer.headers["location"] == "/sign-in?next=%2Fhistory%3Fat%3D2026-01"
        for address in ("/history.csv", "/history/session?id=1"):
            assert client.get(address).status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "view=week",
        "at=2026-13",
        "vehicle=%3Cscript%3E",
        "sort=colour",
        "order=up",
        "list=0",
        "show=colour",
        "list=%C2%B2",
        f"q={'x' * 101}",
    ],
)
def test_an_address_that_asks_for_nothing_there_is_a_page_that_says_what_is_wrong(
    api: httpx.Client, query: str
) -> None:
    text = page(api, f"/history?{query}", 422)
    assert query.partition("=")[0] + ":" in text
    assert "<script>" not in text


def test_a_session_has_its_page_with_and_without_its_month(api: httpx.Client) -> None:
    for address in ("/history/session?id=1002&month=2025-12", "/history/session?id=1002"):
        text = page(api, address)
        assert figure(text, "energy") == 24
        assert text.count("<tr>") > 16
        assert "ended with less than 1 kWh" in text
    assert "There is no session 9" in page(api, "/history/session?id=9", 404)
    page(api, "/history/session?id=../x", 422)
    page(api, "/history/session", 422)


def test_without_a_repository_the_earlier_versions_are_told_to_be_missing_in_their_place(
    api: httpx.Client,
) -> None:
    assert "history=1#versions" in page(api, "/history/session?id=1002&month=2025-12")
    text = page(api, "/history/session?id=1002&month=2025-12&history=1")
    assert "CPH50_PUBLISH is off" in text
    assert figure(text, "energy") == 24


def test_the_records_own_history_is_shown_when_it_is_asked_for(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, publish="local")
    store_stays(settings)
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "Corrected <by hand>"]):
        who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *who, *command], cwd=settings.data_dir, check=True)
    with served(settings) as client:
        text = page(client, "/history/session?id=1003&month=2026-01&history=1")
    assert "appeared" in text
    assert "by hand: Corrected &lt;by hand&gt;" in text


def test_without_any_file_the_page_says_that_nothing_is_stored(settings: Settings) -> None:
    with served(settings) as client:
        text = page(client, "/history")
        assert "Nothing is stored yet" in text
        assert page(client, "/history?view=year&at=2020")
        assert client.get("/history.csv").text.count("\n") == 1


def test_a_damaged_file_is_told_in_its_place_and_the_rest_is_shown(settings: Settings) -> None:
    store_stays(settings)
    root = Path(settings.data_root)
    with served(settings) as client:
        (root / "session_cache/2026-01.json").write_text("[{")
        text = page(client, "/history?at=2026-01")
        assert "session_cache/2026-01.json" in text
        assert figure(text, "energy") == pytest.approx(24.345678)
        assert listed(text) == ["1002"]
        (root / "charging_energy/2026-01.parquet").write_bytes(b"nonsense")
        (root / "vehicle_config.json").write_text("[]")
        text = page(client, "/history?at=2026-01")
        assert text.count("Cannot be shown:") == 3
        assert figure(text, "energy") == 12
        assert "1002" in page(client, "/history/session?id=1002")
        assert "session_cache/2026-01.json" in page(client, "/history/session?id=1003&month=2026-01", 404)


def test_a_period_reads_no_other_months_and_offers_their_years_by_their_names(settings: Settings) -> None:
    store_stays(settings)
    root = Path(settings.data_root)
    for month in ("2019-05", "2024-07", "2026-05"):
        (root / f"session_cache/{month}.json").write_text("not to be read")
    with served(settings) as client:
        text = page(client, "/history?view=month&at=2026-01")
        assert "Cannot be shown" not in text
        for year in ("2019", "2024", "2026"):
            assert f"/history?view=year&amp;at={year}" in text
        assert "2024-07" in page(client, "/history?at=2024-08")


def test_a_page_of_today_says_of_a_silent_charger_since_when_and_one_of_before_does_not(
    settings: Settings,
) -> None:
    now = datetime.now(UTC)
    heard_at = now - timedelta(days=3)
    table = live_store(settings)
    at_home = Device("charger", DeviceKind.CHARGER, "CPH50", "charger")
    table.write([at_home], [Reading("charger", "power_kw", 1.0, "kW", heard_at)], "charger", heard_at)
    with served(settings) as client:
        text = page(client, "/history")
        assert "sessions since may be missing" in text
        assert datetime.fromisoformat(re.findall('data-since="([^"]+)"', text)[0]) == heard_at
        assert "may be missing" not in page(client, "/history?view=month&at=2025-12")
        table.write([at_home], [Reading("charger", "power_kw", 1.0, "kW", now)], "charger", now)
        assert "may be missing" not in page(client, "/history")


def test_where_no_charger_was_ever_heard_of_the_page_says_so(settings: Settings) -> None:
    with served(settings) as client:
        assert "The charger was never heard of" in page(client, "/history")


def test_without_a_live_table_the_state_file_says_when_the_charger_was_heard_of(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, live_database_url=f"sqlite:///{tmp_path}")  # a folder is no database
    with served(settings) as client:
        assert "cannot be told, so sessions may be missing" in page(client, "/history")
        at = datetime.now(UTC) - timedelta(days=2)
        state = {"timestamp": at.isoformat(), "detected_at": "", "connected": True, "charging": False}
        DataRoot(settings.data_root).write("last_session.json", dump_json(state))
        text = page(client, "/history")
        assert f'data-since="{at.astimezone(settings.zone).isoformat()}"' in text
        assert "cannot be told" not in text


def test_a_database_server_that_does_not_answer_holds_no_page_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"postgresql://someone@127.0.0.1:{deaf.getsockname()[1]}/live"
        settings = settings_in(tmp_path, live_database_url=address)
        store_stays(settings)
        with served(settings) as client:
            page(client, "/history?at=2026-01")  # what is imported once is no matter of the database
            begun = time.monotonic()
            for _ in range(5):
                page(client, "/history")
            assert time.monotonic() - begun < 4  # one connection alone is waited for five seconds
