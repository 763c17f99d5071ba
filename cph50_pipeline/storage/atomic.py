"""The one atomic write: a reader sees the old file or the new one, whole, also after a kill or a power cut.

Also the temporaries that a killed writer leaves behind: their names, and when they are nobody's any more.
Which files exist and what is in them is known elsewhere.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cph50_pipeline.storage.failures import file_error

ABANDONED_AFTER_SECONDS = 3600.0
_TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)\.(?P<host>[0-9a-f]{6})[0-9a-f]{8}\.tmp")


def atomic_write(path: Path, data: bytes, *, mode: int | None = None) -> bool:
    """Make `path` hold exactly `data`; equal bytes are not written again.

    A symbolic link is followed, not replaced. An existing file keeps its permissions.

    Args:
        mode: Permissions, for example 0o600 for a secret. Default: those of the file, or the user's umask.

    Returns:
        Whether anything was written.

    Raises:
        PermanentError: when a person has to act, for example on a full disk; the old file is whole.
        TransientError: when trying again may help; the old file is whole.
    """
    target = Path(os.path.realpath(path))
    try:
        if _holds(target, data):
            return False
        _make_folder(target.parent)
        with _temporary(target) as (descriptor, temporary):
            _fill(descriptor, data, mode if mode is not None else _mode_of(target))
            os.replace(temporary, target)
        _sync(target.parent)
    except OSError as error:
        raise file_error(error, "written", str(path)) from error
    return True


def atomic_remove(path: Path) -> bool:
    """Make `path` name no file, also after a power cut. Of a symbolic link the link goes, not what it names.

    Returns:
        Whether there was one.

    Raises:
        PermanentError, TransientError: when it could not be removed; it is whole.
    """
    try:
        path.unlink()
        _sync(path.parent)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise file_error(error, "removed", str(path)) from error
    return True


def sync_tree(folder: Path) -> None:
    """Make sure that a folder with all that is in it survives a power cut.

    Raises:
        OSError: when something in it cannot be opened.
    """
    for parent, _, names in os.walk(folder):
        for name in (".", *names):
            _sync(Path(parent) / name)


def is_temporary(name: str) -> bool:
    """Whether a file name is that of an unfinished write."""
    return _TEMPORARY.fullmatch(name) is not None


def is_abandoned(path: Path, now_epoch_seconds: float) -> bool:
    """Whether a temporary belongs to nobody: its writer died on this machine, or it is older than an hour.

    A process number says nothing across machines and containers that share a volume: hence the host in
    the name.

    Raises:
        FileNotFoundError: when it has gone meanwhile.
    """
    match = _TEMPORARY.fullmatch(path.name)
    if match is None:
        return False
    if match["host"] == _host_token() and not _is_alive(int(match["pid"])):
        return True
    return now_epoch_seconds - path.stat().st_mtime > ABANDONED_AFTER_SECONDS


def _temporary_name(name: str) -> str:
    return f".{name}.{os.getpid()}.{_host_token()}{secrets.token_hex(4)}.tmp"


def _host_token() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _holds(target: Path, data: bytes) -> bool:
    try:
        return target.stat().st_size == len(data) and target.read_bytes() == data
    except FileNotFoundError:
        return False


def _mode_of(target: Path) -> int | None:
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except FileNotFoundError:
        return None


@contextmanager
def _temporary(target: Path) -> Iterator[tuple[int, Path]]:
    """An open, empty sibling of `target`, gone afterwards whatever happens, unless it was renamed."""
    temporary = target.with_name(_temporary_name(target.name))
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor, temporary
    except BaseException:
        with suppress(FileNotFoundError):
            temporary.unlink()
        raise


def _fill(descriptor: int, data: bytes, mode: int | None) -> None:
    with os.fdopen(descriptor, "wb") as file:
        if mode is not None:
            os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents last: a new name survives a power cut only when its parent is synced."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
