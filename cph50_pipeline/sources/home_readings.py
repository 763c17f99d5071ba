"""From what entities said, and from statistics, to readings on a grid of instants. Takes rows and gives rows.

Home Assistant keeps changes only: what is not contradicted stands on, as long as Home Assistant itself was there to
notice. What to ask it for is `catch_up`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from cph50_pipeline.charging.fields import QUANTITY_DECIMALS
from cph50_pipeline.power.meters import Meter, canonical
from cph50_pipeline.sources.home_source import StateRow, StatisticsRow

WITNESS = "sun.sun"
"""Speaks whenever Home Assistant is there, whatever the meters do: at each start, and every 25 minutes at least."""

RESTARTING = timedelta(minutes=5)
"""Within so long of its start Home Assistant has said something of every entity."""

SILENCE = timedelta(minutes=2)
"""A shorter one is no matter: what stood before it stands for it."""

_NOTHING_KNOWN = frozenset({"unavailable", "unknown"})
_MILLISECOND = timedelta(milliseconds=1)
_ROUNDING = 1e-6
_MANY = 1e6  # of a unit: what is kept of one of them may have no digits left
_MEAN_DECIMALS = 9
_LAST_DIGIT = 10.0**-QUANTITY_DECIMALS

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Grid:
    """The instants at which readings stand: whole intervals since 1970 (UTC).

    Attributes:
        seconds: The interval.
    """

    seconds: float

    def floor(self, instant: datetime) -> datetime:
        """The last of them that is not after an instant."""
        return self._at(math.floor(instant.timestamp() / self.seconds))

    def between(self, begin: datetime, end: datetime) -> list[datetime]:
        """Those after `begin`, up to `end`."""
        first, last = (math.floor(each.timestamp() / self.seconds) for each in (begin, end))
        return [self._at(number) for number in range(first + 1, last + 1)]

    def _at(self, number: int) -> datetime:
        return datetime.fromtimestamp(number * self.seconds, tz=UTC)


def silences(rows: Iterable[StateRow], begin: datetime) -> list[Span]:
    """The stretches of time in which no entity said anything new, in order.

    Args:
        rows: Of all entities, any order.
        begin: Where the rows begin.
    """
    times = sorted({begin, *(row.at for row in rows)})
    return [(earlier, later) for earlier, later in pairwise(times) if later - earlier > SILENCE]


def outages(rows: Sequence[StateRow], begin: datetime) -> list[Span]:
    """The silences in which Home Assistant was down.

    It forgets everything when it stops, so that after a start it says something of every entity, and of some that
    they are unavailable. When only one entity goes missing, it was there: so a household's only meter needs the
    `WITNESS` among the rows.
    """
    return [span for span in silences(rows, begin) if _ends_in_a_start(rows, span[1])]


def settled_until(
    rows: Sequence[StateRow], begin: datetime, end: datetime, grid: Grid, *, is_now: bool
) -> datetime:
    """Up to when later rows cannot change what is known.

    Args:
        rows: From `begin` to `end`.
        is_now: Whether Home Assistant has just answered at `end`: a silence until then was none of its own.
    """
    last = max((row.at for row in rows), default=end)  # what is forgotten altogether was no silence
    if not is_now and end - last > SILENCE:
        return grid.floor(last)
    open_silences = (span for span in silences(rows, begin) if _may_be_starting(rows, span[1], end))
    unsettled = next(open_silences, None)
    return end if unsettled is None else grid.floor(unsettled[0])


def is_starting(said: Sequence[StateRow], now: datetime) -> bool:
    """Whether what entities say now is what they say after a start of Home Assistant: all anew, some of it nothing."""
    return all(now - row.at <= RESTARTING for row in said) and any(
        row.state in _NOTHING_KNOWN for row in said
    )


def readings(
    rows: Sequence[StateRow],
    down: Sequence[Span],
    begin: datetime,
    end: datetime,
    grid: Grid,
    *,
    is_counter: bool,
) -> list[StateRow]:
    """What stood at the instants of the grid after `begin`, up to `end`.

    Args:
        rows: Of one entity, in order; what was said shortly before `begin` tells a reset from a blip.
        down: When Home Assistant was down: nothing said before stands afterwards.
        is_counter: Whether the ends and beginnings of resets are readings as well.
    """
    times = [row.at for row in rows]
    standing = []
    for instant in grid.between(begin, end):
        place = bisect_right(times, instant)
        if place and not any(times[place - 1] <= start < instant for start, _ in down):
            standing.append(rows[place - 1]._replace(at=instant))
    resets = [row for row in _around_resets(rows, grid) if begin < row.at <= end] if is_counter else []
    return sorted({row.at: row for row in (*resets, *standing)}.values())


def readings_of_statistics(
    rows: Iterable[StatisticsRow], begin: datetime, end: datetime, grid: Grid, meter: Meter
) -> list[StateRow]:
    """Readings after `begin`, before `end`, that give back what statistics say.

    A gauge stands at its hour's mean; a counter is read when an hour ends, and before a reset at what it must have
    reached.
    """
    said = _counted(rows) if meter.kind == "counter" else _means(rows, grid, meter)
    return [row for row in said if begin < row.at < end]


def _ends_in_a_start(rows: Sequence[StateRow], at: datetime) -> bool:
    first = _first_said(rows, at)
    return _known(rows, at) <= {row.entity for row in first} and any(
        row.state in _NOTHING_KNOWN for row in first
    )


def _may_be_starting(rows: Sequence[StateRow], at: datetime, end: datetime) -> bool:
    """Whether Home Assistant may have started at an instant, and has not said everything yet."""
    said, known = {row.entity for row in _first_said(rows, at)}, _known(rows, at)
    if WITNESS in known - said:
        return False  # a start writes it among the first
    return end < at + RESTARTING and not known <= said


def _first_said(rows: Sequence[StateRow], at: datetime) -> list[StateRow]:
    return [row for row in rows if at <= row.at <= at + RESTARTING]


def _known(rows: Sequence[StateRow], before: datetime) -> set[str]:
    return {row.entity for row in rows if row.at < before}


def _around_resets(rows: Sequence[StateRow], grid: Grid) -> Iterator[StateRow]:
    """The first row after a counter began anew, and the last one before where no reading has it.

    A single row far too high that falls back to where it came from is no reset.
    """
    numbers = [(row, number) for row in rows if (number := _number(row.state)) is not None]
    for place in range(1, len(numbers)):
        (before, reached), (after, begun) = numbers[place - 1], numbers[place]
        came_from = numbers[place - 2][1] if place > 1 else reached
        if begun < reached and begun < came_from:
            if not grid.between(before.at, after.at):
                yield before
            yield after


def _means(rows: Iterable[StatisticsRow], grid: Grid, meter: Meter) -> Iterator[StateRow]:
    """Neighbours differ by the last digit that is kept, or an hour's mean would count as a meter that froze."""
    for row in rows:
        if row.mean is None:
            continue
        digit = _last_digit(row.mean, row.unit, meter)
        instants = grid.between(row.start - _MILLISECOND, row.end - _MILLISECOND)
        for number, instant in enumerate(instants):
            is_odd_one = number == len(instants) - 1 and number % 2 == 0  # without it the others cancel out
            step = 0.0 if is_odd_one else -digit if number % 2 else digit
            yield StateRow(row.entity, instant, repr(round(row.mean + step, _MEAN_DECIMALS)), row.unit)


def _last_digit(mean: float, unit: str | None, meter: Meter) -> float:
    """The last digit that is kept of a meter, in a source's unit; 0 where one more or less would mean another thing."""
    per_unit = (canonical(meter, repr(_MANY), unit) or 0.0) / _MANY
    number = mean * per_unit
    low, high = meter.possible
    if number == 0 or not low <= number - _LAST_DIGIT < number + _LAST_DIGIT <= high:
        return 0.0
    return _LAST_DIGIT / abs(per_unit)


def _counted(rows: Iterable[StatisticsRow]) -> Iterator[StateRow]:
    before: float | None = None
    for row in rows:
        if row.state is None:
            continue
        if before is not None and row.change is not None:
            yield from _reset(row, before, row.state, row.change)
        yield StateRow(row.entity, row.end, _shown(row.state), row.unit)
        before = row.state


def _reset(row: StatisticsRow, before: float, state: float, change: float) -> Iterator[StateRow]:
    """Where a counter began anew within an hour: at what, and, as if it had counted evenly, when.

    It counted up to what it reached, and from nothing to what it shows; without a reset the two would cancel.
    """
    reached = before + change - state
    if reached <= _ROUNDING or reached < before - _ROUNDING:
        return
    share = max(0.0, reached - before) / change if change > 0 else 0.0
    steps = min(int((row.end - row.start) * share / _MILLISECOND), (row.end - row.start) // _MILLISECOND - 2)
    at = row.start + steps * _MILLISECOND
    yield StateRow(row.entity, at, _shown(reached), row.unit)
    yield StateRow(row.entity, at + _MILLISECOND, _shown(0.0), row.unit)


def _shown(number: float) -> str:
    return repr(round(number, 6))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
