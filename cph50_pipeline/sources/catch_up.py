"""What to ask Home Assistant for: everything since we last looked, whatever was down in between.

History first; statistics where the history is forgotten; what is said now where there is neither. This is the
ordinary collection as well: with nothing missed it asks for one interval. Readings stand on a fixed grid of
instants, so that it does not matter when, how often or in what order collections ran. Works on any `HomeSource`;
turning texts into numbers is `power.meters`, storing them the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from cph50_pipeline.civil_time import format_instant
from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.power.meters import Meter, canonical
from cph50_pipeline.sources.home_readings import (
    RESTARTING,
    SILENCE,
    WITNESS,
    Grid,
    Span,
    is_starting,
    outages,
    readings,
    readings_of_statistics,
    settled_until,
)
from cph50_pipeline.sources.home_source import Heard, HomeSource, Notice, StateRow, StatisticsRow

SETTLING = timedelta(seconds=10)
"""Home Assistant writes states to its database every five seconds: what is younger may not be there yet."""

_CONTEXT = timedelta(minutes=10)
"""What was said before is looked at again: what follows cannot be judged without it."""

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_HOURS = Grid(_HOUR.total_seconds())
_TOLERATED_OFFSET = timedelta(seconds=60)
_GRAIN = timedelta(milliseconds=1)
"""A database keeps times as fractions: the history's may differ from the state's by a microsecond."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is known of a stretch of time. Storing it twice is storing it once.

    Attributes:
        rows: In order of entity and time.
        notices: What a person should know; the rest is good.
        through: Up to when everything is known that can be.
        last_seen: Of every meter, for the next time.
    """

    rows: list[StateRow]
    notices: list[Notice]
    through: datetime
    last_seen: Mapping[str, datetime]


def catch_up(
    source: HomeSource,
    meters: Mapping[str, Meter],
    last_seen: Mapping[str, datetime],
    now: datetime,
    *,
    interval_seconds: float,
    earliest: datetime,
) -> Iterator[Batch]:
    """What the meters of Home Assistant said since they were last seen, in batches of about a day, oldest first.

    Store a batch before taking the next: when the source fails in between, nothing is lost or asked for twice. A
    counter's reset brings two readings more, the last one before and the first one after. Where Home Assistant was
    down there are none.

    Args:
        source: Where it is asked for.
        meters: All meters of the household.
        last_seen: Up to when each meter is known, from the last batch that was stored.
        now: An aware instant by our clock.
        interval_seconds: Between two readings.
        earliest: From when a meter is asked for that was never seen.

    Raises:
        Cph50Error: the source cannot be read; the batches so far are good.
    """
    wanted, notices = _wanted(meters, last_seen, earliest, now)
    if not wanted:
        return
    offset = source.clock_offset()
    notices += _clock_notices(offset)
    grid = Grid(interval_seconds)
    here = min(now, now + offset)
    reader = _Reader(source, meters, wanted, grid, grid.floor(here - SETTLING), here)
    begin = min(one.since for one in wanted.values())
    while begin < reader.end:
        batch = reader.batch(begin)
        if batch.through == begin:
            break  # Home Assistant has just started: the next collection knows more
        batch.notices[:0] = notices
        yield batch
        notices, begin = [], batch.through
    if notices:
        yield Batch([], notices, begin, reader.last_seen(begin))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An entity that is asked for.

    Attributes:
        meter: The meter that it is; of several the last by name.
        since: Up to when it is known.
    """

    meter: Meter
    since: datetime


def _wanted(
    meters: Mapping[str, Meter], last_seen: Mapping[str, datetime], earliest: datetime, now: datetime
) -> tuple[dict[str, _Wanted], list[Notice]]:
    """What is asked for, by entity, and whose clock was wrong."""
    wanted: dict[str, _Wanted] = {}
    notices = []
    for id_, meter in sorted(meters.items()):
        if meter.entity is None:
            continue
        seen = max(last_seen.get(id_, earliest), earliest)
        if seen > now + _TOLERATED_OFFSET:
            notices.append(_ahead(id_, seen))
            seen = max(now - _DAY, min(earliest, now))
        known = wanted.get(meter.entity)
        wanted[meter.entity] = _Wanted(meter, min(seen, known.since) if known else seen)
    return wanted, notices


@dataclass(frozen=True)
class _Statistics:
    """The statistics of some entities, or why there are none."""

    rows: list[StatisticsRow] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def of(self, entity: str) -> list[StatisticsRow]:
        return [row for row in self.rows if row.entity == entity]


@dataclass
class _Reader:
    """Reads batch after batch.

    Attributes:
        end: The last instant of which readings are wanted.
        now: When Home Assistant answers: what it says of the time since `end` tells whether it was there.
        units: In what each entity last said something.
        unknown_since: From when nothing is known of an entity, so that it is said once.
    """

    source: HomeSource
    meters: Mapping[str, Meter]
    wanted: Mapping[str, _Wanted]
    grid: Grid
    end: datetime
    now: datetime
    units: dict[str, str] = field(default_factory=dict)
    unknown_since: dict[str, datetime] = field(default_factory=dict)

    def batch(self, begin: datetime) -> Batch:
        """What is known from an instant on to the end of its day; longer when Home Assistant was down for longer."""
        heard, through = self._history(begin)
        if through == begin:
            return self._said_now(heard.rows, begin)
        settled = [row for row in heard.rows if row.at <= through]
        said = {entity: _of(settled, entity) for entity in self._asked(through)}
        spans = {entity: self._forgotten_span(entity, rows, begin, through) for entity, rows in said.items()}
        statistics = self._statistics({entity: span for entity, span in spans.items() if span is not None})
        down = outages(heard.rows, begin - _CONTEXT)
        batch = Batch([], [*heard.notices, *statistics.notices], through, self.last_seen(through))
        for entity, rows in said.items():
            told = self._told(entity, statistics.of(entity), spans[entity])
            known = [*told, *self._readings(entity, rows, down, begin, through)]
            batch.rows.extend(row for row in known if row.at > self.wanted[entity].since)
            batch.notices.extend(self._unit_notices(entity, rows, begin))
            batch.notices.extend(self._memory_notices(entity, known, begin))
        if through == self.end:
            live = self._live([entity for entity, rows in said.items() if not rows or not rows[-1].state])
            batch.rows.extend(row._replace(at=self.now) for row in live.rows)
            batch.notices.extend([*live.notices, *(_not_recorded(row.entity) for row in live.rows)])
        batch.rows.sort()
        return batch

    def last_seen(self, through: datetime) -> dict[str, datetime]:
        """Up to when every meter is known, when all is known through an instant."""
        return {
            id_: max(through, self.wanted[meter.entity].since)
            for id_, meter in self.meters.items()
            if meter.entity is not None
        }

    def _asked(self, until: datetime) -> list[str]:
        return [entity for entity, one in sorted(self.wanted.items()) if one.since < until]

    def _history(self, begin: datetime) -> tuple[Heard, datetime]:
        """The history of a day, and up to when it is certain."""
        days = 1
        while True:
            midnight = datetime.combine(begin.date(), time(), UTC) + days * _DAY
            until = min(midnight, self.end)
            start = begin - _CONTEXT
            asked, asked_until = [*self._asked(until), WITNESS], self.now if until == self.end else until
            heard = self.source.history(asked, start, asked_until)
            is_now = asked_until == self.now and not self._is_behind(heard.rows)
            through = min(until, settled_until(heard.rows, start, asked_until, self.grid, is_now=is_now))
            if through > begin or until == self.end:
                return heard, max(through, begin)
            days *= 2

    def _is_behind(self, rows: Sequence[StateRow]) -> bool:
        """Whether something was said in a silence until now that Home Assistant's history does not hold (yet).

        A start is written some seconds later, and a recorder that has stopped writes nothing. When nothing was said,
        the silence was none of Home Assistant's.
        """
        last = {row.entity: row for row in rows}  # in order of time
        if not last or self.now - max(row.at for row in last.values()) <= SILENCE:
            return False
        said = self.source.states(list(last)).rows
        return any(
            row.at > last[row.entity].at + _GRAIN or row.state != last[row.entity].state for row in said
        )

    def _said_now(self, rows: Sequence[StateRow], begin: datetime) -> Batch:
        """What is said now, because the history has stopped; nothing while Home Assistant may just have started."""
        newest = max((row.at for row in rows), default=begin)
        said = self._live(self._asked(self.end))
        if self.now - newest <= RESTARTING or is_starting(said.rows, self.now):
            return Batch([], [], begin, self.last_seen(begin))
        standing = sorted(row._replace(at=self._stood_at(row)) for row in said.rows)
        notices = [*said.notices, _not_written(begin, self.now)]
        return Batch(standing, notices, self.end, self.last_seen(self.end))

    def _stood_at(self, row: StateRow) -> datetime:
        """When a present state is known to have stood: at the last instant, or when it was said after that."""
        return row.at if self.end < row.at <= self.now else self.end

    def _readings(
        self, entity: str, rows: Sequence[StateRow], down: Sequence[Span], begin: datetime, through: datetime
    ) -> list[StateRow]:
        is_counter = self.wanted[entity].meter.kind == "counter"
        return readings(rows, down, begin, through, self.grid, is_counter=is_counter)

    def _told(self, entity: str, rows: Sequence[StatisticsRow], span: Span | None) -> list[StateRow]:
        if span is None:
            return []
        return readings_of_statistics(rows, *span, self.grid, self.wanted[entity].meter)

    def _forgotten_span(
        self, entity: str, rows: Sequence[StateRow], begin: datetime, through: datetime
    ) -> Span | None:
        """The part of a stretch that an entity's history does not reach back to."""
        start = max(begin, self.wanted[entity].since)
        first = rows[0].at if rows else through + timedelta(microseconds=1)
        return (start, first) if self.grid.between(start, min(first, through)) else None

    def _statistics(self, forgotten: Mapping[str, Span]) -> _Statistics:
        """The hours of what is forgotten, and the hour before: it tells where a counter stood."""
        if not forgotten:
            return _Statistics()
        start = _HOURS.floor(min(start for start, _ in forgotten.values())) - _HOUR
        end = max(end for _, end in forgotten.values())
        try:
            return _Statistics(self.source.statistics(list(forgotten), start, end))
        except (PermanentError, BadInputError) as error:
            return _Statistics(notices=[Notice("forgotten", str(error), start=start, end=end)])

    def _unit_notices(self, entity: str, rows: Sequence[StateRow], begin: datetime) -> Iterator[Notice]:
        meter = self.wanted[entity].meter
        for row in rows:
            before = self.units.get(entity)
            if row.unit is None or row.unit == before:
                continue
            self.units[entity] = row.unit
            if before is not None and row.at > begin:
                yield _unit_changed(row, before)
            if canonical(meter, "1", row.unit) is None:
                yield _wrong_unit(row, meter)

    def _memory_notices(self, entity: str, known: Sequence[StateRow], begin: datetime) -> Iterator[Notice]:
        if not known:
            self.unknown_since.setdefault(entity, max(begin, self.wanted[entity].since))
        elif entity in self.unknown_since:
            yield _forgotten(entity, self.unknown_since.pop(entity), known[0].at)

    def _live(self, entities: Sequence[str]) -> Heard:
        """What entities say now."""
        return self.source.states(entities) if entities else Heard()


def _of(rows: Sequence[StateRow], entity: str) -> list[StateRow]:
    return [row for row in rows if row.entity == entity]


def _clock_notices(offset: timedelta) -> list[Notice]:
    if abs(offset) <= _TOLERATED_OFFSET:
        return []
    seconds = round(offset.total_seconds())
    message = (
        f"Home Assistant's clock is {abs(seconds)} s {'ahead of' if seconds > 0 else 'behind'} this machine's: its "
        "readings carry its own times. Set the clock that is wrong"
    )
    return [Notice("clock", message)]


def _ahead(meter: str, seen: datetime) -> Notice:
    message = (
        f"{meter} was last seen at {format_instant(seen)}, which is yet to come: a clock was wrong. The last day is "
        "read again"
    )
    return Notice("clock", message, start=seen)


def _unit_changed(row: StateRow, before: str) -> Notice:
    message = (
        f"{row.entity} is in {row.unit!r} from {format_instant(row.at)} on and was in {before!r} before: each reading "
        "is converted from its own unit"
    )
    return Notice("unit_changed", message, row.entity, row.at)


def _wrong_unit(row: StateRow, meter: Meter) -> Notice:
    message = (
        f"{row.entity} is in {row.unit!r} from {format_instant(row.at)} on, which does not measure {meter.quantity}: "
        "its readings count as missing. Correct its unit in Home Assistant, or its quantity in meters.json"
    )
    return Notice("wrong_unit", message, row.entity, row.at)


def _forgotten(entity: str, start: datetime, end: datetime) -> Notice:
    message = (
        f"Home Assistant knows nothing of {entity} from {format_instant(start)} to {format_instant(end)}, and has no "
        "statistics of it"
    )
    return Notice("forgotten", message, entity, start, end)


def _not_recorded(entity: str) -> Notice:
    message = (
        f"Home Assistant has no history of {entity}: only what it says at each collection is known. See whether its "
        "recorder leaves it out"
    )
    return Notice("not_recorded", message, entity)


def _not_written(start: datetime, end: datetime) -> Notice:
    message = (
        f"Home Assistant's history holds nothing from {format_instant(start)} on of what Home Assistant says: only "
        "what it says at each collection is known. Unless it has just started, see in its log why its recorder writes "
        "nothing, and restart it"
    )
    return Notice("not_recorded", message, start=start, end=end)
