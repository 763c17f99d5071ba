"""What is uploaded, and how soon after the upload before it. Rules only: what was uploaded when is in `known`.

An upload is due as soon as one of the files that wait is; it then takes along all of them, so that no reader sees
half of what a run wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.layout import Group
from cph50_pipeline.storage.messages import Change

OFF = "off"
LONGEST_MINUTES = 60 * 24 * 366
_SETTABLE = (Group.SESSIONS, Group.POWER, Group.REPORTS, Group.SITE)
# What is settled about a car is said with the sessions.
_SAME_AS = {Group.VEHICLES: Group.SESSIONS}


@dataclass(frozen=True)
class Rhythm:
    """How often the files of each group are uploaded at most.

    Attributes:
        minutes: By group; None: never. Groups that are not named are uploaded at once.
    """

    minutes: Mapping[Group, int | None]

    def takes(self, group: Group) -> bool:
        """Whether files of this group are uploaded at all."""
        return self._minutes(group) is not None

    def due_at(
        self, changes: Iterable[Change], uploaded_at: datetime | None, open_month: str
    ) -> datetime | None:
        """From when on these files may be uploaded.

        Args:
            changes: What waits and causes an upload.
            uploaded_at: When something was uploaded last, None when never.
            open_month: The month that is not over yet; what changes in one before it is uploaded at once.

        Returns:
            None when nothing of it is uploaded; the beginning of time when it may go at once.
        """
        waits = [wait for change in changes if (wait := self._wait(change, open_month)) is not None]
        if not waits:
            return None
        at_once = uploaded_at is None or min(waits) == timedelta()
        return _ALWAYS if at_once or uploaded_at is None else uploaded_at + min(waits)

    def _wait(self, change: Change, open_month: str) -> timedelta | None:
        minutes = self._minutes(change.kind.group)
        if minutes is None:
            return None
        is_over = change.month is not None and change.month < open_month
        return timedelta() if is_over else timedelta(minutes=minutes)

    def _minutes(self, group: Group) -> int | None:
        return self.minutes.get(_SAME_AS.get(group, group), 0)

    def __str__(self) -> str:
        """As it is set."""
        return ",".join(
            f"{group}={OFF if minutes is None else minutes}" for group, minutes in self.minutes.items()
        )


_ALWAYS = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
DEFAULT_RHYTHM = Rhythm({Group.SESSIONS: 15, Group.POWER: 60, Group.REPORTS: 60, Group.SITE: 60})


def parse_rhythm(text: str) -> Rhythm:
    """A rhythm as it is set: `sessions=15,power=off`; a group that is not named keeps the default.

    Raises:
        BadInputError: for an unknown group, or neither a number of minutes, a year's at most, nor `off`.
    """
    minutes = dict(DEFAULT_RHYTHM.minutes)
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = (piece.strip() for piece in part.partition("="))
        group = next((group for group in _SETTABLE if group == name), None)
        if group is None or not (value == OFF or _is_a_wait(value)):
            raise BadInputError(
                f"{part!r} is not a group and its minutes",
                remedy=f"Write it as {DEFAULT_RHYTHM}, with {OFF} for what is not to be uploaded",
            )
        minutes[group] = None if value == OFF else int(value)
    return Rhythm(minutes)


def _is_a_wait(text: str) -> bool:
    return re.fullmatch("[0-9]{1,6}", text) is not None and int(text) <= LONGEST_MINUTES
