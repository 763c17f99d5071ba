"""A fleet's telemetry in SQLite files: what a round brings, and what one that goes wrong costs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from cph50_pipeline.errors import BadInputError, Cph50Error, PermanentError, TransientError
from cph50_pipeline.live.feed import Feed
from cph50_pipeline.live.model import Device, DeviceKind, Polled
from cph50_pipeline.sources.devices_file import DevicesFile
from cph50_pipeline.sources.sql_connection import SqlLimits
from cph50_pipeline.sources.sql_telemetry import SqlTelemetry

NOW = datetime(2026, 1, 20, 12, tzinfo=UTC)
ALL = "SELECT unit, at, rpm, gear FROM latest WHERE unit IN :unit_ids AND at >= :since"
ONE = "SELECT at, rpm, gear FROM latest WHERE unit = :unit_id AND at >= :since"
CANARY = "canary-pa55"


class Fleet:
    """A folder with a database and a devices.yaml."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "fleet.sqlite"
        self.file = folder / "devices.yaml"
        self.execute("CREATE TABLE latest (unit INTEGER, at INTEGER, rpm, gear)")
        self.declare()

    def execute(self, statement: str) -> None:
        connection = sqlite3.connect(self.database)
        with connection:
            connection.execute(statement)
        connection.close()

    def says(self, unit: int, rpm: object, gear: object = None, age_seconds: int = 10) -> None:
        connection = sqlite3.connect(self.database)
        with connection:
            row = (unit, int(NOW.timestamp()) - age_seconds, rpm, gear)
            connection.execute("INSERT INTO latest VALUES (?, ?, ?, ?)", row)
        connection.close()

    def declare(self, query: str = ALL, devices: int = 3, **changes: Any) -> None:
        document = {
            "query": query,
            "unit_column": "unit" if query == ALL else None,
            "time_column": "at",
            "time_kind": "epoch_seconds",
            "sensors": {"rpm": {"column": "rpm", "unit": "rpm"}, "gear": {"column": "gear", "kind": "text"}},
            "devices": {f"truck_{n}": {"unit_id": n, "name": f"Truck {n}"} for n in range(1, devices + 1)},
        }
        self.file.write_text(yaml.safe_dump({**document, **changes}))

    def feed(self, url: str | None = None, limits: SqlLimits | None = None) -> SqlTelemetry:
        file = DevicesFile.of(str(self.file.parent), self.file.name)
        return SqlTelemetry(url or f"sqlite:///{self.database}", file, limits)


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


@pytest.fixture
def feed(fleet: Fleet) -> Iterator[SqlTelemetry]:
    feed = fleet.feed()
    yield feed
    feed.close()


def poll(feed: Feed, now: datetime = NOW) -> Polled:
    return feed.poll(feed.devices(), now)


def rpm(polled: Polled) -> dict[str, object]:
    return {reading.device_id: reading.value for reading in polled.readings if reading.sensor == "rpm"}


def test_the_devices_are_those_of_the_file(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.declare(devices=1)

    assert feed.devices() == [Device("truck_1", DeviceKind.TELEMETRY, "Truck 1", "telemetry", 30.0)]
    assert feed.notice is None


@pytest.mark.parametrize("query", [ALL, ONE])
def test_a_round_brings_the_newest_of_each_device(fleet: Fleet, feed: SqlTelemetry, query: str) -> None:
    fleet.declare(query)
    for unit in (1, 2, 3):
        fleet.says(unit, 100 * unit, "D")
        fleet.says(unit, 999, "N", age_seconds=20)
    found = poll(feed)

    assert rpm(found) == {"truck_1": 100.0, "truck_2": 200.0, "truck_3": 300.0}
    assert {reading.at for reading in found.readings} == {NOW - timedelta(seconds=10)}
    assert found.troubles == {}


def test_only_the_devices_that_are_asked_for_are_read(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.says(1, 100)
    fleet.says(2, 200)
    gone = Device("truck_9", DeviceKind.TELEMETRY, "Sold", "telemetry")

    assert rpm(feed.poll([feed.devices()[1], gone], NOW)) == {"truck_2": 200.0}
    assert feed.poll([gone], NOW) == Polled()


def test_it_looks_back_as_far_as_the_file_says(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.says(1, 100, age_seconds=20 * 60)
    assert rpm(poll(feed)) == {}

    fleet.declare(look_back_minutes=30)
    assert rpm(poll(feed)) == {"truck_1": 100.0}


@pytest.mark.parametrize("query", [ALL, ONE])
def test_a_unit_that_the_database_does_not_know_costs_no_other(
    fleet: Fleet, feed: SqlTelemetry, query: str
) -> None:
    fleet.declare(query)
    fleet.says(1, 100)
    fleet.says(3, 300)
    found = poll(feed)

    assert rpm(found) == {"truck_1": 100.0, "truck_3": 300.0}
    assert found.troubles == {
        "truck_2": "The query brings no row of unit 2. It has been silent for long, or its unit_id in "
        "devices.yaml is wrong. The other devices are read."
    }


def test_a_unit_that_fell_silent_is_no_trouble_as_its_age_tells(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.declare(devices=1)
    fleet.says(1, 100)
    assert rpm(poll(feed)) == {"truck_1": 100.0}

    assert poll(feed, NOW + timedelta(hours=1)) == Polled([], {})


def test_a_value_that_is_none_is_said_with_device_and_sensor(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.says(1, "abc", "D")
    fleet.says(2, 200)
    fleet.says(3, 0)
    found = poll(feed)

    assert rpm(found) == {"truck_2": 200.0, "truck_3": 0.0}
    assert found.troubles == {"truck_1": "rpm: 'abc' is no number. It is left out, the rest is read"}
    assert [reading.value for reading in found.readings if reading.sensor == "gear"] == ["D"]


def test_in_a_query_for_one_device_a_failing_one_costs_no_other(fleet: Fleet, feed: SqlTelemetry) -> None:
    # abs() of the smallest number there is overflows: an error of one unit's data
    fleet.declare(ONE.replace("rpm", "abs(rpm) AS rpm"))
    fleet.says(1, 100)
    fleet.says(2, -(2**63))
    fleet.says(3, 300)
    found = poll(feed)

    assert rpm(found) == {"truck_1": 100.0, "truck_3": 300.0}
    assert [*found.troubles] == ["truck_2"]
    assert found.troubles["truck_2"].startswith(
        "devices.yaml: query: the database refuses it: integer overflow"
    )


@pytest.mark.parametrize("shape", [ALL, ONE])
@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("FROM latest", "FROM newest", "no such table: newest"),
        ("rpm", "rpms", "no such column: rpms"),
        ("SELECT", "SELEKT", "syntax error"),
    ],
)
def test_a_wrong_query_is_one_line_and_is_corrected_in_the_file(
    fleet: Fleet, feed: SqlTelemetry, shape: str, before: str, after: str, said: str
) -> None:
    fleet.says(1, 100)
    fleet.declare(shape.replace(before, after), unit_column="unit" if shape == ALL else None)
    with pytest.raises(
        BadInputError, match=rf"^devices\.yaml: query: the database refuses it: .*{said}"
    ) as caught:
        poll(feed)
    assert "\n" not in str(caught.value)

    fleet.declare(shape)
    assert rpm(poll(feed)) == {"truck_1": 100.0}


def test_a_query_that_writes_is_refused(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.says(1, 100)
    fleet.declare("DELETE FROM latest WHERE unit IN :unit_ids RETURNING *", unit_column="unit")
    with pytest.raises(BadInputError, match="readonly database"):
        poll(feed)

    fleet.declare()
    assert rpm(poll(feed)) == {"truck_1": 100.0}


def test_a_sensor_whose_column_is_missing_is_a_notice_until_it_is_there(
    fleet: Fleet, feed: SqlTelemetry
) -> None:
    fleet.says(1, 100, "D")
    fleet.declare(ALL.replace(", gear", ""), unit_column="unit")
    assert rpm(poll(feed)) == {"truck_1": 100.0}
    assert feed.notice == (
        "devices.yaml: sensors.gear.column: the query brings no column gear; it brings unit, at, rpm; the other "
        "sensors are read."
    )

    fleet.declare()
    poll(feed)
    assert feed.notice is None


def test_with_a_broken_file_the_last_good_one_goes_on(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.says(1, 100)
    poll(feed)
    fleet.file.write_text("query: [")

    assert [device.device_id for device in feed.devices()] == ["truck_1", "truck_2", "truck_3"]
    assert rpm(poll(feed)) == {"truck_1": 100.0}
    assert feed.notice is not None
    assert feed.notice.startswith("devices.yaml: line 1: ")


def test_without_any_good_file_nothing_is_known_of_the_devices(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.file.write_text("query: [")

    with pytest.raises(BadInputError, match=r"^devices\.yaml: line 1: "):
        feed.devices()


@pytest.mark.parametrize("query", [ALL, ONE])
def test_a_database_that_is_gone_is_one_error_and_heals_by_itself(
    fleet: Fleet, feed: SqlTelemetry, query: str
) -> None:
    fleet.declare(query)
    fleet.says(1, 100)
    away = fleet.database.with_name("away.sqlite")
    fleet.database.rename(away)
    with pytest.raises(
        TransientError, match=r"fleet\.sqlite\) does not answer: unable to open database file"
    ):
        poll(feed)
    assert not fleet.database.exists(), "an absent database was made"

    away.rename(fleet.database)
    assert rpm(poll(feed)) == {"truck_1": 100.0}


@pytest.mark.parametrize("query", [ALL, ONE])
def test_a_round_that_is_over_asks_no_more(fleet: Fleet, query: str) -> None:
    fleet.declare(query)
    fleet.says(1, 100)
    feed = fleet.feed(limits=SqlLimits(round_seconds=0))

    with pytest.raises(TransientError):
        poll(feed)
    feed.close()


def test_a_feed_that_was_closed_opens_again(fleet: Fleet, feed: SqlTelemetry) -> None:
    fleet.says(1, 100)
    for _ in range(2):
        assert rpm(poll(feed)) == {"truck_1": 100.0}
        feed.close()


@pytest.mark.parametrize(
    ("url", "kind", "said"),
    [
        (f"no url {CANARY}", BadInputError, "CPH50_TELEMETRY_URL: it is no address of a database"),
        (f"mysql://reader:x{CANARY}@{CANARY}@127.0.0.1/fleet", BadInputError, "its password holds an @"),
        (f"mysql://reader@127.0.0.1:{CANARY}/fleet", BadInputError, "it is no address of a database"),
        (f"foo://reader:{CANARY}@127.0.0.1/fleet", BadInputError, "foo is no kind of database"),
        ("sqlite://", BadInputError, "it names no file"),
        (
            f"oracle+oracledb://reader:{CANARY}@127.0.0.1/fleet",
            PermanentError,
            "oracledb, which speaks with oracle",
        ),
        (
            f"mysql+mysqldb://reader:{CANARY}@127.0.0.1/f",
            PermanentError,
            'pip install "cph50-pipeline[mysql]"',
        ),
        (
            f"postgresql+pg8000://reader:{CANARY}@127.0.0.1/f",
            PermanentError,
            'pip install "cph50-pipeline[postgres]"',
        ),
        (f"mysql://reader:{CANARY}@127.0.0.1/f?colour={CANARY}", PermanentError, "colour"),
        (
            f"mysql://reader:{CANARY}@127.0.0.1:1/fleet",
            TransientError,
            "(mariadb|mysql) at 127.0.0.1:1, fleet",
        ),
        (
            f"postgresql://reader:{CANARY}@127.0.0.1:1/fleet",
            TransientError,
            "postgresql at 127.0.0.1:1, fleet",
        ),
    ],
)
@pytest.mark.parametrize("query", [ALL, ONE])
def test_an_address_that_does_not_work_is_one_line_without_its_password(
    fleet: Fleet, query: str, url: str, kind: type[Cph50Error], said: str
) -> None:
    if url.startswith("mysql:"):
        pytest.importorskip("pymysql", reason="the extra 'mysql' is not installed")
    if url.startswith("postgresql:"):
        pytest.importorskip("psycopg2", reason="the extra 'postgres' is not installed")
    fleet.declare(query)
    feed = fleet.feed(url)
    with pytest.raises(kind, match=said.replace("[", r"\[")) as caught:
        poll(feed)

    assert CANARY not in repr(caught.value) + str(caught.value) + repr(feed)
    assert caught.value.__cause__ is None
    assert "\n" not in str(caught.value)
