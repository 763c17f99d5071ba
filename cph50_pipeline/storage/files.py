"""The data root: the household's files by relative path, in a local folder or an object store.

A file is either absent or whole. What the files are called is in `layout`, what is in them in `documents` and
`tables`; nothing here knows either.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cph50_pipeline.errors import BadInputError, PermanentError
from cph50_pipeline.settings import is_object_store
from cph50_pipeline.storage.atomic import atomic_remove, atomic_write, is_abandoned, is_temporary
from cph50_pipeline.storage.failures import file_error
from cph50_pipeline.storage.layout import PRIVATE


@dataclass(frozen=True, slots=True)
class Written:
    """What a write left in place.

    Attributes:
        path: Relative to the data root.
        sha256: Of the file's bytes, in hexadecimal.
        size_bytes: The file's length.
        changed: Whether the file differs from what was there before.
    """

    path: str
    sha256: str
    size_bytes: int
    changed: bool


class _Files(Protocol):
    def read(self, relative_path: str) -> bytes | None: ...

    def write(self, relative_path: str, data: bytes) -> bool: ...

    def remove(self, relative_path: str) -> bool: ...

    def stamp(self, relative_path: str) -> object | None: ...

    def walk(self, folder: str, *, private: bool) -> Iterator[str]: ...


class DataRoot:
    """The files of one household.

    Args:
        root: A folder, or an object store's URL that fsspec knows (`s3://…`, `memory://…`).

    Raises:
        BadInputError: when no installed library speaks the URL's scheme.
    """

    def __init__(self, root: str) -> None:
        self._folder = None if is_object_store(root) else Path(root).absolute()
        self._files: _Files = _open(root) if self._folder is None else _LocalFiles(self._folder)

    @property
    def is_local(self) -> bool:
        """Whether the files are in a folder of this machine."""
        return self._folder is not None

    @property
    def folder(self) -> Path:
        """The local folder.

        Raises:
            PermanentError: when the data root is an object store.
        """
        if self._folder is None:
            raise PermanentError(
                "The data root is an object store and has no folder on this machine",
                remedy="Set CPH50_DATA_DIR to a folder for what needs one, such as publishing by git",
            )
        return self._folder

    def local_path(self, relative_path: str) -> Path:
        """Where a file is on this machine; the empty path is the data root itself.

        Raises:
            BadInputError: when the path leads out of the data root.
            PermanentError: when the data root is an object store.
        """
        return self.folder / check_relative(relative_path) if relative_path else self.folder

    def read(self, relative_path: str) -> bytes | None:
        """A file's bytes; None only when there is no such file.

        Raises:
            BadInputError: when the path leads out of the data root.
            TransientError, PermanentError: when it is there, or may be, and could not be read.
        """
        return self._files.read(check_relative(relative_path))

    def stamp(self, relative_path: str) -> object | None:
        """What becomes another when a file is replaced, told without reading it; None when there is no such file.

        Raises:
            BadInputError: when the path leads out of the data root.
            TransientError, PermanentError: when nothing could be told.
        """
        return self._files.stamp(check_relative(relative_path))

    def write(self, relative_path: str, data: bytes) -> Written:
        """Put a file in place, whole; equal bytes are left untouched.

        Raises:
            BadInputError: when the path leads out of the data root.
            TransientError, PermanentError: when it could not be written; the file that was there is whole.
        """
        changed = self._files.write(check_relative(relative_path), data)
        return Written(relative_path, sha256_of(data), len(data), changed)

    def remove(self, relative_path: str) -> bool:
        """Remove a file; returns whether there was one. Its folder stays.

        Raises:
            BadInputError: when the path leads out of the data root.
            TransientError, PermanentError: when it could not be removed; it is whole.
        """
        return self._files.remove(check_relative(relative_path))

    def list(self, prefix: str = "", suffix: str = "") -> list[str]:
        """Relative paths that begin with `prefix` and end with `suffix`, sorted.

        What is private, a repository's own or unfinished is never among them.

        Raises:
            BadInputError: when the prefix leads out of the data root.
            TransientError, PermanentError: when a folder could not be listed.
        """
        folder = prefix.rpartition("/")[0]
        if folder:
            check_relative(folder)
        found = self._files.walk(folder, private=False)
        wanted = (path for path in found if path.startswith(prefix) and path.endswith(suffix))
        return sorted(path for path in wanted if _is_public(path))

    def remove_stale_temporaries(self) -> tuple[str, ...]:
        """Remove what killed writers left behind, private part included; returns the paths, sorted.

        An object store has none: it shows an object only when it is whole.

        Raises:
            TransientError, PermanentError: when a folder could not be listed or a file not removed.
        """
        if self._folder is None:
            return ()
        now = time.time()
        found = [path for path in self._files.walk("", private=True) if is_temporary(path.rpartition("/")[2])]
        return tuple(sorted(path for path in found if _remove_if_abandoned(self._folder / path, now)))


def sha256_of(data: bytes) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def check_relative(relative_path: str) -> str:
    """Return a path that stays inside the data root.

    Raises:
        BadInputError: for an absolute path, one with `..`, empty parts, backslashes or control characters.
    """
    parts = relative_path.split("/")
    is_plain = relative_path.isprintable() and "\\" not in relative_path
    if not is_plain or any(part in ("", ".", "..") for part in parts):
        raise BadInputError(
            f"{relative_path!r} is not a path inside the data root",
            remedy="Use forward slashes and no '..', for example session_cache/2026-01.json",
        )
    return relative_path


def _is_public(relative_path: str) -> bool:
    parts = relative_path.split("/")
    return parts[0] != PRIVATE and ".git" not in parts and not is_temporary(parts[-1])


def _remove_if_abandoned(path: Path, now_epoch_seconds: float) -> bool:
    try:
        if not is_abandoned(path, now_epoch_seconds):
            return False
        path.unlink()
    except FileNotFoundError:  # its writer finished meanwhile, or another sweeper was faster
        return False
    except OSError as error:
        raise file_error(error, "removed", str(path)) from error
    return True


def _open(url: str) -> _Files:
    from cph50_pipeline.storage.object_store import ObjectStore

    return ObjectStore(url)


class _LocalFiles:
    """Files in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, relative_path: str) -> bytes | None:
        try:
            return (self._folder / relative_path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise file_error(error, "read", relative_path) from error

    def write(self, relative_path: str, data: bytes) -> bool:
        return atomic_write(self._folder / relative_path, data)

    def remove(self, relative_path: str) -> bool:
        return atomic_remove(self._folder / relative_path)

    def stamp(self, relative_path: str) -> object | None:
        try:
            found = (self._folder / relative_path).stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise file_error(error, "read", relative_path) from error
        return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def walk(self, folder: str, *, private: bool) -> Iterator[str]:
        for parent, folders, names in os.walk(self._folder / folder, onerror=_raise_unless_absent):
            relative = Path(parent).relative_to(self._folder)
            skipped = {".git"} if private or relative.parts else {".git", PRIVATE}
            folders[:] = [name for name in folders if name not in skipped]
            before = (
                f"{relative.as_posix()}/" if relative.parts else ""
            )  # a path for each would take ten times as long
            yield from (before + name for name in names)


def _raise_unless_absent(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise file_error(error, "listed", str(error.filename)) from error
