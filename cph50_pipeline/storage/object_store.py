"""Files in an object store, through fsspec. Imported only where the data root is a URL: fsspec is slow.

An object store shows an object only when it is whole, so a plain upload is atomic.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fsspec.core import url_to_fs

from cph50_pipeline.errors import BadInputError, PermanentError, TransientError
from cph50_pipeline.storage.layout import PRIVATE


class ObjectStore:
    """The objects below one URL.

    The URL is named by its scheme only: it may carry a key.
    """

    def __init__(self, url: str) -> None:
        scheme = url.partition("://")[0]
        self._name = f"the object store ({scheme}://)"
        try:
            self._store: Any
            self._store, base = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise BadInputError(
                f"CPH50_DATA_DIR: {scheme}:// cannot be opened",
                remedy="Install the fsspec package of that store (s3fs for s3://, gcsfs for gs://)",
            ) from error
        self._base = str(base).rstrip("/")

    def read(self, relative_path: str) -> bytes | None:
        """An object's bytes; None only when the store says there is none."""
        with self._typed("read", relative_path):
            try:
                return bytes(self._store.cat_file(f"{self._base}/{relative_path}"))
            except FileNotFoundError:
                return None

    def write(self, relative_path: str, data: bytes) -> bool:
        """Put an object in place; equal bytes are not uploaded again. Returns whether it was."""
        if self.read(relative_path) == data:
            return False
        with self._typed("written", relative_path):
            self._store.pipe_file(f"{self._base}/{relative_path}", data)
        return True

    def remove(self, relative_path: str) -> bool:
        """Remove an object; returns whether there was one."""
        with self._typed("removed", relative_path):
            self._store.invalidate_cache()
            if not self._store.exists(f"{self._base}/{relative_path}"):
                return False
            self._store.rm_file(f"{self._base}/{relative_path}")
        return True

    def stamp(self, relative_path: str) -> object | None:
        """What the store tells of an object without sending it; None when there is none."""
        with self._typed("read", relative_path):
            try:
                return str(self._store.ukey(f"{self._base}/{relative_path}"))
            except FileNotFoundError:
                return None

    def walk(self, folder: str, *, private: bool) -> Iterator[str]:
        """Paths, relative to the URL, of all objects below a folder, the private part included or not."""
        with self._typed("listed", folder or "the data root"):
            self._store.invalidate_cache()
            found: list[str] = self._store.find(f"{self._base}/{folder}".rstrip("/"))
        relative = (str(path)[len(self._base) + 1 :] for path in found)
        yield from (path for path in relative if private or not path.startswith(f"{PRIVATE}/"))

    @contextmanager
    def _typed(self, action: str, name: str) -> Iterator[None]:
        """Each store's library raises exceptions of its own; here they become the two kinds that matter."""
        message = f"{name} could not be {action} in {self._name}"
        kept = "Objects already stored are unchanged"
        try:
            yield
        except PermissionError as error:
            remedy = "Check the store's credentials and rights"
            raise PermanentError(message, kept=kept, remedy=remedy) from error
        except Exception as error:
            remedy = "It is tried again with the next run"
            raise TransientError(f"{message}: {type(error).__name__}", kept=kept, remedy=remedy) from error
