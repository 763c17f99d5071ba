"""When the files that say whether somebody is home are published: not at all, at once, or after a delay.

Such a file is rewritten every few minutes; only its state, the fields named in `layout`, counts. How long a
state has held is remembered in the private folder: a refresh gives the file a new time and the same state.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Any

from cph50_pipeline.civil_time import format_instant, parse_instant
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.storage.layout import FileKind
from cph50_pipeline.storage.private import make_private_folder

_MEMORY = "presence.json"


class Verdict(Enum):
    """What becomes of a changed state file."""

    HOLD = auto()
    """It stays out of the commit."""
    TRAVEL = auto()
    """It goes with a commit that something else causes."""
    CAUSE = auto()
    """It causes a commit."""


@dataclass(frozen=True)
class Presence:
    """The rule of one data root.

    Attributes:
        private_dir: Where the time since which a state holds is remembered.
        delay_minutes: How old a state has to be; None when none is ever published.
    """

    private_dir: Path
    delay_minutes: int | None

    def judge(
        self, kind: FileKind, path: str, current: bytes | None, published: bytes | None, now: datetime
    ) -> Verdict:
        """What becomes of a state file that differs from the last commit.

        Args:
            current: The file, None when it was deleted.
            published: The file in the last commit, None when it is not there.
        """
        if self.delay_minutes is None:
            return Verdict.HOLD
        state = _state(kind, current, path)
        if current is not None and state is None:
            return Verdict.HOLD  # not readable: the next write replaces it
        if self.delay_minutes > 0:
            since = self._since(path, state, _time_of(current, path, now))
            if now - since < timedelta(minutes=self.delay_minutes):
                return Verdict.HOLD
        return Verdict.TRAVEL if is_same_state(kind, path, current, published) else Verdict.CAUSE

    def _since(self, path: str, state: dict[str, Any] | None, seen_at: datetime) -> datetime:
        """Since when a state is known to hold; a new one is remembered as beginning at `seen_at`."""
        memory = self._remembered()
        known = memory.get(path)
        if (
            isinstance(known, dict)
            and known.get("state") == state
            and (since := _instant(known.get("since")))
        ):
            return since
        memory[path] = {"state": state, "since": format_instant(seen_at)}
        atomic_write(make_private_folder(self.private_dir) / _MEMORY, dump_json(memory), mode=0o600)
        return seen_at

    def _remembered(self) -> dict[str, Any]:
        """What was remembered; nothing when that is damaged, which only makes the delay begin again."""
        try:
            data = (self.private_dir / _MEMORY).read_bytes()
        except FileNotFoundError:
            return {}
        found = _object(data, _MEMORY)
        return {} if found is None else found


def is_same_state(kind: FileKind, path: str, one: bytes | None, other: bytes | None) -> bool:
    """Whether two versions of a state file say the same of whether somebody is home; None: there is no file."""
    return one is not None and other is not None and _state(kind, one, path) == _state(kind, other, path)


def _state(kind: FileKind, data: bytes | None, path: str) -> dict[str, Any] | None:
    """The fields that are the file's state; None when there is no readable file."""
    found = None if data is None else _object(data, path)
    return None if found is None else {field: found.get(field) for field in kind.state_fields}


def _time_of(data: bytes | None, path: str, now: datetime) -> datetime:
    """When the file says it was written; never later than now."""
    found = None if data is None else _object(data, path)
    written_at = None if found is None else _instant(found.get("timestamp"))
    return now if written_at is None else min(written_at, now)


def _object(data: bytes, name: str) -> dict[str, Any] | None:
    try:
        value = load_json(data, name)
    except BadInputError:
        return None
    return value if isinstance(value, dict) else None


def _instant(text: object) -> datetime | None:
    try:
        return parse_instant(str(text))
    except BadInputError:
        return None
