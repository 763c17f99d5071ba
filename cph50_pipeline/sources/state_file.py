"""Small private files that all processes share: replaced whole, their owner's only, locked by the kernel.

What they hold is known to their users (`session_token`, `request_budget`, `pause`, `account_memory`).
Published files are written by `storage`, whose atomic write is used here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, TypeVar

from filelock import FileLock, Timeout
from pydantic import BaseModel

from cph50_pipeline.errors import TransientError
from cph50_pipeline.http.deadline import Deadline
from cph50_pipeline.storage.atomic import atomic_write
from cph50_pipeline.storage.failures import file_error

StateT = TypeVar("StateT", bound=BaseModel)


class StateFile(Generic[StateT]):
    """One such file. Missing, cut short or of an older form, it reads as None: what it held can be had again.

    Args:
        path: Where it is.
        kind: What it holds.
    """

    def __init__(self, path: Path, kind: type[StateT]) -> None:
        self.path = path
        self._kind = kind

    def read(self) -> StateT | None:
        """What the file holds, None when that is nothing usable.

        Raises:
            PermanentError, TransientError: when the file is there and cannot be opened.
        """
        try:
            return self._kind.model_validate_json(self.path.read_bytes())
        except (FileNotFoundError, ValueError):  # pydantic's ValidationError is a ValueError
            return None
        except OSError as error:
            raise file_error(error, "read", self.path.name) from None

    def write(self, state: StateT) -> None:
        """Replace the file in one step.

        Raises:
            PermanentError, TransientError: when it cannot be written; the old file is whole.
        """
        text = json.dumps(state.model_dump(mode="json"), sort_keys=True, indent=1) + "\n"
        atomic_write(self.path, text.encode(), mode=0o600)

    def remove(self) -> None:
        """Remove the file, if it is there."""
        self.path.unlink(missing_ok=True)

    @contextmanager
    def locked(self, deadline: Deadline) -> Iterator[None]:
        """Hold the file's lock against all other processes and threads.

        Raises:
            TransientError: when another process holds it until the deadline.
        """
        wait_seconds = deadline.remaining_seconds
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # Where the file system knows no flock this fails, rather than leave a lock that outlives a kill.
            lock = FileLock(self.path.with_suffix(".lock"), mode=0o600, fallback_to_soft=False)
            lock.acquire(timeout=wait_seconds)
        except Timeout:
            raise TransientError(
                f"Another process held {self.path.name} for {wait_seconds:.0f} s", remedy="Try again later"
            ) from None
        except OSError as error:
            raise file_error(error, "locked", self.path.name) from None
        try:
            yield
        finally:
            lock.release()
