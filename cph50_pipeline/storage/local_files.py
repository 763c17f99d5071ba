"""The published files of a data root and the ids that git gives their contents, each counted once per version."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from cph50_pipeline.storage.layout import kind_of, published_places
from cph50_pipeline.storage.published import blob_id


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


def local_files(data_root: Path, known: Mapping[str, LocalFile]) -> dict[str, LocalFile]:
    """The published files, by path, sorted.

    Args:
        known: As they were looked at before: what was not written since is not read again.
    """
    found = {}
    for place in published_places():
        for path, status in _walk(data_root, place):
            before = known.get(path)
            if before is None or before[1:] != (status.st_size, status.st_mtime_ns, status.st_ino):
                try:
                    content = (data_root / path).read_bytes()
                except FileNotFoundError:
                    continue
                before = LocalFile(blob_id(content), status.st_size, status.st_mtime_ns, status.st_ino)
            found[path] = before
    return dict(sorted(found.items()))


def published_paths(data_root: Path) -> Iterator[str]:
    """The paths of the published files, in no order."""
    for place in published_places():
        yield from (path for path, _ in _walk(data_root, place))


def _walk(data_root: Path, place: str) -> Iterator[tuple[str, os.stat_result]]:
    """The published files at a place, or below it, with what the file system knows of them."""
    # Names, not path objects: years have thousands of folders.
    folders = [(os.path.join(data_root, place), place)]
    while folders:
        folder, name = folders.pop()
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
            if entry.is_dir():
                folders.append((entry.path, path))
            elif kind_of(path) is not None:
                with suppress(FileNotFoundError):
                    yield path, entry.stat()
