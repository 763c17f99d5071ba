"""The routes of sessions: filters by local days, pages, forms, ETags, damage."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest

from cph50_pipeline.settings import Settings
from cph50_pipeline_tests.unit.web.household import (
    CHARGER,
    STAYS,
    TIDE,
    served,
    settings_in,
    store_power,
    store_stays,
)

ROUTE = "/api/v1/sessions"


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["session_id"] for row in answer.json()["sessions"]]


def test_sessions_are_listed_with_the_newest_first(api: httpx.Client) -> None:
    assert ids(api.get(ROUTE)) == ["1004", "1003", "1002", "1001"]
    assert ids(api.get(ROUTE, params={"order": "oldest"})) == ["1001", "1002", "1003", "1004"]


def test_a_row_says_what_is_stored(api: httpx.Client) -> None:
    row = api.get(ROUTE, params={"from": "2026-01-06", "to": "2026-01-06"}).json()["sessions"][0]
    assert row == {
        "session_id": "1003",
        "session_start_time": "2026-01-07T06:00:01+00:00",
        "session_end_time": "2026-01-07T07:30:01+00:00",
        "energy_kwh": 12.345678,
        "vehicle_id": "ember_hatch_2023",
        "vehicle_confidence": 1.0,
        "vehicle_name": "Ember",
        "charger_label": CHARGER,
        "duration_seconds": 5400,
        "charging_seconds": None,
        "cost": 1.5,
        "peak_power_kw": 8.6,
        "status": "completed",
        "plug_in_id": "1003",
        "flags": ["tiny", "idle"],
    }


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (
            {"from": "2025-12-31", "to": "2025-12-31"},
            ["1002"],
        ),  # 06:00 UTC is the evening before in Los Angeles
        ({"from": "2026-01-01"}, ["1004", "1003"]),
        ({"to": "2025-12-30"}, ["1001"]),
        ({"vehicle": TIDE}, ["1002"]),
        ({"vehicle": "unknown"}, ["1004"]),
        ({"charger": CHARGER, "from": "2026-02-01"}, ["1004"]),
        ({"charger": "another"}, []),
        ({"from": "1999-01-01", "to": "1999-12-31"}, []),
    ],
)
def test_sessions_are_filtered_by_local_days_car_and_charger(
    api: httpx.Client, filters: dict[str, str], found: list[str]
) -> None:
    assert ids(api.get(ROUTE, params=filters)) == found


def test_pages_lead_to_each_other_and_hold_each_session_once(api: httpx.Client) -> None:
    seen, target = [], f"{ROUTE}?limit=3&charger={CHARGER}"
    while target:
        answer = api.get(target)
        seen += ids(answer)
        assert answer.headers["X-Total-Count"] == "4"
        assert answer.json()["total"] == 4
        assert (answer.links.get("next", {}).get("url") or None) == answer.json()["next"]
        target = answer.json()["next"]
    assert seen == ["1004", "1003", "1002", "1001"]
    beyond = api.get(ROUTE, params={"offset": 100})
    assert ids(beyond) == []
    assert beyond.json()["total"] == 4


def test_csv_and_parquet_say_what_json_says(api: httpx.Client) -> None:
    rows = api.get(ROUTE).json()["sessions"]
    as_csv = [*csv.DictReader(io.StringIO(api.get(f"{ROUTE}.csv").text, newline=""))]
    as_parquet = pq.read_table(io.BytesIO(api.get(f"{ROUTE}.parquet").content)).to_pylist()

    assert [row["session_id"] for row in as_csv] == [row["session_id"] for row in rows]
    for row, text, typed in zip(rows, as_csv, as_parquet, strict=True):
        assert list(text) == list(typed) == list(row)
        assert text["vehicle_name"] == (row["vehicle_name"] or "")
        assert text["session_start_time"] == row["session_start_time"]
        assert float(text["energy_kwh"]) == typed["energy_kwh"] == row["energy_kwh"]
        assert typed["session_start_time"].isoformat() == row["session_start_time"]
        assert text["flags"].split(" ") == typed["flags"] == row["flags"]
        assert (typed["cost"], text["cost"]) == (row["cost"], "" if row["cost"] is None else str(row["cost"]))


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("text/html, */*;q=0.1", "application/json"),
        ("application/json;q=0.2, text/csv;q=0.9", "text/csv"),
    ],
)
def test_accept_chooses_the_form(api: httpx.Client, accept: str, media_type: str) -> None:
    answer = api.get(ROUTE, headers={"Accept": accept})
    assert answer.headers["content-type"].partition(";")[0] == media_type
    assert answer.headers["vary"] == "Accept"


def test_a_form_that_there_is_not_is_refused(api: httpx.Client) -> None:
    answer = api.get(ROUTE, headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert answer.headers["content-type"] == "application/problem+json"
    assert "text/csv" in answer.json()["remedy"]


def test_who_has_an_answer_is_told_so_and_not_sent_it(api: httpx.Client) -> None:
    first = api.get(ROUTE)
    again = api.get(ROUTE, headers={"If-None-Match": first.headers["etag"]})
    other = api.get(f"{ROUTE}.csv", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert "stale-while-revalidate" in first.headers["cache-control"]
    assert other.status_code == 200


def test_one_session_comes_whole_with_its_slots_and_readings(api: httpx.Client) -> None:
    answer = api.get(f"{ROUTE}/1002").json()
    assert (answer["month"], answer["vehicle"]["vehicle_name"]) == ("2025-12", STAYS[1].name)
    assert len(answer["slots"]) == 16
    assert sum(slot["energy_kwh"] for slot in answer["slots"]) == pytest.approx(24.0)
    assert answer["samples"] == [
        {"at": "2026-01-01T06:00:00+00:00", "power_kw": 8.6, "energy_kwh": 0.0, "origin": "curve"}
    ]
    assert api.get(f"{ROUTE}/9999").status_code == 404


def test_without_any_file_there_are_no_sessions(tmp_path: Path) -> None:
    with served(settings_in(tmp_path)) as empty:
        assert empty.get(ROUTE).json()["sessions"] == []
        assert empty.get("/api/v1/energy").json()["energy"] == []
        assert empty.get("/api/v1/power/rollups").json()["rollups"] == []
        assert empty.get("/api/v1/power/daily").status_code == 404
        assert empty.get("/healthz").json() == {"status": "alive"}
        assert empty.get("/readyz").status_code == 503


def test_a_power_file_that_is_damaged_is_named_and_the_last_good_one_stays(settings: Settings) -> None:
    store_power(settings)
    path = Path(settings.data_root) / "power" / "daily.json"
    route, good = "/api/v1/power/daily", path.read_bytes()
    with served(settings) as client:
        before = client.get(route).json()
        path.write_bytes(good[:20])
        damaged = client.get(route)
        again = client.get(route)
        path.write_bytes(good)
        healed = client.get(route)
    assert (damaged.status_code, again.status_code) == (200, 200)
    assert damaged.json()["last_update"] == before["last_update"]
    assert damaged.json()["stale"] is True
    assert "power/daily.json" in damaged.headers["X-Stale"]
    assert "X-Stale" not in healed.headers
    with served(settings) as client:
        path.write_bytes(good[:20])
        assert client.get(route).status_code == 503


def test_a_month_that_is_damaged_is_named_and_the_last_good_answer_stays(settings: Settings) -> None:
    store_stays(settings)
    file = Path(settings.data_root) / "session_cache" / "2026-01.json"
    with served(settings) as client:
        good = client.get(ROUTE)
        file.write_text("[{")
        stale = client.get(ROUTE)
        unknown = client.get(ROUTE, params={"from": "2026-01-01"})
        others = client.get(ROUTE, params={"to": "2025-12-31"})

    assert stale.status_code == 200
    assert stale.json() == {**good.json(), "stale": True}
    assert stale.headers["X-Stale"]
    assert stale.headers["etag"] != good.headers["etag"]
    assert unknown.status_code == 503
    assert "session_cache/2026-01.json" in unknown.json()["detail"]
    assert str(settings.data_root) not in unknown.text
    assert ids(others) == ["1002", "1001"]


def test_an_object_store_is_read_as_a_folder_is(tmp_path: Path) -> None:
    stored = settings_in(tmp_path, data_dir="memory://api-of-sessions", state_dir=tmp_path / "private")
    store_stays(stored)
    with served(stored) as client:
        assert ids(client.get(ROUTE)) == ["1004", "1003", "1002", "1001"]
        assert len(client.get(f"{ROUTE}/1002").json()["slots"]) == 16
