"""Git objects of a bare repository: read through one git process that stays open, written as loose files.

Starting git takes milliseconds, and each request needs a few objects. What objects mean is `trees` and `commits`.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
import threading
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

Kind = Literal["blob", "tree", "commit", "tag"]


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What an object is, without its content.

    Attributes:
        id: 40 hexadecimal digits.
        size: In bytes.
    """

    id: str
    kind: Kind
    size: int


class ObjectStore:
    """The objects of one bare repository. Safe to use from several threads.

    Args:
        git_dir: The repository's folder.
    """

    def __init__(self, git_dir: Path) -> None:
        self._git_dir = git_dir
        self._lock = threading.Lock()
        self._reader: subprocess.Popen[bytes] | None = None

    def info(self, name: str) -> ObjectInfo | None:
        """What a full id, an unambiguous beginning of one or a reference's name stands for; None for nothing."""
        with self._lock:
            return self._ask("info", name)

    def read(self, name: str, kind: Kind) -> bytes | None:
        """The content of an object of this kind; None when there is none."""
        with self._lock:
            info = self._ask("contents", name)
            if info is None:
                return None
            data = _pipe(self._running().stdout).read(info.size + 1)[:-1]
            return data if info.kind == kind else None

    def write(self, kind: Kind, data: bytes) -> str:
        """Store an object unless it is there, and return its id."""
        whole = f"{kind} {len(data)}\0".encode() + data
        object_id = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        file = self._git_dir / "objects" / object_id[:2] / object_id[2:]
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=file.parent, prefix="tmp_obj_", delete=False) as part:
                part.write(zlib.compress(whole, 1))
            os.replace(part.name, file)
        return object_id

    def close(self) -> None:
        """End the git process."""
        with self._lock:
            if self._reader is not None:
                self._reader.kill()
                self._reader.communicate()
                self._reader = None

    def _ask(self, command: str, name: str) -> ObjectInfo | None:
        if not name or not name.isprintable() or " " in name:
            return None  # no object has such a name, and it would be two questions to git
        reader = self._running()
        _pipe(reader.stdin).write(f"{command} {name}\n".encode())
        _pipe(reader.stdin).flush()
        parts = _pipe(reader.stdout).readline().decode().split()
        if len(parts) != 3:  # "NAME missing", "NAME ambiguous"
            return None
        return ObjectInfo(parts[0], cast(Kind, parts[1]), int(parts[2]))

    def _running(self) -> subprocess.Popen[bytes]:
        if self._reader is None:
            self._reader = subprocess.Popen(
                ["git", "--git-dir", str(self._git_dir), "cat-file", "--batch-command"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=git_environment(),
            )
        return self._reader


def git_environment() -> dict[str, str]:
    """This process's environment without what would point git to another repository."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
