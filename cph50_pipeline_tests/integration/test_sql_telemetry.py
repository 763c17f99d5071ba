"""A fleet's telemetry in a real MariaDB: wide and long tables, and all that goes wrong with a database."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from cph50_pipeline.errors import BadInputError, PermanentError, TransientError
from cph50_pipeline.live.model import Polled, Reading
from cph50_pipeline.sources.devices_file import DevicesFile
from cph50_pipeline.sources.sql_connection import SqlLimits
from cph50_pipeline.sources.sql_telemetry import SqlTelemetry
from cph50_pipeline_tests.integration.mariadb import (
    DATABASE,
    LOOPBACK,
    PASSWORD,
    READER,
    MariaDb,
    running_mariadb,
)

EXAMPLE = Path(__file__).parents[2] / "data" / "devices.example.yaml"
NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
FLEET = range(1, 1001)
WIDE = "SELECT * FROM fleet.wide WHERE unit IN :unit_ids AND at >= :since"
WIDE_ONE = "SELECT * FROM fleet.wide WHERE unit = :unit_id AND at >= :since"
WIDE_SENSORS: dict[str, Any] = {
    "rpm": {"column": "rpm", "unit": "rpm"},
    "fuel": {"column": "fuel", "unit": "%", "range": [0, 100]},
    "gear": {"column": "gear", "kind": "text"},
    "brake": {"column": "brake", "kind": "boolean"},
    "engine": {"column": "engine", "kind": "boolean"},
}
QUICK = SqlLimits(connect_seconds=1, statement_seconds=1, round_seconds=5)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """The server of all tests here, with a fleet of 1,000."""
    with running_mariadb() as server:
        server.execute(
            "CREATE TABLE fleet.wide (unit INT, at DATETIME, rpm SMALLINT, fuel DECIMAL(6, 2), gear VARCHAR(8), "
            "brake TINYINT(1), engine BIT(1), INDEX (unit, at))",
            "CREATE TABLE fleet.sensors (unit BIGINT, m INT, p VARCHAR(32), value VARCHAR(64), INDEX (unit, m))",
            "CREATE TABLE fleet.moments (unit INT, at TIMESTAMP NULL, local DATETIME, rpm VARCHAR(16))",
            "CREATE DATABASE secret",
            "CREATE TABLE secret.wide (unit INT)",
        )
        yield server


@pytest.fixture
def folder(tmp_path: Path, mariadb: MariaDb) -> Path:
    mariadb.execute("TRUNCATE fleet.wide", "TRUNCATE fleet.sensors", "TRUNCATE fleet.moments")
    return tmp_path


def declare(folder: Path, query: str, devices: range = FLEET, **changes: Any) -> None:
    document = {
        "query": query,
        "unit_column": "unit",
        "time_column": "at",
        "time_kind": "utc",
        "sensors": WIDE_SENSORS,
        "devices": {f"truck_{unit}": {"unit_id": unit, "name": f"Truck {unit}"} for unit in devices},
    }
    (folder / "devices.yaml").write_text(yaml.safe_dump({**document, **changes}))


def feed_of(folder: Path, url: str, limits: SqlLimits | None = None) -> SqlTelemetry:
    return SqlTelemetry(url, DevicesFile.of(str(folder), "devices.yaml"), limits)


def polled(folder: Path, mariadb: MariaDb, limits: SqlLimits | None = None, **url: str) -> Polled:
    """What one round of a feed of its own brings."""
    feed = feed_of(folder, mariadb.url(**url), limits)
    try:
        return feed.poll(feed.devices(), NOW)
    finally:
        feed.close()


def fill(mariadb: MariaDb, *rows: tuple[object, ...]) -> None:
    mariadb.execute("INSERT INTO fleet.wide VALUES (%s, %s, %s, %s, %s, %s, %s)", rows=rows)


def row(unit: int, seconds_ago: int = 10, **values: object) -> tuple[object, ...]:
    usual = {"rpm": unit, "fuel": "66.25", "gear": "D", "brake": 0, "engine": 1}
    at = (NOW - timedelta(seconds=seconds_ago)).replace(tzinfo=None)
    return (unit, at, *{**usual, **values}.values())


def of(found: Polled, device_id: str) -> dict[str, object]:
    return {reading.sensor: reading.value for reading in found.readings if reading.device_id == device_id}


@pytest.mark.parametrize("query", [WIDE, WIDE_ONE])
def test_a_thousand_devices_of_a_wide_table_are_read_in_one_round(
    folder: Path, mariadb: MariaDb, query: str
) -> None:
    fill(mariadb, *(row(unit, age, rpm=unit + age) for unit in FLEET for age in (70, 10, 40)))
    declare(folder, query)
    found = polled(folder, mariadb)

    assert found.troubles == {}
    assert len(found.readings) == 1000 * 5
    assert {r.device_id: r.value for r in found.readings if r.sensor == "rpm"} == {
        f"truck_{unit}": unit + 10.0 for unit in FLEET
    }
    assert {reading.at for reading in found.readings} == {NOW - timedelta(seconds=10)}
    fuel = next(reading for reading in found.readings if reading.sensor == "fuel")
    assert fuel == Reading("truck_1", "fuel", 66.25, "%", NOW - timedelta(seconds=10))


def test_a_thousand_devices_of_a_long_table_are_read_with_the_query_of_the_example(
    folder: Path, mariadb: MariaDb
) -> None:
    epoch = int(NOW.timestamp())
    said = {
        "rpm": "704",
        "oil_press": "22.6",
        "fuel_lvl": "0",
        "brake_switch": "0",
        "gear": "R",
        "unknown": "7",
    }
    mariadb.execute(
        "INSERT INTO fleet.sensors VALUES (%s, %s, %s, %s)",
        rows=[
            (unit, epoch - age, name, value)
            for unit in FLEET
            for name, value in said.items()
            for age in (10, 3600)
        ],
    )
    example = yaml.safe_load(EXAMPLE.read_text())
    devices = {f"truck_{unit}": {"unit_id": unit, "name": "Truck"} for unit in FLEET}
    (folder / "devices.yaml").write_text(yaml.safe_dump({**example, "devices": devices}))
    found = polled(folder, mariadb)

    assert found.troubles == {}
    assert len(found.readings) == 1000 * 5
    expected = {"rpm": 704.0, "oil_pressure": 22.6, "fuel_level": 0.0, "brake_switch": False, "gear": "R"}
    assert of(found, "truck_1") == of(found, "truck_1000") == expected
    assert {reading.at for reading in found.readings} == {NOW - timedelta(seconds=10)}


def test_null_is_no_value_and_zero_and_false_are(folder: Path, mariadb: MariaDb) -> None:
    fill(
        mariadb,
        row(1, rpm=0, fuel=0, gear="", brake=0, engine=0),
        row(2, rpm=None, fuel=None, gear=None, brake=None, engine=None),
    )
    declare(folder, WIDE, range(1, 3))
    found = polled(folder, mariadb)

    assert of(found, "truck_1") == {"rpm": 0.0, "fuel": 0.0, "brake": False, "engine": False}
    assert of(found, "truck_2") == {}
    assert found.troubles == {}


def test_what_is_wrong_with_one_device_is_one_line_and_the_others_are_read(
    folder: Path, mariadb: MariaDb
) -> None:
    fill(mariadb, row(1, fuel="100.5"), row(2, seconds_ago=-600), row(4, brake=7), row(5))
    declare(folder, WIDE, range(1, 6))
    found = polled(folder, mariadb)

    assert of(found, "truck_5") == {"rpm": 5.0, "fuel": 66.25, "gear": "D", "brake": False, "engine": True}
    assert of(found, "truck_1") == {"rpm": 1.0, "gear": "D", "brake": False, "engine": True}
    assert {id_: line.split(". ")[0] for id_, line in found.troubles.items()} == {
        "truck_1": "fuel: 100.5 is outside 0 to 100",
        "truck_2": "a row of 2026-01-20T12:10:00+00:00, which is still to come",
        "truck_3": "The query brings no row of unit 3",
        "truck_4": "brake: 7 is neither true nor false",
    }


@pytest.mark.parametrize(("column", "kind"), [("at", "utc"), ("local", "America/Chicago")])
def test_times_do_not_depend_on_the_time_zone_of_the_server(
    folder: Path, mariadb: MariaDb, column: str, kind: str
) -> None:
    at = NOW - timedelta(seconds=10)
    local = at.astimezone(ZoneInfo("America/Chicago")).replace(tzinfo=None)
    mariadb.execute(
        "INSERT INTO fleet.moments VALUES (%s, FROM_UNIXTIME(%s), %s, %s)",
        rows=[
            (1, at.timestamp(), local, "7"),
            (2, None, "0000-00-00", "abc"),
            (3, at.timestamp(), local, "abc"),
        ],
    )
    query = f"SELECT unit, {column}, rpm FROM fleet.moments WHERE unit IN :unit_ids AND {column} >= :since"
    sensors = {"rpm": {"column": "rpm"}}
    declare(folder, query, range(1, 4), time_column=column, time_kind=kind, sensors=sensors)
    found = polled(folder, mariadb)

    assert [(reading.device_id, reading.value, reading.at) for reading in found.readings] == [
        ("truck_1", 7.0, at)
    ]
    assert found.troubles["truck_3"] == "rpm: 'abc' is no number. It is left out, the rest is read"


def test_a_date_of_zeros_is_no_time(folder: Path, mariadb: MariaDb) -> None:
    mariadb.execute("INSERT INTO fleet.moments VALUES (1, NULL, '0000-00-00', '7')")
    query = "SELECT unit, local AS at, rpm FROM fleet.moments WHERE unit IN :unit_ids"
    declare(folder, query, range(1, 2), sensors={"rpm": {"column": "rpm"}})

    assert (
        "a row whose time is '0000-00-00 00:00:00', no time in utc"
        in polled(folder, mariadb).troubles["truck_1"]
    )


@pytest.mark.parametrize("query", [WIDE, WIDE_ONE])
def test_a_database_that_is_killed_is_one_error_and_heals_by_itself(
    folder: Path, mariadb: MariaDb, query: str
) -> None:
    fill(mariadb, *(row(unit) for unit in range(1, 51)))
    declare(folder, query, range(1, 51))
    feed = feed_of(folder, mariadb.url())
    assert len(feed.poll(feed.devices(), NOW).readings) == 250
    mariadb.kill()
    for _ in range(2):
        with pytest.raises(
            TransientError, match=rf"{LOOPBACK}:{mariadb.port}, fleet\) does not answer: "
        ) as caught:
            feed.poll(feed.devices(), NOW)
        assert "\n" not in str(caught.value)
    mariadb.start()

    found = feed.poll(feed.devices(), NOW)
    assert (len(found.readings), found.troubles) == (250, {})
    feed.close()


@pytest.mark.parametrize("query", [WIDE, WIDE_ONE])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"password": "canary-wr0ng"}, "refuses the login: Access denied for user 'reader'"),
        ({"user": "nobody"}, "refuses the login: Access denied for user 'nobody'"),
        ({"database": "mysql"}, "refuses the login: Access denied for user 'reader'"),
    ],
)
def test_a_refused_login_says_no_password_anywhere(
    folder: Path,
    mariadb: MariaDb,
    caplog: pytest.LogCaptureFixture,
    query: str,
    wrong: dict[str, str],
    said: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    declare(folder, query, range(1, 11))
    feed = feed_of(folder, mariadb.url(**wrong))
    with pytest.raises(PermanentError, match=said) as caught:
        feed.poll(feed.devices(), NOW)

    told = [str(caught.value), repr(caught.value), repr(feed), repr(vars(caught.value)), caplog.text]
    assert not [text for text in told if "canary" in text]
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "error", "said"),
    [
        (WIDE.replace("wide", "wires"), BadInputError, "Table 'fleet.wires' doesn't exist"),
        (
            WIDE.replace("*", "rmp"),
            BadInputError,
            "Unknown column 'rmp' in 'SELECT'|Unknown column 'rmp' in 'field",
        ),
        (WIDE.replace("SELECT", "SELEKT"), BadInputError, "You have an error in your SQL syntax"),
        (WIDE.replace("fleet.", "secret."), PermanentError, "SELECT command denied .* Grant the user SELECT"),
    ],
)
def test_a_query_that_the_database_refuses_is_one_line(
    folder: Path, mariadb: MariaDb, query: str, error: type[Exception], said: str
) -> None:
    declare(folder, query, range(1, 11))
    with pytest.raises(error, match=said) as caught:
        polled(folder, mariadb)

    assert "\n" not in str(caught.value)


def test_a_query_that_writes_is_refused_whoever_asks(folder: Path, mariadb: MariaDb) -> None:
    mariadb.execute("GRANT ALL ON fleet.* TO writer@'127.0.0.1' IDENTIFIED BY 'wr1tes'")
    fill(mariadb, row(1))
    declare(folder, "DELETE FROM fleet.wide WHERE unit IN :unit_ids RETURNING *", range(1, 2))
    with pytest.raises(BadInputError, match="READ ONLY transaction"):
        polled(folder, mariadb, user="writer", password="wr1tes")

    declare(folder, WIDE, range(1, 2))
    assert len(polled(folder, mariadb).readings) == 5


def test_a_query_that_takes_too_long_is_ended(folder: Path, mariadb: MariaDb) -> None:
    fill(mariadb, row(1), row(2))
    declare(folder, WIDE.replace("at >=", "SLEEP(60) = 0 AND at >="), range(1, 3))

    with pytest.raises(TransientError, match=r"devices\.yaml: query: its rows had not come after 1 s"):
        polled(folder, mariadb, QUICK)


def test_one_device_that_takes_too_long_costs_no_other(folder: Path, mariadb: MariaDb) -> None:
    fill(mariadb, row(1), row(2), row(3))
    declare(folder, WIDE_ONE.replace("at >=", "IF(unit = 2, SLEEP(60), 0) = 0 AND at >="), range(1, 4))
    found = polled(folder, mariadb, QUICK)

    assert {reading.device_id for reading in found.readings} == {"truck_1", "truck_3"}
    assert [*found.troubles] == ["truck_2"]
    assert found.troubles["truck_2"].startswith("devices.yaml: query: its rows had not come after 1 s")


def test_a_database_that_takes_no_more_connections_is_busy(folder: Path, mariadb: MariaDb) -> None:
    mariadb.execute(
        "GRANT SELECT ON fleet.* TO single@'127.0.0.1' IDENTIFIED BY 'one-0nly' WITH MAX_USER_CONNECTIONS 1"
    )
    fill(mariadb, row(1))
    declare(folder, WIDE, range(1, 2))
    first = feed_of(folder, mariadb.url(user="single", password="one-0nly"))
    assert len(first.poll(first.devices(), NOW).readings) == 5
    with pytest.raises(TransientError, match="is too busy: User 'single' has exceeded"):
        polled(folder, mariadb, user="single", password="one-0nly")
    first.close()

    assert len(polled(folder, mariadb, user="single", password="one-0nly").readings) == 5


def test_a_server_that_never_answers_is_not_waited_for(folder: Path) -> None:
    declare(folder, WIDE, range(1, 3))
    with socket.socket() as mute:
        mute.bind((LOOPBACK, 0))
        mute.listen()
        url = f"mysql://{READER}:{PASSWORD}@{LOOPBACK}:{mute.getsockname()[1]}/{DATABASE}"
        feed = feed_of(folder, url, QUICK)
        with pytest.raises(TransientError, match=r"does not answer: .*timed out"):
            feed.poll(feed.devices(), NOW)
