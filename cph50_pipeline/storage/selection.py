"""What of the differences between data root and repository is published now: the same rules in every mode.

Which differences there are is found out by each publisher.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath

from cph50_pipeline.storage.damage import is_damaged
from cph50_pipeline.storage.layout import NIGHTLY, SAMPLED, Cause, Group, kind_of
from cph50_pipeline.storage.local_files import published_paths
from cph50_pipeline.storage.locks import POWER, Locks, month_lock_name, session_lock_name
from cph50_pipeline.storage.messages import Change
from cph50_pipeline.storage.presence import Presence, Verdict
from cph50_pipeline.storage.rhythm import Rhythm

LARGEST_BYTES = 100_000_000
"""GitHub takes no file above this size: docs.github.com, "About large files on GitHub"."""

_LOST = (
    "is gone here with {} others, more than are left, so none is removed there: `cph50 restore` into an empty data "
    "root brings them back, `cph50 publish --replace` removes them"
)
_FEWEST_LOST = 3


@dataclass(frozen=True, slots=True)
class Chosen:
    """What is published of the differences.

    Attributes:
        changes: What goes into the commit, by path; empty when nothing of it causes one.
        causes: What of it causes the commit.
        withheld: What is kept back though it is nobody's secret, with the reason, by path.
        judged: The state files among the changes as they were judged, by path, None for one that is gone: just this is
            published. Read again, such a file might tell what has not waited for its delay.
    """

    changes: tuple[Change, ...] = ()
    causes: tuple[Change, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)
    judged: Mapping[str, bytes | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Selection:
    """The rules for one data root.

    Attributes:
        data_root: Where the files are.
        locks: Its locks: files of a month that another run holds are that run's to publish.
        presence: When the files that tell whether somebody is home may go.
        own_months: Months that the caller holds locked.
        owns_power: Whether the caller holds the lock of the power files.
        rhythm: Of uploads: which groups are uploaded at all. None: nothing is, commits stay here.
        may_replace: Of uploads: whether what another data root published may be replaced.
        largest_bytes: Of uploads: no file may be larger.
    """

    data_root: Path
    locks: Locks
    presence: Presence
    own_months: Collection[str] = ()
    owns_power: bool = False
    rhythm: Rhythm | None = None
    may_replace: bool = False
    largest_bytes: int = LARGEST_BYTES

    def choose(
        self,
        changes: Sequence[Change],
        published: Callable[[str], bytes | None],
        now: datetime,
        seen: Collection[str] | None = None,
    ) -> Chosen:
        """What is published now.

        Args:
            changes: The differences, by path.
            published: What the repository holds of a file, None when it does not.
            seen: The published files that were in this data root before: nothing else in the repository is removed or
                replaced by what is here, or not here. None: the repository is this data root's alone.
        """
        changes = [change for change in changes if self._is_uploaded(change)]
        if seen is not None:
            changes = [change for change in changes if change.status != "D" or change.path in seen]
        withheld = {change.path: why for change in changes if (why := self._why_withheld(change, seen))}
        if lost := self._lost(changes) if seen is not None else ():
            changes = [change for change in changes if change.path not in lost]
            withheld[min(lost)] = _LOST.format(len(lost) - 1)
        busy = self._locks_of_others(changes)
        taken: list[Change] = []
        causes: list[Change] = []
        judged: dict[str, bytes | None] = {}
        for change in changes:
            is_left_to_others = not busy.isdisjoint(_locks_of(change))
            if change.path in withheld or is_left_to_others:
                continue
            if change.kind.cause is Cause.STATE:
                judged[change.path] = self.current(change.path)
            verdict = self._judge(change, judged.get(change.path), published, now)
            if verdict is not Verdict.HOLD:
                taken.append(change)
            if verdict is Verdict.CAUSE:
                causes.append(change)
        if not causes:
            return Chosen(withheld=withheld)
        is_night = any(change.kind.name == NIGHTLY for change in taken)
        going = tuple(change for change in taken if is_night or change.kind.cause is not Cause.NIGHT)
        states = {change.path: judged[change.path] for change in going if change.path in judged}
        return Chosen(going, tuple(causes), withheld, states)

    def _lost(self, changes: Sequence[Change]) -> Collection[str]:
        """All that is gone, when more sessions' files are than are left: a disk that is missing, and not a wish.

        Nothing that runs do removes so many: what a rebuild moves is left under another name.
        """
        gone = {change.path: change.kind.group for change in changes if change.status == "D"}
        sessions = [*gone.values()].count(Group.SESSIONS)
        if sessions < _FEWEST_LOST or self.may_replace:
            return ()
        here = (kind_of(path) for path in published_paths(self.data_root))
        left = sum(kind is not None and kind.group is Group.SESSIONS for kind in here)
        return gone if sessions > left else ()

    def current(self, path: str) -> bytes | None:
        """The file as it is now, None when there is none."""
        try:
            return (self.data_root / path).read_bytes()
        except FileNotFoundError:
            return None

    def size(self, path: str) -> int:
        """Its size in bytes, 0 when there is none."""
        try:
            return (self.data_root / path).stat().st_size
        except FileNotFoundError:
            return 0

    def _why_withheld(self, change: Change, seen: Collection[str] | None) -> str:
        if seen is not None and change.path not in seen and self._is_somebody_elses(change):
            return "was published from another data root and says something else"
        if self.rhythm is not None and (size := self.size(change.path)) > self.largest_bytes:
            return (
                f"has {size / 1e6:.0f} MB, and GitHub takes no file above {self.largest_bytes / 1e6:.0f} MB"
            )
        data = self.current(change.path)
        if data is not None and is_damaged(change.path, data):
            return "is damaged; the repository keeps the last good version"
        return ""

    def _is_somebody_elses(self, change: Change) -> bool:
        """Whether the repository holds another version, of a file that is not rewritten all the time."""
        is_kept = change.kind.cause not in (Cause.STATE, Cause.NEVER)
        return change.status == "M" and is_kept and not self.may_replace

    def _is_uploaded(self, change: Change) -> bool:
        return self.rhythm is None or self.rhythm.takes(change.kind.group)

    def _judge(
        self, change: Change, state: bytes | None, published: Callable[[str], bytes | None], now: datetime
    ) -> Verdict:
        if change.kind.cause is Cause.CHANGE:
            return Verdict.CAUSE
        if change.kind.cause in (Cause.NEVER, Cause.NIGHT):
            return Verdict.TRAVEL
        before = published(change.path)
        return self.presence.judge(change.kind, change.path, state, before, now)

    def _locks_of_others(self, changes: Sequence[Change]) -> set[str]:
        """The locks by which other runs, now at work, hold some of the files."""
        own = {*map(month_lock_name, self.own_months), *([POWER] if self.owns_power else [])}
        others = {name for change in changes for name in _locks_of(change)} - own
        return {name for name in others if self.locks.is_held(name)}


def _locks_of(change: Change) -> Iterator[str]:
    """The locks under which a file is written, by a run that takes some time."""
    if change.kind.group is Group.POWER:
        yield POWER
    elif change.month:
        yield month_lock_name(change.month)
    if change.kind.name == SAMPLED:
        yield session_lock_name(PurePosixPath(change.path).stem)
