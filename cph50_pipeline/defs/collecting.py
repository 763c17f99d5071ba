"""Collecting what the house's meters say now, and taking that in: the readings that Home Assistant does not record.

What is collected waits as lines in `private/power_spool/`, an hour (UTC) a file, until a run takes it in. Lines are
appended by one collector at a time; one that a kill cut short is skipped and said, and costs no other. Who collects
when is decided by the sensor and by `cph50 power collect --daemon`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from logging import Logger
from pathlib import Path

from cph50_pipeline.civil_time import format_instant, to_epoch_ms
from cph50_pipeline.defs.reading_files import read_readings, write_readings
from cph50_pipeline.defs.store import Store
from cph50_pipeline.defs.taking_in import by_month, readings_of
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.ndjson import dump_lines, load_lines
from cph50_pipeline.power.readings import Readings, merge
from cph50_pipeline.sources.home_readings import Grid
from cph50_pipeline.sources.home_source import Heard, HomeSource
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.private import make_private_folder

SPOOL = "power_spool"
_LONGEST_LINE = 4096
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TOLERATED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One file of collected readings.

    Attributes:
        path: Where it is.
        data: Its bytes when it was read.
        readings: What they hold.
        skipped: One line about each line that is no reading.
    """

    path: Path
    data: bytes
    readings: Readings
    skipped: list[str]

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"{SPOOL}/{self.path.name}"


@dataclass(frozen=True, slots=True)
class Collected:
    """One look at the meters.

    Attributes:
        instant: For which the readings stand.
        count: How many they are.
        heard: What the meters said, and what a person should know.
    """

    instant: datetime
    count: int
    heard: Heard


class Spool:
    """The collected readings that nobody took in yet.

    Args:
        locks: Of the household; a lock keeps the collector and who takes in apart.
    """

    def __init__(self, locks: Locks) -> None:
        self._locks = locks
        self._folder = locks.private_dir / SPOOL

    def holds(self, instant: datetime) -> bool:
        """Whether the newest readings of the instant's hour are of that instant."""
        with self._exclusive("read"):
            path = self._path(instant)
            if not path.exists():
                return False
            lines = path.read_bytes()[-_LONGEST_LINE:].splitlines()[-1:]
        newest, _ = _parse(b"".join(lines), path.name)
        return any(int(series.at[-1]) == to_epoch_ms(instant) for series in newest.series.values())

    def append(self, readings: Readings, instant: datetime) -> None:
        """Add readings of an instant, whole lines in one piece.

        Raises:
            PermanentError, TransientError: they could not be written; those before are whole.
        """
        with self._exclusive("written"):
            make_private_folder(self._folder)
            with self._path(instant).open("a+b", buffering=0) as file:
                torn = b"\n" if _ends_within_a_line(file.fileno()) else b""
                file.write(torn + dump_lines(readings))

    def waiting(self) -> Iterator[Waiting]:
        """What waits, oldest first."""
        for path in sorted(self._folder.glob("*.ndjson")):
            with self._exclusive("read"):
                data = path.read_bytes()
            yield Waiting(path, data, *_parse(data, path.name))

    def remove(self, taken: Waiting) -> None:
        """Remove what was taken in; a file to which something was added since stays, to be taken in again."""
        with self._exclusive("removed"):
            if taken.path.read_bytes() == taken.data:
                taken.path.unlink()

    def _path(self, instant: datetime) -> Path:
        return self._folder / f"{instant.astimezone(UTC):%Y-%m-%dT%H}.ndjson"

    @contextmanager
    def _exclusive(self, action: str) -> Iterator[None]:
        with self._locks.spool():
            try:
                yield
            except OSError as error:
                raise file_error(error, action, SPOOL) from error


def collect(
    source: HomeSource, config: MeterConfig, spool: Spool, now: datetime, interval_seconds: float
) -> Collected | None:
    """Ask once what every meter says now and let it wait for a run; None when that was done for this interval.

    The readings stand at the newest instant of the interval's grid, as those of the history do. Whoever calls this
    holds the lock of the one collector.

    Raises:
        Cph50Error: the source cannot be read, or the readings could not be written.
    """
    entities = [meter.entity for meter in config.meters.values() if meter.entity is not None]
    instant = Grid(interval_seconds).floor(now)
    if not entities or spool.holds(instant):
        return None
    heard = source.states(entities)
    readings = readings_of((row._replace(at=instant) for row in heard.rows), config)
    if len(readings):
        spool.append(readings, instant)
    return Collected(instant, len(readings), heard)


def take_in_spool(store: Store, now: datetime, log: Logger) -> list[str]:
    """Put what was collected with what is stored, which goes before it, and forget it; twice is once.

    What is of a damaged month, or of a time yet to come, waits on: the month may be restored, and the clock set.

    Returns:
        The months whose files changed, sorted.
    """
    spool = Spool(store.locks)
    changed = set()
    store.hold_power()
    for waiting in spool.waiting():
        for line in waiting.skipped:
            log.warning(line)
        known = waiting.readings.between(_EPOCH, now + _TOLERATED)
        is_whole = len(known) == len(waiting.readings)
        if not is_whole:
            log.warning(
                f"{waiting.name}: what stands after {format_instant(now)} waits: a clock is wrong, or was. Set it, or "
                "remove the file"
            )
        for month, readings in by_month(store, known):
            try:
                together = merge(readings, read_readings(store, month))
            except BadInputError as error:
                log.error(f"{waiting.name} waits: {error}")
                is_whole = False
                continue
            if write_readings(store, month, together, is_over=False):
                changed.add(month)
        if is_whole:
            spool.remove(waiting)
    return sorted(changed)


def _parse(data: bytes, name: str) -> tuple[Readings, list[str]]:
    """The readings in lines, and what is to be said of those that are none."""
    try:
        return load_lines(data, name), []
    except BadInputError:
        parts, skipped = [], []
        for number, line in enumerate(data.splitlines(), start=1):
            try:
                parts.append(load_lines(line, name))
            except BadInputError:
                skipped.append(
                    f"{SPOOL}/{name}, line {number} was cut short and is left out: the collector was killed"
                )
        return reduce(merge, parts, Readings.of({})), skipped


def _ends_within_a_line(file: int) -> bool:
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"
