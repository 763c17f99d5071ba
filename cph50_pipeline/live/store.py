"""The live table: the latest value of every sensor, with what it was in the last days and how the rounds went.

What stands is that of the newest time, in whatever order and from however many processes values arrive. Nothing
in it is the only copy of anything: what is lost is asked again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.live import rows, statements
from cph50_pipeline.live.database import Database
from cph50_pipeline.live.model import Cycle, Device, DeviceKind, Heartbeat, LatestValue, Reading
from cph50_pipeline.live.readings import trouble_of
from cph50_pipeline.live.times import microseconds, moment_of
from cph50_pipeline.live.upkeep import Removed, maintain


class LiveStore:
    """The live table of a household; safe for many threads and processes.

    Every method raises TransientError when the database does not answer or is locked, and PermanentError when
    somebody has to change something first; what was there stays.

    Args:
        database: Where it is.
        keeps_history: Whether also the last value of each five minutes is kept.
    """

    def __init__(self, database: Database, keeps_history: bool = True) -> None:
        self._database = database
        self._keeps_history = keeps_history
        self._upsert_devices = statements.upsert_devices(database.dialect)
        self._upsert_values = statements.upsert_values(database.dialect)
        self._upsert_history = statements.upsert_history(database.dialect)
        self._upsert_cycle = statements.upsert_cycle(database.dialect)
        self._upsert_heartbeat = statements.upsert_heartbeat(database.dialect)

    @classmethod
    def of(cls, url: str, *, keeps_history: bool = True) -> LiveStore:
        """The live table at a URL as SQLAlchemy writes it; its tables are made or brought up to date on first use.

        Raises:
            BadInputError: no such database can be used.
        """
        return cls(Database.of(url), keeps_history)

    @property
    def where(self) -> str:
        """Its address for people, without password."""
        return self._database.where

    @property
    def answers_at_once(self) -> bool:
        """Whether it is a file of this machine that was well when it was last used: no server, nothing to prepare."""
        return self._database.dialect == "sqlite" and self._database.is_ready

    def write(
        self, devices: Sequence[Device], readings: Sequence[Reading], source: str, now: datetime
    ) -> int:
        """Take in devices and what they said, in one transaction.

        A value that is not newer than the one that stands replaces nothing.

        Args:
            source: The name of the feed.
            now: When that was received (UTC).

        Returns:
            How many sensors got a newer value.

        Raises:
            BadInputError: a reading cannot be kept, or is of none of the devices; nothing was written.
        """
        _check(devices, readings, now)
        received_at_us = microseconds(now)
        given = [rows.value_row(reading, source, received_at_us) for reading in readings]
        latest = rows.newest_by(given, statements.VALUE_KEY)
        slots = rows.newest_by(map(rows.slot_row, given), statements.SLOT_KEY) if self._keeps_history else []
        by_id = {device.device_id: rows.device_row(device) for device in devices}
        with self._database.writing() as connection:
            self._upsert_devices.write(connection, [by_id[device_id] for device_id in sorted(by_id)])
            updated = self._upsert_values.write(connection, latest)
            self._upsert_history.write(connection, slots)
        return updated

    def retire(self, source: str, present: Collection[str], now: datetime) -> list[str]:
        """Note which devices of a feed are not in its configuration any more; their values stay for now.

        Args:
            present: The ids that are in it.

        Returns:
            The ids that were retired, sorted.
        """
        with self._database.writing() as connection:
            active = connection.execute(statements.ACTIVE_IDS_OF_FEED, {"feed": source}).scalars().all()
            gone = sorted(set(active) - set(present))
            if gone:
                retired_at_us = microseconds(now)
                connection.execute(
                    statements.RETIRE,
                    [{"device": each, "feed": source, "retired": retired_at_us} for each in gone],
                )
        return gone

    def forget_feeds(self, kept: Collection[str], now: datetime) -> list[str]:
        """Retire the devices of feeds that there are no longer, and forget their heartbeats: nobody beats them.

        Args:
            kept: The names of the feeds that there are.

        Returns:
            The ids that were retired, sorted.
        """
        with self._database.writing() as connection:
            feeds = connection.execute(statements.ACTIVE_FEEDS).scalars().all()
            connection.execute(statements.FORGET_HEARTBEATS, {"kept": sorted(kept)})
        return sorted(each for feed in set(feeds) - set(kept) for each in self.retire(feed, (), now))

    def devices(self, include_retired: bool = False) -> list[Device]:
        """All devices by id."""
        with self._database.reading() as connection:
            found = connection.execute(
                statements.ALL_DEVICES if include_retired else statements.ACTIVE_DEVICES
            ).all()
        return sorted(map(rows.device_of, found), key=lambda device: device.device_id)

    def device(self, device_id: str) -> Device | None:
        """One device, also a retired one; None: it was never heard of."""
        with self._database.reading() as connection:
            row = connection.execute(statements.ONE_DEVICE, {"device": device_id}).one_or_none()
        return None if row is None else rows.device_of(row)

    def known(self, device_id: str) -> tuple[Device, list[LatestValue]] | None:
        """One device, also a retired one, with what its sensors said last, of one moment; None: never heard of."""
        with self._database.reading() as connection:
            found = connection.execute(statements.DEVICE_WITH_VALUES, {"device": device_id}).all()
        if not found:
            return None
        width = statements.DEVICE_WIDTH
        values = [rows.value_of(row[width:]) for row in found if row[width] is not None]
        return rows.device_of(found[0][:width]), sorted(values, key=lambda value: value.sensor)

    def known_of(self, kinds: Collection[DeviceKind]) -> list[tuple[Device, list[LatestValue]]]:
        """The devices of these kinds with what their sensors said last, by id and sensor, all of one moment."""
        asked = {"kinds": sorted(kind.value for kind in kinds)}
        with self._database.reading() as connection:
            found = connection.execute(statements.ACTIVE_WITH_VALUES, asked).all()
        width = statements.DEVICE_WIDTH
        said: dict[tuple[Any, ...], list[LatestValue]] = {}
        for row in found:
            values = said.setdefault(tuple(row[:width]), [])
            if row[width] is not None:
                values.append(rows.value_of(row[width:]))
        known = [(rows.device_of(device), values) for device, values in said.items()]
        return [
            (device, sorted(values, key=lambda value: value.sensor))
            for device, values in sorted(known, key=lambda one: one[0].device_id)
        ]

    def latest(self, device_id: str) -> list[LatestValue]:
        """What the sensors of a device said last, by sensor; empty when nothing was heard of it."""
        with self._database.reading() as connection:
            found = connection.execute(statements.VALUES_OF_DEVICE, {"device": device_id}).all()
        return sorted(map(rows.value_of, found), key=lambda value: value.sensor)

    def all_latest(self) -> dict[str, list[LatestValue]]:
        """What all sensors said last, by device and sensor, both in order."""
        with self._database.reading() as connection:
            found = connection.execute(statements.ALL_VALUES).all()
        values = sorted(map(rows.value_of, found), key=lambda value: (value.device_id, value.sensor))
        return {device: list(its) for device, its in groupby(values, lambda value: value.device_id)}

    def newest_times(self, source: str) -> dict[str, datetime]:
        """The time of the newest value of each device of a feed (UTC)."""
        with self._database.reading() as connection:
            found = connection.execute(statements.NEWEST_TIMES, {"feed": source}).all()
        return {device_id: moment_of(at_us) for device_id, at_us in found}

    def history(self, device_id: str, sensor: str, start: datetime, end: datetime) -> list[LatestValue]:
        """What a sensor said from `start` up to `end`, one value for each five minutes: the last one in them."""
        start_us, end_us = microseconds(start), microseconds(end)
        asked = {
            "device": device_id,
            "of_sensor": sensor,
            "first_slot": rows.slot_of(start_us),
            "last_slot": rows.slot_of(end_us),
            "start": start_us,
            "end": end_us,
        }
        with self._database.reading() as connection:
            found = connection.execute(statements.SLOTS, asked).all()
        return [rows.value_of(row) for row in found]

    def end_cycle(self, cycle: Cycle, beat: Heartbeat) -> None:
        """Note how a round of a feed went, and that its collector is alive."""
        with self._database.writing() as connection:
            self._upsert_cycle.write(connection, [rows.cycle_row(cycle)])
            self._upsert_heartbeat.write(connection, [rows.heartbeat_row(beat)])

    def heartbeats(self) -> list[Heartbeat]:
        """When each feed's collector last worked, by feed."""
        with self._database.reading() as connection:
            found = connection.execute(statements.ALL_HEARTBEATS).all()
        return sorted(map(rows.heartbeat_of, found), key=lambda beat: beat.feed)

    def cycles(self, feed: str, since: datetime) -> list[Cycle]:
        """The rounds of a feed that began at `since` or later, in order."""
        with self._database.reading() as connection:
            found = connection.execute(
                statements.CYCLES_SINCE, {"of_feed": feed, "since": microseconds(since)}
            ).all()
        return [rows.cycle_of(row) for row in found]

    def check(self) -> None:
        """Ask the database whether it is there.

        Raises:
            TransientError: it does not answer.
            PermanentError: somebody has to change something first.
        """
        with self._database.reading() as connection:
            connection.execute(statements.ANY_ANSWER).scalar_one()

    def maintain(self, now: datetime, history_days: int) -> Removed:
        """Remove what is over, and put the database in order; others go on reading and writing meanwhile.

        Args:
            history_days: How long the history is kept.
        """
        return maintain(self._database, now, history_days)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._database.close()


def _check(devices: Sequence[Device], readings: Sequence[Reading], now: datetime) -> None:
    known = {device.device_id for device in devices}
    for reading in readings:
        trouble = trouble_of(reading, now)
        if trouble is None and reading.device_id not in known:
            trouble = f"{reading.sensor!r} is of none of the devices"
        if trouble is not None:
            raise BadInputError(
                f"Device {reading.device_id!r}: sensor {trouble}", kept="Nothing of it was written"
            )
