"""What a month's rollups and its windows are made of, each as one digest.

`power_rollups` notes with each month, under `INPUTS`, the month's digest as it was before it was rolled up: of the
meters, of the month's readings, of what the months beside tell of it (`reading_ends`), and of what tells of the
charger. A month of which another digest was noted last may come out differently, rollups and events alike.
`power_windows` notes a digest of its own: of the rollups and events in its windows, and of that digest, so that a month
whose run died before its windows were made is due as well. Which months are due, `power_due` says.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import pairwise

import dagster as dg

from cph50_pipeline.civil_time import local_date, month_bounds, month_range, shift_month
from cph50_pipeline.defs.attribution_inputs import INPUTS, digest_of
from cph50_pipeline.defs.month_files import ACTIVITY, EVENTS, ROLLUPS, SAMPLES
from cph50_pipeline.defs.reading_ends import Ends, ends_of, joined_ends
from cph50_pipeline.defs.reading_files import REACH_MONTHS, read_file
from cph50_pipeline.defs.rolling_up import MONTHS_BEFORE
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import CHARGER, MeterConfig
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.layout import kind_of

_READINGS = "power/readings"


_FileEnds = Mapping[str, Ends] | None
"""By meter; None of a file that is damaged."""


class Digests:
    """Digests of files, each read again only when it was replaced. Whoever looks often keeps one."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[object, str]] = {}
        self._ends: dict[str, tuple[object, _FileEnds]] = {}
        self._derived: dict[object, str] = {}

    def of_file(self, root: DataRoot, path: str) -> str | None:
        """The digest of a file's bytes; None when there is none."""
        stamp = root.stamp(path)
        if stamp is None:
            return None
        known = self._files.get(path)
        if known is None or known[0] != stamp:
            data = root.read(path)
            if data is None:
                return None
            known = self._files[path] = (stamp, digest_of(data))
        return known[1]

    def ends_of_file(
        self, root: DataRoot, path: str, meters: str, make: Callable[[], _FileEnds]
    ) -> _FileEnds:
        """The ends of a file's readings, made anew only where the file was replaced or the meters are others.

        Args:
            meters: Their digest.
        """
        key = (root.stamp(path), meters)
        known = self._ends.get(path)
        if known is None or known[0] != key:
            known = self._ends[path] = (key, make())
        return known[1]

    def of(self, key: object, make: Callable[[], object]) -> str:
        """The digest of what is made anew only where the key is another."""
        if key not in self._derived:
            self._derived[key] = digest_of(repr(make()).encode())
        return self._derived[key]


@dataclass
class PowerInputs:
    """What power is made of, as it is at one moment.

    Attributes:
        store: Where it is read.
        config: The household's meters.
        digests: Known from earlier moments.
    """

    store: Store
    config: MeterConfig
    digests: Digests = field(default_factory=Digests)
    _now: dict[str, str | None] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _ends_now: dict[str, Mapping[str, Ends]] = field(default_factory=dict)

    def months(self) -> list[str]:
        """The months of which anything is known or was made, sorted: be it only what a counter counted meanwhile."""
        made = self.store.stored_months(ROLLUPS)
        return sorted({*self._readings, *self._activity_months, *made, *self._counted_over()})

    def digest(self, month: str) -> str:
        """What the month's rollups and events are made of."""
        if month not in self._digests:
            readings = {path: self._of(path) for path in self._readings.get(month, [])}
            told = [self._meters, readings, self._beside(month), self._charger(month)]
            self._digests[month] = digest_of(repr(told).encode())
        return self._digests[month]

    def windows_digest(self, month: str) -> str:
        """What the windows that end with the days of the month are made of."""
        months = [shift_month(month, -back) for back in range(MONTHS_BEFORE + 1)]
        made = [[self._of(file.path(of)) for of in months] for file in (ROLLUPS, EVENTS)]
        return digest_of(repr([self.digest(month), made]).encode())

    @cached_property
    def _meters(self) -> str:
        said = dump_json(self.config.model_dump(mode="json"))
        return digest_of(said + str(self.store.zone).encode())

    @cached_property
    def _readings(self) -> Mapping[str, list[str]]:
        """The files of readings by month."""
        found: dict[str, list[str]] = defaultdict(list)
        for path in self.store.root.list(f"{_READINGS}/"):
            kind = kind_of(path)
            month = kind.month_of(path) if kind is not None else None
            if month is not None:
                found[month].append(path)
        return found

    def _beside(self, month: str) -> object:
        """What the months before and after tell of a month, by meter."""
        before, after = self._months_beside(month)
        return [
            (
                id_,
                [ends.to_the_month_after() for ends in self._up_to_what_counts(id_, before)],
                [ends.to_the_month_before() for ends in self._up_to_what_counts(id_, after)],
            )
            for id_ in self.config.meters
            if id_ != CHARGER
        ]

    def _months_beside(self, month: str) -> tuple[list[str], list[str]]:
        """The months of readings before and after, the nearest first, as far as rolling up looks."""
        at = bisect_left(self._reading_months, month)
        after = self._reading_months[bisect_right(self._reading_months, month) :]
        return self._reading_months[max(0, at - REACH_MONTHS) : at][::-1], after[:REACH_MONTHS]

    def _up_to_what_counts(self, meter: str, months: Iterable[str]) -> Iterator[Ends]:
        """The ends of the meter's readings in months, up to the first of them in which one counts."""
        for month in months:
            ends = self._reading_ends(month).get(meter)
            if ends is not None:
                yield ends
                if ends.counts:
                    return

    def _reading_ends(self, month: str) -> Mapping[str, Ends]:
        """The ends of a month's readings; of a damaged one none, as it is left out by whoever rolls up beside it."""
        if month not in self._ends_now:
            parts = [self._file_ends(path) for path in self._readings[month]]
            whole = [part for part in parts if part is not None]
            self._ends_now[month] = joined_ends(whole, self.config) if len(whole) == len(parts) else {}
        return self._ends_now[month]

    def _file_ends(self, path: str) -> _FileEnds:
        def make() -> _FileEnds:
            passing = Store(self.store.root, self.store.locks, self.store.zone)  # keeps no readings in memory
            try:
                return ends_of(read_file(passing, path), self.config)
            except BadInputError:
                return None  # whoever rolls the month up says what is wrong with it

        return self.digests.ends_of_file(self.store.root, path, self._meters, make)

    def _counted_over(self) -> Iterator[str]:
        """The months without a reading between two that a counter spans: what it counted is spread over them, too."""
        counters = [id_ for id_, meter in self.config.meters.items() if meter.kind == "counter"]
        for earlier, later in pairwise(self._reading_months):
            for month in month_range(earlier, later)[1:-1]:
                if any(self._counts_over(id_, month) for id_ in counters):
                    yield month

    def _counts_over(self, counter: str, month: str) -> bool:
        return all(
            any(ends.counts for ends in self._up_to_what_counts(counter, months))
            for months in self._months_beside(month)
        )

    def _charger(self, month: str) -> list[object]:
        """What tells of the charger in the month."""
        months = (shift_month(month, -1), month)
        files = [self._of(file.path(of)) for file in (ACTIVITY, SAMPLES) for of in months]
        following = self._of(ACTIVITY.path(shift_month(month, 1)))
        ends = self.digests.of((month, *files, following), lambda: self._ends(month))
        is_last = month == max(self._activity_months, default=None)
        return [files, ends, is_last, self._looked_at(month) if is_last else None]

    @cached_property
    def _reading_months(self) -> list[str]:
        return sorted(self._readings)

    @cached_property
    def _activity_months(self) -> list[str]:
        return self.store.stored_months(ACTIVITY)

    def _ends(self, month: str) -> object:
        """Where the month's sessions end: the first of the month after may tell, and of that month nothing else."""
        try:
            return [(session.session_id, session.end) for session in self.store.sessions(month)]
        except BadInputError:
            return None  # whoever rolls the month up says what is wrong with it

    def _looked_at(self, month: str) -> date | None:
        """The day on which somebody last looked at the charger, as long as the month lasts."""
        state = self.store.last_session()
        if state is None or state.looked_at is None:
            return None
        return local_date(min(state.looked_at, month_bounds(month, self.store.zone)[1]), self.store.zone)

    def _of(self, path: str) -> str | None:
        if path not in self._now:
            self._now[path] = self.digests.of_file(self.store.root, path)
        return self._now[path]


def attach_digests(context: dg.AssetExecutionContext, digests: Mapping[str, str]) -> None:
    """Note with each month what it was made of, as it was before: what changed meanwhile is news."""
    for month, digest in digests.items():
        context.add_asset_metadata({INPUTS: digest}, partition_key=month)
