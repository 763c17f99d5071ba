"""Rollups: what a meter's readings come to in buckets of 5 minutes, hours and civil days.

Readings lie in order of time, so a bucket is a slice of them. The buckets' edges are made once from the zone's rules;
what falls between two edges is a reduction over a segment, and no row is looked at by Python. Hours and days are sums
of 5 minutes. Every stretch for which a reading stands is cut at the edges it crosses, so that energy is conserved at
each resolution, and each bucket depends on the readings that stand in it and on nothing else: recomputing one gives
the very same numbers as recomputing all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cph50_pipeline.power.counters import drawn_kwh, is_drawable
from cph50_pipeline.power.meters import Meter
from cph50_pipeline.power.readings import Series, State, joined

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cph50_pipeline.power.readings import Instants, Mask, Values

    Counts = npt.NDArray[np.int64]

_KW_MS_PER_KWH = 3_600_000.0
_ROWS_AT_ONCE = 1 << 17
"""So many that a step's temporary arrays stay in the processor's cache: 1.5 times as fast as a month at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Rollup:
    """One meter's buckets without a hole between them, whether or not anything is known of each.

    Attributes:
        edges: Unix milliseconds: the buckets' starts, and the end of the last.
        mean: Of a gauge, weighted by the time for which each reading stands; NaN where none is ok.
        min: The least ok reading in or standing in the bucket.
        energy_kwh: The integral of power over the time covered, or what a counter counted; NaN where not known.
        covered_ms: For how much of the bucket an ok reading stands.
        count_ok: Readings taken in the bucket, by state.
    """

    edges: Instants
    mean: Values
    min: Values
    max: Values
    energy_kwh: Values
    covered_ms: Counts
    count_ok: Counts
    count_missing: Counts
    count_outage: Counts
    count_frozen: Counts

    def __len__(self) -> int:
        """How many buckets there are."""
        return len(self.edges) - 1

    @property
    def coverage(self) -> Values:
        """The share of each bucket's time that is covered, from 0 to 1."""
        import numpy as np

        shares: Values = self.covered_ms / np.diff(self.edges)
        return shares

    @property
    def is_known(self) -> Mask:
        """Of which buckets anything is known; the others need not be written."""
        import numpy as np

        counts = self.count_ok + self.count_missing + self.count_outage + self.count_frozen
        return (counts > 0) | (self.covered_ms > 0) | ~np.isnan(self.energy_kwh)

    @classmethod
    def empty(cls, edges: Instants) -> Rollup:
        """Buckets of which nothing is known."""
        import numpy as np

        size = len(edges) - 1
        columns: dict[str, Any] = {name: np.full(size, np.nan) for name in NUMBERS}
        columns |= {name: np.zeros(size, np.int64) for name in ("covered_ms", *STATE_COUNTS)}
        return cls(edges=edges, **columns)

    def with_columns(self, here: Any, given: Mapping[str, Any]) -> Rollup:
        """A copy in which columns are others for some buckets; `here` chooses them as an array's index does."""
        columns = {name: getattr(self, name).copy() for name in COLUMNS}
        for name, column in given.items():
            columns[name][here] = column
        return Rollup(edges=self.edges, **columns)


NUMBERS = ("mean", "min", "max", "energy_kwh")
STATE_COUNTS = tuple(f"count_{state.name.lower()}" for state in State)
COLUMNS = (*NUMBERS, "covered_ms", *STATE_COUNTS)


def rollup(series: Series | Sequence[Series], meter: Meter, bucket_edges: Instants) -> Rollup:
    """The buckets of one meter.

    Give also the readings just before the first and after the last edge: the one before may stand into the first
    bucket, and for how long the newest stands is not known before the next one comes. They may be pieces of their
    own: a month need not be copied to stand beside its neighbours.

    A gauge's reading stands until the next, or for as long as the meter holds. A counter's difference is spread
    evenly between its readings: over a gap, too, which is then not covered. A counter that falls below nine tenths
    begins again from zero, as Home Assistant has it. When it falls by less nothing was drawn, and it goes on from
    there: a meter that lost its last minutes in a restart. What no household can have drawn counts for nothing: another
    meter goes on from its own number.

    Args:
        series: The readings, or pieces of them that follow each other.
        bucket_edges: As `edges` gives them.
    """
    import numpy as np

    pieces = [series] if isinstance(series, Series) else [piece for piece in series if len(piece)]
    if meter.kind == "counter":
        told, amounts_of = [piece.take(piece.state == State.OK) for piece in pieces], _counted
    else:
        told, amounts_of = pieces, _held
    bounds = _positions(told, bucket_edges)
    amounts = [
        amounts_of(_with_neighbours(told, bounds[first], bounds[last]), meter, bucket_edges[first : last + 1])
        for first, last in _groups(bounds)
    ]
    columns: dict[str, Any] = {name: np.concatenate([part[name] for part in amounts]) for name in amounts[0]}
    return Rollup(edges=bucket_edges, **columns, **_counts(pieces, bucket_edges))


def _positions(pieces: Sequence[Series], instants: Instants) -> Counts:
    """How many readings of all pieces were taken before each instant."""
    import numpy as np

    return sum((np.searchsorted(piece.at, instants) for piece in pieces), np.zeros(len(instants), np.int64))


def _groups(bounds: Counts) -> Iterator[tuple[int, int]]:
    """Groups of buckets that follow each other and hold few enough rows together, or are one bucket."""
    import numpy as np

    first, end = 0, len(bounds) - 1
    while first < end:
        fitting = int(np.searchsorted(bounds, bounds[first] + _ROWS_AT_ONCE, "right")) - 1
        last = min(max(fitting, first + 1), end)
        yield first, last
        first = last


def _with_neighbours(pieces: Sequence[Series], first: int, last: int) -> Series:
    """The readings of all pieces from one position to another, with one more on either side."""
    parts, before = [], 0
    for piece in pieces:
        part = piece.take(slice(max(0, first - 1 - before), max(0, last + 1 - before)))
        before += len(piece)
        if len(part):
            parts.append(part)
    return parts[0] if len(parts) == 1 else joined(parts)


def _held(series: Series, meter: Meter, bucket_edges: Instants) -> dict[str, Any]:
    """Of a gauge, whose readings stand."""
    import numpy as np

    others = np.flatnonzero(series.state != State.OK)
    length_ms = series.standing_ms(meter)
    length_ms[others] = 0
    value = _with_null(series.value, others)
    steps = _Steps.between(series.at, length_ms, bucket_edges)
    covered, integral = steps.total(), steps.total(value, others)
    known = covered > 0 if meter.quantity == "power" else False
    return {
        "mean": np.divide(integral, covered, out=np.full_like(integral, np.nan), where=covered > 0),
        "min": steps.extreme(np.fmin, value),
        "max": steps.extreme(np.fmax, value),
        "energy_kwh": np.where(known, integral / _KW_MS_PER_KWH, np.nan),
        "covered_ms": covered.astype(np.int64),
    }


def _with_null(value: Values, others: Counts) -> Values:
    """The values with NaN for those that do not count; not a copy where they have no numbers anyway."""
    import numpy as np

    if np.isnan(value[others]).all():
        return value
    value = value.copy()
    value[others] = np.nan
    return value


def _counted(series: Series, meter: Meter, bucket_edges: Instants) -> dict[str, Any]:
    """Of a counter, of which only readings that are ok are given."""
    import numpy as np

    length = np.append(np.diff(series.at), 0)[: len(series)]
    drawn = np.append(drawn_kwh(series.value), 0.0)[: len(series)]
    drawn *= is_drawable(drawn, length)
    rate = np.divide(drawn, length, out=np.zeros(len(series)), where=length > 0)
    steps = _Steps.between(series.at, length, bucket_edges)
    nothing = np.full(len(bucket_edges) - 1, np.nan)
    return {
        "mean": nothing,
        "min": nothing,
        "max": nothing,
        "energy_kwh": np.where(steps.total() > 0, steps.total(rate), np.nan),
        "covered_ms": steps.total(length <= meter.hold_ms).astype(np.int64),
    }


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """A step function cut at the edges of buckets.

    Attributes:
        first: For each bucket, the first of the steps that begin in it or later.
        is_begun: Whether any step begins in the bucket.
        inside_ms: For how long each step lasts within the bucket that it begins in.
        carried_ms: For each bucket, for how long the step that began before it lasts in it.
    """

    first: Counts
    is_begun: Mask
    inside_ms: Values
    carried_ms: Values

    @classmethod
    def between(cls, at: Instants, length_ms: Instants, bucket_edges: Instants) -> _Steps:
        """Steps that begin at increasing instants and do not overlap."""
        import numpy as np

        bounds = np.searchsorted(at, bucket_edges)
        is_begun = bounds[1:] > bounds[:-1]
        before = bounds[:-1] - 1
        begins, ends = bucket_edges[:-1], bucket_edges[1:]
        is_after = before >= 0
        carried = np.zeros(len(begins), np.int64)
        lasts_until = at[before[is_after]] + length_ms[before[is_after]]
        carried[is_after] = np.clip(np.minimum(lasts_until, ends[is_after]) - begins[is_after], 0, None)
        inside = length_ms[: bounds[-1]].astype(np.float64)
        last = bounds[1:][is_begun] - 1
        inside[last] = np.minimum(length_ms[last], ends[is_begun] - at[last])
        return cls(bounds, is_begun, inside, carried.astype(np.float64))

    def total(self, rate: Any = None, without: Counts | None = None) -> Values:
        """For each bucket the sum of rate times duration in ms.

        Args:
            rate: Of each step; 1 when it is not given.
            without: The steps that have no rate, and last for no time.
        """
        import numpy as np

        if rate is None:
            amount, sums = self.inside_ms, self.carried_ms.copy()
        else:
            amount, sums = self.inside_ms * rate[: len(self.inside_ms)], self._carried(rate) * self.carried_ms
        if without is not None:
            amount[without[without < len(amount)]] = 0.0
        begun = self._first_begun
        if len(begun):
            sums[self.is_begun] += np.add.reduceat(amount, begun)
        return sums

    def extreme(self, of: np.ufunc, value: Values) -> Values:
        """For each bucket what `np.fmin` or `np.fmax` finds among the steps in it; NaN where there is none."""
        import numpy as np

        found = np.where(self.carried_ms > 0, self._carried(value), np.nan)
        begun = self._first_begun
        if len(begun):
            found[self.is_begun] = of(found[self.is_begun], of.reduceat(value[: len(self.inside_ms)], begun))
        return found

    @property
    def _first_begun(self) -> Counts:
        return self.first[:-1][self.is_begun]

    def _carried(self, value: Any) -> Values:
        """The value of the step that is carried into each bucket; 0 where none is."""
        import numpy as np

        carried = np.zeros(len(self.carried_ms))
        is_carried = self.carried_ms > 0
        carried[is_carried] = value[self.first[:-1][is_carried] - 1]
        return carried


def _counts(pieces: Sequence[Series], bucket_edges: Instants) -> dict[str, Any]:
    """How many readings of each state were taken in each bucket."""
    import numpy as np

    every = np.diff(_positions(pieces, bucket_edges))
    told = [piece.take(np.flatnonzero(piece.state != State.OK)) for piece in pieces]
    others = {
        f"count_{state.name.lower()}": np.diff(
            _positions([piece.take(piece.state == state) for piece in told], bucket_edges)
        )
        for state in State
        if state != State.OK
    }
    return {"count_ok": every - sum(others.values()), **others}


def coarsen(base: Rollup, bucket_edges: Instants) -> Rollup:
    """Wider buckets from the narrow ones within them: hours and days are sums of 5 minutes.

    Args:
        bucket_edges: Each of them is an edge of `base`.
    """
    import numpy as np

    bounds = np.searchsorted(base.edges, bucket_edges)
    if not np.array_equal(base.edges[np.minimum(bounds, len(base))], bucket_edges):
        raise ValueError("buckets can only be made of whole narrower ones")
    narrow = slice(bounds[0], bounds[-1])
    first = bounds[:-1] - bounds[0]

    def total(column: Any) -> Any:
        return np.add.reduceat(column[narrow], first)

    counts = {name: total(getattr(base, name)) for name in ("covered_ms", *STATE_COUNTS)}
    weighted = total(np.nan_to_num(base.mean) * base.covered_ms)
    mean = np.full(len(first), np.nan)
    has_mean = total(~np.isnan(base.mean)) > 0
    np.divide(weighted, counts["covered_ms"], out=mean, where=has_mean)
    is_known = total((~np.isnan(base.energy_kwh)).astype(np.int64)) > 0
    return Rollup(
        edges=bucket_edges,
        mean=mean,
        min=np.fmin.reduceat(base.min[narrow], first),
        max=np.fmax.reduceat(base.max[narrow], first),
        energy_kwh=np.where(is_known, total(np.nan_to_num(base.energy_kwh)), np.nan),
        **counts,
    )
