"""What somebody does by hand: cars plugged in, the charger's limit changed. Laid over the household's plan.

Remembered in a file, which is read again when it has changed: a restarted server, or a second one, knows the same.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

from filelock import FileLock

from cph50_pipeline.civil_time import format_instant, local_date, parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.simulator.cars import Car, car_named
from cph50_pipeline.simulator.household import Charger, Household, plan_session
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


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A change of the charger's limit by hand.

    Attributes:
        at: From when, in UTC, to the second.
        amperage_limit: In amperes.
    """

    at: datetime
    amperage_limit: int


class PlugInBook:
    """What was done by hand so far, kept in a JSON file when a path is given, else in memory.

    Raises:
        BadInputError: when the file is not one that this class wrote.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._entries: tuple[PlugIn, ...] = ()
        self._limits: tuple[LimitChange, ...] = ()
        self._read_version: tuple[int, int] | None = None
        self.entries()

    def entries(self) -> tuple[PlugIn, ...]:
        """All plug-ins in order of time."""
        with self._lock:
            self._refresh()
            return self._entries

    def limits(self) -> tuple[LimitChange, ...]:
        """All changes of the charger's limit in order of time."""
        with self._lock:
            self._refresh()
            return self._limits

    def add(self, at: datetime, car: Car, minutes: float) -> PlugIn:
        """Note a plug-in; a second that is taken moves it to the next free one.

        Raises:
            BadInputError: when it would last less than a minute or more than a day, or has no UTC offset.
        """
        if not 1 <= minutes <= _LONGEST_MINUTES:
            raise BadInputError(f"A car cannot be plugged in for {minutes} minutes", remedy="Use 1 to 1440")
        at = _to_the_second(at)
        with self._writing():
            taken = {entry.at for entry in self._entries}
            while at in taken:
                at += timedelta(seconds=1)
            entry = PlugIn(at, car, minutes)
            self._entries = tuple(sorted((*self._entries, entry), key=lambda known: known.at))
        return entry

    def set_limit(self, at: datetime, amperage_limit: int) -> LimitChange:
        """Note that the charger's limit changes; of two changes in one second the later noted stands.

        Raises:
            BadInputError: when the time has no UTC offset.
        """
        change = LimitChange(_to_the_second(at), amperage_limit)
        with self._writing():
            others = (known for known in self._limits if known.at != change.at)
            self._limits = tuple(sorted((*others, change), key=lambda known: known.at))
        return change

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Change what is known, with what others noted meanwhile and without their interference."""
        if self._path is None:
            with self._lock:
                yield
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, FileLock(f"{self._path}.lock"):
            self._refresh()
            yield
            self._write(self._path)

    def _refresh(self) -> None:
        if self._path is None or not self._path.exists():
            return
        stat = self._path.stat()
        version = (stat.st_mtime_ns, stat.st_ino)
        if version != self._read_version:
            self._entries, self._limits = _read(self._path)
            self._read_version = version

    def _write(self, path: Path) -> None:
        plug_ins = [
            {"at": format_instant(entry.at), "vehicle_id": entry.car.vehicle_id, "minutes": entry.minutes}
            for entry in self._entries
        ]
        limits = [
            {"at": format_instant(change.at), "amperage_limit": change.amperage_limit}
            for change in self._limits
        ]
        document = {"plug_ins": plug_ins, "amperage_limits": limits}
        atomic_write(path, (json.dumps(document, indent=2) + "\n").encode())


class LiveHousehold:
    """The household with what was done by hand.

    A car plugged in takes the charger from whatever was planned; a limit concerns the sessions that start under it.
    """

    def __init__(self, plan: Household, book: PlugInBook) -> None:
        self.plan = plan
        self.book = book
        self._plans = {plan.charger.amperage_limit: plan}

    def charger_at(self, instant: datetime) -> Charger:
        """The charger with the limit in force at an instant."""
        return self._plan_at(instant, self.book.limits()).charger

    def set_amperage_limit(self, at: datetime, amperage_limit: int) -> LimitChange:
        """Change the charger's limit from an instant on.

        Raises:
            BadInputError: for a limit that the charger does not offer, or a time without offset.
        """
        self._plan_limited_to(amperage_limit)
        return self.book.set_limit(at, amperage_limit)

    def sessions_on(self, day: date) -> list[PlannedSession]:
        """The sessions that start on a civil day, in order of start."""
        sessions = self._planned(day)
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

    def _planned(self, day: date) -> list[PlannedSession]:
        """The day as planned, each session under the limit at its start."""
        planned, limits = self.plan.sessions_on(day), self.book.limits()
        if not limits:
            return list(planned)
        plans = [self._plan_at(session.start, limits) for session in planned]
        # No limit moves a start, so that every plan of a day has the same sessions in the same places.
        return [plan.sessions_on(day)[place] for place, plan in enumerate(plans)]

    def _plan_at(self, instant: datetime, limits: Sequence[LimitChange]) -> Household:
        in_force = [change.amperage_limit for change in limits if change.at <= instant]
        return self._plan_limited_to(in_force[-1]) if in_force else self.plan

    def _plan_limited_to(self, amperage_limit: int) -> Household:
        if amperage_limit not in self._plans:
            self._plans[amperage_limit] = self.plan.limited_to(amperage_limit)
        return self._plans[amperage_limit]

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
        return plan_session(
            self.charger_at(entry.at), "plug_in", entry.car, entry.at, end, entry.car.battery_kwh, draw
        )


def _make_room(sessions: list[PlannedSession], newcomer: PlannedSession) -> list[PlannedSession]:
    """What stays when the charger is taken: sessions before are cut short, those during do not happen."""
    kept = []
    for session in sessions:
        if not session.is_home or session.reported_end <= newcomer.start or session.start >= newcomer.end:
            kept.append(session)
        elif session.start + _SHORTEST_SESSION <= newcomer.start:
            kept.append(session.cut_at(min(session.end, newcomer.start)))
    return kept


def _to_the_second(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise BadInputError(f"Nothing can happen at {at.isoformat()}: it has no UTC offset")
    return at.astimezone(UTC).replace(microsecond=0)


def _read(path: Path) -> tuple[tuple[PlugIn, ...], tuple[LimitChange, ...]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        plug_ins = tuple(
            PlugIn(parse_instant(row["at"]), car_named(row["vehicle_id"]), float(row["minutes"]))
            for row in document["plug_ins"]
        )
        limits = tuple(
            LimitChange(parse_instant(row["at"]), int(row["amperage_limit"]))
            for row in document.get("amperage_limits", [])
        )
    except (BadInputError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInputError(
            f"{path.name} holds no plug-ins of the simulator: {error}", remedy="Delete the file"
        ) from error
    return plug_ins, limits
