"""What is remembered of publications: which files this data root published where, and when. Private, and replaceable.

Without it nothing is lost: what the repository holds and this data root does not is then left as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError, field_serializer

from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.locks import Locks
from cph50_pipeline.storage.private import make_private_folder
from cph50_pipeline.storage.publisher import Waiting

_FILE = "publication.json"
_COMPARE_EVERY = timedelta(days=1)
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)


class Known(BaseModel):
    """What is known of one repository.

    Attributes:
        repository: Which one.
        seen: The published files that were in this data root; None when it is not known.
        sent: What is on its way there, by path with the id of its content: should no answer come, the same content
            in the repository is this data root's all the same.
        runs: The runs that wrote something since the last upload.
        uploaded_at: When something was uploaded last.
        compared_at: When the repository was asked what it holds last.
        failures: Uploads that failed since.
        retry_at: From when on another one is tried by itself.
    """

    model_config = ConfigDict(frozen=True)

    repository: str
    seen: frozenset[str] | None = None
    sent: Mapping[str, str] = {}
    runs: tuple[str, ...] = ()
    uploaded_at: AwareDatetime | None = None
    compared_at: AwareDatetime | None = None
    failures: int = 0
    retry_at: AwareDatetime | None = None

    @field_serializer("seen")
    def _sorted(self, seen: frozenset[str] | None) -> list[str] | None:
        return None if seen is None else sorted(seen)

    def waiting(
        self, changes: int, due_at: datetime | None, now: datetime, withheld: Mapping[str, str]
    ) -> Waiting:
        """What waits for an upload.

        Args:
            changes: How many files.
            due_at: From when on they may go, by the rhythm.
        """
        # Once a day the repository is looked at though nothing changed here: somebody may have changed it there.
        again_at = None if self.compared_at is None else self.compared_at + _COMPARE_EVERY
        dates = [at for at in (due_at, again_at) if at is not None]
        earliest = min(dates, default=None)
        is_held_back = self.retry_at is not None and now < self.retry_at
        is_due = earliest is not None and earliest <= now and not is_held_back
        return Waiting(changes, earliest, is_due, withheld)

    def after_success(self, now: datetime, *, did_upload: bool, named: Collection[str] = ()) -> Known:
        """What is known when an upload went well, or had nothing to do.

        Args:
            did_upload: Whether there was something to upload.
            named: The runs that it named; others may have noted theirs meanwhile.
        """
        known = self.model_copy(update={"failures": 0, "retry_at": None, "compared_at": now})
        if not did_upload:
            return known
        unnamed = tuple(run for run in self.runs if run not in named)
        return known.model_copy(update={"uploaded_at": now, "runs": unnamed})

    def after_failure(self, now: datetime, retry_after_seconds: float | None) -> Known:
        """What is known when an upload failed: the pause grows with each failure, and is never less than asked for."""
        pause = max(
            min(_FIRST_PAUSE * 2.0 ** min(self.failures, 10), _LONGEST_PAUSE),
            timedelta(seconds=retry_after_seconds or 0.0),
        )
        return self.model_copy(update={"failures": self.failures + 1, "retry_at": now + pause})


class Memory:
    """The memory of one data root about one repository; another repository is another story.

    Args:
        locks: The locks of the data root.
        repository: Which repository and branch; no credentials in it.
    """

    def __init__(self, locks: Locks, repository: str) -> None:
        self._locks = locks
        self._repository = repository

    def read(self) -> Known:
        """What is known; nothing when it was lost, is damaged, or is about another repository."""
        try:
            known = Known.model_validate_json(self._path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return Known(repository=self._repository)
        return known if known.repository == self._repository else Known(repository=self._repository)

    def change(self, change: Callable[[Known], Known]) -> Known:
        """Replace what is known by what follows from it; two processes lose nothing of each other's.

        Raises:
            LockedError: another process still holds it after a while.
        """
        with self._locks.known():
            before = self.read()
            known = change(before)
            if known != before:
                data = known.model_dump_json().encode()
                atomic_write(make_private_folder(self._locks.private_dir) / _FILE, data, mode=0o600)
        return known

    def remember_seen(self, paths: Iterable[str]) -> None:
        """Note that these published files are in this data root.

        Raises:
            LockedError: another process still holds it after a while.
        """
        added = frozenset(paths)
        self.change(lambda known: known.model_copy(update={"seen": (known.seen or frozenset()) | added}))

    @property
    def _path(self) -> Path:
        return self._locks.private_dir / _FILE
