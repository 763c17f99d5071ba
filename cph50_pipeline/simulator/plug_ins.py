"""Cars that somebody plugs in by hand: laid over the household's plan and remembered in a file.

The file is read again when it has changed: a restarted server, or a second one, knows the same ones.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from filelock import FileLock

from cph50_pipeline.civil_time import format_instant, local_date, parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.cars import Car, car_named
from cph50_pipeline.simulator.household import Household, plan_session
from cph50_pipeline.simulator.sessions import SESSION_IDS, PlannedSession, start_of_id
from cph50_pipeline.storage.atomic import atomic_write

_SHORTEST_SESSION = timedelta(minutes=1)
_LONGEST_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class PlugIn:
    """A car plugged in by hand.

    Attributes:
        at: When, in UTC, to the second.
        minutes: How long it charges.
    """

    at: datetime
    car: Car
    minutes: float


class PlugInBook:
    """The plug-ins known so far, kept in a JSON file when a path is given, else in memory.

    Raises:
        BadInputError: when the file is not one that this class wrote.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: tuple[PlugIn, ...] = ()
        self._read_version: tuple[int, int] | None = None
        self.entries()

    def entries(self) -> tuple[PlugIn, ...]:
        """All plug-ins in order of time."""
        with self._lock:
            return self._current()

    def add(self, at: datetime, car: Car, minutes: float) -> PlugIn:
        """Note a plug-in; a second that is taken moves it to the next free one.

        Raises:
            BadInputError: when it would last less than a minute or more than a day, or has no UTC offset.
        """
        if not 1 <= minutes <= _LONGEST_MINUTES:
            raise BadInputError(f"A car cannot be plugged in for {minutes} minutes", remedy="Use 1 to 1440")
        if at.tzinfo is None:
            raise BadInputError(f"A car cannot be plugged in at {at.isoformat()}: it has no UTC offset")
        if self._path is None:
            with self._lock:
                return self._add(at, car, minutes)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock(f"{self._path}.lock"):
            return self._add(at, car, minutes)

    def _add(self, at: datetime, car: Car, minutes: float) -> PlugIn:
        entries = self._current()
        taken = {entry.at for entry in entries}
        at = at.astimezone(UTC).replace(microsecond=0)
        while at in taken:
            at += timedelta(seconds=1)
        entry = PlugIn(at, car, minutes)
        self._entries = tuple(sorted((*entries, entry), key=lambda known: known.at))
        self._write()
        return entry

    def _current(self) -> tuple[PlugIn, ...]:
        if self._path is not None and self._path.exists():
            stat = self._path.stat()
            version = (stat.st_mtime_ns, stat.st_ino)
            if version != self._read_version:
                self._entries = _read(self._path)
                self._read_version = version
        return self._entries

    def _write(self) -> None:
        if self._path is None:
            return
        rows = [
            {"at": format_instant(entry.at), "vehicle_id": entry.car.vehicle_id, "minutes": entry.minutes}
            for entry in self._entries
        ]
        atomic_write(self._path, (json.dumps({"plug_ins": rows}, indent=2) + "\n").encode())


class LiveHousehold:
    """The household with what was plugged in by hand, which takes the charger from whatever was planned."""

    def __init__(self, plan: Household, book: PlugInBook) -> None:
        self.plan = plan
        self.book = book

    def sessions_on(self, day: date) -> list[PlannedSession]:
        """The sessions that start on a civil day, in order of start."""
        sessions = list(self.plan.sessions_on(day))
        for session in self._plugged_in(day):
            sessions = _make_room(sessions, session)
            if local_date(session.start, self.plan.zone) == day:
                sessions.append(session)
        return sorted(sessions, key=lambda session: session.place)

    def session(self, session_id: int) -> PlannedSession | None:
        """The session with this id, None when there is none."""
        if session_id not in SESSION_IDS:
            return None
        day = local_date(start_of_id(session_id), self.plan.zone)
        return next((one for one in self.sessions_on(day) if one.session_id == session_id), None)

    def true_vehicle(self, session_id: int | str) -> str:
        """The vehicle id of the car that truly charged.

        Raises:
            BadInputError: when the household has no such session.
        """
        session = self.session(int(session_id))
        if session is None:
            raise BadInputError(f"The simulated household has no session {session_id}")
        return session.car.vehicle_id

    def plug_in(self, at: datetime, car: str, minutes: float) -> PlannedSession:
        """Plug a car in at an instant, for `minutes`, and return its session.

        Raises:
            BadInputError: for an unknown car, a time without offset, or not between a minute and a day.
        """
        return self._session(self.book.add(at, car_named(car), minutes))

    def _plugged_in(self, day: date) -> list[PlannedSession]:
        """The plug-ins that may touch a session of the day."""
        zone = self.plan.zone
        entries = self.book.entries()
        return [
            self._session(entry) for entry in entries if abs((local_date(entry.at, zone) - day).days) <= 1
        ]

    def _session(self, entry: PlugIn) -> PlannedSession:
        end = entry.at + timedelta(minutes=entry.minutes)
        draw = Random(f"{self.plan.seed}:{entry.at.isoformat()}:{entry.car.vehicle_id}")
        energy_kwh = entry.car.battery_kwh
        return plan_session(self.plan.charger, "plug_in", entry.car, entry.at, end, energy_kwh, draw)


def _make_room(sessions: list[PlannedSession], newcomer: PlannedSession) -> list[PlannedSession]:
    """What stays when the charger is taken: sessions before are cut short, those during do not happen."""
    kept = []
    for session in sessions:
        if not session.is_home or session.reported_end <= newcomer.start or session.start >= newcomer.end:
            kept.append(session)
        elif session.start + _SHORTEST_SESSION <= newcomer.start:
            kept.append(session.cut_at(min(session.end, newcomer.start)))
    return kept


def _read(path: Path) -> tuple[PlugIn, ...]:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["plug_ins"]
        return tuple(
            PlugIn(parse_instant(row["at"]), car_named(row["vehicle_id"]), float(row["minutes"]))
            for row in rows
        )
    except (BadInputError, ValueError, KeyError, TypeError) as error:
        raise BadInputError(
            f"{path.name} holds no plug-ins of the simulator: {error}", remedy="Delete the file"
        ) from error
