"""The one table of the files that are published: what they are called, and what a change of one brings about.

Files that are not in it are a person's own: they are left alone. What is in the files is known elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache

PRIVATE = "private"
SAMPLED = "sessions"
"""The kind of the files to which sampling appends."""
NIGHTLY = "power/yearly"
"""The kind that changes when a day of the house's power is over, after all others that do."""


class Group(StrEnum):
    """What a file is about, in the order in which messages name them."""

    SESSIONS = "sessions"
    VEHICLES = "vehicles"
    POWER = "power"
    REPORTS = "reports"
    SITE = "site"
    REFERENCE = "reference"
    STATE = "state"
    RUNS = "runs"


class Cause(StrEnum):
    """What of a file causes a commit."""

    CHANGE = "change"
    """Any difference."""
    STATE = "state"
    """A difference in its `state_fields`; a mere refresh travels along. Says whether somebody is home."""
    NEVER = "never"
    """Nothing: it travels along."""
    NIGHT = "night"
    """Nothing: it waits for the file that changes when a day of the house's power is over, and travels with that.

    What changes with every reading would else be in each commit, and tell when somebody is home.
    """


_FIELDS = {
    "month": r"(?P<month>\d{4}-(?:0[1-9]|1[0-2]))",
    "date": r"(?P<month>\d{4}-(?:0[1-9]|1[0-2]))-(?:0[1-9]|[12]\d|3[01])",
    "date_folders": r"(?P<year>\d{4})/(?P<number>0[1-9]|1[0-2])/(?:0[1-9]|[12]\d|3[01])",
    "year": r"\d{4}",
    "id": r"[0-9A-Za-z_-]+",
    "page": r"(?:[0-9A-Za-z_-][0-9A-Za-z_.-]*/)*[0-9A-Za-z_-][0-9A-Za-z_.-]*",
}
_DAY_FOLDER = re.compile("sessions/" + _FIELDS["date_folders"])
_EXAMPLES = {
    "month": "2026-01",
    "date": "2026-01-07",
    "date_folders": "2026/01/07",
    "year": "2026",
    "id": "4751613101",
    "page": "index.html",
}


@dataclass(frozen=True)
class FileKind:
    """One kind of published file.

    Attributes:
        name: What messages call it.
        pattern: Its path in the data root; `{month}`, `{date}`, `{year}`, `{id}`, `{page}` (with folders) and
            `{date_folders}` (year, month and day as folders) stand for what varies.
        state_fields: Of a file whose cause is its state: the fields that are that state.
    """

    name: str
    pattern: str
    group: Group
    cause: Cause = Cause.CHANGE
    state_fields: tuple[str, ...] = ()

    @property
    def example(self) -> str:
        """The path that a file of this kind could have."""
        return self.pattern.format_map(_EXAMPLES)

    @property
    def fixed_part(self) -> str:
        """The file, or the innermost folder that holds all files of this kind."""
        before, brace, _ = self.pattern.partition("{")
        return before.rpartition("/")[0] if brace else before

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        parts = re.split(r"\{(\w+)\}", self.pattern)
        return re.compile(
            "".join(_FIELDS[part] if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
        )

    def month_of(self, relative_path: str) -> str | None:
        """The month that a file of this kind belongs to, None when it belongs to none."""
        match = self._regex.fullmatch(relative_path)
        found = match.groupdict() if match else {}
        return f"{found['year']}-{found['number']}" if found.get("year") else found.get("month")

    def matches(self, relative_path: str) -> bool:
        """Whether a path is that of a file of this kind."""
        return self._regex.fullmatch(relative_path) is not None


KINDS: tuple[FileKind, ...] = (
    FileKind("chargepoint_activity", "chargepoint_activity/{month}.json", Group.SESSIONS),
    FileKind(SAMPLED, "sessions/{date_folders}/{id}.json", Group.SESSIONS),
    FileKind("session_samples", "session_samples/{month}.parquet", Group.SESSIONS),
    FileKind("charging_energy", "charging_energy/{month}.parquet", Group.SESSIONS),
    FileKind("session_cache", "session_cache/{month}.json", Group.SESSIONS),
    FileKind("classifications", "classifications/{month}.json", Group.VEHICLES),
    FileKind("classifier_summary", "classifier_summary.json", Group.VEHICLES),
    FileKind("classifier_previous", "classifier_previous.json", Group.VEHICLES),
    FileKind("power/readings", "power/readings/{date}.ndjson", Group.POWER, Cause.NIGHT),
    FileKind("power/readings", "power/readings/{month}.parquet", Group.POWER),
    FileKind("power/rollups", "power/rollups/{month}.parquet", Group.POWER, Cause.NIGHT),
    FileKind("power/windows", "power/windows/{month}.parquet", Group.POWER, Cause.NIGHT),
    FileKind("power/events", "power/events/{month}.json", Group.POWER, Cause.NIGHT),
    FileKind("power/retention", "power/retention.json", Group.POWER),
    FileKind("power/event_totals", "power/event_totals.json", Group.POWER, Cause.NIGHT),
    FileKind("power/daily", "power/daily.json", Group.POWER, Cause.NIGHT),
    FileKind("power/weekly", "power/weekly.json", Group.POWER, Cause.NIGHT),
    FileKind("power/monthly", "power/monthly.json", Group.POWER),
    FileKind(NIGHTLY, "power/yearly.json", Group.POWER),
    FileKind("reports/classifier", "reports/classifier.html", Group.REPORTS),
    FileKind("reports/unclassified", "reports/unclassified.json", Group.REPORTS),
    FileKind("reports/unclassified", "reports/unclassified.csv", Group.REPORTS),
    FileKind("reports/vehicles", "reports/vehicles.json", Group.REPORTS),
    FileKind("reports/vehicles", "reports/vehicles.csv", Group.REPORTS),
    FileKind("reports/vehicles", "reports/vehicles.html", Group.REPORTS),
    FileKind("reports", "reports/{month}.json", Group.REPORTS),
    FileKind("reports", "reports/{month}.csv", Group.REPORTS),
    FileKind("reports", "reports/{month}.html", Group.REPORTS),
    FileKind("reports", "reports/{year}.json", Group.REPORTS),
    FileKind("reports", "reports/{year}.csv", Group.REPORTS),
    FileKind("reports", "reports/{year}.html", Group.REPORTS),
    FileKind("site", "site/{page}", Group.SITE),
    FileKind("vehicle_config", "vehicle_config.json", Group.REFERENCE),
    FileKind("session_vehicle_map", "session_vehicle_map.json", Group.REFERENCE),
    FileKind("tariffs", "tariffs.json", Group.REFERENCE),
    FileKind("meters", "meters.json", Group.REFERENCE),
    FileKind(
        "last_session", "last_session.json", Group.STATE, Cause.STATE, ("connected", "charging", "vehicle_id")
    ),
    FileKind("last_session_id", ".last_session_id.json", Group.STATE, Cause.STATE, ("session_id",)),
    FileKind("runs", "runs.json", Group.RUNS, Cause.NEVER),
)


def _by_place(kinds: Sequence[FileKind]) -> Mapping[str, Sequence[FileKind]]:
    """The kinds by the first part of their paths: years of files are looked up in each run."""
    found: dict[str, list[FileKind]] = {}
    for kind in kinds:
        found.setdefault(kind.pattern.partition("/")[0], []).append(kind)
    return found


_KINDS_BY_PLACE = _by_place(KINDS)


@lru_cache(maxsize=16384)
def kind_of(relative_path: str) -> FileKind | None:
    """What kind of published file a path in the data root is; None for a person's own file."""
    among = _KINDS_BY_PLACE.get(relative_path.partition("/")[0], ())
    return next((kind for kind in among if kind.matches(relative_path)), None)


def is_day_folder(relative_path: str) -> bool:
    """Whether a folder is that of a day, which holds its files and no folders that hold any."""
    return _DAY_FOLDER.fullmatch(relative_path) is not None


def published_places() -> list[str]:
    """The files and folders, relative to the data root, in which every published file is; sorted."""
    return sorted({kind.fixed_part for kind in KINDS})
