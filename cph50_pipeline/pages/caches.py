"""The page of what is built from what is stored: how each entry stands, numbers against targets, what is down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["valid", "stale", "missing", "at work"]
STATE_WORDS: Mapping[State, tuple[str, str]] = {
    "valid": ("good", "valid"),
    "stale": ("warn", "served, not valid"),
    "missing": ("bad", "not there"),
    "at work": ("dim", "being made"),
}
"""The class and the words of each state."""
_TITLES: Mapping[str, str] = {
    "session_samples": "Readings of sessions",
    "vehicle_classifications": "Cars of sessions",
    "charging_energy": "Energy by quarter hour",
    "session_cache": "Sessions",
    "power_rollups": "Power by 5 minutes, hour and day",
    "power_events": "Outages and gaps of power",
    "power_windows": "Rolling windows of power",
    "power_files": "Files of power",
    "unclassified_sessions": "Report of sessions without a car",
    "vehicle_digest": "Digest of the cars",
    "latest_values": "Latest values",
    "site": "Static site",
}
_RATIO = "_ratio"
_SECONDS = "_seconds"


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry.

    Attributes:
        key: A month, a file, or a feed.
        month: None for what has none, and so is made again with all of its type.
        why: In a sentence, when it is not valid.
        error: What the last attempt said, when it failed.
        built_at: In the household's zone, as all times here; None: never.
        valid_until: None: as long as what it is made of stays the same.
        run: That is about to make it, or does; None when none is.
    """

    type: str
    key: str
    month: str | None
    state: State
    why: str | None
    error: str | None
    built_at: datetime | None
    valid_until: datetime | None
    next_refresh: datetime
    size_bytes: int | None
    duration_seconds: float | None
    run: str | None

    @property
    def words(self) -> tuple[str, str]:
        """The class and the words of its state."""
        return STATE_WORDS[self.state]


@dataclass(frozen=True, slots=True)
class TypeGroup:
    """The entries of one type.

    Attributes:
        title: What it is, for people.
        rows: Those that are shown; the newest month first.
        counts: How many there are of each state, of all its entries.
    """

    type: str
    title: str
    rows: tuple[EntryRow, ...]
    counts: Mapping[State, int]

    @property
    def total(self) -> int:
        """How many entries it has."""
        return sum(self.counts.values())

    @property
    def is_well(self) -> bool:
        """Whether all of it is valid, or being made."""
        return self.counts["stale"] + self.counts["missing"] == 0

    @property
    def size_bytes(self) -> int:
        """Of the entries that are shown."""
        return sum(row.size_bytes or 0 for row in self.rows)


@dataclass(frozen=True, slots=True)
class Progress:
    """A refresh at work.

    Attributes:
        done: Entries that have been made since it began.
    """

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A number against its target.

    Attributes:
        unit: `%`, `s`, or nothing for a count.
        met: None where there is no target, or nothing is known.
    """

    meaning: str
    value: float | None
    unit: str
    decimals: int
    target: str | None
    met: bool | None

    @property
    def words(self) -> tuple[str, str]:
        """The class and the words of its verdict."""
        if self.met is None:
            return "dim", "no target" if self.target is None else "not known yet"
        return ("good", "met") if self.met else ("bad", "missed")


def groups(
    rows: Sequence[EntryRow], *, only_type: str | None = None, only_bad: bool = False
) -> list[TypeGroup]:
    """The entries by type, in the order in which they come."""
    by_type: dict[str, list[EntryRow]] = {}
    for row in rows:
        if only_type in (None, row.type):
            by_type.setdefault(row.type, []).append(row)
    found = [_group(type_, own, only_bad=only_bad) for type_, own in by_type.items()]
    return [group for group in found if group.rows]


def attention(groups: Iterable[TypeGroup], findings: Iterable[tuple[str, bool, str]]) -> list[str]:
    """What a person should look at, each in a line.

    Args:
        groups: Of all types, with all of their entries.
        findings: Of each thing that was looked at its name, whether it is well, and what was found.
    """
    found = [f"{name}: {said}" for name, is_ok, said in findings if not is_ok]
    for group in groups:
        count = group.counts["stale"] + group.counts["missing"]
        if count:
            found.append(f"{group.title}: {count} of {group.total} not up to date")
    return found


def state_of(*, is_valid: bool, is_there: bool, run: str | None) -> State:
    """An entry's state in one word."""
    if run is not None:
        return "at work"
    if is_valid:
        return "valid"
    return "stale" if is_there else "missing"


def title_of(type_: str) -> str:
    """What a type is, for people; its name where nobody gave it a title."""
    return _TITLES.get(type_, type_.replace("_", " ").capitalize())


def progress(rows: Iterable[EntryRow], wanted: Iterable[tuple[str, str]], begun_at: datetime) -> Progress:
    """How far a refresh is.

    Args:
        wanted: Type and key of what it makes.
    """
    keys = {*wanted}
    built = sum(
        (row.type, row.key) in keys and row.built_at is not None and row.built_at >= begun_at for row in rows
    )
    return Progress(built, len(keys))


def measure(name: str, value: float | None, target: str | None, met: bool | None, meaning: str) -> Measure:
    """A number of the metrics, as people read it: shares in percent."""
    if name.endswith(_RATIO):
        return Measure(meaning, None if value is None else 100 * value, "%", 1, target, met)
    return Measure(meaning, value, "s" if name.endswith(_SECONDS) else "", 0, target, met)


def _group(type_: str, rows: Sequence[EntryRow], *, only_bad: bool) -> TypeGroup:
    counts: dict[State, int] = {state: sum(row.state == state for row in rows) for state in STATE_WORDS}
    shown = [row for row in rows if not only_bad or row.state != "valid"]
    newest_first = sorted(shown, key=lambda row: row.month or "", reverse=True)
    return TypeGroup(type_, title_of(type_), tuple(newest_first), counts)
