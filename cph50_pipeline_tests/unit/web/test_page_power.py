"""The power page behind a real server, and the five minutes of a month that it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

import httpx
import pytest

from cph50_pipeline.civil_time import month_bounds
from cph50_pipeline.defs.month_files import ROLLUPS
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline_tests.unit.pages.power_files import METERS, ZONE, by_day, today
from cph50_pipeline_tests.unit.web.household import served, settings_in

MONTH = "2026-03"


def store(settings: Settings) -> None:
    """Write the meters, three of the four files, and a month's five minutes with one missing hour."""
    import pyarrow as pa

    from cph50_pipeline.power.tables import rollups_schema

    root = DataRoot(settings.data_root)
    root.write("meters.json", dump_json(METERS))
    root.write("power/daily.json", dump_json(today([1.0, None, 2.0])))
    root.write("power/yearly.json", dump_json(by_day(date(2026, 3, 1), [1.0, 2.0, None, 3.0])))
    root.write("power/monthly.json", b"{broken")
    first, end = month_bounds(MONTH, settings.zone)
    schema = rollups_schema()
    rows = [
        dict.fromkeys(schema.names, 1)
        | {
            "meter": meter,
            "resolution": "5min",
            "start": at,
            "mean": None if counts else 2.0,
            "energy_kwh": 0.5,
        }
        for meter, counts in (("home.energy", True), ("home.power", False))
        for number in range((end - first) // timedelta(minutes=5))
        if not 12 <= number < 24
        for at in [first + number * timedelta(minutes=5)]
    ]
    table = pa.Table.from_pylist(rows, schema=schema)
    root.write(ROLLUPS.path(MONTH), ROLLUPS.dump(table))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = settings_in(tmp_path_factory.mktemp("power"))
    store(settings)
    with served(settings) as running:
        yield running


def test_each_range_says_the_energy_of_its_file(client: httpx.Client) -> None:
    assert ">0.50 kWh</data>" in client.get("/power").text
    assert ">144.00 kWh</data>" in client.get("/power", params={"range": "yearly"}).text
    assert client.get("/power", params={"range": "decade"}).status_code == 422


def test_a_file_that_cannot_be_read_is_told_in_its_place_and_one_that_is_not_there_is_too(
    client: httpx.Client,
) -> None:
    broken, missing = (client.get("/power", params={"range": name}) for name in ("monthly", "weekly"))
    assert (broken.status_code, missing.status_code) == (200, 200)
    assert "power/monthly.json" in broken.text
    assert "Nothing is known of the house" in missing.text


def test_what_the_script_draws_is_what_the_page_says(client: httpx.Client) -> None:
    drawn = client.get("/power/data/daily.json").json()
    assert [one["id"] for one in drawn["meters"]] == ["home.power", "home.energy", "home.voltage"]
    assert drawn["meters"][0]["value"] == [1.0, None, 2.0]
    assert drawn["meters"][0]["at"][1] - drawn["meters"][0]["at"][0] == 600


def test_a_months_five_minutes_are_columns_with_null_where_nothing_is_known(
    client: httpx.Client,
) -> None:
    answer = client.get(f"/power/fine/{MONTH}.json")
    month = answer.json()
    assert answer.headers["content-encoding"] == "gzip"
    first, end = month_bounds(MONTH, ZONE)
    assert (month["start"], month["step"]) == (int(first.timestamp()), 300)
    assert {len(column) for column in month["meters"].values()} == {(31 * 24 - 1) * 12}
    assert int((end - first).total_seconds()) == (31 * 24 - 1) * 3600
    assert month["meters"]["home.power"][10:26] == [2.0, 2.0, *[None] * 12, 2.0, 2.0]
    assert month["meters"]["home.energy"][:2] == [0.5, 0.5]


@pytest.mark.parametrize(("month", "status"), [("2026-02", 404), ("2026-13", 422), ("..%2F..%2Fx", 404)])
def test_a_month_that_is_not_there_is_none(client: httpx.Client, month: str, status: int) -> None:
    assert client.get(f"/power/fine/{month}.json").status_code == status
