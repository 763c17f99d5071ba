"""What maintenance does, step by step; a step that fails keeps no other from being done."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from logging import Logger
from pathlib import Path
from typing import Any

import dagster as dg

from cph50_pipeline.defs.dead_runs import sweep_dead_runs
from cph50_pipeline.defs.store import Store
from cph50_pipeline.errors import Cph50Error
from cph50_pipeline.settings import Settings
from cph50_pipeline.storage.files import DataRoot
from cph50_pipeline.storage.log_rotation import rotate_logs

AT_WORK = "put in order another time: runs are at work"


@dataclass(frozen=True)
class Done:
    """What a step did.

    Attributes:
        counts: How many of what, by name.
        bytes_freed: How much smaller that made what it looked after.
        note: What else a person should know, one line; empty for nothing.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    bytes_freed: int = 0
    note: str = ""


@dataclass(frozen=True)
class Step:
    """A step of maintenance that is over.

    Attributes:
        name: Which.
        done: What it did; nothing when it failed.
        seconds: How long it took.
        trouble: What went wrong, one line; empty when nothing did.
    """

    name: str
    done: Done
    seconds: float
    trouble: str = ""

    @property
    def sentence(self) -> str:
        """What is said of it, one line."""
        if self.trouble:
            return f"{self.name}: {self.trouble}"
        counted = [f"{count} {what}" for what, count in self.done.counts.items() if count]
        freed = [f"{self.done.bytes_freed:,} bytes less"] if self.done.bytes_freed else []
        said = [", ".join([*counted, *freed]), self.done.note]
        return f"{self.name}: {'; '.join(filter(None, said)) or 'nothing to do'}"

    def row(self) -> dict[str, Any]:
        """The same for a program."""
        return {
            "step": self.name,
            **asdict(self.done),
            "seconds": round(self.seconds, 3),
            "trouble": self.trouble,
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "Step":
        """The step that a row tells of."""
        done = Done(row["counts"], row["bytes_freed"], row["note"])
        return cls(row["step"], done, row["seconds"], row["trouble"])


@dataclass(frozen=True)
class Maintenance:
    """One maintenance of a household, at work.

    Attributes:
        run_id: The run that it is, which does not count as a run at work.
    """

    settings: Settings
    instance: dg.DagsterInstance
    run_id: str
    now: datetime
    log: Logger

    def steps(self) -> Iterator[Step]:
        """Do all of it, one step after the other, in the order in which one leaves work to the next.

        Raises:
            LockedError: another maintenance is at work.
        """
        work: Mapping[str, Callable[[], Done]] = {
            "leftovers": self._leftovers,
            "logs": self._logs,
            "live table": self._live_table,
            "runs": self._runs,
            "records": self._records,
        }
        with Store.of(self.settings).locks.maintenance():
            for name, do in work.items():
                began = time.monotonic()
                try:
                    done, trouble = do(), ""
                except Cph50Error as error:
                    done, trouble = Done(), str(error)
                yield Step(name, done, time.monotonic() - began, trouble)

    def _leftovers(self) -> Done:
        """What killed processes left: unfinished files, locks, runs that Dagster believes to be going on."""
        store = Store.of(self.settings)
        roots = [store.root, DataRoot(str(self.settings.private_dir))]
        files = sum(len(root.remove_stale_temporaries()) for root in roots)
        launches = store.locks.forget_dead_launches()
        runs = sweep_dead_runs(self.instance, store.locks, self.log)
        counts = {"unfinished files removed": files, "dead commands' locks removed": len(launches)}
        return Done(counts | {"dead runs marked as failed": len(runs)})

    def _logs(self) -> Done:
        """Logs of days gone by."""
        rotated = rotate_logs(self.settings.private_dir, self.now, self.settings.zone)
        counts = {"rolled": rotated.rolled, "compressed": rotated.compressed, "removed": rotated.removed}
        return Done(counts, max(0, rotated.bytes_before - rotated.bytes_after))

    def _live_table(self) -> Done:
        """Devices retired a week ago, and history that is over; the database put in order."""
        from cph50_pipeline.defs.live import live_store

        before = _size(self._live_file())
        removed = live_store(self.settings).maintain(self.now, self.settings.live_history_days)
        counts = {f"{what} removed": count for what, count in asdict(removed).items()}
        return Done(counts, max(0, before - _size(self._live_file())))

    def _runs(self) -> Done:
        """Dagster's runs of long ago."""
        from cph50_pipeline.defs.maintenance.runs import forget_runs

        home = self.settings.dagster_home
        before = sum(map(_size, home.rglob("*")))
        forgotten = forget_runs(self.instance, self.now, self.settings.run_retention_days)
        freed = max(0, before - sum(map(_size, home.rglob("*"))))
        return Done({"forgotten": forgotten.forgotten, "old ones still needed": forgotten.kept}, freed)

    def _records(self) -> Done:
        """The databases of Dagster's records, where they are files."""
        from cph50_pipeline.defs.maintenance.runs import give_room_back, is_any_at_work, sqlite_files

        files = sqlite_files(self.instance)
        if files and is_any_at_work(self.instance, but=self.run_id):
            return Done({"databases put in order": 0}, note=AT_WORK)
        note = "" if files else "PostgreSQL puts itself in order"
        return Done({"databases put in order": len(files)}, sum(map(give_room_back, files)), note)

    def _live_file(self) -> Path:
        """The live table's file; one that is not there when it is in another database."""
        return Path(self.settings.live_url.removeprefix("sqlite:///"))


def _size(path: Path) -> int:
    with suppress(OSError):  # gone meanwhile, or no file
        return path.stat().st_size
    return 0
