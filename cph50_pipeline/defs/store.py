"""The household's files as a run sees them: months, session files, reference files, and the locks around them.

One `Store` lives as long as a run. It takes the months' lock when a run first touches its months and gives it back
when the run ends, after the run's commit. What the files hold is in `month_files`; how a commit is made is in
`storage.publisher`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cph50_pipeline.charging.activity import ActivityMonth
from cph50_pipeline.charging.collection import CollectionRecord, collection_path, joined
from cph50_pipeline.charging.model import Session
from cph50_pipeline.charging.rules import Violation
from cph50_pipeline.charging.sessions import read_sessions
from cph50_pipeline.charging.watching import LastSession
from cph50_pipeline.civil_time import shift_month
from cph50_pipeline.defs.live import LatestValues
from cph50_pipeline.defs.month_files import ACTIVITY, POWER_FILES, MonthFile
from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.power.meters import MeterConfig
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.documents import dump_json, load_json
from cph50_pipeline.storage.files import DataRoot, Written
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.tables import prefer_stored
from cph50_pipeline.vehicles.config import VehicleConfig
from cph50_pipeline.vehicles.labels import LabelMap

if TYPE_CHECKING:
    import pandas as pd

VEHICLES_FILE = "vehicle_config.json"
LABELS_FILE = "session_vehicle_map.json"
METERS_FILE = "meters.json"
STATE_FILE = "last_session.json"
_KEPT_LARGE = 4  # a month and those beside it, for two threads
CLASSIFIER_FILE = "classifier_summary.json"
PREVIOUS_CLASSIFIER_FILE = "classifier_previous.json"


@dataclass(frozen=True, slots=True)
class Excuse:
    """One session that may break one rule in one month's file, because it is on its way to another month."""

    rule: str
    month: str
    session_id: str


@dataclass
class Store:
    """Reads and writes of one household, from one run, sensor tick or command.

    Attributes:
        root: Where the files are.
        locks: Locks shared by all processes of this household.
        zone: The household's zone.
        latest: Where the latest values are; None for a store that has none.
        written: Relative paths whose content this store changed, in order.
    """

    root: DataRoot
    locks: Locks
    zone: ZoneInfo
    latest: LatestValues | None = None
    written: list[str] = field(default_factory=list)
    _held: ExitStack = field(default_factory=ExitStack)
    _held_months: frozenset[str] = frozenset()
    _holds_model: bool = False
    _holds_power: bool = False
    _parsed: dict[str, tuple[bytes, Any]] = field(default_factory=dict)
    _large: dict[str, tuple[object, Any]] = field(default_factory=dict)
    _large_lock: Lock = field(default_factory=Lock)

    @classmethod
    def of(cls, settings: Settings) -> Store:
        """The store of the household that the settings name."""
        locks = Locks(settings.private_dir)
        return cls(DataRoot(settings.data_root), locks, settings.zone, LatestValues.of(settings))

    @contextmanager
    def open(self) -> Iterator[Store]:
        """Release what was locked when the work is done, however it ends."""
        with self._held:
            yield self

    def hold_months(self, months: Iterable[str]) -> None:
        """Take the lock of these months until the store closes; a second call for the same months costs nothing.

        Raises:
            TransientError: another run keeps the months for too long.
        """
        wanted = frozenset(months)
        if wanted <= self._held_months:
            return
        self._held.enter_context(self.locks.month(sorted(wanted - self._held_months)))
        self._held_months |= wanted

    @property
    def held_months(self) -> frozenset[str]:
        """The months that this store has locked."""
        return self._held_months

    def hold_model(self) -> None:
        """Take the lock of the classifier's files until the store closes; a second call costs nothing.

        Raises:
            LockedError: another run keeps them for too long.
        """
        if not self._holds_model:
            self._held.enter_context(self.locks.model())
            self._holds_model = True

    def hold_power(self) -> None:
        """Take the lock of all power files until the store closes; a second call costs nothing.

        Raises:
            LockedError: another run keeps them for too long.
        """
        if not self._holds_power:
            self._held.enter_context(self.locks.power())
            self._holds_power = True

    def hold(self, file: MonthFile, months: Iterable[str]) -> None:
        """Take the lock under which a file's months are written.

        Raises:
            LockedError: another run keeps it for too long.
        """
        if file.asset in POWER_FILES:
            self.hold_power()
        else:
            self.hold_months(months)

    @property
    def holds_power(self) -> bool:
        """Whether this store has locked the power files."""
        return self._holds_power

    def stored_months(self, file: MonthFile) -> list[str]:
        """The months that have this file, sorted."""
        return [file.month(path) for path in self.root.list(f"{file.folder}/", f".{file.form}")]

    def read_month(self, file: MonthFile, month: str) -> Any | None:
        """The value of a month's file; None when there is none.

        Raises:
            BadInputError: the file is there and cannot be used.
        """
        return self.read_file(file.path(month), file.parse)

    def need_month(self, file: MonthFile, month: str) -> Any:
        """The value of a month's file.

        Raises:
            PermanentError: there is none; names the month and the command that makes it.
        """
        value = self.read_month(file, month)
        if value is None:
            raise PermanentError(
                f"{file.path(month)} does not exist: {file.asset} of {month} was never made or was removed",
                kept="Nothing was changed",
                remedy=f"Run `power_job` for {month} in Dagster's UI"
                if file.asset in POWER_FILES
                else f"Run `cph50 backfill --from {month} --to {month}`",
            )
        return value

    def read_frame(self, file: MonthFile, months: Iterable[str]) -> pd.DataFrame:
        """A Parquet file's months as one pandas frame, for assets that ask for one.

        Raises:
            PermanentError: a month does not exist, or the file is not a table.
        """
        import pandas as pd

        if file.form != "parquet":
            raise PermanentError(f"{file.asset} is JSON, not a table", remedy="Take it as a dict of months")
        frames = []
        for month in months:
            self.need_month(file, month)  # says what is wrong with the file, if anything is
            frames.append(pd.read_parquet(io.BytesIO(self.root.read(file.path(month)) or b"")))
        return pd.concat(frames, ignore_index=True)

    def write_months(
        self, file: MonthFile, values: Mapping[str, Any], excused: Collection[Excuse] = frozenset()
    ) -> dict[str, Written]:
        """Validate every month, then swap each in; nothing is written when one of them breaks a rule.

        Args:
            excused: What may break a rule for once; only `cph50 rebuild` needs it.

        Raises:
            PermanentError: a rule is broken; names month, subject and rule.
        """
        self.hold(file, values)
        broken = [
            violation
            for month, value in sorted(values.items())
            for violation in file.violations(month, value, self.read_month_if_whole(file, month), self)
            if Excuse(violation.rule, month, violation.subject) not in excused
        ]
        if broken:
            raise PermanentError(
                f"{file.asset} breaks {len(broken)} rule(s): " + "; ".join(v.message for v in broken[:5]),
                kept="The last good files stay as they are",
                remedy=_remedy(broken),
            )
        return {month: self._write_month(file, month, value) for month, value in sorted(values.items())}

    def read_month_if_whole(self, file: MonthFile, month: str) -> Any | None:
        """The value of a month's file, None when there is none or it is damaged (then it may be replaced)."""
        try:
            return self.read_month(file, month)
        except BadInputError:
            return None

    def activity(self, month: str) -> ActivityMonth:
        """What ChargePoint answered for a month; empty when nothing is stored."""
        stored = self.read_month(ACTIVITY, month)
        return stored if stored is not None else ActivityMonth(month=month, sessions={})

    def sessions(self, month: str) -> list[Session]:
        """A month's sessions with their ends set right; looks at the first session of the month after."""
        return read_sessions(self.activity(month), self.read_month(ACTIVITY, shift_month(month, 1)))

    def collection(self, session: Session) -> CollectionRecord | None:
        """The record of a session's sampling window; None when it was not sampled."""
        return self.collection_at(self.collection_path(session))

    def collection_path(self, session: Session) -> str:
        """Where a session's own file is, by its local start date."""
        return collection_path(session.session_id, session.start, self.zone)

    def collection_at(self, path: str) -> CollectionRecord | None:
        """The record in a session file; None when there is none."""
        return self.read_file(path, lambda data, name: CollectionRecord.read(load_json(data, name), name))

    def collection_if_whole(self, path: str) -> CollectionRecord | None:
        """The record in a session file, None when there is none or it is damaged."""
        try:
            return self.collection_at(path)
        except BadInputError:
            return None

    def write_collection(self, path: str, record: CollectionRecord) -> None:
        """Write a session's own file. Only sampling, with its provisional car, and the final classification do."""
        self._write(path, dump_json(record.document()))

    def move_collection(self, path: str, target: str) -> None:
        """Move a session's own file: the new one is in place before the old one goes, and no sample is lost.

        Raises:
            BadInputError: there is a file in both places, and one of them is damaged.
        """
        data = self.root.read(path)
        if data is None:
            return
        there = self.collection_at(target)
        if there is None:
            self._write(target, data)
        else:
            self.write_collection(target, joined(there, CollectionRecord.read(load_json(data, path), path)))
        self.root.remove(path)

    def vehicles(self) -> VehicleConfig:
        """The household's vehicles; none when the file does not exist."""
        document = self.read_document(VEHICLES_FILE)
        return VehicleConfig.read({} if document is None else document, VEHICLES_FILE)

    def labels(self) -> LabelMap:
        """The labels made by hand; none when the file does not exist.

        Raises:
            BadInputError: naming the session whose label cannot be used.
        """
        document = self.read_document(LABELS_FILE)
        return LabelMap.read({} if document is None else document, LABELS_FILE, self.vehicles().vehicles)

    def meters(self, interval_seconds: float) -> MeterConfig:
        """The household's meters; the charger alone when the file does not exist.

        Args:
            interval_seconds: Between two collections.

        Raises:
            BadInputError: naming the meter and the field that cannot be used.
        """
        document = self.read_document(METERS_FILE)
        return MeterConfig.read({} if document is None else document, METERS_FILE, interval_seconds)

    def last_session(self) -> LastSession | None:
        """The charger when it was last looked at; None when it never was, or the file is damaged."""
        try:
            document = self.read_document(STATE_FILE)
            return None if document is None else LastSession.model_validate(document)
        except (BadInputError, ValueError):
            return None  # the next look replaces it

    def read_document(self, path: str) -> Any | None:
        """A JSON file of the data root; None when there is none."""
        return self.read_file(path, load_json)

    def write_document(self, path: str, document: object) -> Written:
        """Write a JSON file of the data root."""
        return self._write(path, dump_json(document))

    def write_files(self, files: Mapping[str, bytes]) -> list[Written]:
        """Put files by path in place, one after the other, each whole; what they hold was validated before."""
        return [self._write(path, data) for path, data in files.items()]

    def remove_others(self, folder: str, kept: Collection[str]) -> list[str]:
        """Remove what a folder has besides the files that were just put in place; returns it, sorted."""
        return [path for path in self.root.list(folder) if path not in kept and self.root.remove(path)]

    def edit_document(self, path: str, change: Callable[[Any], object]) -> bool:
        """Change a JSON file that people edit, under its lock: no edit of another command is lost.

        Args:
            change: From the document, or an empty object when there is none, to the new one. When it raises, the file
                stays as it is.

        Returns:
            Whether it changed anything; a file that says the same keeps its form.

        Raises:
            BadInputError: the file is there and cannot be read.
            LockedError: another command edits for too long.
        """
        with self.locks.hand_edited():
            document = self.read_document(path)
            before = {} if document is None else document
            after = change(before)
            return after != before and self.write_document(path, after).changed

    def read_file(self, path: str, parse: Callable[[bytes, str], Any]) -> Any | None:
        """A file's value, None when there is none; what did not change is parsed once.

        Args:
            parse: Bytes and a name for messages to the value; raises BadInputError.
        """
        data = self.root.read(path)
        if data is None:
            return None
        known = self._parsed.get(path)
        if known is None or known[0] != data:
            known = (data, parse(data, path))
            self._parsed[path] = known
        return known[1]

    def read_large(self, path: str, parse: Callable[[bytes, str], Any]) -> Any | None:
        """As `read_file`, for files that take much room: only the newest few are kept. For several threads.

        Args:
            parse: Bytes and a name for messages to the value; raises BadInputError.
        """
        with self._large_lock:
            stamp = self.root.stamp(path)
            known = self._large.pop(path, None)
            if known is None or known[0] != stamp:
                data = self.root.read(path)
                if data is None:
                    return None
                known = (stamp, parse(data, path))
            self._large[path] = known
            while len(self._large) > _KEPT_LARGE:
                del self._large[next(iter(self._large))]
            return known[1]

    def _write_month(self, file: MonthFile, month: str, value: Any) -> Written:
        data = file.dump(value)
        if file.form == "parquet":  # the same rows by another version of the writing library stay as they are
            data = prefer_stored(self.root.read(file.path(month)), data)
        return self._write(file.path(month), data)

    def _write(self, path: str, data: bytes) -> Written:
        written = self.root.write(path, data)
        if written.changed:
            self.written.append(path)
        return written


def _remedy(broken: list[Violation]) -> str:
    if any(violation.rule == "inside_month" for violation in broken):
        return "If CPH50_TIMEZONE was changed, `cph50 rebuild` says which sessions move to which month"
    return f"`cph50 update month {broken[0].month}` asks ChargePoint again"
