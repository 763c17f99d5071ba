"""Rounds of a fleet of a thousand: asked of its SQL database, judged, and written to the live table.

`devices.yaml` is the example's, with a thousand trucks in it. They have sent a value of each of ten sensors every 30 s,
so that its look back of 15 minutes holds 300,000 rows, of which its query picks the newest. The fleet's clock goes on
by 30 s from round to round without anybody waiting for it. MariaDB serves them where it is installed, else a file of
SQLite.
"""

from __future__ import annotations

import logging
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median

import pytest
import yaml

from bench.homes import REPOSITORY
from bench.row import Effort, Row
from cph50_pipeline.defs.live import live_store
from cph50_pipeline.live.poller import Poller
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.devices_file import DevicesFile
from cph50_pipeline.sources.sql_telemetry import SqlTelemetry
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline_tests.integration.mariadb import running_mariadb

TRUCKS = 1000
EVERY = timedelta(seconds=30)
LOOK_BACK_ROUNDS = 30
FIRST_UNIT = 401_000_001
_WORDS = {"brake_switch": "1", "gear": "D"}
_TABLE = (
    "CREATE TABLE sensors (unit BIGINT, m BIGINT, p VARCHAR(32), value VARCHAR(64))",
    "CREATE INDEX by_unit ON sensors (unit, m)",
)
SentRow = tuple[int, int, str, str]


def measure(effort: Effort) -> Row:
    """The longest round, as a share of the time that there is for it."""
    with tempfile.TemporaryDirectory(prefix="cph50-bench-") as name, _database(Path(name)) as database:
        fleet = Fleet.of(Path(name), database)
        began = time.process_time()
        seconds = [fleet.seconds_of_round() for _ in range(effort.times(9, 3))]
        cpu_seconds = (time.process_time() - began) / len(seconds)
    return Row(
        "live_round", max(seconds) / EVERY.total_seconds(), 1.0, "x", "the 30 s until the next round",
        f"{TRUCKS} devices x {len(fleet.names)} sensors from {database.name}: longest {max(seconds):.1f} s, median "
        f"{median(seconds):.1f} s, n={len(seconds)}, the first on an empty live table; with sending them "
        f"{cpu_seconds:.1f} s of CPU",
    )  # fmt: skip


@dataclass(frozen=True)
class Database:
    """Where the fleet sends its values.

    Attributes:
        insert: Adds rows to the table `sensors`.
    """

    name: str
    url: str
    insert: Callable[[Sequence[SentRow]], None]


@dataclass
class Fleet:
    """Trucks that send, and what polls them.

    Attributes:
        names: What the source calls the sensors.
        now: The fleet's time (UTC).
    """

    database: Database
    poller: Poller
    names: Sequence[str]
    now: datetime
    draw: Random

    @classmethod
    def of(cls, folder: Path, database: Database) -> Fleet:
        """A fleet that has been sending for as long as is looked back."""
        declared = yaml.safe_load((REPOSITORY / "data" / "devices.example.yaml").read_text())
        declared["devices"] = {
            f"truck_{number}": {"unit_id": FIRST_UNIT + number, "name": f"Truck {number}"}
            for number in range(TRUCKS)
        }
        (folder / "devices.yaml").write_text(yaml.safe_dump(declared))
        settings = Settings(data_dir=str(folder))
        feed = SqlTelemetry(database.url, DevicesFile.of(str(folder), "devices.yaml"))
        poller = Poller(
            [feed],
            live_store(settings),
            Locks(settings.private_dir),
            lambda: datetime.now(UTC),
            logging.getLogger(__name__),
        )
        names = [sensor["name"] for sensor in declared["sensors"].values()]
        fleet = cls(database, poller, names, datetime.now(UTC) - timedelta(days=1), Random(50))
        for _ in range(LOOK_BACK_ROUNDS - 1):
            fleet.send()
        return fleet

    def send(self) -> None:
        """Let half a minute pass, and every truck send a value of each sensor."""
        self.now += EVERY
        at = int(self.now.timestamp())
        self.database.insert(
            [
                (FIRST_UNIT + number, at, name, _WORDS.get(name) or f"{self.draw.uniform(0, 100):.2f}")
                for number in range(TRUCKS)
                for name in self.names
            ]
        )

    def seconds_of_round(self) -> float:
        """How long the round takes after everything was sent anew.

        Raises:
            RuntimeError: not every sensor got a newer value.
        """
        self.send()
        started = time.perf_counter()
        [cycle] = self.poller.one_round(self.now)
        seconds = time.perf_counter() - started
        if cycle.updated != TRUCKS * len(self.names):
            raise RuntimeError(f"A round did not bring every value: {cycle}")
        return seconds


@contextmanager
def _database(folder: Path) -> Iterator[Database]:
    try:
        with running_mariadb() as server:
            server.execute("USE fleet", *_TABLE)
            statement = "INSERT INTO fleet.sensors VALUES (%s, %s, %s, %s)"
            yield Database("MariaDB", server.url(), lambda rows: server.execute(statement, rows=rows))
    except pytest.skip.Exception:
        with closing(sqlite3.connect(folder / "fleet.sqlite")) as connection:
            yield _sqlite(connection, folder)


def _sqlite(connection: sqlite3.Connection, folder: Path) -> Database:
    connection.execute("PRAGMA journal_mode = WAL")
    for statement in _TABLE:
        connection.execute(statement)

    def insert(rows: Sequence[SentRow]) -> None:
        with connection:
            connection.executemany("INSERT INTO sensors VALUES (?, ?, ?, ?)", rows)

    return Database("SQLite", f"sqlite:///{folder / 'fleet.sqlite'}", insert)
