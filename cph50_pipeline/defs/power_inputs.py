"""What a month's rollups and its windows are made of, each as one digest.

`power_rollups` notes with each month, under `INPUTS`, the month's digest as it was before it was rolled up: of the
meters, of the month's readings and the nearest file of readings on either side, and of what tells of the charger. A
month of which another digest was noted last may come out differently, rollups and events alike. `power_windows` notes
a digest of its own: of the rollups and events in its windows, and of that digest, so that a month whose run died before
its windows were made is due as well. Which months are due, `power_due` says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import dagster as dg

from cph50_pipeline.civil_time import local_date, month_bounds, shift_month
from cph50_pipeline.defs.attribution_inputs import INPUTS, digest_of
from cph50_pipeline.defs.month_files import ACTIVITY, EVENTS, ROLLUPS, SAMPLES
from cph50_pipeline.defs.rolling_up import MONTHS_BEFORE
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import BadInputError
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.storage.documents import dump_json
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.layout import kind_of

_READINGS = "power/readings"


class Digests:
    """Digests of files, each read again only when it was replaced. Whoever looks often keeps one."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[object, str]] = {}
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

    def months(self) -> list[str]:
        """The months of which readings or charging are stored, or of which something was made, sorted."""
        stored = (self.store.stored_months(file) for file in (ACTIVITY, ROLLUPS))
        return sorted({*self._readings, *(month for months in stored for month in months)})

    def digest(self, month: str) -> str:
        """What the month's rollups and events are made of.

        It is enough to know the nearest files on either side: how long a reading stands, the next one decides.
        """
        before, after = self._beside(month)
        readings = [*before[-1:], *self._readings.get(month, []), *after[:1]]
        return digest_of(
            repr([self._meters, {path: self._of(path) for path in readings}, self._charger(month)]).encode()
        )

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

    def _beside(self, month: str) -> tuple[list[str], list[str]]:
        """The files of readings of the nearest months before and after."""
        before = max((m for m in self._readings if m < month), default=None)
        after = min((m for m in self._readings if m > month), default=None)
        return self._readings.get(before or "", []), self._readings.get(after or "", [])

    def _charger(self, month: str) -> list[object]:
        """What tells of the charger in the month."""
        months = (shift_month(month, -1), month)
        files = [self._of(file.path(of)) for file in (ACTIVITY, SAMPLES) for of in months]
        following = self._of(ACTIVITY.path(shift_month(month, 1)))
        ends = self.digests.of((month, *files, following), lambda: self._ends(month))
        is_last = month == max(self._activity_months, default=None)
        return [files, ends, is_last, self._looked_at(month) if is_last else None]

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
