"""Plug-in events: which sessions were one stay of one car at the household's charger.

ChargePoint splits a stay into sessions, at a tariff's window or when the car leaves off for a moment. Two cars that
take turns within minutes look the same in time, so the cars decide where a chain of sessions is cut. Which car a
session was is found elsewhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from cph50_pipeline.charging.model import UNKNOWN_VEHICLE, Session

LONGEST_GAP = timedelta(minutes=15)
"""The longest time between two sessions of one plug-in event."""


@dataclass(frozen=True, slots=True)
class PlugIn:
    """One plug-in event.

    Attributes:
        session_ids: Its sessions in order of start, at least one.
        is_swap: Whether it follows within `LONGEST_GAP` on sessions of another car.
    """

    session_ids: tuple[str, ...]
    is_swap: bool = False

    @property
    def plug_in_id(self) -> str:
        """The id of its first session."""
        return self.session_ids[0]


def chains(sessions: Iterable[Session]) -> list[PlugIn]:
    """The sessions grouped by time alone, whatever cars they were, in order of start."""
    return plug_ins(sessions, {})


def plug_ins(sessions: Iterable[Session], vehicle_by_session: Mapping[str, str]) -> list[PlugIn]:
    """The plug-in events, chain by chain in order of start; each session is in one of them.

    Sessions at one charger of the household follow each other when the next starts at most `LONGEST_GAP` after the
    end of the one before; an open session reaches as far as the charger last reported. A public session stands
    alone. The order of the sessions given does not matter.

    Args:
        sessions: With corrected ends and distinct ids.
        vehicle_by_session: Whose session each was. One that is left out or "unknown" stays with the session before
            it, so that A, unknown, A is one event, and of A, unknown, B the last begins the next.
    """
    return [
        plug_in for chain in _joined_by_time(sessions) for plug_in in _cut_at_swaps(chain, vehicle_by_session)
    ]


def by_session(events: Iterable[PlugIn]) -> dict[str, PlugIn]:
    """Each session's plug-in event, by the session's id."""
    return {session_id: event for event in events for session_id in event.session_ids}


def _joined_by_time(sessions: Iterable[Session]) -> list[list[Session]]:
    by_plug: dict[tuple[str | None, str | None], list[Session]] = defaultdict(list)
    for session in sorted(sessions, key=_place):
        by_plug[_plug(session)].append(session)
    joined = [chain for ordered in by_plug.values() for chain in _cut_at_gaps(ordered)]
    return sorted(joined, key=lambda chain: _place(chain[0]))


def _place(session: Session) -> tuple[datetime, str]:
    return session.start, session.session_id


def _plug(session: Session) -> tuple[str | None, str | None]:
    """What sessions must share to follow each other: a charger at home; of stations nothing is concluded."""
    return (session.charger_label, None) if session.is_home else (None, session.session_id)


def _cut_at_gaps(ordered: Sequence[Session]) -> list[list[Session]]:
    cut = [[ordered[0]]]
    for before, session in pairwise(ordered):
        if session.start - _reaches(before) > LONGEST_GAP:
            cut.append([])
        cut[-1].append(session)
    return cut


def _reaches(session: Session) -> datetime:
    return session.end or session.last_update or session.start


def _cut_at_swaps(chain: Sequence[Session], vehicle_by_session: Mapping[str, str]) -> list[PlugIn]:
    cut: list[list[str]] = [[]]
    at_the_plug = UNKNOWN_VEHICLE
    for session in chain:
        car = vehicle_by_session.get(session.session_id, UNKNOWN_VEHICLE)
        if UNKNOWN_VEHICLE not in (car, at_the_plug) and car != at_the_plug:
            cut.append([])
        cut[-1].append(session.session_id)
        at_the_plug = at_the_plug if car == UNKNOWN_VEHICLE else car
    return [PlugIn(tuple(ids), is_swap=number > 0) for number, ids in enumerate(cut)]
