"""Exports: the same rows as the API's, all of them, and sums that are the sessions' own."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import httpx
import pytest

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline.web.exporting import exported
from cph50_pipeline.web.forms import Form
from cph50_pipeline_tests.unit.web.household import STAYS, TIDE

ROUTES = {"sessions": "sessions", "energy": "energy", "power": "power/rollups"}
JANUARY = {"from": "2026-01-01", "to": "2026-01-31"}


def rows(settings: Settings, what: str, **wanted: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(exported(settings, what, wanted, Form.JSON))
    return listed


@pytest.mark.parametrize("form", [Form.CSV, Form.PARQUET])
@pytest.mark.parametrize("what", ROUTES)
def test_an_export_is_byte_for_byte_what_the_api_answers(
    stored: Settings, api: httpx.Client, what: str, form: Form
) -> None:
    answer = api.get(f"/api/v1/{ROUTES[what]}.{form}", params=JANUARY)
    assert answer.status_code == 200
    assert exported(stored, what, JANUARY, form) == answer.content


def test_json_has_the_rows_of_all_pages(stored: Settings, api: httpx.Client) -> None:
    pages = [
        api.get("/api/v1/sessions.json", params={"limit": 1, "offset": at}).json()["sessions"]
        for at in range(len(STAYS))
    ]
    assert rows(stored, "sessions") == [row for page in pages for row in page]


def test_more_rows_are_exported_than_the_api_gives_unasked(stored: Settings, api: httpx.Client) -> None:
    params = {"resolution": "hour", "limit": 10}
    assert len(api.get("/api/v1/power/rollups.json", params=params).json()["rollups"]) == 10
    assert len(rows(stored, "power", by="hour")) == 48


@pytest.mark.parametrize("by", ["slot", "day", "month", "year"])
def test_the_energy_of_all_periods_is_that_of_the_sessions(stored: Settings, by: str) -> None:
    of_sessions = sum(row["energy_kwh"] for row in rows(stored, "sessions"))
    assert of_sessions > 0
    of_periods = sum(row["energy_kwh"] for row in rows(stored, "energy", by=by))
    assert of_periods == pytest.approx(of_sessions, abs=1e-4)


def test_a_car_and_days_choose_rows(stored: Settings) -> None:
    assert [row["session_id"] for row in rows(stored, "sessions", vehicle=TIDE)] == ["1002"]
    wanted = {"from": "2026-01-06", "to": "2026-01-06"}  # 22:00 in the household's zone
    [row] = csv.DictReader(io.StringIO(exported(stored, "energy", wanted, Form.CSV).decode()))
    assert (row["period"], row["sessions"]) == ("2026-01-06", "1")


def test_a_household_without_files_has_a_head_and_no_rows(settings: Settings) -> None:
    head, *others = exported(settings, "sessions", {}, Form.CSV).decode().splitlines()
    assert (head.split(",")[0], others) == ("session_id", [])
    assert rows(settings, "energy") == []


@pytest.mark.parametrize(
    ("what", "wanted", "said"),
    [
        ("sessions", {"from": "2026-02-30"}, "from: no month has the day 2026-02-30"),
        ("sessions", {"from": "last week"}, "--from: "),
        ("energy", {"from": "2026-02-02", "to": "2026-02-01"}, "is before"),
        ("energy", {"by": "hour"}, "--by: "),
        ("power", {"by": "month"}, "--by: "),
        ("power", {"vehicle": TIDE}, "knows no --vehicle"),
        ("sessions", {"by": "day"}, "knows no --by"),
        ("sessions", {"vehicle": "../x"}, "--vehicle: "),
    ],
)
def test_an_option_that_cannot_be_used_is_named(
    settings: Settings, what: str, wanted: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInputError) as raised:
        exported(settings, what, wanted, Form.CSV)
    assert said in str(raised.value)
