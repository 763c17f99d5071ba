"""`cph50 rebuild`: lay the stored history out anew after the household's zone has changed.

A session's month, the date of its own file, and the days of the house's power follow the zone. Here stands what would
move and the order in which it does, so that a kill at any moment leaves every session stored and a second rebuild goes
on. Where a session belongs is decided in `charging.activity` and `charging.collection`, where a reading does in
`reading_moves`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath

import dagster as dg
from pydantic import BaseModel

from cph50_pipeline.charging.activity import ActivityMonth, StoredSession, placed
from cph50_pipeline.charging.collection import collection_path
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.civil_time import month_bounds, shift_month
from cph50_pipeline.defs.jobs import CHARGING_JOB, POWER_JOB, PUBLISH_JOB, REBUILD_TAG
from cph50_pipeline.defs.launch import Launch, Outcome, launch
from cph50_pipeline.defs.month_files import ACTIVITY, MONTH_FILES, POWER_FILES, ROLLUPS
from cph50_pipeline.defs.partitions import monthly_partitions
from cph50_pipeline.defs.reading_files import reading_months
from cph50_pipeline.defs.reading_moves import Misplaced, ReadingMove, misplaced, move_readings, moves_of
from cph50_pipeline.defs.store import Excuse, Store
from cph50_pipeline.errors import PermanentError
from cph50_pipeline.power.buckets import edges
from cph50_pipeline.settings import Settings
from cph50_pipeline.sources.state_file import StateFile
from cph50_pipeline.storage.layout import kind_of

Months = Mapping[str, ActivityMonth]


@dataclass(frozen=True, slots=True)
class SessionMove:
    """A session that starts in another month by the zone: its id, the month it leaves and the one it joins."""

    session_id: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class FileMove:
    """A session's own file that belongs to another date by the zone: both paths in the data root."""

    source: str
    target: str


@dataclass(frozen=True)
class RebuildPlan:
    """What a rebuild does.

    Attributes:
        sessions: Sorted by months and id.
        files: Sorted by path.
        readings: Of the house's meters, sorted by path.
        stale: The months whose power was rolled up by days of another zone.
        emptied: The months that are left without sessions; their files are removed.
        months: The months that are made again, all that Dagster has a partition of.
        power_months: The months of which power is made again, in the same way.
        is_begun: Whether an earlier rebuild was begun and has not ended.
    """

    sessions: tuple[SessionMove, ...]
    files: tuple[FileMove, ...]
    readings: tuple[ReadingMove, ...]
    stale: tuple[str, ...]
    emptied: tuple[str, ...]
    months: tuple[str, ...]
    power_months: tuple[str, ...]
    is_begun: bool

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do."""
        return self.is_begun or bool(self.sessions or self.files or self.readings or self.stale)


class _Begun(BaseModel):
    """Kept from the first change of a rebuild to its end: the months it has left without sessions."""

    emptied: tuple[str, ...] = ()


def plan_rebuild(settings: Settings, store: Store) -> RebuildPlan:
    """What a rebuild would do now. Only reads.

    Raises:
        BadInputError: a month's answers or readings, or the file of a session that no month knows, are damaged.
        PermanentError: a session, or a reading, would join or leave a month before the history begins.
    """
    return _plan(settings, store, _stored(store), misplaced(store))


def rebuild(settings: Settings, instance: dg.DagsterInstance, say: Callable[[str], None]) -> Outcome:
    """Move what lies in the wrong place, then make all months again; goes on with a rebuild that was killed.

    Raises:
        LockedError: another run keeps a month or power for too long, or samples a session; nothing was changed.
        BadInputError, PermanentError: as `plan_rebuild`; nothing was changed.
    """
    with Store.of(settings).open() as store, ExitStack() as samplings:
        store.hold_months(_near(store.stored_months(ACTIVITY)))
        store.hold_power()
        before, wrong = _stored(store), misplaced(store)
        plan = _plan(settings, store, before, wrong)
        for session_id in _maybe_sampled(plan, before):
            samplings.enter_context(store.locks.session(session_id))
        begun = _begun(settings).read() or _Begun()
        emptied = tuple(sorted({*begun.emptied, *plan.emptied}))
        _begun(settings).write(_Begun(emptied=emptied))
        _move(store, plan, before)
        move_readings(store, wrong)
        say(f"Moved {len(plan.sessions)} session(s) and {len(plan.files)} session file(s)")
        say(f"Moved {sum(move.readings for move in plan.readings)} reading(s) of the house's meters")
    tags = {REBUILD_TAG: settings.timezone}
    for job, months in _jobs(plan):
        outcome = launch(instance, settings, Launch(job, _ends(months), tags=tags), say)
        if not outcome.succeeded:
            return outcome
    if _remove_derived(settings, emptied):
        outcome = launch(instance, settings, Launch(PUBLISH_JOB, tags=tags), say)
    if outcome.succeeded:
        _begun(settings).remove()
    return outcome


def _jobs(plan: RebuildPlan) -> list[tuple[str, Sequence[str]]]:
    """What makes the months again; power comes second, because the charger is one of its meters."""
    jobs: dict[str, Sequence[str]] = {CHARGING_JOB: plan.months, POWER_JOB: plan.power_months}
    return [(job, months) for job, months in jobs.items() if months] or [(PUBLISH_JOB, ())]


def _ends(months: Sequence[str]) -> list[str]:
    return sorted({months[0], months[-1]}) if months else []


def _maybe_sampled(plan: RebuildPlan, before: Months) -> list[str]:
    """The sessions with a file to move that a run may be sampling into it: all that are not known to be over."""
    over = {key for month in before.values() for key, stored in month.sessions.items() if stored.has_ended}
    return sorted({PurePosixPath(file.source).stem for file in plan.files} - over)


def _stored(store: Store) -> Months:
    return {month: store.activity(month) for month in store.stored_months(ACTIVITY)}


def _near(months: Iterable[str]) -> list[str]:
    """The months and their neighbours: no two zones are further apart than a day and a few hours."""
    return sorted({shift_month(month, shift) for month in months for shift in (-1, 0, 1)})


def _begun(settings: Settings) -> StateFile[_Begun]:
    return StateFile(settings.private_dir / "rebuild.json", _Begun)


def _plan(settings: Settings, store: Store, before: Months, wrong: Misplaced) -> RebuildPlan:
    after = placed(before.values(), settings.zone)
    moves, readings = _session_moves(before, after), moves_of(wrong)
    _check_within_history(moves, readings, settings)
    emptied = tuple(m for m, activity in before.items() if activity.sessions and not after[m].sessions)
    known = set(monthly_partitions(settings).get_partition_keys())
    return RebuildPlan(
        sessions=moves,
        files=_file_moves(store, after),
        readings=readings,
        stale=tuple(month for month in store.stored_months(ROLLUPS) if not _is_of_this_zone(store, month)),
        emptied=emptied,
        months=tuple(sorted(known & after.keys() - set(emptied))),
        power_months=tuple(sorted(known & _power_months(store, readings))),
        is_begun=_begun(settings).path.exists(),
    )


def _session_moves(before: Months, after: Months) -> tuple[SessionMove, ...]:
    was, will_be = _months_by_session(before), _months_by_session(after)
    moves = {
        SessionMove(session_id, source, target)
        for session_id, months in will_be.items()
        if was[session_id] != months
        for source in was[session_id]
        for target in months
        if source != target
    }
    return tuple(sorted(moves, key=lambda move: (move.source, move.target, move.session_id)))


def _months_by_session(months: Months) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for month, activity in months.items():
        for session_id in activity.sessions:
            found.setdefault(session_id, set()).add(month)
    return found


def _check_within_history(
    sessions: Iterable[SessionMove], readings: Iterable[ReadingMove], settings: Settings
) -> None:
    found: list[tuple[str, str, SessionMove | ReadingMove]] = [
        *((min(move.source, move.target), f"Session {move.session_id} moves", move) for move in sessions),
        *((_month(move.target), f"{move.readings} reading(s) move", move) for move in readings),
    ]
    for first, what, move in found:
        if first < settings.history_start:
            raise PermanentError(
                f"{what} from {move.source} to {move.target} by {settings.timezone}, "
                f"and {first} lies before CPH50_HISTORY_START ({settings.history_start})",
                kept="Nothing was changed",
                remedy=f"Set CPH50_HISTORY_START={first} and repeat the command",
            )


def _month(path: str) -> str:
    kind = kind_of(path)
    return (kind and kind.month_of(path)) or ""


def _power_months(store: Store, moves: Iterable[ReadingMove]) -> set[str]:
    """The months that have power, or will have."""
    stored = (store.stored_months(file) for file in POWER_FILES.values())
    return {*reading_months(store), *chain.from_iterable(stored), *(_month(move.target) for move in moves)}


def _is_of_this_zone(store: Store, month: str) -> bool:
    """Whether a month's rollups, if they can be read, are of the zone's days."""
    import pyarrow.compute as pc

    table = store.read_month_if_whole(ROLLUPS, month)
    if table is None:
        return True
    days = edges("day", *month_bounds(month, store.zone), store.zone)[:-1].tolist()
    starts = table.filter(pc.field("resolution") == "day")["start"].cast("int64").to_pylist()
    return set(starts) <= set(days)


def _file_moves(store: Store, after: Months) -> tuple[FileMove, ...]:
    starts = {
        session.session_id: session.start
        for activity in after.values()
        for session in read_sessions(activity)
    }
    moves = []
    for path in store.root.list("sessions/", ".json"):
        kind = kind_of(path)
        if kind is None:  # a person's own file
            continue
        session_id = PurePosixPath(path).stem
        start = starts.get(session_id)
        if start is None:  # sampled by a run that ended before it stored the answers
            record = store.collection_at(path)
            start = record.session_start if record else None
        if start is not None and (target := collection_path(session_id, start, store.zone)) != path:
            moves.append(FileMove(path, target))
    return tuple(moves)


def _move(store: Store, plan: RebuildPlan, before: Months) -> None:
    """First every month gains, and only then does one lose: no session is without a place in between."""
    after = placed(before.values(), store.zone)
    leaving: dict[str, set[str]] = {}
    for move in plan.sessions:
        leaving.setdefault(move.source, set()).add(move.session_id)
    gaining = {
        month: after[month].model_copy(
            update={"sessions": {**after[month].sessions, **_still_there(before, month, leaving)}}
        )
        for month in sorted({move.target for move in plan.sessions})
    }
    store.write_months(ACTIVITY, gaining, excused=_excuses("inside_month", leaving))
    for file in plan.files:
        store.move_collection(file.source, file.target)
    losing = {month: after[month] for month in leaving if month not in plan.emptied}
    store.write_months(ACTIVITY, losing, excused=_excuses("none_lost", leaving))
    for month in plan.emptied:
        store.root.remove(ACTIVITY.path(month))


def _still_there(before: Months, month: str, leaving: Mapping[str, set[str]]) -> dict[str, StoredSession]:
    return {session_id: before[month].sessions[session_id] for session_id in leaving.get(month, ())}


def _excuses(rule: str, leaving: Mapping[str, set[str]]) -> frozenset[Excuse]:
    return frozenset(
        Excuse(rule, month, session_id) for month, sessions in leaving.items() for session_id in sessions
    )


def _remove_derived(settings: Settings, emptied: Iterable[str]) -> bool:
    """Remove what was derived of months that have no answers any more, now that it stands in other months."""
    with Store.of(settings).open() as store:
        store.hold_months(emptied)
        gone = [month for month in emptied if store.root.read(ACTIVITY.path(month)) is None]
        removed = [store.root.remove(file.path(m)) for m in gone for file in MONTH_FILES.values()]
    return any(removed)
