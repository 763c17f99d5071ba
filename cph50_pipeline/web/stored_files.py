"""The stored files that an answer is made of: which months there are, where they lie, and what tells that they changed.

Paths come from what is stored, never from a request.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from time import monotonic

from cph50_pipeline.defs.month_files import MonthFile
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.files import DataRoot

LISTING_SECONDS = 15.0
"""How long a listing of an object store is believed: asking takes a request for each file."""
_MONTH = re.compile(r"(?a:\d{4}-(?:0[1-9]|1[0-2]))")


@dataclass(frozen=True, slots=True)
class Stored:
    """One month's file on this machine, and its stamp, which becomes another when the file does."""

    month: str
    path: str
    stamp: Hashable


@dataclass(frozen=True, slots=True)
class Inputs:
    """The files of which an answer is made, in order of their months."""

    files: tuple[Stored, ...]

    @property
    def paths(self) -> list[str]:
        """Where they are on this machine."""
        return [file.path for file in self.files]

    @property
    def fingerprint(self) -> Hashable:
        """What becomes another when a file is added, replaced or removed."""
        return tuple((file.path, file.stamp) for file in self.files)

    def of_month(self, month: str) -> Inputs:
        """Those of one month alone."""
        return Inputs(tuple(file for file in self.files if file.month == month))


class StoredFiles:
    """The month files of one household, for reading. An object store's are copied to this machine, changed ones again.

    Args:
        root: Where the files are.
    """

    def __init__(self, root: DataRoot) -> None:
        self._root = root
        self._mirror = None if root.is_local else TemporaryDirectory(prefix="cph50-api-")
        self._listings: dict[str, tuple[float, tuple[Stored, ...]]] = {}
        self._lock = Lock()

    def folder(self, file: MonthFile) -> Path:
        """Where a kind's files are on this machine."""
        if self._mirror is None:
            return self._root.folder / file.folder
        return Path(self._mirror.name) / file.folder

    def of(self, file: MonthFile, first: str | None = None, last: str | None = None) -> Inputs:
        """The files of a span of months, both ends included; an end that is None is open.

        Raises:
            TransientError, PermanentError: they could not be listed or read.
        """
        found = self._local(file) if self._mirror is None else self._mirrored(file)
        wanted = (
            one
            for one in found
            if (first is None or first <= one.month) and (last is None or one.month <= last)
        )
        return Inputs(tuple(wanted))

    def close(self) -> None:
        """Remove what was copied."""
        if self._mirror is not None:
            self._mirror.cleanup()

    def _local(self, file: MonthFile) -> tuple[Stored, ...]:
        folder = self.folder(file)
        found = []
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    month, dot, form = entry.name.partition(".")
                    if dot and form == file.form and _MONTH.fullmatch(month):
                        is_ = entry.stat()
                        stamp = (is_.st_ino, is_.st_size, is_.st_mtime_ns)
                        found.append(Stored(month, entry.path, stamp))
        except FileNotFoundError:  # the folder, or a file that went while it was listed
            return () if not folder.exists() else self._local(file)
        except OSError as error:
            raise file_error(error, "listed", file.folder) from error
        return tuple(sorted(found, key=lambda one: one.month))

    def _mirrored(self, file: MonthFile) -> tuple[Stored, ...]:
        with self._lock:
            known = self._listings.get(file.folder)
            if known is None or monotonic() - known[0] > LISTING_SECONDS:
                known = (monotonic(), self._copied(file))
                self._listings[file.folder] = known
            return known[1]

    def _copied(self, file: MonthFile) -> tuple[Stored, ...]:
        found = []
        for path in self._root.list(f"{file.folder}/", f".{file.form}"):
            month, stamp = file.month(path), str(self._root.stamp(path))
            if not _MONTH.fullmatch(month):
                continue
            named = hashlib.sha256(stamp.encode()).hexdigest()[:16]
            copy = self.folder(file) / f"{month}.{named}.{file.form}"
            if not copy.exists():
                data = self._root.read(path)
                if data is None:
                    continue
                copy.parent.mkdir(parents=True, exist_ok=True)
                for former in copy.parent.glob(f"{month}.*.{file.form}"):
                    former.unlink()
                copy.write_bytes(data)
            found.append(Stored(month, str(copy), stamp))
        return tuple(sorted(found, key=lambda one: one.month))
