"""Whether the household is in maintenance: `private/maintenance.json`, read by every process on every tick.

In maintenance nothing begins by itself that writes data: no sensor and no schedule asks for a run, no collector asks a
device. A run that is at work ends by itself, and what a person asks for goes on. A file that cannot be read counts as
on: what somebody paused on purpose never goes on by accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from cph50_pipeline.civil_time import format_instant, format_local, parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.atomic import atomic_remove, atomic_write
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.storage.private import make_private_folder

MODE_FILE = "maintenance.json"
LONGEST = timedelta(days=365)
_LONGEST_REASON = 200
_BROKEN = f"private/{MODE_FILE} cannot be read; `cph50 maintenance off` ends it"


@dataclass(frozen=True, slots=True)
class Mode:
    """Maintenance that is on.

    Attributes:
        since: When it was switched on (UTC).
        reason: Why, one line; empty when nobody said.
        until: When it ends by itself (UTC); None: when somebody switches it off.
    """

    since: datetime
    reason: str = ""
    until: datetime | None = None

    def sentence(self, zone: ZoneInfo) -> str:
        """What is said of it wherever something pauses: `maintenance since 2026-01-31 08:00: new router`."""
        until = "" if self.until is None else f", until {format_local(self.until, zone)}"
        reason = f": {self.reason}" if self.reason else ""
        return f"maintenance since {format_local(self.since, zone)}{until}{reason}"


def mode(settings: Settings, now: datetime | None = None) -> Mode | None:
    """The maintenance that is on; None when there is none, or when its time is over.

    Args:
        now: Default: the clock's.
    """
    path = settings.private_dir / MODE_FILE
    try:
        found = _parse(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadInputError):
        return Mode(_written_at(path), _BROKEN)
    is_over = found.until is not None and found.until <= (now or datetime.now(UTC))
    return None if is_over else found


def paused(settings: Settings) -> str | None:
    """What a collector says instead of collecting; None when it is to collect."""
    current = mode(settings)
    return None if current is None else current.sentence(settings.zone)


def switch_on(
    settings: Settings, reason: str = "", lasts: timedelta | None = None, now: datetime | None = None
) -> Mode:
    """Begin maintenance; one that is on gets the new reason and end, and keeps its beginning.

    Args:
        reason: Why, one line.
        lasts: After how long it ends by itself; None: never.
        now: Default: the clock's.

    Raises:
        BadInputError: the reason is no line, or the time is none or too long.
        PermanentError, TransientError: it could not be written; nothing was changed.
    """
    if len(reason) > _LONGEST_REASON or not reason.isprintable():
        raise BadInputError(f"The reason is not one line of at most {_LONGEST_REASON} characters")
    if lasts is not None and not timedelta() < lasts <= LONGEST:
        raise BadInputError(f"Maintenance lasts more than no time and at most {LONGEST.days} days")
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    before = mode(settings, now)
    current = Mode(now if before is None else before.since, reason, None if lasts is None else now + lasts)
    document = {
        "since": format_instant(current.since),
        "reason": current.reason,
        "until": None if current.until is None else format_instant(current.until),
    }
    folder = make_private_folder(settings.private_dir)
    atomic_write(folder / MODE_FILE, dump_json(document), mode=0o600)
    return current


def switch_off(settings: Settings) -> Mode | None:
    """End maintenance; returns the one that was on.

    Raises:
        PermanentError, TransientError: it could not be removed; maintenance goes on.
    """
    before = mode(settings)
    atomic_remove(settings.private_dir / MODE_FILE)
    return before


def _parse(data: bytes) -> Mode:
    document = load_json(data, MODE_FILE)
    reason, until = document["reason"], document["until"]
    if not reason.isprintable():
        raise ValueError(reason)
    return Mode(parse_instant(document["since"]), reason, None if until is None else parse_instant(until))


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, tz=UTC).replace(microsecond=0)
    except OSError:
        return datetime.fromtimestamp(0, tz=UTC)
