"""What readings tell of the months beside them: how they begin, how they end, and what lasts from one into the other.

Rolling a month up takes no more of others (`reading_files.readings_with_edges`), and neither does what begins in it and
goes on (`power.events`). It is little, and can be kept of ten years, file by file, where the readings could not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce

from cph50_pipeline.civil_time import to_epoch_ms
from cph50_pipeline.power.events import EventKind, events_of
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.power.readings import Readings, Series, State


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading: Unix milliseconds, the canonical number, and the state."""

    at: int
    value: float
    state: int


@dataclass(frozen=True, slots=True)
class Ends:
    """How one meter's readings begin and end.

    Attributes:
        first_ok: The first that counts; None when none does.
        first_present: The instant of the first that is not missing: there a gap ends.
        lasting: What is the matter from the first reading on, and until when: Unix milliseconds.
        at_last: What is the matter with the last reading.
    """

    first: Reading
    last: Reading
    first_ok: Reading | None
    last_ok: Reading | None
    first_present: int | None
    lasting: Mapping[EventKind, int]
    at_last: frozenset[EventKind]

    @property
    def counts(self) -> bool:
        """Whether any reading counts: what lies beyond tells nothing more then."""
        return self.first_ok is not None

    def to_the_month_before(self) -> object:
        """What a month before these readings depends on. It says nothing of how they end, which an open month does."""
        return self.first, self.first_ok, self.first_present, sorted(self.lasting.items())

    def to_the_month_after(self) -> object:
        """What a month after these readings depends on."""
        return self.last, self.last_ok

    def followed_by(self, later: Ends, hold_ms: int) -> Ends:
        """The ends of both together.

        Args:
            later: Of readings after these.
            hold_ms: For how long a reading of the meter stands.
        """
        goes_on = later.first.at - self.last.at <= hold_ms
        stands_until = min(self.last.at + hold_ms, later.first.at)
        to_the_end = {
            kind for kind in self.at_last & self.lasting.keys() if self.lasting[kind] >= self.last.at
        }
        lasting = {
            **self.lasting,
            **dict.fromkeys(to_the_end, stands_until),
            **{kind: until for kind, until in later.lasting.items() if goes_on and kind in to_the_end},
        }
        return Ends(
            first=self.first,
            last=later.last,
            first_ok=self.first_ok or later.first_ok,
            last_ok=later.last_ok or self.last_ok,
            first_present=later.first_present if self.first_present is None else self.first_present,
            lasting=lasting,
            at_last=later.at_last,
        )


def ends_of(readings: Readings, config: MeterConfig) -> dict[str, Ends]:
    """The ends of the readings of each configured meter."""
    own = Readings.of({id_: series for id_, series in readings.series.items() if id_ in config.meters})
    lasting, at_last = _begun_with(own, config), _begun_with(_last_alone(own), config)
    return {
        id_: _ends(series, lasting.get(id_, {}), frozenset(at_last.get(id_, ())))
        for id_, series in own.series.items()
    }


def _last_alone(readings: Readings) -> Readings:
    return Readings.of({id_: series.take(slice(-1, None)) for id_, series in readings.series.items()})


def _begun_with(readings: Readings, config: MeterConfig) -> dict[str, dict[EventKind, int]]:
    """By meter what is the matter from its first reading on, and until when; gaps begin with a reading that is fine."""
    found: dict[str, dict[EventKind, int]] = {}
    for event in events_of(readings, config):
        if event.kind != "gap" and to_epoch_ms(event.start) == int(readings[event.meter].at[0]):
            found.setdefault(event.meter, {})[event.kind] = to_epoch_ms(event.end)
    return found


def joined_ends(parts: Iterable[Mapping[str, Ends]], config: MeterConfig) -> dict[str, Ends]:
    """The ends of readings that follow each other, taken together."""

    def join(earlier: dict[str, Ends], later: Mapping[str, Ends]) -> dict[str, Ends]:
        both = {
            id_: earlier[id_].followed_by(ends, config.meters[id_].hold_ms) if id_ in earlier else ends
            for id_, ends in later.items()
        }
        return {**earlier, **both}

    nothing: dict[str, Ends] = {}
    return reduce(join, parts, nothing)


def _ends(series: Series, lasting: Mapping[EventKind, int], at_last: frozenset[EventKind]) -> Ends:
    import numpy as np

    counts = np.flatnonzero(series.state == State.OK)
    present = np.flatnonzero(series.state != State.MISSING)
    return Ends(
        first=_reading(series, 0),
        last=_reading(series, -1),
        first_ok=_reading(series, int(counts[0])) if len(counts) else None,
        last_ok=_reading(series, int(counts[-1])) if len(counts) else None,
        first_present=int(series.at[present[0]]) if len(present) else None,
        lasting=lasting,
        at_last=at_last,
    )


def _reading(series: Series, position: int) -> Reading:
    return Reading(int(series.at[position]), float(series.value[position]), int(series.state[position]))
