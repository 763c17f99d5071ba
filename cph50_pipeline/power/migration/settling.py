"""What can be readings, held against each other and against what is stored. What is stored stays.

A mean is spread as readings over its hour or day, on the grid of the collection, and ends with a reading that has no
number. It is taken only where nothing finer is known. Neighbours of them differ by the last digit that is kept, one
up, one down: a day's mean said over and over would count as a meter that froze.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isnan, nan
from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple

from cph50_pipeline.charging.fields import QUANTITY_DECIMALS
from cph50_pipeline.civil_time import format_instant, from_epoch_ms
from cph50_pipeline.power.counters import drawn_kwh, glitches, is_drawable
from cph50_pipeline.power.meters import Meter, MeterConfig
from cph50_pipeline.power.migration.judging import Candidate
from cph50_pipeline.power.migration.times import Span
from cph50_pipeline.power.migration.verdicts import Reason, Refusal, Verdict
from cph50_pipeline.power.readings import Readings, Series, series_of

if TYPE_CHECKING:
    from cph50_pipeline.power.readings import Instants, Values

_LAST_DIGIT = 10.0**-QUANTITY_DECIMALS
_LONG_MS = 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Settled:
    """The verdicts on all candidates, the new readings, and what a person should know of them."""

    verdicts: Sequence[Verdict]
    readings: Readings
    doubts: Sequence[str]


def settle(
    candidates: Iterable[Candidate], stored: Readings, config: MeterConfig, interval_seconds: float
) -> Settled:
    """Decide which candidates become readings.

    Args:
        stored: All readings of the months in which the candidates lie, and the nearest beside them.
        interval_seconds: Between two collections.
    """
    by_meter: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        by_meter[one.meter].append(one)
    verdicts: list[Verdict] = []
    doubts: list[str] = []
    series = {}
    for id_, ours in sorted(by_meter.items()):
        ledger = _Ledger(stored[id_], config.meters[id_], interval_seconds)
        ledger.settle(ours)
        verdicts += ledger.verdicts
        doubts += [f"{id_}: {doubt}" for doubt in ledger.doubts]
        series[id_] = ledger.new_readings()
    return Settled(verdicts, Readings.of(series), doubts)


class _Ledger:
    """One meter's: what is stored, what is taken, and the verdicts so far."""

    def __init__(self, stored: Series, meter: Meter, interval_seconds: float) -> None:
        self.stored = stored
        self.meter = meter
        self.step_ms = round(min(interval_seconds * 1000, meter.hold_ms))
        self.verdicts: list[Verdict] = []
        self.doubts: list[str] = []
        self._known: list[int] = []
        self._new: list[int] = []
        self._at: list[Instants] = []
        self._values: list[Values] = []

    def settle(self, candidates: Sequence[Candidate]) -> None:
        """Finer ones first: where they are, a mean says nothing more."""
        for span in (Span.READINGS, Span.HOURS, Span.DAYS):
            chosen = self._without_twins([one for one in candidates if one.span is span])
            if span is Span.READINGS:
                self._settle_readings(chosen)
            else:
                self._settle_means(chosen)
            self._known = sorted([*self._known, *self._new])

    def new_readings(self) -> Series:
        """What is taken, as readings."""
        import numpy as np

        if not self._at:
            return series_of([], [])
        at, values = np.concatenate(self._at), np.concatenate(self._values)
        says_less = np.isnan(values) & np.isin(at, self.stored.at)
        return series_of(at[~says_less], values[~says_less])

    def _refuse(self, candidates: Iterable[Candidate], reason: Reason, why: str) -> None:
        self.verdicts += [one.verdict.refused(Refusal(reason, why)) for one in candidates]

    def _without_twins(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """In order of time one for each; several that say the same count once, and several that do not, not at all."""
        at_once: dict[tuple[int, int], list[Candidate]] = defaultdict(list)
        for one in sorted(
            candidates, key=lambda one: (one.begin, one.end, one.verdict.file, one.verdict.row)
        ):
            at_once[one.begin, one.end].append(one)
        return [chosen for ours in at_once.values() if (chosen := self._chosen(ours)) is not None]

    def _chosen(self, twins: Sequence[Candidate]) -> Candidate | None:
        said = {one.number for one in twins if not isnan(one.number)} or {nan}
        certain = said - {0.0} or said
        if len(certain) > 1:
            numbers = ", ".join(f"{number:g}" for number in sorted(certain))
            self._refuse(twins, Reason.CONTRADICTION, f"rows of the same time say {numbers}")
            return None
        [number] = certain
        chosen = next(one for one in twins if one.number == number or isnan(number))
        for one in twins:
            if one is chosen:
                continue
            where = f"row {chosen.verdict.row} of {chosen.verdict.file}"
            if one.number == chosen.number or isnan(number):
                self._refuse([one], Reason.DUPLICATE, f"{where} says the same")
            else:
                self._refuse([one], Reason.CONTRADICTION, f"{where} has a number: {chosen.number:g}")
        return chosen

    def _settle_readings(self, candidates: Sequence[Candidate]) -> None:
        import numpy as np

        if self.meter.kind == "counter":
            candidates = self._without_unread_zeros(candidates)
        taken = [one for one in candidates if self._may_stand(one)]
        if self.meter.kind == "counter" and not self._goes_on(taken):
            return
        at, values = [one.begin for one in taken], [one.number for one in taken]
        self._take(taken, np.array(at, np.int64), np.array(values, np.float64))
        self._doubt_rhythm(at)

    def _doubt_rhythm(self, at: Sequence[int]) -> None:
        """Readings further apart than one stands leave time uncovered, and its energy out."""
        usual = median(later - earlier for earlier, later in pairwise(at)) if len(at) > 1 else 0
        if self.meter.kind == "gauge" and usual > self.meter.hold_ms:
            self.doubts.append(
                f"there is a reading every {usual / 1000:.0f} s and each stands for {self.meter.hold_ms / 1000:.0f} s: "
                "the time between counts for nothing, unless hold_seconds of the meter is longer"
            )

    def _without_unread_zeros(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """A counter does not begin anew only to go on from where it was. Other glitches are marked when stored."""
        import numpy as np

        numbers = np.array([one.number for one in candidates], np.float64)
        are_glitches = glitches(np.array([one.begin for one in candidates], np.int64), numbers)
        good = np.flatnonzero(~are_glitches & ~np.isnan(numbers))
        is_unread = are_glitches & (numbers == 0)
        for place in np.flatnonzero(is_unread).tolist():
            after = int(np.searchsorted(good, place))
            before, then = (f"{numbers[near]:g}" for near in good[after - 1 : after + 1])
            why = f"the counter stood at {before} before and at {then} after it: it was not read"
            self._refuse([candidates[place]], Reason.UNREAD_ZERO, why)
        return [one for one, refused in zip(candidates, is_unread, strict=True) if not refused]

    def _may_stand(self, one: Candidate) -> bool:
        found = self._stored_at(one.begin)
        if found is None or (isnan(found) and not isnan(one.number)):
            return True
        if found == one.number or (isnan(found) and isnan(one.number)):
            self._leave(one, [one.begin] if not isnan(found) else [])
        elif isnan(one.number):
            self._refuse([one], Reason.STORED_STAYS, f"{found:g} is stored")
        else:
            self._refuse([one], Reason.STORED_STAYS, f"it would be {one.number:g}, and {found:g} is stored")
        return False

    def _stored_at(self, at: int) -> float | None:
        place = int(self.stored.at.searchsorted(at))
        if place == len(self.stored) or int(self.stored.at[place]) != at:
            return None
        return float(self.stored.value[place])

    def _goes_on(self, taken: Sequence[Candidate]) -> bool:
        """Whether the counter goes on from what is stored, and what is stored from it; else it was another."""
        import numpy as np

        for before, after in _joints(taken, self.stored):
            drawn = drawn_kwh(np.array([before.number, after.number]))
            length = np.array([after.at - before.at], np.int64)
            if not is_drawable(drawn, length).all():
                why = f"the stored readings are of another counter ({before}, {after}): give it a meter of its own"
                self._refuse(taken, Reason.OTHER_COUNTER, why)
                return False
            if length[0] > _LONG_MS:
                self.doubts.append(
                    f"{drawn[0]:g} kWh are counted between migrated and stored ({before}, {after})"
                )
        return True

    def _settle_means(self, candidates: Sequence[Candidate]) -> None:
        until = 0
        known = self._known
        for one in candidates:
            place = bisect_left(known, one.begin)
            if one.begin < until or (place < len(known) and known[place] < one.end):
                self._refuse([one], Reason.FINER_READINGS, "finer readings of its time are migrated with it")
                continue
            at, values = self._spread(one)
            told = self._told_by_stored(at, values, one.end)
            if told == "others":
                self._refuse([one], Reason.FINER_READINGS, "readings of its time are stored")
                continue
            until = one.end
            if told == "the same":
                self._leave(one, at[:-1].tolist())
            else:
                self._take([one], at, values)

    def _spread(self, one: Candidate) -> tuple[Instants, Values]:
        """A mean as readings over its time, and one without a number where it ends."""
        import numpy as np

        ends = one.begin + max(1, round((one.end - one.begin) * one.share))
        first = (one.begin // self.step_ms + 1) * self.step_ms
        at = np.array([one.begin, *range(first, ends, self.step_ms), ends], np.int64)
        values = np.full(len(at), one.number)
        low, high = self.meter.possible
        if one.number != 0 and low <= one.number - _LAST_DIGIT and one.number + _LAST_DIGIT <= high:
            values += np.where(np.arange(len(at)) % 2, -_LAST_DIGIT, _LAST_DIGIT)
        values = values.round(QUANTITY_DECIMALS)
        values[-1] = nan
        return at, values

    def _told_by_stored(
        self, at: Instants, values: Values, end: int
    ) -> Literal["nothing", "the same", "others"]:
        """What is stored in the time of a mean; a part of its own readings is as good as nothing."""
        import numpy as np

        first, last = np.searchsorted(self.stored.at, [at[0], end])
        within = self.stored.take(slice(int(first), int(last)))
        within = within.take(~np.isnan(within.value))
        if not len(within):
            return "nothing"
        place = np.minimum(np.searchsorted(at, within.at), len(at) - 1)
        if not np.all((at[place] == within.at) & (values[place] == within.value)):
            return "others"
        is_whole = len(within) == len(at) - 1 and self._stored_at(int(at[-1])) is not None
        return "the same" if is_whole else "nothing"

    def _take(self, candidates: Sequence[Candidate], at: Instants, values: Values) -> None:
        import numpy as np

        self.verdicts += [one.verdict for one in candidates]
        self._at.append(at)
        self._values.append(values)
        self._new += at[~np.isnan(values)].tolist()

    def _leave(self, one: Candidate, at: Iterable[int]) -> None:
        self.verdicts.append(replace(one.verdict, outcome="already_stored"))
        self._new += at


class _Counted(NamedTuple):
    """What a counter showed, and when, in Unix milliseconds."""

    at: int
    number: float

    def __str__(self) -> str:
        return f"{self.number:g} at {format_instant(from_epoch_ms(self.at))}"


def _joints(taken: Sequence[Candidate], stored: Series) -> Iterator[tuple[_Counted, _Counted]]:
    """Where a stored reading follows a new one, or a new one a stored one."""
    import numpy as np

    new = [_Counted(one.begin, one.number) for one in taken if not isnan(one.number)]
    old = stored.take(~np.isnan(stored.value))
    at = np.concatenate([old.at, np.array([one.at for one in new], np.int64)])
    value = np.concatenate([old.value, np.array([one.number for one in new], np.float64)])
    order = np.argsort(at, kind="stable")
    is_new = order >= len(old)
    for place in np.flatnonzero(is_new[1:] != is_new[:-1]).tolist():
        before, after = order[place], order[place + 1]
        yield _Counted(int(at[before]), float(value[before])), _Counted(int(at[after]), float(value[after]))
