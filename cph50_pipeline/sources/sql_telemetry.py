"""A fleet's telemetry that sits in an SQL database: a `Feed`. What is read says `devices.yaml`.

Import this module inside functions: it brings SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from cph50_pipeline.errors import Cph50Error, TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.live.model import Device, DeviceKind, Polled, Reading
from cph50_pipeline.sources.devices_file import (
    ALL_UNITS,
    EPOCH_MS,
    EPOCH_SECONDS,
    ONE_UNIT,
    SINCE,
    DevicesConfig,
    DevicesFile,
    FleetDevice,
)
from cph50_pipeline.sources.sql_connection import SqlConnections, SqlLimits
from cph50_pipeline.sources.sql_failures import failure, too_slow
from cph50_pipeline.sources.sql_rows import RowJudge

TELEMETRY = "telemetry"
_ROWS_AT_ONCE = 1000


@dataclass
class _Round:
    """One look at the fleet.

    Attributes:
        stopped_by: What makes it useless to ask the other devices.
    """

    connections: SqlConnections
    config: DevicesConfig
    devices: Mapping[str, FleetDevice]
    now: datetime
    deadline: Deadline
    stopped_by: Cph50Error | None = None


@dataclass
class _Heard:
    """What came of a query."""

    readings: list[Reading] = field(default_factory=list)
    troubles: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    failed: dict[str, Cph50Error] = field(default_factory=dict)

    def add(self, other: _Heard) -> None:
        """Take in what came of another query of the round."""
        self.readings += other.readings
        self.troubles |= other.troubles
        self.missing += (line for line in other.missing if line not in self.missing)
        self.devices |= other.devices
        self.failed |= other.failed


class SqlTelemetry:
    """The devices of a fleet, read from its database, which is never written to.

    Its connections stay open from round to round; `close` closes them. May be used by several threads.

    Args:
        url: Of the database, as SQLAlchemy writes it.
        file: What is read.
        limits: Timeouts.
    """

    name = TELEMETRY

    def __init__(self, url: str, file: DevicesFile, limits: SqlLimits | None = None) -> None:
        self._url = url
        self._file = file
        self._limits = limits or SqlLimits()
        self._connections: SqlConnections | None = None
        self._missing: list[str] = []
        self._ever_heard: set[str] = set()
        self._first_next_time: set[str] = set()

    @property
    def notice(self) -> str | None:
        """What is wrong with `devices.yaml` while the rest of it is read, in one line."""
        return " ".join([*filter(None, [self._file.notice]), *(f"{line}." for line in self._missing)]) or None

    def devices(self) -> Sequence[Device]:
        """The devices of `devices.yaml`, or of the last good one.

        Raises:
            BadInputError: it cannot be used, and never could in this process: nothing is known of the devices.
        """
        return [
            Device(id_, DeviceKind.TELEMETRY, device.name, TELEMETRY, device.poll_seconds)
            for id_, device in sorted(self._file.current().devices.items())
        ]

    def poll(self, devices: Sequence[Device], now: datetime) -> Polled:
        """Ask the database what the devices said last.

        Args:
            devices: Of this feed; one that `devices.yaml` does not name any more is passed over.

        Raises:
            TransientError: the database is gone or busy, or the rows did not come in time.
            PermanentError: it refuses the login, or its driver is missing.
            BadInputError: the query, the URL or `devices.yaml` is wrong.
        """
        config = self._file.current()
        asked = {
            device.device_id: config.devices[device.device_id]
            for device in devices
            if device.device_id in config.devices
        }
        if not asked:
            return Polled()
        this_round = _Round(self._open(), config, asked, now, Deadline(self._limits.round_seconds))
        heard = self._ask_all(this_round) if config.asks_all_at_once else self._ask_each(this_round)
        self._missing = heard.missing
        self._ever_heard |= heard.devices
        return Polled(heard.readings, self._troubles(this_round, heard))

    def close(self) -> None:
        """Close the connections; the next poll opens new ones."""
        if self._connections is not None:
            self._connections.close()
            self._connections = None

    def _open(self) -> SqlConnections:
        if self._connections is None:
            self._connections = SqlConnections(self._url, self._limits)
        return self._connections

    def _ask_all(self, this_round: _Round) -> _Heard:
        units = [device.unit_id for device in this_round.devices.values()]
        with self._connection(this_round) as connection:
            return self._ask(connection, this_round, this_round.devices, {ALL_UNITS: units})

    def _ask_each(self, this_round: _Round) -> _Heard:
        # Who was not reached in the last round comes first in this one.
        order = sorted(this_round.devices, key=lambda id_: (id_ not in self._first_next_time, id_))
        heard = _Heard()
        with ThreadPoolExecutor(self._limits.connections) as threads:
            for one in threads.map(lambda id_: self._ask_one(this_round, id_), order):
                heard.add(one)
        self._first_next_time = {
            id_ for id_, error in heard.failed.items() if isinstance(error, _NotAskedError)
        }
        if len(heard.failed) == len(order):
            raise this_round.stopped_by or heard.failed[order[0]]
        return heard

    def _ask_one(self, this_round: _Round, device_id: str) -> _Heard:
        device = this_round.devices[device_id]
        try:
            if this_round.stopped_by is not None:
                raise this_round.stopped_by
            if not this_round.deadline.remaining_seconds:
                raise _NotAskedError(
                    f"The round's {self._limits.round_seconds:g} s were over before it was asked"
                )
            with self._connection(this_round) as connection:
                return self._ask(connection, this_round, {device_id: device}, {ONE_UNIT: device.unit_id})
        except Cph50Error as error:
            return _Heard(failed={device_id: error})

    def _ask(
        self,
        connection: Connection,
        this_round: _Round,
        devices: Mapping[str, FleetDevice],
        units: Mapping[str, object],
    ) -> _Heard:
        config = this_round.config
        rows = connection.execution_options(stream_results=True).execute(
            _statement(config), {**units, **_since(config, this_round.now)}
        )
        judge = RowJudge(config, self._file.name, devices, [*rows.keys()], this_round.now)
        for some in rows.partitions(_ROWS_AT_ONCE):
            for row in some:
                judge.take(row)
            if not this_round.deadline.remaining_seconds:
                connection.invalidate()  # what is still on its way is not waited for
                raise too_slow(self._file.name, self._limits.round_seconds)
        return _Heard(judge.readings(), judge.troubles(), judge.missing, judge.heard)

    @contextmanager
    def _connection(self, this_round: _Round) -> Iterator[Connection]:
        try:
            with this_round.connections.connection() as connection:
                yield connection
        except SQLAlchemyError as error:
            url = this_round.connections.url
            found = failure(error, url, self._file.name, self._limits.statement_seconds)
            if found.concerns_all:
                this_round.stopped_by = found.error
            raise found.error from None

    def _troubles(self, this_round: _Round, heard: _Heard) -> dict[str, str]:
        found = {id_: str(error) for id_, error in heard.failed.items()}
        # Of a unit that was heard before its age tells enough, and it may have been heard before we began.
        for id_ in this_round.devices.keys() - self._ever_heard - heard.failed.keys():
            found[id_] = (
                f"The query brings no row of unit {this_round.devices[id_].unit_id}. It has been silent for "
                f"long, or its unit_id in {self._file.name} is wrong. The other devices are read."
            )
        return dict(sorted({**heard.troubles, **found}.items()))


class _NotAskedError(TransientError):
    """The round was over before it was a device's turn."""


def _statement(config: DevicesConfig) -> TextClause:
    statement = text(config.query)
    return (
        statement.bindparams(bindparam(ALL_UNITS, expanding=True)) if config.asks_all_at_once else statement
    )


def _since(config: DevicesConfig, now: datetime) -> dict[str, object]:
    """How far to look back, as the query's time column tells times."""
    if SINCE not in config.parameters:
        return {}
    since = now - timedelta(minutes=config.look_back_minutes)
    if config.time_kind == EPOCH_SECONDS:
        return {SINCE: int(since.timestamp())}
    if config.time_kind == EPOCH_MS:
        return {SINCE: int(since.timestamp() * 1000)}
    return {SINCE: since.astimezone(config.zone).replace(tzinfo=None)}
