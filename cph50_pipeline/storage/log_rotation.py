"""What becomes of log files: the file of a day gone by bears its day, is compressed, and is removed after 30 days.

Each step is one rename: `api.log` becomes `api.2026-01-31.log`, that `api.2026-01-31.log.gz`. A kill in between leaves
something that the next rotation takes up; nothing is ever there twice or gone before its time.
"""

from __future__ import annotations

import gzip
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from pathlib import Path

from filelock import FileLock

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.atomic import atomic_remove, atomic_write
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.private import make_private_folder

KEPT_DAYS = 30
AT_REST_SECONDS = 3600.0
"""A day's file is compressed when nobody wrote to it for so long: a line that was under way has arrived by then."""
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*")
_CURRENT = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*\.log")
_OF_A_DAY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]*\.(?P<day>\d{4}-\d{2}-\d{2})(?:\.\d+)?\.log(?P<gz>\.gz)?")


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did.

    Attributes:
        rolled: Files that got the name of their day.
        compressed: Files that were compressed.
        removed: Files that were too old.
        bytes_before: Of all logs, before it.
        bytes_after: Of all logs, after it.
    """

    rolled: int
    compressed: int
    removed: int
    bytes_before: int
    bytes_after: int


def logs_folder(private_dir: Path) -> Path:
    """The folder of a household's logs."""
    return private_dir / "logs"


def log_path(private_dir: Path, name: str) -> Path:
    """The file that a log is written to now.

    Raises:
        BadInputError: no log can be called that.
    """
    if not _NAME.fullmatch(name):
        raise BadInputError(f"{name!r} is not the name of a log", remedy="Use letters, digits, '-' and '_'")
    return logs_folder(private_dir) / f"{name}.log"


def rotate_logs(private_dir: Path, now: datetime, zone: tzinfo) -> Rotated:
    """Roll, compress and remove the logs of days gone by.

    Args:
        zone: Where a day begins.

    Raises:
        PermanentError, TransientError: a file could not be read, written or removed; what was not done is done by
            the next rotation.
    """
    folder = logs_folder(private_dir)
    if not folder.is_dir():
        return Rotated(0, 0, 0, 0, 0)
    today = now.astimezone(zone).date()
    before = _bytes_of(folder)
    current = [path for path in sorted(folder.iterdir()) if _CURRENT.fullmatch(path.name)]
    rolled = sum(roll_if_of_another_day(path, today.isoformat(), zone) for path in current)
    removed = sum(atomic_remove(path) for path in _of_days(folder) if _is_too_old(path, today))
    compressed = sum(_compress(path) for path in _of_days(folder) if _is_at_rest(path, now))
    return Rotated(rolled, compressed, removed, before, _bytes_of(folder))


def roll_if_of_another_day(path: Path, today: str, zone: tzinfo) -> bool:
    """Give a log's file the name of its day, unless that is today; the next line begins a new file.

    A file is of the day when it was last written to.

    Args:
        today: As YYYY-MM-DD.

    Returns:
        Whether it was renamed.

    Raises:
        PermanentError, TransientError: it could not be renamed; it goes on as it is.
    """
    if _day_of(path, zone) in (None, today):
        return False
    # Its own folder's: the lock is held for an instant, by whoever of several processes sees the new day first.
    lock = path.parent.parent / "log_rotation.lock"
    make_private_folder(lock.parent)
    try:
        with FileLock(lock):
            day = _day_of(path, zone)
            if day is None or day == today:
                return False
            os.rename(path, _free_name(path, day))
    except OSError as error:
        raise file_error(error, "renamed", str(path)) from error
    return True


def _day_of(path: Path, zone: tzinfo) -> str | None:
    """The day of the last line; None while there is no file, or nothing in it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    if not status.st_size:
        return None
    return datetime.fromtimestamp(status.st_mtime, tz=zone).date().isoformat()


def _free_name(path: Path, day: str) -> Path:
    """A day's name that no file bears: a clock that was set back may have given it before."""
    number = 0
    while True:
        name = f"{path.stem}.{day}.{number}.log" if number else f"{path.stem}.{day}.log"
        if not (path.with_name(name).exists() or path.with_name(f"{name}.gz").exists()):
            return path.with_name(name)
        number += 1


def _of_days(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if _OF_A_DAY.fullmatch(path.name))


def _is_too_old(path: Path, today: date) -> bool:
    match = _OF_A_DAY.fullmatch(path.name)
    assert match is not None
    try:
        day = date.fromisoformat(match["day"])
    except ValueError:  # no file of ours: nobody ever logged on such a day
        return False
    return today - day > timedelta(days=KEPT_DAYS)


def _is_at_rest(path: Path, now: datetime) -> bool:
    return path.suffix == ".log" and now.timestamp() - path.stat().st_mtime > AT_REST_SECONDS


def _compress(path: Path) -> bool:
    """Compress a day's file; it goes when its successor is whole, so that a kill in between repeats the work."""
    try:
        data = gzip.compress(path.read_bytes(), mtime=0)
    except FileNotFoundError:  # another rotation did it
        return False
    except OSError as error:
        raise file_error(error, "read", str(path)) from error
    atomic_write(path.with_name(f"{path.name}.gz"), data, mode=0o600)
    return atomic_remove(path)


def _bytes_of(folder: Path) -> int:
    total = 0
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total
