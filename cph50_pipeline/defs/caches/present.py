"""What entries would be made of now, against what they were made of: by the digests that the sensors go by.

The digests of power cost reading a month's meters. They are reckoned only of months of which a file was replaced since
they were built, by the files' own times.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property

from cph50_pipeline.civil_time import month_range, shift_month
from cph50_pipeline.defs.attribution_inputs import AttributionInputs, readable_inputs
from cph50_pipeline.defs.caches.records import Build, Records
from cph50_pipeline.defs.caches.registry import BuiltType
from cph50_pipeline.defs.month_files import ACTIVITY, CLASSIFICATIONS, EVENTS, ROLLUPS, SAMPLES, WINDOWS
from cph50_pipeline.defs.power_inputs import PowerInputs
from cph50_pipeline.defs.reading_files import reading_months, reading_paths
from cph50_pipeline.defs.rolling_up import MONTHS_BEFORE
from cph50_pipeline.defs.store import METERS_FILE, Store
from cph50_pipeline.errors import Cph50Error

_OTHERS_TOLD = "it was made of something else than is stored now"
_NOBODY_KNOWS = "nobody knows what it was made of: the file was found, no run made it"


class Present:
    """What is stored at one moment, as far as entries are made of it."""

    def __init__(self, store: Store, records: Records, power_interval_seconds: float) -> None:
        self._store = store
        self._records = records
        self._interval_seconds = power_interval_seconds
        self._replaced: dict[str, datetime | None] = {}

    def why_outdated(self, type_: BuiltType, month: str, build: Build) -> str | None:
        """Why a month is to be made again, in half a sentence; None: it is made of what is stored."""
        for asset in type_.made_of:
            upstream = self._records.months(asset).get(month)
            if upstream is not None and upstream.is_by_run and upstream.storage_id > build.storage_id:
                return f"{asset} was made after it"
        if type_.asset == CLASSIFICATIONS.asset:
            return self._why_named_otherwise(month, build)
        if type_.asset in (ROLLUPS.asset, EVENTS.asset):
            return self._why_rolled_up_otherwise(month, build)
        return self._why_windows_differ(month, build) if type_.asset == WINDOWS.asset else None

    def is_replaced(self, path: str, build: Build, *, if_unknown: bool) -> bool:
        """Whether a file was put in place after a build was noted: then by another hand than the one that built it.

        Args:
            if_unknown: The answer where nobody knows when that was, as in an object store.
        """
        at = self._replaced_at(path)
        return if_unknown if at is None else at > build.at

    def _why_named_otherwise(self, month: str, build: Build) -> str | None:
        if self._attribution is None:
            return None  # labels or cars cannot be read: the names in force stay in force, and the sensor says so
        try:
            named = self._store.read_month_if_whole(CLASSIFICATIONS, month) or []
            digest = self._attribution.digest(c.session_id for c in named)
        except Cph50Error:
            return None  # what is wrong with the file is told by its rules
        return None if digest == build.inputs else "labels, cars or the model are others than it was named by"

    def _why_rolled_up_otherwise(self, month: str, build: Build) -> str | None:
        rolled_up = self._records.months(ROLLUPS.asset).get(month)
        if rolled_up is None or rolled_up.inputs is None:
            return _NOBODY_KNOWS
        if not self._any_replaced(self._sources_of(month), build):
            return None
        return None if self._power.digest(month) == rolled_up.inputs else _OTHERS_TOLD

    def _why_windows_differ(self, month: str, build: Build) -> str | None:
        if build.inputs is None:
            return _NOBODY_KNOWS
        months = month_range(shift_month(month, -MONTHS_BEFORE), month)
        sources = [file.path(of) for file in (ROLLUPS, EVENTS) for of in months]
        if not self._any_replaced([*sources, *self._sources_of(month)], build):
            return None
        return None if self._power.windows_digest(month) == build.inputs else _OTHERS_TOLD

    def _sources_of(self, month: str) -> list[str]:
        """Every file that a month's rollups may depend on: of the month, and of the nearest that are beside it."""
        at = [of for of in self._reading_months if of < month][-1:]
        after = [of for of in self._reading_months if of > month][:1]
        readings = [path for of in (*at, month, *after) for path in reading_paths(self._store, of)]
        around = (shift_month(month, -1), month, shift_month(month, 1))
        return [METERS_FILE, *readings, *(file.path(of) for file in (ACTIVITY, SAMPLES) for of in around)]

    def _any_replaced(self, paths: Iterable[str], build: Build) -> bool:
        there = [path for path in paths if self._store.root.stamp(path) is not None]
        return any(self.is_replaced(path, build, if_unknown=True) for path in there)

    def _replaced_at(self, path: str) -> datetime | None:
        """When a file was put in place; None where nobody knows, as in an object store, or where there is none."""
        if path not in self._replaced:
            self._replaced[path] = None
            if self._store.root.is_local:
                with suppress(FileNotFoundError):  # gone meanwhile: whoever needs it says so
                    seconds = self._store.root.local_path(path).stat().st_mtime
                    self._replaced[path] = datetime.fromtimestamp(seconds, tz=UTC)
        return self._replaced[path]

    @cached_property
    def _attribution(self) -> AttributionInputs | None:
        return readable_inputs(self._store)

    @cached_property
    def _reading_months(self) -> list[str]:
        return reading_months(self._store)

    @cached_property
    def _power(self) -> PowerInputs:
        return PowerInputs(self._store, self._store.meters(self._interval_seconds))
