"""The published files of a data root and the ids that git gives their contents, each counted once per version.

A folder of a day that did not change since it was looked at is not even listed: there are thousands of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cph50_pipeline.storage.layout import is_day_folder, kind_of, published_places
from cph50_pipeline.storage.published import blob_id

# Within this of a change another one may get the same time: file systems' clocks tick, some every two seconds.
_SETTLED_AFTER_NS = 2_000_000_000
# The pipeline's own writes change the folder. A file edited in place does not, so all are listed now and then.
_LISTED_EVERY_NS = 24 * 3600 * 1_000_000_000


class LocalFile(NamedTuple):
    """A file as it was looked at.

    Attributes:
        id: Of its content, as git counts it.
        size: In bytes.
        mtime_ns: When it was written, in nanoseconds since 1970.
        inode: Which file it was: each writing makes a new one.
    """

    id: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Look:
    """The published files as they were looked at.

    Attributes:
        files: By path, sorted.
        folders: When folders of days were changed last, by path, in nanoseconds since 1970; only those in which
            each later write shows by another time.
        all_listed_at_ns: When every folder was listed last, in nanoseconds since 1970.
    """

    files: Mapping[str, LocalFile] = field(default_factory=dict)
    folders: Mapping[str, int] = field(default_factory=dict)
    all_listed_at_ns: int = 0


def look_at_files(data_root: Path, known: Look, now_ns: int) -> Look:
    """The published files.

    Args:
        known: As they were looked at before: what was not written since is not read again. The empty one: every
            file is read.
        now_ns: The clock of the file system, in nanoseconds since 1970; not later than the look begins.
    """
    is_recent = 0 <= now_ns - known.all_listed_at_ns < _LISTED_EVERY_NS
    unchanged = _unchanged(data_root, known.folders) if is_recent else {}
    folders = _DayFolders(unchanged, now_ns - _SETTLED_AFTER_NS)
    found = {}
    for place in published_places():
        for path, status in _walk(data_root, place, folders):
            before = known.files.get(path)
            if before is None or before[1:] != (status.st_size, status.st_mtime_ns, status.st_ino):
                try:
                    content = (data_root / path).read_bytes()
                except FileNotFoundError:
                    continue
                before = LocalFile(blob_id(content), status.st_size, status.st_mtime_ns, status.st_ino)
            found[path] = before
    found.update(item for item in known.files.items() if item[0].rpartition("/")[0] in unchanged)
    all_listed_at_ns = known.all_listed_at_ns if is_recent else now_ns
    return Look(dict(sorted(found.items())), folders.settled, all_listed_at_ns)


def published_paths(data_root: Path) -> Iterator[str]:
    """The paths of the published files, in no order."""
    for place in published_places():
        yield from (path for path, _ in _walk(data_root, place, _DayFolders({}, 0)))


def _unchanged(data_root: Path, folders: Mapping[str, int]) -> Mapping[str, int]:
    """Those of the folders that have not changed since, with when they did."""
    unchanged: dict[str, int] = {}
    try:
        root = os.open(data_root, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return unchanged
    try:
        for name, changed_at_ns in folders.items():
            try:
                status = os.stat(name, dir_fd=root)
            except (FileNotFoundError, NotADirectoryError):
                continue
            if status.st_mtime_ns == changed_at_ns:
                unchanged[name] = changed_at_ns
    finally:
        os.close(root)
    return unchanged


class _DayFolders:
    """The folders of days that a look comes to.

    Args:
        unchanged: Those that need not be listed, with when they changed last; asked before any is listed, so that
            what changes meanwhile shows.
        settled_before_ns: What changed earlier shows the next change.

    Attributes:
        settled: When those changed last that need not be listed the next time unless they change.
    """

    def __init__(self, unchanged: Mapping[str, int], settled_before_ns: int) -> None:
        self.unchanged = unchanged
        self._settled_before_ns = settled_before_ns
        self.settled: dict[str, int] = {}
        for name, changed_at_ns in unchanged.items():
            self._note(name, changed_at_ns)

    def note_listed(self, folder: str, name: str) -> None:
        """Remember a folder that is about to be listed."""
        if is_day_folder(name):
            with suppress(FileNotFoundError):
                self._note(name, os.stat(folder).st_mtime_ns)

    def note_link(self, name: str) -> None:
        """Keep listing a folder: the file that a link in it names is written elsewhere."""
        self.settled.pop(name, None)

    def _note(self, name: str, changed_at_ns: int) -> None:
        if changed_at_ns < self._settled_before_ns:
            self.settled[name] = changed_at_ns


def _walk(data_root: Path, place: str, days: _DayFolders) -> Iterator[tuple[str, os.stat_result]]:
    """The published files at a place, or below it, with what the file system knows of them."""
    # Names, not path objects: years have thousands of folders.
    folders = [(os.path.join(data_root, place), place)]
    while folders:
        folder, name = folders.pop()
        days.note_listed(folder, name)
        try:
            entries = list(os.scandir(folder))
        except NotADirectoryError:
            if kind_of(name) is not None:
                yield name, os.stat(folder)
            continue
        except FileNotFoundError:
            continue
        for entry in entries:
            path = f"{name}/{entry.name}"
            if path in days.unchanged:
                continue
            if entry.is_dir():
                folders.append((entry.path, path))
                continue
            if entry.is_symlink():
                days.note_link(name)
            if kind_of(path) is not None:
                with suppress(FileNotFoundError):
                    yield path, entry.stat()
